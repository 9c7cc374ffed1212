"""Whether straight lines of the scene are bent as a lens bends them: the plumb line method (Brown 1971).

Long edges are followed, and each asks by how much the picture would have to be unbent to be straight. Round things ask
for anything; a lens makes all lines ask for the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.reduce import reduced

Field = NDArray[np.floating[Any]]
Points = NDArray[np.float64]
_LONG_SIDE = 1200
_SHORTEST, _PIECE = 0.14, 0.03
"""Shortest edge that counts, and shortest piece of one, over the long side."""
_SAGITTA = 2.5
"""Pixels by which a piece may leave its chord."""
_GAP, _ASIDE, _TURNED = 0.12, (1.2, 0.02), 4.0
"""What lies between two pieces of an edge: a gap over the long side, a step aside in pixels and over the gap, a turn in
degrees."""
_MOST = 500
"""Pieces that are looked at, the longest."""
_JITTER = 0.25
"""Standard deviation of an edge's points, pixels."""
_OWN = 0.012
"""Standard deviation of the bend that edges have of themselves."""
_FEWEST, _MOST_BENT, _OVERLOOKED = 6, 0.2, 0.02
"""Edges that must agree; the largest bend of a lens; one that nobody sees."""


@dataclass(frozen=True, slots=True)
class Bend:
    """amount: share by which the corners lie too far in (> 0, barrel) or out. error: its standard deviation. edges: how
    many told it.
    """

    amount: float = 0.0
    error: float = float("inf")
    edges: int = 0

    @property
    def is_proven(self) -> bool:
        """Whether the lines cannot be straight: no chance, and more than anybody overlooks."""
        return self.edges >= _FEWEST and abs(self.amount) > max(4 * self.error, _OVERLOOKED)


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """points: of each long smooth edge (n, 2), in halves of the diagonal from the picture's middle. pixel: in these."""

    points: tuple[Points, ...]
    pixel: float


