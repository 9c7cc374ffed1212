"""Arithmetic across a picture's channels: NumPy takes ten times as long for so short an axis."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def highest(picture: NDArray[Any]) -> Any:
    """The largest channel (h, w) of a picture (h, w, 3), uint8, uint16 or float32; dtype as the picture."""
    red, green, blue = cv2.split(picture)
    return cv2.max(cv2.max(red, green), blue)


def lowest(picture: NDArray[Any]) -> Any:
    """The smallest channel, as `highest`."""
    red, green, blue = cv2.split(picture)
    return cv2.min(cv2.min(red, green), blue)


def total(picture: NDArray[Any]) -> Any:
    """The sum of the channels (h, w) of a picture (h, w, 3) float32."""
    return cv2.transform(picture, np.ones((1, 3), np.float32))


def length(picture: NDArray[Any]) -> Any:
    """The Euclidean length (h, w) of the vectors of a picture (h, w, 3) float32."""
    return cv2.sqrt(total(picture * picture))
