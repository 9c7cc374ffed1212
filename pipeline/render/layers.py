"""Layers at full resolution: the matte of each pixel from its own colour, and what is shown behind it.

A pixel that mixes sky and a branch is a B + (1 - a) F. Its share a is read off where its colour lies between the two
(Smith & Blinn, Blue Screen Matting, 1996); then the old sky is taken out of it, F = (I - a B) / (1 - a), before the
tones are applied and the new sky is laid under it, so that no fringe of the old one stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import length, total
from pipeline.merge.mapping import Mapping
from pipeline.merge.tiles import Box, Upsampler, sample
from pipeline.photo import Image
from pipeline.plan import Layer, Plan, Warp
from pipeline.render.assets import asset_of
from pipeline.render.grain import grain
from pipeline.render.tone import placed, positions

Picture = NDArray[np.float32]
CELLS = 768
_NOTHING = 1 / 255
"""A share below which a pixel is outside the matte, and keeps its bytes."""
_DARK = 0.12
"""Level of a thin thing before the sky, of which no pixel shows its own colour."""
_ENDS = (0.04, 0.92)
_BRIGHTER = 0.3
_TELLING = (0.08, 0.25)
"""Distance of old sky and foreground between which colours begin to tell the share."""
_REACH = 2
"""Pixels over which the edges of small pictures are blurred, many of which were enlarged."""
_NEAR, _THINNEST = 0.1, 0.08
"""Distance from the old sky within which a pixel is nearly pure; least share of foreground that tells its colour."""
_NOISE, _FREE = (0.3 / 255, 6 / 255), 0.09
"""Bounds of the noise; most that a pixel may differ from the old sky by as its own grain."""
_SAMPLES = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A layer over one picture: its fields in cells of the picture, the noise of the old sky, and the picture's size.

    noise: standard deviation of a channel, 0..1. uneven: distance from its smooth colour that one pixel in twenty has.
    """

    layer: Layer
    marks: Picture
    """(rows, columns, 3), as all that follow: inside, band, soft."""
    old: Picture
    front: Picture
    shown: Picture
    allowed: Picture
    """(rows, columns): how much of the layer is allowed."""
    cell: int
    noise: float
    uneven: float
    size: tuple[int, int]
    photo: tuple[Image, NDArray[np.float64]] | None = None
    """What is shown at full resolution, and (3, 3) output pixels to its own."""
    reach: int = 1
    """Pixels from which a matte's pixel looks for pure sky."""


def laid(plan: Plan, source: Image) -> list[Laid]:
    """The plan's layers over the merged source (h, w, 3) uint8 or uint16, in the frame of the output."""
    return [lay(layer, source, plan.warp, plan.alpha) for layer in plan.layers]


def lay(layer: Layer, source: Image, warp: Warp | None, alpha: NDArray[np.float32]) -> Laid:
    """One layer over the merged source (h, w, 3), in the frame of a warp's output; alpha: how much of it is allowed."""
    height, width = source.shape[:2]
    cell = max(1, round(max(width, height) / CELLS))
    at = positions(warp, width, height, cell)
    planes = (np.stack([layer.inside, layer.band, layer.soft], axis=-1), layer.old, layer.front)
    marks, old, front = (placed(p, at) for p in planes)
    shown = placed(layer.shown, at, cv2.INTER_CUBIC)
    allowed = placed(layer.strength * alpha, at)
    noise, uneven = _noise(source, marks[..., 0], cell), _uneven(source, marks[..., 0], old, cell)
    photo = asset_of(layer, warp, max(width, height))
    reach = max(_REACH, cell + 1)
    return Laid(layer, marks, old, front, shown, allowed, cell, noise, uneven, (width, height), photo, reach)


