"""Grain of a sky as cameras deliver it: not white, for denoising and JPEG leave coarse noise and blotches of colour.

Clear skies of large photos have about as much of it in every octave of size from one pixel to sixteen, in luma and in
chroma, which is noise of an amplitude of 1 / f.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
_SIDE, _COARSEST = 1024, 1 / 48
"""Side of the periodic patch, and the lowest frequency in it, cycles per pixel."""
_OCTAVE = np.array([0.28, 0.36, 0.18]) / 255
"""Standard deviation of luma, red and blue difference in an octave."""
_TO_RGB = np.array([[1, 1.403, 0], [1, -0.714, -0.344], [1, 0, 1.773]])
"""From luma and colour differences (JPEG File Interchange Format)."""


def grain(box: tuple[int, int, int, int], noise: float) -> Picture:
    """Grain (h, w, 3) float32 of a box (x0, y0, x1, y1), about 0, for levels of 0..1; every box has its own.

    noise: standard deviation of a channel from pixel to pixel in the sky that is replaced.
    """
    x0, y0, x1, y1 = box
    draw = np.random.Generator(np.random.Philox(key=[x0, y0]))
    top, left = draw.integers(_SIDE, size=2)
    rows, columns = (top + np.arange(y1 - y0)) % _SIDE, (left + np.arange(x1 - x0)) % _SIDE
    out = _patch()[rows][:, columns]
    finer = max(noise**2 - float(_OCTAVE[0]) ** 2, 0.0) ** 0.5
    fine = draw.standard_normal((y1 - y0, x1 - x0), dtype=np.float32) * np.float32(finer)
    return cv2.add(out, cv2.merge([fine] * 3))  # pyright: ignore[reportReturnType, reportCallIssue, reportArgumentType]


@lru_cache(1)
def _patch() -> Any:
    """(side, side, 3) float32 RGB, periodic."""
    f = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None])
    weight = np.where(f >= _COARSEST, 1 / np.maximum(f, _COARSEST), 0.0)
    octave = (f >= 0.0625) & (f < 0.125)
    # The share of the variance in one octave, both halves of the plane counted.
    counted = np.where((np.arange(f.shape[1]) == 0) | (np.arange(f.shape[1]) == _SIDE // 2), 1, 2)
    scale = _SIDE / np.sqrt((weight**2 * counted * octave).sum())
    draw = np.random.Generator(np.random.Philox(key=[_SIDE, 0]))
    white = draw.standard_normal((3, _SIDE, _SIDE))
    planes = np.fft.irfft2(np.fft.rfft2(white) * weight * scale, s=(_SIDE, _SIDE))
    return np.ascontiguousarray((np.moveaxis(planes * _OCTAVE[:, None, None], 0, 2) @ _TO_RGB.T).astype(np.float32))