def edges_of(proxy: Field) -> Edges:
    """The edges of (h, w, 3) float32 0..1, sRGB-encoded, along which bends can be told."""
    fitted = reduced(proxy.astype(np.float32, copy=False), _LONG_SIDE)
    grey = np.clip(cv2.cvtColor(fitted, cv2.COLOR_RGB2GRAY) * 255, 0, 255).astype(np.uint8)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.2)
    thin = cv2.Canny(smooth, 20, 60, L2gradient=True)
    height, width = grey.shape
    contours, _ = cv2.findContours(thin, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    long = max(width, height)
    pieces = [p for c in contours if len(c) > 2 * _PIECE * long for p in _pieces(c[:, 0].astype(np.float64), long)]
    joined = _joined(_once(sorted(pieces, key=len, reverse=True)[:_MOST]), long)
    found = [edge for edge in joined if np.hypot(*np.ptp(edge, axis=0)) > _SHORTEST * long]
    middle, half = np.array([(width - 1) / 2, (height - 1) / 2]), float(np.hypot(width, height)) / 2
    return Edges(tuple((piece - middle) / half for piece in found), 1 / half)


def bend_of(edges: Edges, unbent: Callable[[Points], Points] | None = None) -> Bend:
    """The bend that most edges agree on; with `unbent`, what is left of it where that is done to their points."""
    asked = [_asked(unbent(edge) if unbent else edge, _JITTER * edges.pixel) for edge in edges.points]
    told = np.array([a for a in asked if a is not None]).reshape(-1, 2)
    amounts, precision = told[np.abs(told[:, 0]) < _MOST_BENT].T
    if len(amounts) < _FEWEST:
        return Bend(edges=len(amounts))
    amount = float(_median(amounts, precision))
    for _ in range(20):
        weight = precision / (1 + (amounts - amount) ** 2 * precision / 4) ** 2
        amount = float(weight @ amounts / weight.sum())
    misses = (amounts - amount) ** 2 * precision
    weight = precision / (1 + misses / 4) ** 2
    scatter = float(np.sum(weight**2 * (amounts - amount) ** 2)) / float(weight.sum()) ** 2
    error = float(np.sqrt(max(scatter, 1 / float(precision.sum()))))
    agree = int(np.sum(misses < 6))
    return Bend(amount, error if 2 * agree >= len(told) else float("inf"), agree)


def _pieces(contour: Points, long: int) -> list[Points]:
    """A contour cut where it turns; of what is long and nearly straight. Thin edges are walked there and back."""
    corners = cv2.approxPolyDP(contour.astype(np.float32)[:, None], _SAGITTA, closed=True)[:, 0]
    # Corners are points of the contour: found by a sort, as texture makes contours of a hundred thousand points.
    keys, first = np.unique(_keys(contour), return_index=True)
    at = np.unique(first[np.searchsorted(keys, _keys(corners))]).tolist()
    found: list[Points] = []
    for a, b in zip(at, [*at[1:], at[0] + len(contour)], strict=True):
        piece = np.take(contour, np.arange(a + 3, b - 2), axis=0, mode="wrap")
        if len(piece) >= 12 and np.hypot(*(piece[-1] - piece[0])) >= _PIECE * long:
            found.append(piece)
    return found


def _keys(points: Any) -> NDArray[np.int64]:
    """One number for each of (n, 2) whole pixels."""
    return points.astype(np.int64) @ np.array([1, 1 << 20])


def _once(pieces: list[Points]) -> list[Points]:
    """The pieces without those that are others walked back."""
    kept: list[Points] = []
    ends = np.empty((0, 4))
    for piece in pieces:
        own = np.concatenate([piece[0], piece[-1]])
        back = np.concatenate([piece[-1], piece[0]])
        if not np.any(np.minimum(np.abs(ends - own).max(axis=1), np.abs(ends - back).max(axis=1)) < 8):
            kept.append(piece)
            ends = np.vstack([ends, own])
    return kept


def _joined(pieces: list[Points], long: int) -> list[Points]:
    """Pieces that go on from one another, as the parts of an edge that something crosses, put together."""
    if not pieces:
        return []
    # Ends 2 i and 2 i + 1 of piece i: where it ends, and the direction in which it would go on.
    at = np.array([end for p in pieces for end in (p[0], p[-1])])
    on = np.array([_direction(part) for p in pieces for part in (p[::-1], p)])
    between = at[None] - at[:, None]
    gap = np.hypot(between[..., 0], between[..., 1])
    ahead = np.sum(between * on[:, None], axis=2)
    aside = np.abs(between[..., 0] * on[:, None, 1] - between[..., 1] * on[:, None, 0])
    fits = (gap < _GAP * long) & (ahead > -3) & (aside < _ASIDE[0] + _ASIDE[1] * gap)
    fits &= -(on @ on.T) > np.cos(np.radians(_TURNED))
    same = np.arange(len(at)) // 2
    fits &= fits.T & (same[:, None] != same[None])
    cost = np.where(fits, gap + 10 * (aside + aside.T), np.inf)
    best = np.argmin(cost, axis=1)
    partner = {i: int(j) for i, j in enumerate(best) if np.isfinite(cost[i, j]) and best[j] == i}
    left, found = set(range(len(pieces))), list[Points]()
    while left:
        start = min(left)
        chain = [start]
        left.discard(start)
        ways = [2 * start + 1, 2 * start]
        while ways:
            other = partner.get(ways.pop())
            if other is not None and other // 2 in left:
                chain.append(other // 2)
                left.discard(other // 2)
                ways.append(other ^ 1)
        found.append(np.concatenate([pieces[i] for i in chain]))
    return found


def _direction(points: Points) -> Points:
    """The direction in which the last third of a walk goes on, of length 1."""
    last = points[-max(8, len(points) // 3) :]
    _, _, axes = np.linalg.svd(last - last.mean(axis=0), full_matrices=False)
    return axes[0] * (1 if axes[0] @ (last[-1] - last[0]) >= 0 else -1)


def _asked(edge: Points, jitter: float) -> tuple[float, float] | None:
    """The bend that would make this edge straight, and how precisely it tells; None where it tells nothing."""
    centre = edge.mean(axis=0)
    _, _, axes = np.linalg.svd(edge - centre, full_matrices=False)
    along, across = (edge - centre) @ axes[0], axes[1]
    off = (edge - centre) @ across
    moved = (edge * np.sum(edge**2, axis=1)[:, None]) @ across
    basis = np.stack([np.ones_like(along), along], axis=1)
    off, moved = (v - basis @ np.linalg.lstsq(basis, v, rcond=None)[0] for v in (off, moved))
    power = float(moved @ moved)
    if power <= 0:
        return None
    amount = -float(off @ moved) / power
    left = float(np.mean((off + amount * moved) ** 2))
    # Neighbouring points of an edge err together: one in eight counts.
    variance = 8 * max(left, jitter**2) / power
    if variance > 0.02**2 or left > (6 * jitter) ** 2:
        return None
    return amount, 1 / (variance + _OWN**2)


def _median(values: Points, weights: Points) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return values[order][int(np.searchsorted(share, 0.5))]
