"""An edited small picture becomes a Tone operation that cannot carry texture.

Fitting the edit as a local affine map of the photo (He & Sun, Fast Guided Filter, 2015) alone is not enough: it reads
an engine's blur as less contrast and lets its invented texture through. Here original and edited are low-passed
identically first, and the slope is ridged to 1 (the identity) instead of 0: detail always comes from the photo, only
light and colour from the edit.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.plan import Tone

Field = NDArray[np.floating[Any]]
_SIGMA = 3.0 / 1536
_RADIUS = 16.0 / 1536
_RIDGE = 1e-3
_SLOPE = (0.3, 4.0)
_STEP = 4


def compile_tone(original: Field, edited: Field, label: str) -> Tone:
    """The local affine field that best explains `edited` from `original` after both are low-passed.

    Parameters
    ----------
    original, edited : (h, w, 3) float32 0..1
        Same size; sRGB-encoded.

    Returns
    -------
    Tone without a curve; its fields are sampled every 4 pixels of the pictures.
    """
    long = max(original.shape[:2])
    sigma, radius = _SIGMA * long, max(round(_RADIUS * long), 2)
    x = cv2.GaussianBlur(original.astype(np.float32), (0, 0), sigma)
    y = cv2.GaussianBlur(edited.astype(np.float32), (0, 0), sigma)
    mx, my = _mean(x, radius), _mean(y, radius)
    slope = (_mean(x * y, radius) - mx * my + _RIDGE) / (_mean(x * x, radius) - mx * mx + _RIDGE)
    slope = np.clip(slope, *_SLOPE)
    gain, offset = _mean(slope, radius), _mean(my - slope * mx, radius)
    size = (-(-original.shape[1] // _STEP), -(-original.shape[0] // _STEP))
    gain, offset = (cv2.resize(f, size, interpolation=cv2.INTER_AREA).astype(np.float16) for f in (gain, offset))
    return Tone(label, gain=gain, offset=offset)


def _mean(x: Any, radius: int) -> Any:
    return cv2.boxFilter(x, -1, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)
