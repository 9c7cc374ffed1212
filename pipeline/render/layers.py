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

from pipeline.merge.tiles import Box, Upsampler
from pipeline.photo import Image
from pipeline.plan import Layer, Plan
from pipeline.render.tone import placed, positions

Picture = NDArray[np.float32]
_CELLS = 768
_NOTHING = 1 / 255
"""A share below which a pixel is outside the matte, and keeps its bytes."""
_DARK = 0.12
"""Level of a thin thing before the sky, of which no pixel shows its own colour."""
_ENDS = (0.04, 0.92)
_BRIGHTER = 0.3
_TELLING = (0.08, 0.25)
"""Distance of old sky and foreground between which colours begin to tell the share."""
_NOISE = (0.5 / 255, 6 / 255)
_SAMPLES = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A layer over one picture: its fields in cells of the picture, the noise of the old sky, and the picture's size.

    noise: standard deviation of a channel, 0..1.
    """

    layer: Layer
    fields: Picture
    """(rows, columns, 10): inside, band, soft, old, front, and how much of the layer is allowed there."""
    shown: Picture
    """(rows, columns, 3)"""
    cell: int
    noise: float
    size: tuple[int, int]

    @property
    def reach(self) -> int:
        """Pixels from which a matte's pixel looks for pure sky."""
        return max(2, round(max(self.size) / 900))


def laid(plan: Plan, source: Image) -> list[Laid]:
    """The plan's layers over the merged source (h, w, 3) uint8 or uint16, in the frame of the output."""
    height, width = source.shape[:2]
    cell = max(1, round(max(width, height) / _CELLS))
    found: list[Laid] = []
    for layer in plan.layers:
        at = positions(plan.warp, width, height, cell)
        planes: list[Any] = [
            layer.inside,
            layer.band,
            layer.soft,
            *np.moveaxis(layer.old, 2, 0),
            *np.moveaxis(layer.front, 2, 0),
        ]
        planes.append(layer.strength * plan.alpha)
        stacked = np.stack([placed(np.asarray(p, np.float32), at) for p in planes], axis=-1)
        shown = placed(np.asarray(layer.shown, np.float32), at, cv2.INTER_CUBIC)
        found.append(Laid(layer, stacked, shown, cell, _noise(source, stacked, cell), (width, height)))
    return found


def _noise(source: Image, fields: Picture, cell: int) -> float:
    """Standard deviation of the old sky about its smooth colour."""
    rows, columns = np.nonzero(fields[..., 0] >= 1)
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


def matte(over: Laid, source: Image, box: Box) -> tuple[Picture, Picture, Picture] | None:
    """Share of the layer (h, w), the tile and the old sky (h, w, 3), float32 0..1, in a box of the source.

    None where the layer is nowhere in it.
    """
    x0, y0, x1, y1 = box
    up = Upsampler(over.cell, box, over.fields.shape[1::-1])
    if not np.any(up.window(over.fields[..., 1])):
        return None
    m, (width, height) = over.reach, over.size
    wide = (max(0, x0 - m), max(0, y0 - m), min(width, x1 + m), min(height, y1 + m))
    up = Upsampler(over.cell, wide, over.fields.shape[1::-1])
    pixels = source[wide[1] : wide[3], wide[0] : wide[2]].astype(np.float32) * np.float32(
        1 / np.iinfo(source.dtype).max
    )
    f = np.concatenate([up(over.fields[..., k : k + 3]) for k in (0, 3, 6)], axis=-1)
    share = _share(pixels, f, over)
    own = np.s_[y0 - wide[1] : y1 - wide[1], x0 - wide[0] : x1 - wide[0]]
    return share[own], pixels[own], f[own][..., 3:6]


