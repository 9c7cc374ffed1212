"""MEF-SSIM: how much of the structure of all exposures a fused picture keeps.

Ma, Zeng and Wang, Perceptual Quality Assessment for Multi-Exposure Image Fusion (IEEE TIP 2015), at one scale, and the
form with luminance of Ma et al., Deep Guided Learning for Fast Multi-Exposure Image Fusion (MEF-Net, IEEE TIP 2020). At
every pixel the exposure of largest local variance is the reference for contrast and structure (SSIM's product of the
two, Gaussian window of 11 pixels, sigma 11/6, zeros beyond the border as there); the luminance term compares the local
mean with the exposures' means, weighted by how near to mid-grey each is locally and as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Picture = NDArray[np.uint8]
_WINDOW = 11
_KERNEL = cast(Plane, cv2.getGaussianKernel(_WINDOW, _WINDOW / 6, cv2.CV_32F))
_C1, _C2 = 0.01**2, 0.03**2
_SPREAD = 2 * 0.2**2
_STRIP = 512
"""Rows in work at once: 45 MP would not fit whole. The answer does not depend on it."""


def mef_ssim(fused: Picture, exposures: Sequence[Picture], *, luminance: bool = False) -> float:
    """The index, at most 1, which it reaches where all exposures and the fused picture are the same.

    Parameters
    ----------
    fused : (H, W, 3) or (H, W) uint8
    exposures : sequence of arrays of the same shape
        At least one; aligned with each other and with `fused`, in any order.
    luminance : whether the luminance term counts, too.

    Raises ValueError if there is no exposure or the shapes differ.
    """
    if not exposures:
        raise ValueError("no exposures to compare with")
    if any(e.shape != fused.shape for e in exposures):
        raise ValueError(f"shapes differ: {fused.shape} fused, exposures {[e.shape for e in exposures]}")
    height, width = fused.shape[:2]
    overall = [_mean_level(e) for e in exposures] if luminance else None
    total = 0.0
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        # Windows reach half their width beyond the strip; only at the picture's own border are there zeros.
        rows = slice(max(top - _WINDOW // 2, 0), min(bottom + _WINDOW // 2, height))
        inside = slice(top - rows.start, bottom - rows.start)
        local = _index(_gray(fused[rows]), [_gray(e[rows]) for e in exposures], overall)
        total += float(local[inside].sum(dtype=np.float64))
    return total / (height * width)


def _index(fused: Plane, exposures: Sequence[Plane], overall: Sequence[float] | None) -> Plane:
    mean = _blur(fused)
    variance = _blur(fused * fused) - mean * mean
    largest = np.full(fused.shape, -np.inf, np.float32)
    best = np.empty_like(fused)
    wanted, weights = np.zeros_like(fused), np.zeros_like(fused)
    for i, exposure in enumerate(exposures):
        own_mean = _blur(exposure)
        own_variance = _blur(exposure * exposure) - own_mean * own_mean
        covariance = _blur(fused * exposure) - mean * own_mean
        kept = (2 * covariance + _C2) / (variance + own_variance + _C2)
        stronger = own_variance > largest
        np.copyto(best, kept, where=stronger)
        np.copyto(largest, own_variance, where=stronger)
        if overall is not None:
            weight = np.exp(-((own_mean - 0.5) ** 2) / _SPREAD) * _near_middle(overall[i])
            wanted += weight * own_mean
            weights += weight
    if overall is None:
        return best
    wanted /= weights
    best *= (2 * mean * wanted + _C1) / (mean * mean + wanted * wanted + _C1)
    return best


def _near_middle(level: float) -> np.float32:
    return np.float32(np.exp(-((level - 0.5) ** 2) / _SPREAD))


def _mean_level(exposure: Picture) -> float:
    """The mean of the local means (not of the pixels: the border's zeros count there)."""
    gray = _gray(exposure)
    rows, columns = (_inside(n) for n in gray.shape)
    return float(rows.astype(np.float64) @ gray @ columns / gray.size)


def _inside(length: int) -> Plane:
    """How much of each pixel the windows of all pixels of a row take."""
    return _blur(np.ones((length, 1), np.float32), one_way=True)[:, 0]


def _gray(picture: Picture) -> Plane:
    gray: Any = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cast(Plane, gray.astype(np.float32) * np.float32(1 / 255))


def _blur(plane: Plane, *, one_way: bool = False) -> Plane:
    across = np.ones((1, 1), np.float32) if one_way else _KERNEL
    return cast(Plane, cv2.sepFilter2D(plane, cv2.CV_32F, across, _KERNEL, borderType=cv2.BORDER_CONSTANT))
