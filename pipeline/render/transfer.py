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
_SIGMA = 3.0
_RADIUS = 16
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
    x = cv2.GaussianBlur(original.astype(np.float32), (0, 0), _SIGMA)
    y = cv2.GaussianBlur(edited.astype(np.float32), (0, 0), _SIGMA)
    mx, my = _mean(x), _mean(y)
    slope = (_mean(x * y) - mx * my + _RIDGE) / (_mean(x * x) - mx * mx + _RIDGE)
    slope = np.clip(slope, *_SLOPE)
    gain, offset = _mean(slope), _mean(my - slope * mx)
    size = (-(-original.shape[1] // _STEP), -(-original.shape[0] // _STEP))
    gain, offset = (cv2.resize(f, size, interpolation=cv2.INTER_AREA).astype(np.float16) for f in (gain, offset))
    return Tone(label, gain=gain, offset=offset)


def _mean(x: Any) -> Any:
    return cv2.boxFilter(x, -1, (2 * _RADIUS + 1, 2 * _RADIUS + 1), borderType=cv2.BORDER_REFLECT)
