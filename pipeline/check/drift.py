"""Colour drift: the chroma that no global white balance, tone curve and brightening can explain.

White balance multiplies linear channels and a tone curve acts on all channels alike, so both only move and stretch log
channel ratios: u' = A(l, l') (u + w), with one global shift w and one global stretch A that depends on the lightness
before and after. Brightness may change from place to place as it likes. What is left over is drift. The fit is robust
(iteratively reweighted, Geman-McClure), so a region with a cast of its own stays outside it and shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.check.balance import Fit, Vector
from pipeline.photo import FloatImage, Image
from pipeline.plan import Tone
from pipeline.read.color import LUMA

BLOCKS = 64
_LONG, _LEAST_STEP = 320, 4
_DIM = 0.5
_PALE, _SATURATION, _HUE = 4.0, 0.3, 0.07
_FADING, _TURNING = 0.6, 0.25
# Linear sRGB to cone responses and those, after the cube root, to Lab (Ottosson 2020).
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)


@dataclass(frozen=True, slots=True)
class Drift:
    """Drift in blocks of 1/64 of the long side, OKLab a, b x100.

    vectors: (h, w, 2) float32 mean drift; weights: (h, w) float32 0..1, how much of a block can be judged (neither
    clipped nor black).
    """

    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reduced:
    """A picture at a long side of about 320 pixels.

    encoded: (h, w, 3) float32 area means, sRGB-encoded 0..1. usable: (h, w) float32, 1 where colour can be judged, 0
    where pixels are clipped or near black.
    """

    encoded: FloatImage
    usable: FloatImage


def reduced(image: Image) -> Reduced:
    """Area means over whole steps of at least 4 pixels; rests of less than a step are cut off."""
    # 4:2:0 spreads colour over 2x2 pixels and more, so that single pixels say little.
    step = max(_LEAST_STEP, round(max(image.shape) / _LONG))
    full = 255 if image.dtype == np.uint8 else 65535
    # Rounded means would shift the channel ratios of dark pixels, so the last step of 4 is done in float.
    first = round(step / 4) if step > 6 else 1
    last = 4 if step > 6 else step
    encoded = _binned(_binned(image, first).astype(np.float32) * np.float32(1 / full), last)
    lit = cv2.inRange(image[::first, ::first], (full // 120,) * 3, (full,) * 3)
    lit = _ramp(_binned(lit.astype(np.float32) * np.float32(1 / 255), last), 0.5, 0.95)
    height, width = encoded.shape[:2]
    usable = _ramp(encoded.min(2), 0.02, 0.08) * _ramp(1 - encoded.max(2), 0.02, 0.06) * lit[:height, :width]
    return Reduced(encoded, usable)


def _binned(image: np.ndarray, step: int) -> np.ndarray:
    rows, columns = max(1, image.shape[0] // step), max(1, image.shape[1] // step)
    whole = image[: rows * step, : columns * step]
    return cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA) if step > 1 else image


def linear(encoded: FloatImage) -> FloatImage:
    """sRGB-encoded 0..1 to linear light 0..1."""
    bent = cv2.pow(np.maximum(encoded, 0) * np.float32(1 / 1.055) + np.float32(0.055 / 1.055), 2.4)
    return np.where(encoded <= 0.04045, encoded * np.float32(1 / 12.92), bent).astype(np.float32)


def luminance(light: NDArray[np.floating]) -> FloatImage:
    """Rec. 709 weighted sum of the channels, (h, w)."""
    return cv2.transform(light.astype(np.float32), LUMA[None]).reshape(light.shape[:2])


def oklab(light: FloatImage) -> FloatImage:
    """Linear sRGB to OKLab (Ottosson 2020): L 0..1, a and b about -0.4..0.4."""
    return cv2.transform(np.cbrt(cv2.transform(light, _CONES)), _LAB).astype(np.float32)


def drift(source: Reduced, result: Reduced) -> tuple[Drift, Drift]:
    """Drift between two reduced pictures of one size.

    Brightness may be lifted locally after the tone curve or before it. One model cannot hold both, so two are fitted,
    with the curve on the source's values and with its inverse on the result's; what either explains is no drift.
    """
    usable = source.usable * result.usable
    x, y = linear(source.encoded), linear(result.encoded)
    logs_x, logs_y = _logs(x), _logs(y)
    step = max(1, round(np.sqrt(usable.size / 5000)))
    picked = (slice(step // 2, None, step), slice(step // 2, None, step))
    sample = [v[picked].reshape(-1, v.shape[-1]) for v in (logs_x, logs_y, _basis(x, y))]
    weights = usable[picked].ravel()
    good = weights > 0.5
    if good.sum() < 32:
        nothing = _blocks(np.zeros((*usable.shape, 2), np.float32), np.zeros_like(usable))
        return nothing, nothing
    fit = Fit.of(*(v[good].astype(np.float64) for v in (*sample, weights)))
    first, second = fit.expected(logs_x, logs_y, _basis(x, y))
    return _blocks(_left(first, x, y), usable), _blocks(_left(second, x, y), usable)


def _left(ratios: Vector, x: FloatImage, y: FloatImage) -> FloatImage:
    """Drift of linear `y` from the expected log ratios: OKLab a, b x100 at lightness 1, less what a curve may do.

    Below half lightness the unit stays that of half lightness: there, noise and rounding are as large as a cast is
    faint.
    """
    light = luminance(y)
    expected = np.exp(np.stack([ratios[..., 0], np.zeros_like(light), ratios[..., 1]], 2).clip(-6, 6))
    expected *= (light / np.maximum(luminance(expected), 1e-6))[..., None]
    source, before, after = (oklab(v.astype(np.float32)) for v in (x, expected, y))
    scale = np.float32(100) / np.maximum(after[..., :1], _DIM)
    left, chroma = (after - before)[..., 1:] * scale, before[..., 1:] * scale
    left -= _kept(left, source[..., 1:] * 100 / np.maximum(source[..., :1], _DIM) - chroma, _brightness(x, 0.6, 0.83))
    # A tone curve changes saturation, and no global model knows by how much exactly: strongly coloured surfaces get
    # some slack, and highlights may lose colour and turn in hue, as every roll-off makes them.
    bright = _brightness(y, 0.48, 0.83)
    size = np.linalg.norm(chroma, axis=2, keepdims=True)
    toward, strong = chroma / np.maximum(size, 1e-6), np.maximum(size - _PALE, 0)
    radial = (left * toward).sum(2, keepdims=True)
    across = left - radial * toward
    length = np.maximum(np.linalg.norm(across, axis=2, keepdims=True), 1e-6)
    more = np.maximum(radial - _SATURATION * strong, 0)
    less = np.maximum(-radial - _SATURATION * strong - _FADING * bright * size, 0)
    turned = np.maximum(1 - (_HUE * strong + _TURNING * bright * size) / length, 0)
    return ((more - less) * toward + across * turned).astype(np.float32)


def _kept(left: Vector, back: Vector, bright: Vector) -> Vector:
    """The part of `left` that leads back to the source's colour: burnt highlights may stay unbalanced."""
    far = np.linalg.norm(back, axis=2, keepdims=True)
    toward = back / np.maximum(far, 1e-6)
    return np.clip((left * toward).sum(2, keepdims=True), 0, far * bright) * toward


