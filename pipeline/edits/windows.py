"""Windows: the view that the darker exposures captured, as clear as on a bright day.

A view is far brighter than its room, and fusion shows much of it white although darker exposures have it. The merge is
told to dim it (Merge.dim) before what exceeds white is rolled off; its fine detail comes from the darker exposures as
before, and the dimming ends where the scene's radiance has edges: nothing is pasted, so there are no seams. Fusion and
light leave a veil over it, which is taken off by one curve (black level, then a gamma that brings the view's median to
the wall's or a little above), compiled to a smooth local affine field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.codes import Code
from pipeline.merge.mapping import Mapping
from pipeline.merge.tiles import sample
from pipeline.photo import Image
from pipeline.plan import Merge, Operation
from pipeline.read.color import from_linear, to_linear
from pipeline.recipe import Windows
from pipeline.render.transfer import compile_tone
from pipeline.see.nets import Network
from pipeline.see.panes import eight_bits, view_of, window_prior
from pipeline.see.scene import Seen

Field = NDArray[np.floating[Any]]
_ABOVE_WALL = (0.15, 0.9)
"""EV above the wall's median between which that of a view is brought."""
_MEDIAN = (0.45, 0.86)
_WALL_MERGED, _WALL = 70, 80
"""Percentile of a room's levels that is taken for its walls: as merged, and as lit."""
_SHOWN_ABOVE, _LEAST = 1.08, 0.5
"""The view's median over the wall's level that the merge is told to show, and by how much at most it is dimmed."""
_BLACK, _HAZE, _MOST_HAZE = 0.12, 0.5, 0.3
"""Level of a view's blacks; share of what lies above it that is taken off, and at most."""
_GAMMA = (0.75, 1.4)
_BRIGHT, _VOTERS, _GREYEST = 45.0, 100, 0.3
"""L* from which something in a view tells its light, how many pixels it takes, and the share of them that is heard."""
_TINT, _WARMTH = (-3.0, 3.0), (-5.0, 3.0)
"""a* and b* between which what is neutral lies in daylight."""
_LEAVES, _BRICKS = 8.0, 12.0
"""a*, of either sign, and b* beyond which it is no light but things that have a colour."""
_GAINS = (0.8, 1.25)
_WORTH_SAYING = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Where a room shows the outside: mask (h, w) float32 0..1, or None for nowhere; and warning codes.

    dim: (h, w) float16, as Merge has it; None where nothing is to be dimmed.
    """

    mask: NDArray[np.float32] | None = None
    dim: NDArray[np.float16] | None = None
    warnings: tuple[Code, ...] = ()


def find(proxies: Sequence[Image], proxy: Field, merge: Merge, seen: Seen, panel: Windows, *, eyes: Network) -> View:
    """The view in a room's exposures (proxies, not aligned; empty for a single exposure), merged in `proxy`.

    proxy: (h, w, 3) float32 0..1, sRGB-encoded. A burnt window of a single exposure has no view to recover:
    WINDOW_NO_SOURCE.
    """
    if panel.strength == 0 or seen.place != "interior":
        return View()
    if sum(merge.used) < 2:
        lost = float(np.mean(seen.burnt & (seen.windows > 0.5))) if seen.windows_trust >= panel.confidence else 0.0
        return View(warnings=(Code.WINDOW_NO_SOURCE,) if lost > _WORTH_SAYING else ())
    used = [i for i, u in enumerate(merge.used) if u]
    height, width = proxies[0].shape[:2]
    scale = np.diag([float(max(width, height)), float(max(width, height)), 1.0])
    to_pixels = [scale @ merge.transforms[i] @ np.linalg.inv(scale) for i in used]
    aligned = [
        eight_bits(sample(proxies[i], Mapping(t), (0, 0, width, height))) for i, t in zip(used, to_pixels, strict=True)
    ]
    values = [merge.exposure_values[i] for i in used]
    mask = view_of(aligned, values, used.index(merge.reference), window_prior(aligned, eyes))
    return View(mask, dimmed(proxy, mask, panel)) if mask.max() > 0.05 else View()


def dimmed(proxy: Field, mask: Field, panel: Windows) -> NDArray[np.float16] | None:
    """(h / 2, w / 2) by which a merge, (h, w, 3) float32 0..1, is multiplied so that its view lies near the walls."""
    luma = cv2.cvtColor(proxy.astype(np.float32), cv2.COLOR_RGB2GRAY)
    room = luma[mask < 0.05]
    bright = luma[(mask > 0.5) & (luma > np.median(room))]
    if not len(bright):
        return None
    level = _SHOWN_ABOVE * 2 ** (panel.brightness / 2.2) * float(np.percentile(room, _WALL_MERGED))
    share = panel.strength * (1 - float(np.clip(level / np.median(bright), _LEAST, 1)))
    size = (max(1, mask.shape[1] // 2), max(1, mask.shape[0] // 2))
    field = 1 - share * cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return field.astype(np.float16) if share > 0 else None


def plan(shown: Field, view: View, panel: Windows) -> list[Operation]:
    """A field that takes the veil off the view; nothing where there is none.

    Parameters
    ----------
    shown : (h, w, 3) float32 0..1, sRGB-encoded
        The merge after the tones before.
    """
    if view.mask is None:
        return []
    shown = np.clip(shown, 0, 1).astype(np.float32)
    clear = neutral(cleared(shown, view.mask, panel.brightness), view.mask)
    share = np.float32(panel.strength) * view.mask[..., None]
    return [compile_tone(shown, shown + share * (clear - shown), "view")]


def cleared(shown: NDArray[np.float32], mask: Field, brightness: float = 0.0) -> NDArray[np.float32]:
    """The picture (h, w, 3) as suits its view (mask (h, w) 0..1): blacks and median; colours keep their ratios."""
    luma = cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY)
    inside = mask > 0.5 * float(mask.max())
    haze = float(np.clip(_HAZE * (np.percentile(luma[inside], 3) - _BLACK), 0, _MOST_HAZE))
    outside = inside & (luma > np.median(luma[mask < 0.05]))
    median = float(np.clip((np.median(luma[outside if outside.any() else inside]) - haze) / (1 - haze), 0.05, 0.98))
    wall = to_linear(np.array([np.percentile(luma[mask < 0.05], _WALL)], np.float32))
    bounds = [float(from_linear(wall * np.float32(2 ** (ev + 0.5 * brightness)))[0]) for ev in _ABOVE_WALL]
    target = float(np.clip(np.clip(median, bounds[0], bounds[1]), *_MEDIAN))
    gamma = float(np.clip(np.log(target) / np.log(median), *_GAMMA))
    clear: Any = np.power(np.clip((luma - haze) / (1 - haze), 0, 1), np.float32(gamma))
    return np.clip(shown * (clear / np.maximum(luma, 0.02))[..., None], 0, 1)


def neutral(shown: NDArray[np.float32], mask: Field) -> NDArray[np.float32]:
    """The picture (h, w, 3) in the light of its view (mask (h, w) 0..1): a room's white balance turns daylight blue.

    The least colourful of what is bright in the view speaks for its light (near-neutral voting); von Kries, in linear
    light, brings that into the range in which such things lie by day, and no further.
    """
    lab = cv2.cvtColor(shown, cv2.COLOR_RGB2LAB)
    voters = lab[(mask > 0.5 * float(mask.max())) & (lab[..., 0] > _BRIGHT) & (shown.max(axis=2) < 1)]
    if len(voters) < _VOTERS:
        return shown
    chroma = np.hypot(voters[:, 1], voters[:, 2])
    voice = np.median(voters[chroma <= np.quantile(chroma, _GREYEST)], axis=0)
    if abs(voice[1]) > _LEAVES or voice[2] > _BRICKS:
        return shown
    heard = np.array([voice[0], np.clip(voice[1], *_TINT), np.clip(voice[2], *_WARMTH)], np.float32)
    light, daylight = to_linear(cv2.cvtColor(np.stack([voice, heard])[None], cv2.COLOR_LAB2RGB))[0]
    gains = np.clip(daylight / np.maximum(light, 1e-3), *_GAINS).astype(np.float32)
    return from_linear(np.clip(to_linear(shown) * gains, 0, 1))
