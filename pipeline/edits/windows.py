"""Windows: the view that the darker exposures captured, as clear as on a bright day.

A view is far brighter than its room, and fusion shows it pale although darker exposures have it. Where the merge looks
out (plan.Outlook) it shows the scene's own radiance, as one exposure would, by a curve that brings the view's median to
the level of the walls; its white is what the brightest things have, or what is burnt in every exposure. The border lies
where the radiance has edges: nothing is pasted, so there are no seams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import highest
from pipeline.codes import Code
from pipeline.merge.mapping import Mapping
from pipeline.merge.order import radiance_of, steps_of
from pipeline.merge.outlook import lift_for
from pipeline.merge.tiles import sample
from pipeline.photo import Image
from pipeline.plan import Merge, Operation, Outlook
from pipeline.read.color import to_linear
from pipeline.recipe import Windows
from pipeline.render.tone import shown_after
from pipeline.see.glass import window_prior
from pipeline.see.nets import Network
from pipeline.see.panes import eight_bits, view_of
from pipeline.see.scene import Seen

Field = NDArray[np.floating[Any]]
_WALL, _SHOWN = 70, (0.4, 0.85)
"""Percentile of a room's levels that is taken for its walls'; bounds of the level of a view's median in the merge."""
_WHITEST, _HEADROOM = 99.0, 0.3
"""Percentile of the view's radiance that lies below white, by so many EV."""
_GREY = 0.75
"""Level of the grey that tells what the tones do to a view."""
_END, _BURNT = 250, 0.005
"""Level from which the darkest exposure is burnt; share of the view from which that is white."""
_LIFTS, _PALEST = (0.7, 40.0), 0.9
"""Bounds of what brings the view's median to its level; luminance of the palest median."""
_SOME, _MOSTLY, _BLACKEST = 0.05, 0.5, 2.0**-16
"""Mask below which something is the room, and above which it is view; light of black."""
_BRIGHT, _VOTERS, _GREYEST = 45.0, 100, 0.3
"""L* from which something in a view tells its light, how many pixels it takes, and the share of them that is heard."""
_TINT, _WARMTH = (-3.0, 3.0), (-5.0, 0.0)
"""a* and b* between which what is neutral lies in daylight."""
_LEAVES, _BRICKS = 8.0, 12.0
"""a*, of either sign, and b* beyond which it is no light but things that have a colour."""
_GAINS = (0.7, 1.4)
_WORTH_SAYING, _MOST_OF_IT = 0.01, 0.5
"""Share of the picture whose loss is worth saying; share of what is burnt in windows."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Where a room shows the outside: mask (h, w) float32 0..1, or None for nowhere; how the merge is to show it; and
    warning codes.
    """

    mask: NDArray[np.float32] | None = None
    outlook: Outlook | None = None
    warnings: tuple[Code, ...] = ()


