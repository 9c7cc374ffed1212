"""The horizon of pictures from the air: the lower edge of their sky, where it is one straight line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
_COLUMNS = 160
_OFF = 0.006
"""How far from the line an edge may lie, of the height."""
_SPAN, _SHARE = 0.6, 0.7
"""Least part of the width in which the sky ends inside the frame, and least part of that on one line."""


def horizon_roll(sky: Field) -> tuple[float, float]:
    """Roll of the camera in degrees (positive: turned clockwise) and the confidence in it, from a sky (h, w) 0..1.

    (0, 0) where the sky's lower edge is no straight line across the frame.
    """
    height, width = sky.shape
    if height < 16 or width < 16:
        return 0.0, 0.0
    x = np.unique(np.linspace(0, width - 1, _COLUMNS).round().astype(int))
    below = sky[:, x] <= 0.5
    edge = np.where(below.any(axis=0), below.argmax(axis=0), height)
    inside = (edge > 0.04 * height) & (edge < 0.96 * height)
    if inside.mean() < _SPAN:
        return 0.0, 0.0
    x, y = x[inside].astype(np.float64), _position(sky, x[inside], edge[inside])
    on = np.ones(len(x), bool)
    # Theil and Sen's slope, over pairs far apart: ridges and towers are in the minority.
    half = len(x) // 2
    slope = float(np.median((y[half : 2 * half] - y[:half]) / (x[half : 2 * half] - x[:half])))
    level = float(np.median(y - slope * x))
    for _ in range(4):
        on = np.abs(y - level - slope * x) < _OFF * height
        if on.sum() < 8:
            return 0.0, 0.0
        slope, level = (float(v) for v in np.polyfit(x[on], y[on], 1))
    if on.mean() < _SHARE or np.ptp(x[on]) < _SPAN * width:
        return 0.0, 0.0
    return float(-np.degrees(np.arctan(slope))), float(np.clip((on.mean() - 0.4) / 0.5, 0, 1))


def _position(sky: Field, x: Any, edge: Any) -> NDArray[np.float64]:
    """Where the mask crosses 0.5, between the rows `edge` - 1 and `edge`."""
    above, below = sky[edge - 1, x].astype(np.float64), sky[edge, x].astype(np.float64)
    return edge - 0.5 + (above - 0.5) / np.maximum(above - below, 1e-6) - 0.5
