"""Violet fringes along burnt edges: window frames and branches before a bright sky, drawn by lenses without a profile.

A fringe is violet, narrow, and lies beside something much brighter (Kang, Automatic removal of purple fringing from
images, 2007). What is violet over a wider area is an object and stays: the morphological opening of the excess of blue
over green keeps it, and only what stands above the opening goes. Green is never changed, so no edge moves.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.merge.tiles import Box, Runner, boxes
from pipeline.photo import Image

Field = NDArray[np.float32]
_HALF_WIDTH = 0.0009
"""Half of a fringe's largest width, over the long side."""
_REACH = 2
"""Half widths from a fringe within which the bright side lies."""
_FAINT = 0.012
"""Excess of blue that is noise."""
_CANDIDATE = 0.02
"""Excess, reduced, that makes a tile worth a look."""


def without_fringes(source: Image, strength: float, tiles: Runner, *, in_place: bool = False) -> Image:
    """(h, w, 3) uint8 or uint16, sRGB-encoded, with `strength` (0..1) of its fringes' colour gone.

    `source` itself where there is none, or with in_place. The same however tiles are run.
    """
    height, width = source.shape[:2]
    radius = max(1, round(_HALF_WIDTH * max(height, width)))
    found = _tiles_with_fringes(source, radius) if strength > 0 else []
    changes: dict[Box, tuple[Any, Any]] = {}

    def look(box: Box) -> None:
        x0, y0, x1, y1 = box
        margin = (2 + _REACH) * radius + 2
        left, top = max(x0 - margin, 0), max(y0 - margin, 0)
        window = source[top : y1 + margin, left : x1 + margin]
        amount = strength * excess(window, radius)[y0 - top : y1 - top, x0 - left : x1 - left]
        rows, columns = np.nonzero(amount)
        if len(rows):
            changes[box] = ((rows + y0, columns + x0), amount[rows, columns])

    tiles(look, found)
    if not changes:
        return source
    out = source if in_place else source.copy()
    for where, amount in changes.values():
        out[where] = _less_violet(source[where], amount)
    return out


def excess(image: Image, radius: int) -> Field:
    """(h, w) 0..1: by how much blue exceeds green because of a fringe at most 2 `radius` pixels wide; mostly 0."""
    full = np.float32(np.iinfo(image.dtype).max)
    red, green, blue = (np.asarray(c, np.float32) / full for c in cv2.split(image))
    over: Any = cv2.subtract(blue, green)
    share = (red - green) / np.maximum(over, np.float32(1e-3))
    violet = np.maximum(over, 0) * _rising(share, 0.0, 0.25) * (1 - _rising(share, 1.1, 1.4))
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    narrow = violet - cv2.morphologyEx(violet, cv2.MORPH_OPEN, square)
    reach = 2 * _REACH * radius + 1
    bright: Any = cv2.dilate(green, np.ones((reach, reach), np.uint8))
    beside = _rising(bright, 0.85, 0.95) * _rising(bright - green, 0.05, 0.15)
    return np.maximum(narrow * beside - np.float32(_FAINT), 0)


def _rising(x: Any, start: float, end: float) -> Any:
    return np.clip((x - np.float32(start)) / np.float32(end - start), 0, 1)


def _less_violet(pixels: Any, amount: Field) -> Any:
    """(n, 3) pixels whose blue comes nearer to green by `amount`, 0..1, and red in proportion."""
    full = np.iinfo(pixels.dtype).max
    red, green, blue = pixels.astype(np.float32).T
    share = np.minimum(amount * full / np.maximum(blue - green, 1), 1)
    changed = np.stack([red - share * (red - green), green, blue - share * (blue - green)], -1)
    return np.round(changed).astype(pixels.dtype)


def _tiles_with_fringes(source: Image, radius: int) -> list[Box]:
    """The tiles in which a smaller picture shows some."""
    height, width = source.shape[:2]
    factor = max(1, radius // 2)
    small: Any = source
    if factor > 1:
        small = cv2.resize(source, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA)
    shown = excess(small, max(1, round(radius / factor))) > _CANDIDATE
    spread = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    shown = cv2.dilate(shown.astype(np.uint8), spread)

    def any_in(box: Box) -> bool:
        x0, y0, x1, y1 = box
        sy, sx = shown.shape[0] / height, shown.shape[1] / width
        return bool(shown[int(y0 * sy) : int(y1 * sy) + 1, int(x0 * sx) : int(x1 * sx) + 1].any())

    return [box for box in boxes(width, height) if any_in(box)]
