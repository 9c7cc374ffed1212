"""Thin high cloud before a clear sky: the veil under which a bright day casts soft shadows.

Its thickness is a random field on a level deck far above, with a power spectrum as clouds have (a sum of waves, so that
nothing repeats and no lattice shows), drawn out along the wind. Seen from below it closes up towards the horizon.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
_WAVES = 72
_LONGEST, _SHORTEST = 4.0, 0.7
"""Wavelengths, in heights of the deck."""
_FALL = 1.15
"""By which power of its length a wave's height falls: 5/3 of turbulence for the power is .83 for the height."""
_DRAWN_OUT = 1.3
"""How much longer than wide streaks are."""
_UNEVEN, _CLOSING = 0.4, 0.5
"""Standard deviation of the logarithm of the thickness; how fast it closes up towards the horizon."""
_LOWEST = 0.06
"""Sine of the elevation below which the deck counts as no farther."""
_FORWARD = 0.55
"""Asymmetry of the light that ice scatters, seen through many scatterings."""


def veil(directions: Array, pixel: float, thickness: float, seed: int) -> NDArray[np.float64]:
    """Share (...) of the sky that thin cloud hides, 0..1.

    Parameters
    ----------
    directions : (..., 3) unit vectors, z up
    pixel : angle between neighbouring directions, radians: finer waves are left out
    thickness : mean share hidden overhead
    """
    rng = np.random.default_rng(seed)
    lengths = _LONGEST * (_SHORTEST / _LONGEST) ** rng.random(_WAVES)
    ways, wind = rng.uniform(0, 2 * np.pi, _WAVES), rng.uniform(0, 2 * np.pi)
    along, across = np.cos(ways) / _DRAWN_OUT, np.sin(ways)
    numbers = 2 * np.pi / lengths
    c, s = np.cos(wind), np.sin(wind)
    k = numbers * (along * c - across * s), numbers * (along * s + across * c)
    heights = (lengths / _LONGEST) ** _FALL
    heights /= np.sqrt(0.5 * np.sum(heights**2))
    phases = rng.uniform(0, 2 * np.pi, _WAVES)
    up = np.maximum(directions[..., 2], _LOWEST)
    x, y = directions[..., 0] / up, directions[..., 1] / up
    field = np.zeros(up.shape)
    for a, b, height, phase in zip(*k, heights, phases, strict=True):
        # A wave that is seen shorter than two pixels fades.
        coarse = np.exp(-0.5 * np.square(np.hypot(a, b) * pixel / up**1.5))
        field += height * coarse * np.cos(a * x + b * y + phase)
    field *= np.clip(directions[..., 2] / (2 * _LOWEST), 0, 1)
    depth = -np.log(1 - thickness) * np.exp(_UNEVEN * field) / up**_CLOSING
    return 1 - np.exp(-depth)


def brightness(directions: Array, sun: Array) -> NDArray[np.float64]:
    """How bright the cloud is, times its mean, (...): more so towards the sun."""
    g, cosine = _FORWARD, directions @ sun
    phase = (1 - g * g) / (1 + g * g - 2 * g * cosine) ** 1.5
    return 0.75 + 0.25 * phase
