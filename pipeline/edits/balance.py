"""White balance: the cast of the light is removed, its warmth is not.

The illuminant is voted by the picture's neutral-looking surfaces (walls, ceilings, whites) in log-chromaticity, with
the gray-edge estimate (van de Weijer et al., 2007) as one more vote and a prior along the Planckian locus: light is
warm or cool, hardly ever green or magenta. Correction is von Kries in linear light, written as one curve per channel.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import highest, lowest
from pipeline.plan import Operation, Tone
from pipeline.read.color import LUMA, from_linear, to_linear
from pipeline.recipe import Balance
from pipeline.reduce import reduced
from pipeline.see.scene import Seen

Field = NDArray[np.floating[Any]]
_LONG_SIDE = 384
_RANGE = 1.2
_BINS = 120
_SIGMA_WARMTH, _SIGMA_TINT = 0.60, 0.10
_WARM_AXIS = np.array([0.62, -0.78])
"""Direction of the Planckian locus in (log R/G, log B/G) around daylight: warmer light has more red and less blue."""
_KEPT_WARMTH = 0.05
_LEAST_TRUST = 0.75
_ENOUGH = 0.25
"""Share of the picture that must vote outdoors for the light to be fully believed."""
_SHADE = (0.5, 0.25)
"""Darker share of the surfaces outdoors, and the quantile of their warmth that is the shade's."""
_COOLEST, _COOLER = 0.15, 0.06
"""Quantile of the warmth of surfaces in a room, and how much more may be taken away."""
_DOUBTFUL = 0.5
"""Share of a cast that is kept where it may be the colour of dusk."""
_GAIN = (0.4, 2.6)
_CURVE = 256
_FADE = 0.88


def plan(proxy: Field, seen: Seen, panel: Balance) -> list[Operation]:
    """One curve per channel that removes `panel.strength` of the cast; nothing for strength 0.

    Parameters
    ----------
    proxy : (h, w, 3) float32 0..1, sRGB-encoded
    """
    if panel.strength == 0:
        return []
    # At dusk the light of windows is meant to be warm, and that of the sky blue.
    kept = max(seen.dusk, _DOUBTFUL if seen.may_be_dusk else 0.0)
    chroma = illuminant(proxy, _coloured(seen, proxy)) * panel.strength * (1 - kept)
    chroma = chroma - panel.warmth * 0.15 * _WARM_AXIS
    gains = gains_of(chroma)
    if np.max(np.abs(gains - 1)) < 0.004:
        return []
    x = np.linspace(0, 1, _CURVE, dtype=np.float32)
    return [Tone("balance", curve=np.stack([_curve(x, g) for g in gains], axis=-1).astype(np.float32))]


def _coloured(seen: Seen, proxy: Field) -> Any:
    """(h, w) bool: sky, leaves and lawns, whose colour says little about the light; None in rooms."""
    if seen.place not in {"exterior", "aerial"}:
        return None
    size = (proxy.shape[1], proxy.shape[0])
    sky, leaves = (cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) > 0.5 for m in (seen.sky, seen.vegetation))
    red, green, blue = (proxy[..., c] for c in range(3))
    return sky | leaves | ((green > 1.03 * red) & (green > 1.15 * blue))


def gains_of(chroma: Field) -> NDArray[np.float64]:
    """Linear gains (R, G, B) that neutralise (log R/G, log B/G), of unit luminance and bounded."""
    gains = np.exp(-np.array([chroma[0], 0.0, chroma[1]]))
    gains /= float(gains @ LUMA)
    return np.clip(gains, *_GAIN)


def _curve(x: NDArray[np.float32], gain: float) -> Field:
    """A gain in linear light that fades towards clipping: burnt white has no colour of its own and stays white."""
    balanced = from_linear(np.clip(to_linear(x) * np.float32(gain), 0, 1))
    fade = np.clip((x - _FADE) / (1 - _FADE), 0, 1)
    fade = fade * fade * (3 - 2 * fade)
    return balanced + fade * (x - balanced) if gain < 1 else balanced


