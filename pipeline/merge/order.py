"""Tone order: what is brighter in the scene stays brighter in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import highest
from pipeline.read.color import LUMA, from_linear, to_linear

Array = NDArray[np.floating[Any]]
_LINEAR = to_linear(np.arange(256, dtype=np.float32) / np.float32(255))
_BLACK = 2.0**-14
_BINS = 64
_HALF_BAND = 0.5
_SLOPE = 3.0
_BRIGHTEN = 1.3
_BRIGHT_ENOUGH = 215.0
_BURNT = 1.6
"""Linear light, times white, that surely burns; noise and JPEG may keep what is burnt below the last levels."""


def measured_steps(exposures: Sequence[NDArray[np.uint8]], exposure_values: Sequence[float]) -> list[float]:
    """Exposure values along the set as the pixels show them, the first 0.

    The median log2 ratio of neighbours where both are well exposed. Pictures that share too few well-exposed pixels
    keep the given difference.
    """
    values = [0.0]
    for i, (a, b) in enumerate(pairwise(exposures)):
        measured = _step(cv2.blur(a, (5, 5)), cv2.blur(b, (5, 5)))
        values.append(values[-1] + (exposure_values[i + 1] - exposure_values[i] if measured is None else measured))
    return values


def _step(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    """EV from a to the brighter b, or None where too few pixels are well exposed in both."""
    # Blacks are lifted in many renderings: the ratio is read as high above them as enough pixels allow.
    for darkest in (64, 40, 24):
        both = (a > darkest) & (b < 240)
        if np.count_nonzero(both) < 0.002 * both.size:
            continue
        x, y = _LINEAR[a[both]], _LINEAR[b[both]]
        ratio = np.log2(y / x)
        # Where b is about to clip, only those pixels are left that happen to be dark: they would bias the ratio.
        inside = x * np.exp2(np.percentile(ratio, 95)) < _LINEAR[235]
        if np.count_nonzero(inside) >= 0.0005 * both.size:
            return float(np.median(ratio[inside]))
    return None


def log_radiance(exposures: Sequence[NDArray[np.uint8]], exposure_values: Sequence[float]) -> NDArray[np.float32]:
    """log2 of the scene's luminance from aligned exposures (h, w, 3), darkest first; relative to the darkest exposure.

    Of `radiance_of`.
    """
    steps = steps_of(exposures, exposure_values)
    total: Any = np.zeros(exposures[0].shape[:2], np.float32)
    weights: Any = np.full(exposures[0].shape[:2], 1e-9, np.float32)
    for i, (exposure, step) in enumerate(zip(exposures, steps, strict=True)):
        luminance = cv2.transform(cv2.LUT(exposure, _LINEAR), LUMA[None])
        weight = _trusted(exposure, i, len(exposures))
        if i > 0:
            weight = np.where(_burns(exposures[i - 1], step - steps[i - 1]), 0, weight)
        total += luminance * weight * np.float32(2.0**-step)
        weights += weight
    return np.log2(total / weights + np.float32(_BLACK * 2.0 ** -steps[-1]))


def steps_of(exposures: Sequence[NDArray[np.uint8]], exposure_values: Sequence[float]) -> list[float]:
    """`measured_steps` of small versions of the exposures."""
    every = -(-max(exposures[0].shape) // 512)
    return measured_steps([np.ascontiguousarray(e[::every, ::every]) for e in exposures], exposure_values)


def radiance_of(exposures: Sequence[NDArray[np.uint8]], steps: Sequence[float]) -> NDArray[np.float32]:
    """The scene's light (h, w, 3), 1 where the darkest exposure ends, from aligned exposures (h, w, 3), darkest first.

    A weighted mean of the linearised exposures (Debevec & Malik, 1997, with the sRGB curve as response). A pixel that
    noise keeps from being burnt among burnt ones counts as they do.
    """
    total: Any = np.zeros(exposures[0].shape, np.float32)
    weights: Any = np.full(exposures[0].shape[:2], 1e-9, np.float32)
    smooth = [cv2.max(exposure, cv2.blur(exposure, (5, 5))) for exposure in exposures]
    for i, (exposure, step) in enumerate(zip(exposures, steps, strict=True)):
        weight = _trusted(smooth[i], i, len(exposures))
        if i > 0:
            weight = np.where(_burns(smooth[i - 1], step - steps[i - 1]), 0, weight)
        total += cv2.LUT(exposure, _LINEAR) * (weight * np.float32(2.0**-step))[..., None]
        weights += weight
    return total / weights[..., None]


def _trusted(exposure: NDArray[np.uint8], i: int, count: int) -> Any:
    """How much each pixel of the i-th of `count` exposures says of the radiance: burnt and black ones nothing."""
    channels = cv2.split(exposure)
    trust = _TRUST.copy()
    if i == 0:
        trust[128:] = np.maximum(trust[128:], 1e-3)
    if i == count - 1:
        trust[:128] = np.maximum(trust[:128], 1e-3)
    return cv2.LUT(cv2.max(cv2.max(*channels[:2]), channels[2]), trust)


def _burns(darker: NDArray[np.uint8], step: float) -> Any:
    """Where (h, w) an exposure must be burnt that is brighter by a step (EV) than this, whatever its own pixels say."""
    level = 255 * from_linear(np.array([min(_BURNT * 2.0**-step, 1.0)], np.float32))[0]
    return highest(darker) > level if level < 255 else np.zeros(darker.shape[:2], bool)


_TRUST = np.clip(np.minimum(np.arange(256) - 8, 250 - np.arange(256)) / 60, 0, 1).astype(np.float32)


def keep_tone_order(base: Array, radiance: Array) -> NDArray[np.float32]:
    """A gain that raises what `base` shows too dark for its radiance.

    With both low-passed at 1 % of the long side, base is raised towards g(r - 1/2 EV), where g is the rising envelope
    of base over radiance: at it, no place is darker than one at least 1 EV below it. Only places brighter than the
    median are raised (window views, lamps, sunlit patches), and by a bounded gain, because the radiance of blacks is
    mostly noise and texture must keep the contrast that the exposures show. The gain is made edge-aware by a guided
    filter (He et al., 2013) with the radiance as guide.

    Parameters
    ----------
    base : (h, w, 3) float32, levels 0..255
    radiance : (h, w) float32, EV

    Returns
    -------
    (h, w) float32 gain.
    """
    height, width = radiance.shape
    s = min(1.0, 512 / max(height, width))
    size = (max(round(width * s), 1), max(round(height * s), 1))
    luma = cv2.transform(base, LUMA[None])
    y = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    r = cv2.resize(radiance, size, interpolation=cv2.INTER_AREA)
    sigma = 0.01 * max(size)
    f = cv2.GaussianBlur(np.clip(y, 1, 400), (0, 0), sigma)
    b = np.log2(cv2.GaussianBlur(np.exp2(r), (0, 0), sigma))
    low, high = (float(v) for v in np.percentile(b, [0.1, 99.9]))
    if high - low < 2 * _HALF_BAND:
        return np.ones((height, width), np.float32)
    centres, curve = _rising_envelope(b, f, low, high)
    floor = np.minimum(np.interp(b - _HALF_BAND, centres, curve), _BRIGHT_ENOUGH).astype(np.float32)
    gain = np.clip(floor / f, 1, _BRIGHTEN)
    gain = 1 + (gain - 1) * np.clip(b - np.median(b), 0, 1)
    a, c = guided(r, gain.astype(np.float32), radius=max(round(0.03 * max(size)), 2), eps=0.02)
    slope = cv2.resize(a, (width, height), interpolation=cv2.INTER_LINEAR)
    offset = cv2.resize(c, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(slope * radiance + offset, gain.min(), gain.max())


def _rising_envelope(b: Array, f: Array, low: float, high: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    edges = np.linspace(low, high, _BINS + 1)
    index = np.clip(np.digitize(b.ravel(), edges) - 1, 0, _BINS - 1)
    values, counts = f.ravel(), np.bincount(index, minlength=_BINS)
    medians = np.array([np.median(values[index == k]) if counts[k] else np.nan for k in range(_BINS)])
    centres = (edges[:-1] + edges[1:]) / 2
    known = ~np.isnan(medians)
    curve = np.interp(centres, centres[known], medians[known])
    weights = np.maximum(counts, 1).astype(np.float64)
    smooth = cv2.GaussianBlur((curve * weights)[None], (0, 0), 1.5) / cv2.GaussianBlur(weights[None], (0, 0), 1.5)
    rise = _SLOPE * (centres - centres[0])
    rising = np.maximum.accumulate(smooth[0] - rise) + rise
    return centres.astype(np.float32), rising.astype(np.float32)


def guided(guide: Array, values: Array, *, radius: int, eps: float) -> tuple[Array, Array]:
    """Slope and offset (h, w) of the guided filter (He et al., 2013): values, (h, w), are about a * guide + c."""

    def mean(x: Array) -> Array:
        out: Any = cv2.boxFilter(x, -1, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)
        return out

    mg, mv = mean(guide), mean(values)
    a = (mean(guide * values) - mg * mv) / (mean(guide * guide) - mg * mg + np.float32(eps))
    return mean(a), mean(mv - a * mg)