def _brightness(light: FloatImage, low: float, high: float) -> Vector:
    """0..1 between two levels of the strongest linear channel, (h, w, 1)."""
    return _ramp(light.max(2), low, high)[..., None]


def _ramp(values: FloatImage, low: float, high: float) -> FloatImage:
    return np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)


def _logs(light: FloatImage) -> FloatImage:
    """Linear light in EV below white."""
    return np.log2(np.maximum(light, 1e-4)).astype(np.float32)


def _basis(x: FloatImage, y: FloatImage) -> FloatImage:
    """Smooth functions of the lightness before and after, (h, w, 5), all 0 at mid grey."""
    p, q = (np.cbrt(np.maximum(luminance(v), 0)) - np.float32(0.6) for v in (x, y))
    return np.stack([p, q, p * q, p * p, q * q], 2).astype(np.float32)


def _blocks(left: FloatImage, usable: FloatImage) -> Drift:
    """Weighted means over blocks of 1/64 of the long side."""
    height, width = usable.shape
    size = max(1, round(max(height, width) / BLOCKS))
    shape = (max(1, width // size), max(1, height // size))
    weights = cv2.resize(usable, shape, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(left * usable[..., None], shape, interpolation=cv2.INTER_AREA)
    return Drift((sums / np.maximum(weights, 1e-3)[..., None]).astype(np.float32), weights.astype(np.float32))


def declared(source: Reduced, tones: Sequence[Tone]) -> Reduced:
    """The reduced source after what `tones` may do: their curves, and of their fields the part all channels share.

    Curves are global. A field's own colour is not applied, so a declared local cast is drift like any other.
    """
    picture = source.encoded
    height, width = picture.shape[:2]
    for tone in tones:
        if tone.curve is not None:
            at = np.linspace(0, 1, len(tone.curve))
            channels = [np.interp(picture[..., c], at, tone.curve[:, c]) for c in range(3)]
            picture = np.stack(channels, 2).astype(np.float32)
        if tone.gain is not None and tone.offset is not None:
            gain, offset = (luminance(f)[..., None] for f in (tone.gain, tone.offset))
            both = cv2.resize(np.concatenate([gain, offset], 2), (width, height), interpolation=cv2.INTER_LINEAR)
            picture = np.clip(both[..., :1] * picture + both[..., 1:], 0, 1)
    return Reduced(picture, source.usable)
