"""What a layer would leave behind: ghosts of pale things before the old sky, and scraps of that sky beside the new one.

Told before anything is rendered, from the matte of a small version of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.plan import Layer
from pipeline.reduce import reduced
from pipeline.render.layers import CELLS, apart_from, lay, matte

_MIXED, _ALIKE, _NEAR = 0.1, 0.1, np.ones((5, 5), np.uint8)
"""Share of either from which a pixel is mixed; distance in RGB up to which it looks like the old sky; how
far from what is solid a blurred edge reaches."""
_CROWN, _SHORT = 0.3, 50
"""Probability of a tree from which half transparent is as it should be; pixels of outline that count in any case."""


class SmallMatte(NamedTuple):
    """Share of a layer (h, w), the picture's pixels and its old sky (h, w, 3), float32 0..1."""

    share: Any
    pixels: Any
    old: Any


@dataclass(frozen=True, slots=True)
class Remnants:
    """What a matte would leave of the old sky and of things before it.

    ghosts: pixels that are half transparent, but no part of a blurred edge, over the length of the edges: what is burnt
    in part, or as pale as the sky, would stay as a ghost of itself. scraps: share of the pixels next to the new sky
    that look like the old one.
    """

    ghosts: float = 0.0
    scraps: float = 0.0


def remnants(found: SmallMatte, crowns: NDArray[np.floating[Any]]) -> Remnants:
    """What would be left by a matte.

    crowns: (h, w) 0..1 of any size, where trees are, which may be half transparent.
    """
    share, pixels, old = found
    ones = np.ones((3, 3), np.uint8)
    mixed = ((share > _MIXED) & (share < 1 - _MIXED)).astype(np.uint8)
    clear, solid = (where.astype(np.uint8) for where in (share > 0.5, share < _MIXED))
    edge = (cv2.dilate(clear, ones) - clear) > 0
    counts = ~in_crowns(crowns, share.shape)
    wide = (cv2.morphologyEx(mixed, cv2.MORPH_OPEN, ones) > 0) & counts & (cv2.dilate(solid, _NEAR) == 0)
    left = apart_from(pixels, old)[edge & (share < _MIXED)] < _ALIKE
    return Remnants(float(wide.sum() / (edge[counts].sum() + _SHORT)), float(left.mean()) if left.size else 0.0)


def small_matte(layer: Layer, proxy: NDArray[np.floating[Any]], size: int = CELLS) -> SmallMatte:
    """The matte of a layer over the whole picture (h, w, 3) 0..1 before all tones, with `size` on the long side."""
    source: Any = np.round(np.clip(reduced(proxy, size), 0, 1) * 255).astype(np.uint8)
    over = lay(replace(layer, strength=1.0, origin="rendered", asset=""), source, None, np.ones((1, 1), np.float32))
    # The limits are those of edges a pixel wide, as large pictures have them at this size.
    found = matte(replace(over, reach=1), source, (0, 0, source.shape[1], source.shape[0]))
    if found is None:
        return SmallMatte(np.zeros(source.shape[:2], np.float32), source / np.float32(255), source / np.float32(255))
    return SmallMatte(*found[:3])


def in_crowns(crowns: NDArray[np.floating[Any]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a picture of a shape is in trees (h, w) 0..1, or within a hundredth of the long side of them."""
    side = 2 * max(1, round(max(crowns.shape) / 100)) + 1
    around = cv2.dilate(crowns.astype(np.float32), np.ones((side, side), np.uint8))
    return np.asarray(cv2.resize(around, shape[::-1]) >= _CROWN)