def _noise(source: Image, inside: Picture, cell: int) -> float:
    """Standard deviation of the old sky about its smooth colour."""
    rows, columns = np.nonzero(inside >= 1)
    if not len(rows):
        return _NOISE[0]
    every = max(1, len(rows) // _SAMPLES)
    rows, columns = rows[::every], columns[::every]
    y, x = (
        np.minimum(rows * cell + cell // 2, source.shape[0] - 2),
        np.minimum(columns * cell + cell // 2, source.shape[1] - 2),
    )
    here, right, below = source[y, x], source[y, x + 1], source[y + 1, x + 1]
    # Against the pixels beside it: clouds are smooth there.
    apart = np.concatenate([np.abs(here.astype(np.float32) - p) for p in (right, below)])
    return float(np.clip(1.05 * np.median(apart) / np.iinfo(source.dtype).max, *_NOISE))


def _uneven(source: Image, inside: Picture, old: Picture, cell: int) -> float:
    """Coarse grain, and the structure of clouds: the sky itself must not be taken for things before it."""
    rows, columns = np.nonzero(inside >= 1)
    if not len(rows):
        return 0.0
    every = max(1, len(rows) // _SAMPLES)
    rows, columns = rows[::every], columns[::every]
    y, x = (np.minimum(at * cell + cell // 2, n - 1) for at, n in zip((rows, columns), source.shape, strict=False))
    pixels = source[y, x].astype(np.float32) / np.float32(np.iinfo(source.dtype).max)
    return float(np.percentile(apart_from(pixels[None], old[rows, columns][None]), 95))


def matte(over: Laid, source: Image, box: Box) -> tuple[Picture, Picture, Picture, Picture] | None:
    """Share of the layer (h, w), the tile, the old sky and the foreground (h, w, 3), float32 0..1, in a box.

    None where the layer is nowhere in it.
    """
    x0, y0, x1, y1 = box
    up = Upsampler(over.cell, box, over.allowed.shape[::-1])
    if not np.any(up.window(over.marks)[..., 1]):
        return None
    m, (width, height) = over.reach, over.size
    wide = (max(0, x0 - m), max(0, y0 - m), min(width, x1 + m), min(height, y1 + m))
    up = Upsampler(over.cell, wide, over.allowed.shape[::-1])
    pixels = source[wide[1] : wide[3], wide[0] : wide[2]].astype(np.float32)
    pixels *= np.float32(1 / np.iinfo(source.dtype).max)
    marks, old, front = (up(f) for f in (over.marks, over.old, over.front))
    share = _share(pixels, marks, old, front, over)
    own = np.s_[y0 - wide[1] : y1 - wide[1], x0 - wide[0] : x1 - wide[0]]
    return share[own], pixels[own], old[own], front[own]


def _share(pixels: Any, marks: Any, old: Any, front: Any, over: Laid) -> Any:
    inside, band, soft = cv2.split(marks)
    apart = apart_from(pixels, old)
    # Before the open sky: wires, masts and birds, of a colour nobody sees pure.
    free = np.float32(max(0.02 + 3.5 * over.noise, min(1.3 * over.uneven, _FREE)))
    dark = length(np.maximum(old - np.float32(_DARK), 0))
    share = 1 - np.clip((apart - free) / np.maximum(dark - free, np.float32(0.05)), 0, 1)
    if inside.min() < 1:
        # In the band: where the colour lies between sky and foreground, beside pixels of pure sky.
        way = old - front
        squared = total(way * way)
        along = total((pixels - front) * way) / (squared + np.float32(1e-4))
        along = np.clip((along - _ENDS[0]) / (_ENDS[1] - _ENDS[0]), 0, 1)
        nearest = cv2.erode(apart, np.ones((2 * over.reach + 1,) * 2, np.uint8))
        near = cv2.exp(np.float32(-0.5 / max(_NEAR, 3 * over.noise) ** 2) * nearest * nearest)
        tells = _smooth(cv2.sqrt(squared), *_TELLING)
        share = inside * share + (1 - inside) * (tells * along * near + (1 - tells) * soft)
    share = band * share
    share[share < _NOTHING] = 0
    return share


def apart_from(pixels: Any, old: Any) -> Any:
    """Distance (h, w) from the old sky: the bright seam of it that sharpening leaves differs less than it seems."""
    away = pixels - old
    return length(np.minimum(away, np.float32(_BRIGHTER) * away))


def _smooth(x: Any, low: float, high: float) -> Any:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def shown_in(over: Laid, box: Box) -> Picture:
    """What the layer shows in a box of the output (h, w, 3), float32 0..1, with the grain of the sky it replaces.

    Grain also keeps smooth gradients from banding. It is drawn per box, so boxes must be those of merge.tiles.boxes.
    """
    if over.photo is None:
        shown: Any = Upsampler(over.cell, box, over.allowed.shape[::-1])(over.shown)
    else:
        photo, transform = over.photo
        shown = sample(photo, Mapping(transform), box).astype(np.float32) * np.float32(1 / np.iinfo(photo.dtype).max)
    return cv2.add(shown, grain(box, over.noise))  # pyright: ignore[reportReturnType]


def below(tile: Image, over: Laid, source: Image, box: Box) -> tuple[Image, Picture] | None:
    """The source's tile without old sky in its mixed pixels, and the layer's share (h, w); None where it is not."""
    if (found := matte(over, source, box)) is None:
        return None
    share, pixels, old, front = found
    mixed = ((share > 0) & (share < 1)).astype(np.uint8)
    clean: Any = tile.copy()
    if mixed.any():
        a = _thrice(share)
        pure = cv2.divide(pixels - a * old, np.maximum(1 - a, _THINNEST))
        # A seam of sharpening that is brighter than the sky must not come out of it brighter still.
        pure = cv2.min(np.maximum(pure, 0), cv2.max(pixels, front))
        cv2.copyTo(_levels(pure, np.iinfo(tile.dtype).max, tile.dtype), mixed, clean)
    return clean, share


def under(front: Image, share: Picture, shown: Picture, plain: Image, allowed: Picture) -> Image:
    """A finished tile (h, w, 3), uint8 or uint16, with `shown` behind it by share (h, w); `plain` where that is 0.

    front: without the old sky. plain: the finished tile with it. allowed: (h, w) 0..1, how much the result may differ.
    """
    top = np.iinfo(front.dtype).max
    seen: Any = np.clip(shown, 0, 1)
    out: Any = cv2.copyTo(_levels(seen, top, front.dtype), (share >= 1).astype(np.uint8), plain.copy())
    blended = ((share > 0) & ((share < 1) | (allowed < 1))).astype(np.uint8)
    if blended.any():
        over = front.astype(np.float32)
        over += _thrice(share) * (seen * np.float32(top) - over)
        if allowed.min() < 1:
            before = plain.astype(np.float32)
            over = before + _thrice(allowed) * (over - before)
        cv2.copyTo(_levels(over, 1, front.dtype), blended, out)
    return out


def _thrice(plane: Picture) -> Picture:
    """A plane (h, w) as three channels: NumPy takes ten times as long to stretch so short an axis."""
    return cv2.merge([plane] * 3)  # pyright: ignore[reportReturnType]


def _levels(picture: Picture, top: float, dtype: Any) -> Any:
    """`top` times the picture, rounded and clipped to what the dtype holds."""
    return cv2.addWeighted(picture, top, picture, 0, 0, dtype=cv2.CV_8U if dtype == np.uint8 else cv2.CV_16U)


def allowed_in(over: Laid, box: Box) -> Picture:
    """How much of the layer is allowed in a box (h, w), 0..1: its strength and the plan's alpha."""
    return Upsampler(over.cell, box, over.allowed.shape[::-1])(over.allowed)
