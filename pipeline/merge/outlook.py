"""The view through windows as one exposure would show it: the scene's own radiance under one curve.

Fusion compresses what lies outside: a slate roof becomes as pale as the sky above it. Here all exposures make one
picture of the scene's radiance, which keeps the contrast that the darker ones show, and what is burnt in each of them
stays white.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.channels import highest
from pipeline.merge.order import radiance_of
from pipeline.plan import Outlook
from pipeline.read.color import from_linear

Array = NDArray[np.floating[Any]]
_BRIGHTEST, _DARKEST = 1.5, 2.0**-12
"""Linear light that is shown, times that of white."""
_OFFSET, _NEAR = 8.0, 4
"""Level below which detail is not amplified; how much more those exposures count that are near what is shown."""
_LEAST_DETAIL = 0.6
"""Share of fine detail that is left where the curve flattens it."""


def outlook_of(
    exposures: Sequence[NDArray[np.uint8]], steps: Sequence[float], curve: Outlook
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """The view's levels, and the shares of the exposures' fine detail that go with them.

    Parameters
    ----------
    exposures : sequence of (h, w, 3) uint8
        sRGB-encoded, aligned, darkest first.
    steps : sequence of float
        Exposure values along the set, the first 0 (order.steps_of).

    Returns
    -------
    levels : (h, w, 3) float32, 0..255 and beyond
    shares : per exposure (h, w, 3) float32
    """
    light = radiance_of(exposures, steps) * (2.0**-curve.white * np.asarray(curve.gains)).astype(np.float32)
    # Of the strongest channel: a blue sky stays blue.
    peak = np.clip(highest(light), _DARKEST, _BRIGHTEST)
    shown, slope = lifted(peak, curve.lift)
    levels = 255 * from_linear(light * (shown / peak)[..., None])
    kept: Any = np.clip(slope, _LEAST_DETAIL, 1)[..., None]
    return levels, [share * kept for share in _shares(exposures, levels)]


def lifted(light: Array, lift: float) -> tuple[Array, Array]:
    """Linear light after the curve that lifts what is dark `lift` times and keeps 1, and its slope, log over log.

    Source: Reinhard et al., Photographic tone reproduction (2002), extended operator with white at 1; a lift of 1 is
    the identity.
    """
    k, u = np.float32(lift), light
    shown = (k * u + u * u) / (1 + k * u)
    return shown, (k + 2 * u) / (k + u) - k * u / (1 + k * u)


def lift_for(light: float, wanted: float) -> float:
    """The lift by which linear light is shown as wanted, both 0..1 (exclusive)."""
    return (wanted - light**2) / (light * (1 - wanted))


def _shares(exposures: Sequence[NDArray[np.uint8]], levels: Array) -> list[NDArray[np.float32]]:
    """The exposure whose levels are nearest to those shown counts most, one that is burnt or black nothing."""
    weights: list[Any] = []
    ratios: list[Any] = []
    for exposure in exposures:
        peak = highest(exposure).astype(np.float32)
        trust = np.clip(np.minimum(peak - 8, 250 - peak) / 40, 0, 1)
        ratio = (np.minimum(levels, 255) + np.float32(_OFFSET)) / (exposure + np.float32(_OFFSET))
        near = highest(ratio)
        weights.append(trust * np.minimum(near, 1 / near) ** _NEAR)
        ratios.append(ratio)
    total = np.maximum(np.sum(weights, axis=0), np.float32(1e-3))
    return [(weight / total)[..., None] * ratio for weight, ratio in zip(weights, ratios, strict=True)]