def _share(pixels: Any, f: Any, over: Laid) -> Any:
    inside, band, soft = f[..., 0], f[..., 1], f[..., 2]
    old, front = f[..., 3:6], f[..., 6:9]
    # Sharpening leaves a bright seam of sky along twigs: what is brighter than the sky differs less than it seems.
    away = pixels - old
    apart = np.sqrt(np.sum(np.square(np.where(away > 0, np.float32(_BRIGHTER) * away, away)), axis=2))
    # Before the open sky: wires, masts and birds, of a colour nobody sees pure.
    free = 0.02 + 3.5 * over.noise
    dark = np.sqrt(np.sum((old - np.minimum(_DARK, old)) ** 2, axis=2))
    open_sky = 1 - np.clip((apart - free) / np.maximum(dark - free, 0.05), 0, 1)
    # In the band: where the colour lies between sky and foreground, beside pixels of pure sky.
    way = old - front
    length = np.sum(way * way, axis=2)
    along = np.sum((pixels - front) * way, axis=2) / (length + 1e-4)
    along = np.clip((along - _ENDS[0]) / (_ENDS[1] - _ENDS[0]), 0, 1)
    near = np.exp(-0.5 * np.square(apart / np.float32(max(0.05, 3 * over.noise))))
    near = cv2.dilate(near, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * over.reach + 1,) * 2))
    tells = _smooth(np.sqrt(length), *_TELLING)
    mixed = tells * along * near + (1 - tells) * soft
    share = band * (inside * open_sky + (1 - inside) * mixed)
    share[share < _NOTHING] = 0
    return share


def _smooth(x: Any, low: float, high: float) -> Any:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def foreground(pixels: Picture, share: Picture, old: Picture) -> Picture:
    """The tile (h, w, 3) without the old sky in its mixed pixels; the same where the share is 0."""
    a = share[..., None]
    return np.where(a > 0, np.clip((pixels - a * old) / np.maximum(1 - a, 0.08), 0, 1), pixels)


def shown_in(over: Laid, box: Box) -> Picture:
    """What the layer shows in a box of the output (h, w, 3), float32 0..1, with the grain of the sky it replaces.

    Grain also keeps smooth gradients from banding. It is drawn per box, so boxes must be those of merge.tiles.boxes.
    """
    x0, y0, x1, y1 = box
    up = Upsampler(over.cell, box, over.shown.shape[1::-1])
    draw = np.random.Generator(np.random.Philox(key=[x0, y0]))
    grain = draw.standard_normal((y1 - y0, x1 - x0, 1), dtype=np.float32)
    return up(over.shown) + np.float32(over.noise) * grain


def below(tile: Image, over: Laid, source: Image, box: Box) -> tuple[Image, Picture] | None:
    """The source's tile without old sky in its mixed pixels, and the layer's share (h, w); None where it is not."""
    if (found := matte(over, source, box)) is None:
        return None
    share, pixels, old = found
    top = np.iinfo(tile.dtype).max
    clean = np.clip(np.round(foreground(pixels, share, old) * top), 0, top).astype(tile.dtype)
    return np.where(share[..., None] > 0, clean, tile), share


def under(front: Image, share: Picture, shown: Picture, plain: Image, allowed: Picture) -> Image:
    """A finished tile (h, w, 3), uint8 or uint16, with `shown` behind it by share (h, w); `plain` where that is 0.

    front: without the old sky. plain: the finished tile with it. allowed: (h, w) 0..1, how much the result may differ.
    """
    top = np.iinfo(front.dtype).max
    a, most = share[..., None], allowed[..., None]
    mixed = plain + most * (front + a * (shown * np.float32(top) - front) - plain)
    return np.where(a * most > 0, np.clip(np.round(mixed), 0, top).astype(front.dtype), plain)


def allowed_in(over: Laid, box: Box) -> Picture:
    """How much of the layer is allowed in a box (h, w), 0..1: its strength and the plan's alpha."""
    return Upsampler(over.cell, box, over.fields.shape[1::-1])(np.ascontiguousarray(over.fields[..., 9]))
