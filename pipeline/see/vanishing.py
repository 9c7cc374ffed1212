"""The focal length that a picture's own vanishing points tell, for files that do not.

Rooms and houses have two level directions at right angles. Through each segment that is not upright goes one level
direction of the world, if the segment is level; which, depends on the focal length. At the right one, and at no other,
these directions gather at two angles a quarter turn apart (Caprile and Torre, Using vanishing points for camera
calibration, 1990; as a likelihood over segments, Coughlan and Yuille, Manhattan world, 2003).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.see.segments import Segments, misses

Vector = NDArray[np.float64]
_FOCALS = 0.36 * 1.05 ** np.arange(40)
"""Over the long side: 13 to 87 mm on full frame."""
_USUAL, _SPREAD = 0.72, 0.4
"""Of photos of rooms and houses, and the standard deviation of the logarithm."""
_YAWS = np.arange(0.0, 90.0, 1.0)
_LEAN = 0.4
"""Degrees by which level edges are off."""
_UPRIGHT = 3.0
"""Standard deviations within which a segment counts as upright, and is left out."""
_CHANCE = 0.5
"""Of a segment that belongs to neither direction."""
_DEPENDENT = 0.2
"""Segments of one edge say the same: their evidence counts for this share."""
_LONG = 0.1
"""Length, of the long side, of a segment that counts as one."""
_SHARP = 0.1
"""Standard deviation of the focal length's logarithm beyond which it is not told."""
_FRONTAL = 6.0
"""Degrees between the view and a wall's direction below which that wall's lines meet too far away to tell."""
_TURN = 0.1


def focal_of(found: Segments, down: Vector, focal: float) -> float | None:
    """The focal length over the long side; None where the lines do not tell it within a tenth.

    down: (3,) the world's downward direction in the camera's frame, were `focal` its focal length.
    """
    results = [_likelihood(found, f, np.array([down[0], down[1], down[2] * f / focal])) for f in _FOCALS]
    fits, yaws = (np.array(part) for part in zip(*results, strict=True))
    apart = np.log(_FOCALS / _USUAL)
    belief = np.exp(_DEPENDENT * (fits - fits.max()) - 0.5 * np.square(apart / _SPREAD))
    belief /= belief.sum()
    mean = float(belief @ apart)
    spread = float(np.sqrt(belief @ np.square(apart - mean)))
    yaw = yaws[int(np.argmax(fits))]
    if spread > _SHARP or min(yaw, 90 - yaw) < _FRONTAL:
        return None
    return float(_USUAL * np.exp(mean))


def _likelihood(found: Segments, focal: float, down: Vector) -> tuple[float, float]:
    """The best logarithm of the likelihood, over chance, that two level directions explain the segments; its yaw."""
    down = down / np.linalg.norm(down)
    level = found.where(np.abs(misses(found, focal, down)) > _UPRIGHT * np.hypot(_LEAN, found.sigma))
    forward = np.array([0.0, 0.0, 1.0]) - down[2] * down
    forward /= np.linalg.norm(forward)
    frame = np.stack([np.cross(down, forward), forward], -1)

    def yaw(direction: Vector) -> Any:
        plane = np.cross(_rays(level.middle, focal), _rays(direction, 0.0))
        across = np.cross(plane, down) @ frame
        return np.degrees(np.arctan2(across[:, 1], across[:, 0]))

    c, s = np.cos(np.radians(_TURN)), np.sin(np.radians(_TURN))
    at = yaw(level.direction)
    per_degree = np.abs((yaw(level.direction @ np.array([[c, s], [-s, c]])) - at + 90) % 180 - 90) / _TURN
    sigma = np.maximum(per_degree * np.hypot(level.sigma, _LEAN), 0.05)[:, None]
    off = (at[:, None] - _YAWS + 45) % 90 - 45
    density = (1 - _CHANCE) * np.exp(-0.5 * np.square(off / sigma)) / (sigma * np.sqrt(2 * np.pi)) + _CHANCE / 90
    weight = np.minimum(level.length / _LONG, 3.0)
    fits = weight @ np.log(density * 90)
    best = int(np.argmax(fits))
    return float(fits[best]), float(_YAWS[best])


def _rays(plane: Vector, depth: float) -> Vector:
    return np.column_stack([plane, np.full(len(plane), depth)])