def illuminant(proxy: Field, coloured: Any = None) -> NDArray[np.float64]:
    """(log R/G, log B/G) of the light in the picture, less the warmth that is kept; (0, 0) where nothing votes.

    coloured: (h, w) bool, what has no vote; where little else is left, the light is believed less.
    """
    small = reduced(proxy.astype(np.float32), _LONG_SIDE)
    linear = to_linear(np.clip(small, 0, 1))
    ignored = np.zeros(small.shape[:2], bool)
    if coloured is not None:
        ignored = cv2.resize(coloured.astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    votes, weights, luma = _surfaces(small, linear, ignored)
    if len(votes) < 50:
        return np.zeros(2)
    edge = _gray_edge(small, linear)
    grid = _vote(votes, weights)
    axis = np.linspace(-_RANGE, _RANGE, _BINS)
    u, v = np.meshgrid(axis, axis, indexing="ij")
    along = u * _WARM_AXIS[0] + v * _WARM_AXIS[1]
    across = -u * _WARM_AXIS[1] + v * _WARM_AXIS[0]
    prior = np.exp(-0.5 * ((along / _SIGMA_WARMTH) ** 2 + (across / _SIGMA_TINT) ** 2))
    bump = np.exp(-0.5 * ((u - edge[0]) ** 2 + (v - edge[1]) ** 2) / 0.08**2)
    score = grid * prior * (0.15 + bump)
    peak = np.unravel_index(int(np.argmax(score)), score.shape)
    found = np.array([axis[peak[0]], axis[peak[1]]])
    near = np.exp(-0.5 * np.sum((votes - found) ** 2, axis=1) / 0.06**2) * weights
    found = (votes * near[:, None]).sum(axis=0) / max(float(near.sum()), 1e-9)
    # Wood and painted walls vote for themselves; edges then disagree, and the correction is held back.
    trust = _LEAST_TRUST + (1 - _LEAST_TRUST) * np.exp(-np.sum((found - edge) ** 2) / 0.3**2)
    if coloured is None:
        return _unmixed(_bounded(found * trust), votes)
    trust *= min(1.0, len(votes) / (_ENOUGH * ignored.size)) if ignored.any() else 1.0
    return _sunlit(_bounded(found * trust), votes, luma)


def _sunlit(chroma: NDArray[np.float64], votes: NDArray[np.float64], luma: Any) -> NDArray[np.float64]:
    """No more warmth than the shade has: the sun may be golden, and what it does not reach must not turn blue."""
    shade = votes[luma <= np.quantile(luma, _SHADE[0])] @ _WARM_AXIS
    return _no_warmer(chroma, float(np.quantile(shade, _SHADE[1])))


def _unmixed(chroma: NDArray[np.float64], votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Little more warmth than the coolest surfaces have: where lamps and daylight mix, walls must not turn blue."""
    return _no_warmer(chroma, float(np.quantile(votes @ _WARM_AXIS, _COOLEST)) + _COOLER)


def _no_warmer(chroma: NDArray[np.float64], warmth: float) -> NDArray[np.float64]:
    """A light of at most that warmth, which counts as none where it is cool."""
    excess = float(chroma @ _WARM_AXIS) - max(warmth, 0.0)
    return chroma - max(excess, 0.0) * _WARM_AXIS


def _bounded(chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep a little warmth of warm light; cool light and tint go whole."""
    along = float(chroma @ _WARM_AXIS)
    kept = min(max(along, 0.0), _KEPT_WARMTH + 0.12 * max(along, 0.0))
    return chroma - kept * _WARM_AXIS


def _surfaces(small: Any, linear: Any, ignored: Any) -> tuple[NDArray[np.float64], NDArray[np.float64], Any]:
    """Log-chromaticities of smooth, bright, not clipped pixels, their weights, and their luma."""
    peak, low = highest(small), lowest(small)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    rough = np.hypot(cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1))
    good = (peak < 0.97) & (low > 0.08) & (luma > 0.25) & ~ignored
    x = linear[good].astype(np.float64)
    chroma = np.stack([np.log(x[:, 0] / x[:, 1]), np.log(x[:, 2] / x[:, 1])], axis=-1)
    weights = luma[good] ** 2 * np.exp(-((rough[good] / 0.25) ** 2))
    return chroma, weights.astype(np.float64), luma[good]


def _gray_edge(small: Any, linear: Any) -> NDArray[np.float64]:
    smooth = cv2.GaussianBlur(linear, (0, 0), 1)
    edges = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    edges[highest(small) > 0.97] = 0
    e = np.power(np.mean(np.power(edges.reshape(-1, 3).astype(np.float64), 6), axis=0) + 1e-30, 1 / 6)
    return np.array([np.log(e[0] / e[1]), np.log(e[2] / e[1])])


def _vote(votes: NDArray[np.float64], weights: NDArray[np.float64]) -> Any:
    edges = np.linspace(-_RANGE - _RANGE / (_BINS - 1), _RANGE + _RANGE / (_BINS - 1), _BINS + 1)
    grid, _, _ = np.histogram2d(votes[:, 0], votes[:, 1], bins=(edges, edges), weights=weights)
    return cv2.GaussianBlur(grid, (0, 0), 0.05 / (2 * _RANGE / _BINS))
