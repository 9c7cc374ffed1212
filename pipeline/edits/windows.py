"""Windows: the view that the darker exposures captured, as clear as on a bright day.

The merge already holds the view's pixels; fusion and light leave a veil over them. It is taken off by one curve (black
level, then a gamma that brings the view's median to the wall's or a little above), which leaves white frames white, and
is compiled to a smooth local affine field: nothing is pasted, so there are no seams, halos or patchy mattes.
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
_ABOVE_WALL = (0.1, 0.9)
"""EV above the wall's median between which that of a view is brought."""
_MEDIAN = (0.45, 0.86)
_BLACK, _HAZE, _MOST_HAZE = 0.12, 0.85, 0.3
"""Level of a view's blacks; share of what lies above it that is taken off, and at most."""
_GAMMA = (0.85, 1.4)
_WORTH_SAYING = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Where a room shows the outside: mask (h, w) float32 0..1, or None for nowhere; and warning codes."""

    mask: NDArray[np.float32] | None = None
    warnings: tuple[Code, ...] = ()


def find(proxies: Sequence[Image], merge: Merge, seen: Seen, panel: Windows, eyes: Network) -> View:
    """The view in a room's exposures (proxies, not aligned; empty for a single exposure).

    A burnt window of a single exposure has no view to recover: WINDOW_NO_SOURCE.
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
    return View(mask if mask.max() > 0.05 else None)


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
    clear = cleared(shown, view.mask, panel.brightness)
    share = np.float32(panel.strength) * view.mask[..., None]
    return [compile_tone(shown, shown + share * (clear - shown), "view")]


def cleared(shown: NDArray[np.float32], mask: Field, brightness: float = 0.0) -> NDArray[np.float32]:
    """The picture (h, w, 3) as suits its view (mask (h, w) 0..1): blacks and median; colours keep their ratios."""
    luma = cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY)
    inside = mask > 0.5 * float(mask.max())
    haze = float(np.clip(_HAZE * (np.percentile(luma[inside], 3) - _BLACK), 0, _MOST_HAZE))
    median = float(np.clip((np.median(luma[inside]) - haze) / (1 - haze), 0.05, 0.98))
    wall = to_linear(np.array([np.median(luma[mask < 0.05])], np.float32))
    bounds = [float(from_linear(wall * np.float32(2 ** (ev + 0.5 * brightness)))[0]) for ev in _ABOVE_WALL]
    target = float(np.clip(np.clip(median, bounds[0], bounds[1]), *_MEDIAN))
    gamma = float(np.clip(np.log(target) / np.log(median), *_GAMMA))
    clear: Any = np.power(np.clip((luma - haze) / (1 - haze), 0, 1), np.float32(gamma))
    return np.clip(shown * (clear / np.maximum(luma, 0.02))[..., None], 0, 1)
