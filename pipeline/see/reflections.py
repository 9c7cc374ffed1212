"""Images of windows in glossy floors and table tops: they repeat, upside down, what lies above them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDTH = 192
_DETAIL, _EVEN = 4.0, 0.01
_AWRY = 2
_RIM, _FEWEST = 4, 6
"""Reduced pixels along the border that are left out, for all panes have one; the fewest inside that mean anything."""


def mirrored_above(luminance: NDArray[np.floating[Any]], pane: NDArray[np.bool_]) -> float:
    """How well a part of a picture repeats what lies above it upside down: -1..1, the best normalised correlation.

    Parameters
    ----------
    luminance : (h, w) float32
        Logarithmic, so that a faint image is like what it shows.
    pane : (h, w) bool
        The part; its bounding box is compared.
    """
    height, width = luminance.shape
    scale = _WIDTH / width
    size = (_WIDTH, max(1, round(height * scale)))
    small: Any = cv2.resize(luminance, size, interpolation=cv2.INTER_AREA)
    detail = small - cv2.GaussianBlur(small, (0, 0), _DETAIL)
    detail /= np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 2 * _DETAIL) + _EVEN)
    rows, columns = (np.flatnonzero(pane.any(axis=a)) * scale for a in (1, 0))
    if not len(rows):
        return 0.0
    top, left, right = round(rows[0]), round(columns[0]), round(columns[-1])
    tall = min(round(rows[-1]) - top, top)
    above = detail[max(top - 3 * tall, 0) : top, max(left - _AWRY, 0) : right + _AWRY][::-1]
    rim = _RIM if min(tall, right - left) > 4 * _RIM else 0
    part = detail[top + rim : top + tall - rim, left + rim : right - rim]
    if min(part.shape) < _FEWEST:
        return 0.0
    return float(cv2.matchTemplate(np.ascontiguousarray(above), part, cv2.TM_CCOEFF_NORMED).max())
