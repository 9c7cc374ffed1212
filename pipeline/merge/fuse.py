"""Exposure fusion that keeps the scene's tone order.

The blend of Mertens et al. (Exposure Fusion, 2007) is computed on exposures reduced by `factor`; the full-resolution
picture is that base plus the weighted fine detail of every exposure:

    out = up(base) + sum_i up(weight_i * gain) * (exposure_i - up(small_i))

so that full-resolution work is a few multiply-adds per pixel, tile by tile. Three things go beyond the paper:

- **tone order**: plain fusion renders a window view darker than the wall beside it although it is several EV brighter.
  The base is raised there by an edge-aware gain (order.py).
- **shoulder and toe**: Mertens' base leaves the range of the display and clips. What exceeds it is rolled off (Reinhard
  et al., 2002, extended operator) towards the local white, which keeps true white at white; and so towards black.
- **faint shares**: fine detail of an exposure that counts for a few per cent is left out: it blurs more than it tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.merge.mapping import Mapping
from pipeline.merge.order import guided, keep_tone_order, log_radiance, steps_of
from pipeline.merge.outlook import outlook_of
from pipeline.merge.tiles import Box, Upsampler, resampled, sample
from pipeline.photo import Image
from pipeline.plan import Outlook
from pipeline.reduce import reduced
from pipeline.threads import thread_pool

Array = NDArray[np.floating[Any]]
_BEST_LEVEL, _SIGMA_EXPOSEDNESS = 0.55, 0.45
_POWER = 0.75
_FLOOR = 0.1
_FAINT, _FADE = 0.03, 0.6
_KNEE = 205.0
_TOE = 80.0
_EDGE, _EDGE_EPS = 0.006, 0.05
_NOTHING = 0.01
_BRIGHTER_THAN_IT = (0.35, 1.0)
"""EV above the level of what is indoors between which a pixel comes to show the view beside it."""
"""Share of a view's radiance below which there is none."""
_WEIGHT_ONE = 200
_BASE_ONE = 128
_LEVELS = np.arange(256, dtype=np.float32) / 255
_EXPOSEDNESS = np.exp(-((_LEVELS - _BEST_LEVEL) ** 2) / (2 * _SIGMA_EXPOSEDNESS**2)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Fusion:
    """What a tile needs of the whole: reduced pictures in the frame of the output.

    smalls: per exposure (h, w, 3) in the exposures' dtype. weights: per exposure (h, w, 3) uint8, 200 = one, times the
    gain. base: (h, w, 3) uint16, 128 * level. owner: (h, w) uint8, index of the exposure of largest weight.
    mappings: per exposure output pixels to exposure pixels, or None where identical.
    """

    factor: int
    size: tuple[int, int]
    smalls: tuple[Image, ...]
    weights: tuple[NDArray[np.uint8], ...]
    base: NDArray[np.uint16]
    owner: NDArray[np.uint8]
    mappings: tuple[Mapping | None, ...]


def reduction(pixels: int) -> int:
    """The factor by which exposures are reduced for the base: 4 for photos of 12 MP and more, else 2."""
    return 4 if pixels >= 12e6 else 2


def prepare(
    exposures: Sequence[Image],
    mappings: Sequence[Mapping],
    exposure_values: Sequence[float],
    *,
    size: tuple[int, int] | None = None,
    factor: int | None = None,
    detail: float = 1.0,
    outlook: Outlook | None = None,
    threads: int = 1,
) -> Fusion:
    """Weights, base and gains of a set of exposures.

    Parameters
    ----------
    exposures : sequence of (H, W, 3) uint8 or uint16
        sRGB-encoded, darkest first, at least two.
    mappings : sequence of Mapping
        Output pixels to exposure pixels, at full resolution.
    exposure_values : sequence of float
        Relative exposure values in EV, used where the pictures themselves cannot tell.
    size : (width, height), optional
        Of the output; default that of the exposures.
    factor : int, optional
        Reduction of the base; default `reduction(pixels)`.
    detail : float
        Share of the fine detail, 0..1.
    outlook : Outlook, optional
        Its share over the output's frame, at any size: views that show the scene's radiance instead of the blend.
    """
    height, width = exposures[0].shape[:2]
    size = size or (width, height)
    factor = min(factor or reduction(size[0] * size[1]), width, height)
    small_size = (-(-size[0] // factor), -(-size[1] // factor))
    maps = tuple(None if m.is_identity and size == (width, height) else m for m in mappings)

    def reduce(i: int) -> tuple[Image, Array]:
        small, valid = _reduced(exposures[i], maps[i], small_size, factor)
        return small, _weight(_to_uint8(small), valid)

    with thread_pool(threads) as pool:
        pairs = list(pool.map(reduce, range(len(exposures))))
        smalls = tuple(p[0] for p in pairs)
        weights = [p[1] for p in pairs]
        owner = _owner(weights)
        total = np.full(weights[0].shape, 1e-12, np.float32)
        for w in weights:
            cv2.add(total, w, dst=total)
        for w in weights:
            cv2.divide(w, total, dst=w)
        base = _blend(smalls, weights, pool)
    eights = [_to_uint8(s) for s in smalls]
    radiance = log_radiance(eights, exposure_values)
    gain = keep_tone_order(base, radiance)
    shaped = 255 - _rolled_off(255 - _rolled_off(base * gain[..., None], _KNEE), 255 - _TOE)
    # Fine detail follows the base: compressed where it was, so that it cannot overshoot.
    ratio = cv2.divide(shaped + 8, np.maximum(base, 0) + 8)
    ratio = np.minimum(ratio, gain[..., None], out=ratio)
    ratio *= np.float32(detail * _WEIGHT_ONE)
    shares = _without_faint([_soften(w) for w in weights])
    finals = [cv2.multiply(cv2.merge([b, b, b]), ratio) for b in shares]
    if outlook is not None:
        share = _along_edges(outlook.share.astype(np.float32), radiance)
        if outlook.indoors is not None:
            share *= _outdoors(outlook.indoors.astype(np.float32), radiance)
        exposed = eights, steps_of(eights, exposure_values)
        _look_out(shaped, finals, share, outlook, exposed, detail=detail)
    finals = tuple(cv2.convertScaleAbs(f) for f in finals)
    levels = np.clip(shaped * _BASE_ONE, 0, 255 * _BASE_ONE).astype(np.uint16)
    return Fusion(factor, size, smalls, finals, levels, owner, maps)


def fuse_tile(exposures: Sequence[Image], fusion: Fusion, box: Box) -> NDArray[np.float32]:
    """The fused picture inside box = (x0, y0, x1, y1): (y1-y0, x1-x0, 3) float32, levels 0..255 (not clipped).

    Tiles of any partition of the output join without seams: every value depends on absolute coordinates only.
    """
    x0, y0, x1, y1 = box
    up = Upsampler(fusion.factor, box, fusion.base.shape[1::-1])
    # Sums of weight times level and of weight times base. For 8 bits they are integers that float32 holds exactly.
    whole = np.zeros((y1 - y0, x1 - x0, 3), np.float32)
    coarse = np.zeros_like(whole)
    deep = any(exposure.dtype == np.uint16 for exposure in exposures)
    for exposure, small, weight, mapping in zip(exposures, fusion.smalls, fusion.weights, fusion.mappings, strict=True):
        if not up.window(weight).any():
            continue
        tile = exposure[y0:y1, x0:x1] if mapping is None else sample(exposure, mapping, box)
        share = up(weight).astype(np.uint16 if deep else np.uint8, copy=False)
        if deep and exposure.dtype == np.uint8:
            share *= np.uint16(257)
        cv2.accumulateProduct(tile.astype(share.dtype, copy=False), share, whole)
        cv2.accumulateProduct(up(small).astype(share.dtype, copy=False), share, coarse)
    detail = cv2.subtract(whole, coarse, dst=whole)
    scale = 1 / (_WEIGHT_ONE * (257 if deep else 1))
    return cv2.scaleAdd(detail, scale, up(fusion.base).astype(np.float32) * np.float32(1 / _BASE_ONE))


def _to_uint8(image: Image) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image  # type: ignore[return-value]
    eight: Any = cv2.convertScaleAbs(image, alpha=1 / 257)
    return eight


def _reduced(
    exposure: Image, mapping: Mapping | None, size: tuple[int, int], factor: int
) -> tuple[Image, Array | None]:
    """The exposure in the output's frame, reduced by `factor` (area), and where it has pixels (None: everywhere)."""
    height, width = exposure.shape[:2]
    ceil = (-(-width // factor), -(-height // factor))
    small: Any = exposure
    if factor > 1:
        whole = exposure[: height // factor * factor, : width // factor * factor]
        small = cv2.resize(whole, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
        small = cv2.copyMakeBorder(
            small, 0, ceil[1] - small.shape[0], 0, ceil[0] - small.shape[1], cv2.BORDER_REPLICATE
        )
    if mapping is None:
        return small, None
    ones = np.zeros(small.shape[:2], np.float32)
    ones[1:-1, 1:-1] = 1
    smaller = mapping.reduced(factor)
    return resampled(small, smaller, size), resampled(ones, smaller, size, border=cv2.BORDER_CONSTANT)


def _weight(small: NDArray[np.uint8], valid: Array | None) -> Array:
    """Mertens' contrast, saturation and well-exposedness; contrast and saturation share one power with a floor."""
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    channels = cv2.split(small)
    weight: Any = np.abs(cv2.Laplacian(gray, cv2.CV_32F))
    spread = cv2.subtract(cv2.max(cv2.max(*channels[:2]), channels[2]), cv2.min(cv2.min(*channels[:2]), channels[2]))
    cv2.multiply(weight, spread.astype(np.float32), dst=weight)
    weight = cv2.pow(weight, _POWER)
    weight *= np.float32(255 ** (1 - 2 * _POWER))
    weight += np.float32(_FLOOR)
    for channel in channels:
        cv2.multiply(weight, cv2.LUT(channel, _EXPOSEDNESS), dst=weight)
    if valid is not None:
        cv2.multiply(weight, valid, dst=weight)
    return weight


def _owner(weights: Sequence[Array]) -> NDArray[np.uint8]:
    """Index of the exposure of largest weight at half the size of the weights; the first of equals."""
    height, width = weights[0].shape
    size = max(round(width / 2), 1), max(round(height / 2), 1)
    best: Any = None
    owner = np.zeros((0, 0), np.uint8)
    for i, weight in enumerate(weights):
        half: Any = cv2.resize(weight, size, interpolation=cv2.INTER_LINEAR)
        if best is None:
            best, owner = half, np.zeros(half.shape, np.uint8)
            continue
        owner[half > best] = i
        cv2.max(best, half, dst=best)
    return owner


def _blend(smalls: Sequence[Image], weights: Sequence[Array], pool: ThreadPoolExecutor) -> Array:
    """The Laplacian blend: (h, w, 3) float32, levels 0..255, beyond the range where Mertens' is."""
    height, width = weights[0].shape
    levels = max(int(np.log2(min(height, width))) - 1, 1)

    def pyramid(i: int) -> list[Any]:
        current: Any = smalls[i].astype(np.float32)
        if smalls[i].dtype == np.uint16:
            current *= np.float32(1 / 257)
        mask: Any = weights[i]
        bands: list[Any] = []
        for _ in range(levels):
            down = cv2.pyrDown(current)
            band = cv2.subtract(current, cv2.pyrUp(down, dstsize=current.shape[1::-1]), dst=current)
            bands.append(cv2.multiply(band, cv2.merge([mask, mask, mask]), dst=band))
            current, mask = down, cv2.pyrDown(mask)
        bands.append(current * mask[..., None])
        return bands

    total: list[Any] | None = None
    for bands in pool.map(pyramid, range(len(smalls))):
        if total is None:
            total = bands
        else:
            for a, b in zip(total, bands, strict=True):
                cv2.add(a, b, dst=a)
    assert total is not None
    out = total[-1]
    for band in reversed(total[:-1]):
        out = cv2.add(cv2.pyrUp(out, dstsize=band.shape[1::-1]), band)
    return out


def _rolled_off(base: Array, knee: float) -> Array:
    """Levels above the knee rolled off towards the local white, which becomes 255; identity where none exceeds it."""
    height, width = base.shape[:2]
    coarse = reduced(cv2.max(cv2.max(base[..., 0], base[..., 1]), base[..., 2]), 256)
    white = cv2.GaussianBlur(cv2.dilate(coarse, np.ones((9, 9), np.uint8)), (0, 0), 5)
    m = (np.maximum(white, 255) - knee) / (255 - knee)
    inverse = cv2.resize((1 / (m * m)).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    # rolled = u (1 + u / m^2) / (1 + u), in place: this is the largest array of the base.
    u = np.maximum(base - np.float32(knee), 0)
    u *= np.float32(1 / (255 - knee))
    rolled = u * inverse[..., None]
    rolled += 1
    rolled *= u
    u += 1
    rolled /= u
    rolled *= np.float32(255 - knee)
    rolled += np.minimum(base, np.float32(knee))
    return np.minimum(rolled, 255, out=rolled)


def _look_out(
    shaped: Array,
    finals: Sequence[Array],
    share: Array,
    outlook: Outlook,
    exposed: tuple[Sequence[NDArray[np.uint8]], Sequence[float]],
    *,
    detail: float,
) -> None:
    """In place: levels and shares of fine detail (200 = one) where the view shows the scene's radiance, (h, w) 0..1.

    exposed: exposures and their values, as `outlook_of` wants them. detail: share of the fine detail.
    """
    there = np.nonzero(share)
    if not there[0].size:
        return
    box = tuple(slice(int(along.min()), int(along.max()) + 1) for along in there)
    smalls, steps = exposed
    inside = share[box][..., None]
    levels, shares = outlook_of([small[box] for small in smalls], steps, outlook)
    shaped[box] += inside * (np.minimum(levels, 255) - shaped[box])
    for final, own in zip(finals, shares, strict=True):
        final[box] += inside * (own * np.float32(detail * _WEIGHT_ONE) - final[box])


def _along_edges(share: Array, radiance: Array) -> Array:
    """A coarse field (h, w) 0..1 at the size of the radiance, with its edges where the radiance has them."""
    height, width = radiance.shape
    coarse = cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)
    slope, offset = guided(radiance, coarse, radius=max(round(_EDGE * max(width, height)), 2), eps=_EDGE_EPS)
    fine = np.clip(slope * radiance + offset, 0, coarse.max())
    return np.where(fine < _NOTHING, 0, fine)


def _outdoors(indoors: Array, radiance: Array) -> Array:
    """0..1: how far what is shown is brighter than what is indoors there (EV), at the size of the radiance."""
    levels = cv2.resize(indoors, radiance.shape[::-1], interpolation=cv2.INTER_LINEAR)
    t = np.clip((radiance - levels - _BRIGHTER_THAN_IT[0]) / (_BRIGHTER_THAN_IT[1] - _BRIGHTER_THAN_IT[0]), 0, 1)
    return t * t * (3 - 2 * t)


def _soften(weight: Array) -> Array:
    soft: Any = cv2.GaussianBlur(weight, (0, 0), 1)
    return soft


def _without_faint(shares: Sequence[Array]) -> Sequence[Array]:
    """Shares of the fine detail without those of a few per cent; in place.

    They fade out, which leaves no edge, and what remains is made to sum to one again, save where no exposure has
    pixels. Where an exposure has no share in a tile it need not even be sampled.
    """
    # The largest of n shares is 1 / n or more, so something always remains.
    faint = min(_FAINT, 0.5 / len(shares))
    total = np.zeros_like(shares[0])
    for share in shares:
        fade: Any = cv2.addWeighted(share, 1 / (_FADE * faint), share, 0, -1 / _FADE)
        cv2.multiply(share, np.clip(fade, 0, 1, out=fade), dst=share)
        cv2.add(total, share, dst=total)
    cv2.max(total, 1e-3, dst=total)
    for share in shares:
        cv2.divide(share, total, dst=share)
    return shares
