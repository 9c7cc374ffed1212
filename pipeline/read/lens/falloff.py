"""Vignetting taken out: a smooth gain over the frame, in linear light, where the picture is decoded."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.photo import Image
from pipeline.read.color import from_linear, to_linear

_ROWS = 256


def brightened(linear: NDArray[np.uint16], gain: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    """Linear light (H, W, 3) times a gain (h, w, 1 or 3) over the same frame, in place; 65535 stays the most."""
    for top in range(0, linear.shape[0], _ROWS):
        strip = linear[top : top + _ROWS]
        lit = strip * _strip(gain, top, strip.shape[0], linear.shape[:2])
        np.minimum(lit, np.float32(65535), out=lit)
        np.rint(lit, out=lit)
        strip[...] = lit
    return linear


def brightened_picture(image: Image, gain: NDArray[np.floating[Any]]) -> Image:
    """The same of an sRGB-encoded picture (H, W, 3) uint8 or uint16, in place."""
    top_level = np.iinfo(image.dtype).max
    light, encoded = _tables(int(top_level))
    for top in range(0, image.shape[0], _ROWS):
        strip = image[top : top + _ROWS]
        lit = light[strip] * _strip(gain, top, strip.shape[0], image.shape[:2])
        strip[...] = encoded[np.minimum(lit * 65535 + 0.5, 65535).astype(np.uint16)]
    return image


@lru_cache(maxsize=2)
def _tables(top: int) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Linear light of each level, and the level of each 65535th of linear light."""
    levels = np.arange(top + 1, dtype=np.float32) / np.float32(top)
    steps = np.arange(65536, dtype=np.float32) / np.float32(65535)
    kind = np.uint8 if top == 255 else np.uint16
    return to_linear(levels), np.rint(from_linear(steps) * top).astype(kind)  # type: ignore[return-value]


def _strip(gain: NDArray[np.floating[Any]], top: int, rows: int, size: tuple[int, ...]) -> NDArray[np.float32]:
    """The gain at `rows` rows from `top` of a picture (H, W), (rows, W, 1 or 3): bilinear, centres at +0.5."""
    height, width = size
    at = (np.arange(top, top + rows) + 0.5) * gain.shape[0] / height - 0.5
    low = np.clip(np.floor(at).astype(int), 0, gain.shape[0] - 1)
    high = np.minimum(low + 1, gain.shape[0] - 1)
    share = np.clip(at - low, 0, 1).astype(np.float32)[:, None, None]
    part = gain.astype(np.float32)
    lines: Any = part[low] * (1 - share) + part[high] * share
    wide: Any = cv2.resize(lines, (width, rows), interpolation=cv2.INTER_LINEAR)
    return wide.reshape(rows, width, gain.shape[2])
