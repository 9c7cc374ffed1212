"""Small versions of pictures, to look at."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def reduced(picture: NDArray[Any], long_side: int) -> Any:
    """The picture (h, w) or (h, w, c), uint8, uint16 or float32, with at most `long_side` pixels along its longer side.

    By averaging areas; never enlarged, and no side shorter than one pixel.
    """
    height, width = picture.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return picture
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA)