def find(
    proxies: Sequence[Image],
    lit: Field,
    merge: Merge,
    seen: Seen,
    panel: Windows,
    *,
    tones: Sequence[Operation],
    eyes: Network,
) -> View:
    """The view in a room's exposures (proxies, not aligned; empty for a single exposure), as they are merged now.

    lit: (h, w, 3) float32 0..1, sRGB-encoded, the merge after all tones. A burnt window of a single exposure has no
    view to recover, nor have windows that are burnt in all exposures: WINDOW_NO_SOURCE.
    """
    if panel.strength == 0 or seen.place != "interior":
        return View()
    if sum(merge.used) < 2:
        return View(warnings=_lost(seen.burnt, seen.burnt, seen.windows, seen.windows_trust >= panel.confidence))
    used = [i for i, u in enumerate(merge.used) if u]
    height, width = proxies[0].shape[:2]
    scale = np.diag([float(max(width, height)), float(max(width, height)), 1.0])
    to_pixels = [scale @ merge.transforms[i] @ np.linalg.inv(scale) for i in used]
    aligned = [
        eight_bits(sample(proxies[i], Mapping(t), (0, 0, width, height))) for i, t in zip(used, to_pixels, strict=True)
    ]
    values = [merge.exposure_values[i] for i in used]
    prior = window_prior(aligned, eyes)
    mask, indoors = view_of(aligned, values, used.index(merge.reference), prior)
    bright, dark = (highest(e) >= _END for e in (aligned[used.index(merge.reference)], aligned[0]))
    said = _lost(dark, bright, prior, seen.windows_trust >= panel.confidence)
    room, inside = mask < _SOME, mask > _MOSTLY
    if not inside.any() or not room.any():
        return View(warnings=said)
    wall = float(np.percentile(cv2.cvtColor(lit.astype(np.float32), cv2.COLOR_RGB2GRAY)[room], _WALL))
    # What the tones do to such a level there: the merge shows the view by as much darker.
    gain = float(np.mean(shown_after(tones, np.full_like(lit, _GREY))[inside])) / _GREY
    light = np.log2(highest(radiance_of(aligned, steps_of(aligned, values))) + _BLACKEST)
    outside = light[inside & (light > np.median(light[room]))]
    burnt = float(np.mean(highest(aligned[0])[inside] >= _END)) > _BURNT
    if not outside.size:
        return View(warnings=said)
    wanted = 2 ** (panel.brightness / 2.2) * wall / gain
    white = 0.0 if burnt else float(np.percentile(outside, _WHITEST)) + _HEADROOM
    target = float(to_linear(np.array([np.clip(wanted, *_SHOWN)], np.float32))[0])
    lift = float(np.clip(lift_for(min(2 ** (float(np.median(outside)) - white), _PALEST), target), *_LIFTS))
    size = (max(1, width // 2), max(1, height // 2))
    share = panel.strength * cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    curve = round(white, 4), round(lift, 4)
    return View(mask, Outlook(share.astype(np.float16), *curve, indoors=indoors.astype(np.float16)), said)


def _lost(dark: NDArray[np.bool_], bright: NDArray[np.bool_], windows: Field, sure: bool) -> tuple[Code, ...]:
    """WINDOW_NO_SOURCE where most of what is burnt in the windows of an exposure (h, w) is so in the darkest, too."""
    burnt, lost = (float(np.mean(exposure & (windows > _MOSTLY))) for exposure in (bright, dark))
    return (Code.WINDOW_NO_SOURCE,) if sure and lost > max(_WORTH_SAYING, _MOST_OF_IT * burnt) else ()


def in_daylight(view: View, lit: Field) -> View:
    """The view in its own light: a room's white balance turns daylight blue.

    lit: (h, w, 3) float32 0..1, sRGB-encoded, the merge with this view after all tones.
    """
    if view.mask is None or view.outlook is None:
        return view
    return replace(view, outlook=replace(view.outlook, gains=daylight(lit, view.mask)))


def daylight(shown: Field, mask: Field) -> tuple[float, float, float]:
    """Gains of linear R, G and B that bring the view in a picture (h, w, 3), where mask (h, w) is, into daylight.

    The least colourful of what is bright in the view speaks for its light (near-neutral voting); von Kries, in linear
    light, brings that into the range in which such things lie by day, and no further.
    """
    lab = cv2.cvtColor(np.clip(shown, 0, 1).astype(np.float32), cv2.COLOR_RGB2LAB)
    voters = lab[(mask > 0.5 * float(mask.max())) & (lab[..., 0] > _BRIGHT)]
    if len(voters) < _VOTERS:
        return (1.0, 1.0, 1.0)
    chroma = np.hypot(voters[:, 1], voters[:, 2])
    voice = np.median(voters[chroma <= np.quantile(chroma, _GREYEST)], axis=0)
    if abs(voice[1]) > _LEAVES or voice[2] > _BRICKS:
        return (1.0, 1.0, 1.0)
    heard = np.array([voice[0], np.clip(voice[1], *_TINT), np.clip(voice[2], *_WARMTH)], np.float32)
    light, wanted = to_linear(cv2.cvtColor(np.stack([voice, heard])[None], cv2.COLOR_LAB2RGB))[0]
    red, green, blue = (round(float(g), 4) for g in np.clip(wanted / np.maximum(light, 1e-3), *_GAINS))
    return (red, green, blue)
