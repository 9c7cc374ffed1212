"""The colour of a clear sky: sunlight scattered once and many times by air, haze and ozone.

Method and constants: S. Hillaire, A Scalable and Production Ready Sky and Atmosphere Rendering Technique (2020), after
E. Bruneton and F. Neyret, Precomputed Atmospheric Scattering (2008). Lengths in km; three wavelengths (680, 550, 440
nm) stand for linear sRGB.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
_GROUND, _TOP, _EYE = 6360.0, 6460.0, 0.05
_RAYLEIGH = np.array([5.802e-3, 13.558e-3, 33.1e-3])
_OZONE = np.array([0.650e-3, 1.881e-3, 0.085e-3])
_MIE_SCATTERED, _MIE_LOST, _FORWARD = 3.996e-3, 8.40e-3, 0.8
_ALBEDO, _LOWEST = 0.3, 0.002
_STEPS, _SUN_STEPS, _SPHERE = 32, 20, 8


def radiance(directions: Array, sun: Array, haze: float = 1.0) -> NDArray[np.float64]:
    """Radiance of the sky for a sun of irradiance 1.

    Parameters
    ----------
    directions : (..., 3) unit vectors, z up; those below the horizon are given its colour
    sun : (3,) unit vector towards the sun, above the horizon
    haze : times the haze of clean air

    Returns
    -------
    (..., 3) float64, linear sRGB
    """
    d = np.array(directions, np.float64)
    level = np.linalg.norm(d[..., :2], axis=-1, keepdims=True)
    d[..., :2] = np.where(d[..., 2:] < _LOWEST, d[..., :2] / level, d[..., :2])
    d[..., 2] = np.maximum(d[..., 2], _LOWEST)
    heights = _EYE + np.array([0, 0.5, 1, 2, 4, 8, 16, 32, 64])
    many = np.array([_many_times(h, float(sun[2]), haze) for h in heights])
    cosine = (d @ sun)[..., None, None]
    air = 3 / (16 * np.pi) * (1 + cosine**2)
    g = _FORWARD
    dust = 3 / (8 * np.pi) * (1 - g * g) * (1 + cosine**2) / ((2 + g * g) * (1 + g * g - 2 * g * cosine) ** 1.5)
    h, step, through = _along(np.full(d.shape[:-1], _EYE), d[..., 2], haze, _STEPS)
    # The bend of the earth along a ray matters little by day: the sun stands as high everywhere.
    once = _sunlight(h, np.full(h.shape, float(sun[2])), haze)
    rayleigh, mie = _scattering(h, haze)
    again = np.stack([np.interp(h, heights, many[:, c]) for c in range(3)], axis=-1)
    source = once * (rayleigh * air + mie * dust) + again * (rayleigh + mie)
    return np.sum(through * source * step[..., None], axis=-2)


def _densities(h: Array) -> tuple[Array, Array, Array]:
    return np.exp(-h / 8), np.exp(-h / 1.2), np.maximum(0, 1 - np.abs(h - 25) / 15)


def _scattering(h: Array, haze: float) -> tuple[Array, Array]:
    air, dust, _ = (x[..., None] for x in _densities(h))
    return air * _RAYLEIGH, dust * (haze * _MIE_SCATTERED)


def _extinction(h: Array, haze: float) -> Array:
    air, dust, ozone = (x[..., None] for x in _densities(h))
    return air * _RAYLEIGH + dust * (haze * _MIE_LOST) + ozone * _OZONE


def _along(h: Array, up: Array, haze: float, steps: int) -> tuple[Array, Array, Array]:
    """Heights (..., steps) along rays that start at heights h with vertical part `up`, the lengths of the steps, and
    the share of light (..., steps, 3) that comes through from there; rays end at the top of the air."""
    r = _GROUND + h
    length = -r * up + np.sqrt(np.maximum((r * up) ** 2 + _TOP**2 - r**2, 0))
    edges = length[..., None] * np.linspace(0, 1, steps + 1) ** 2
    t, step = (edges[..., 1:] + edges[..., :-1]) / 2, np.diff(edges, axis=-1)
    there = np.sqrt(r[..., None] ** 2 + t**2 + 2 * r[..., None] * up[..., None] * t) - _GROUND
    there = np.maximum(there, 0)
    depth = _extinction(there, haze) * step[..., None]
    return there, step, np.exp(-(np.cumsum(depth, axis=-2) - depth / 2))


def _sunlight(h: Array, mu: Array, haze: float) -> Array:
    """The share (..., 3) of sunlight that reaches heights h."""
    _, step, _ = _along(h, mu, haze, _SUN_STEPS)
    r = _GROUND + h
    length = step.sum(axis=-1)
    edges = length[..., None] * np.linspace(0, 1, _SUN_STEPS + 1) ** 2
    t = (edges[..., 1:] + edges[..., :-1]) / 2
    there = np.sqrt(r[..., None] ** 2 + t**2 + 2 * r[..., None] * mu[..., None] * t) - _GROUND
    return np.exp(-np.sum(_extinction(np.maximum(there, 0), haze) * step[..., None], axis=-2))


def _many_times(h: float, mu: float, haze: float) -> NDArray[np.float64]:
    """(3,) light that reaches a place after two and more scatterings, as if from everywhere (Hillaire, eq. 5-10)."""
    up = np.linspace(-1, 1, 2 * _SPHERE + 1)[1::2]
    r = _GROUND + h
    hits = (up < 0) & ((r * up) ** 2 + _GROUND**2 - r**2 > 0)
    ends = np.where(hits, -r * up - np.sqrt(np.maximum((r * up) ** 2 + _GROUND**2 - r**2, 0)), np.nan)
    top = -r * up + np.sqrt((r * up) ** 2 + _TOP**2 - r**2)
    length = np.where(hits, ends, top)
    edges = length[:, None] * np.linspace(0, 1, _SUN_STEPS + 1) ** 2
    t, step = (edges[:, 1:] + edges[:, :-1]) / 2, np.diff(edges, axis=-1)
    there = np.maximum(np.sqrt(r**2 + t**2 + 2 * r * up[:, None] * t) - _GROUND, 0)
    depth = _extinction(there, haze) * step[..., None]
    through = np.exp(-(np.cumsum(depth, axis=-2) - depth / 2))
    scattered = sum(_scattering(there, haze)) * through * step[..., None]
    sunlit = _sunlight(there, np.full(there.shape, mu), haze)
    twice = np.sum(scattered * sunlit, axis=-2) / (4 * np.pi)
    ground = np.exp(-np.sum(depth, axis=-2)) * _sunlight(np.zeros(1), np.array([mu]), haze) * mu * _ALBEDO / np.pi
    twice = np.mean(twice + np.where(hits[:, None], ground, 0), axis=0)
    share = np.mean(np.sum(scattered, axis=-2), axis=0)
    return twice / (1 - share)
