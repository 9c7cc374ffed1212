"""The global colour change of an edit: one white balance and one tone curve, fitted robustly to log channel ratios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.floating[Any]]

_LN2 = np.float32(np.log(2))
_KNOTS = np.arange(-12.0, 3.0)
_SCALES = np.geomspace(0.4, 0.04, 8)


@dataclass(frozen=True, slots=True)
class Fit:
    """Two models of log2 R/G and log2 B/G of the result.

    after: curve on the source's balanced values (`curve`, `shift`), brightness lifted after it. before: the inverse
    curve on the result's values, brightness lifted before it. Each is stretched by a smooth function of lightness.
    """

    curve: Vector
    shift: Vector
    stretch: Vector
    inverse: Vector
    back_shift: Vector
    back_stretch: Vector

    @classmethod
    def of(cls, logs_x: Vector, logs_y: Vector, basis: Vector, weights: Vector) -> Self:
        """Fit (n, 3) log2 linear values before and after; basis: (n, k) smooth functions of lightness."""
        u, v = ratios(logs_x), ratios(logs_y)
        shift = np.median(v - u, axis=0)
        curve, shift = _forward(logs_x, v, weights, shift)
        stretch = _stretch(_bend(logs_x, curve, shift), v, basis, weights)
        inverse, back_shift = _backward(logs_y, u, weights)
        back_stretch = _stretch(_bend(logs_y, inverse, np.zeros(2)), u + back_shift, basis, weights)
        return cls(curve, shift, stretch, inverse, back_shift, back_stretch)

    def expected(self, logs_x: Vector, logs_y: Vector, basis: Vector) -> tuple[Vector, Vector]:
        """Natural log ratios of the result, (h, w, 2), that each model expects."""
        first = _bend(logs_x, self.curve, self.shift) * _factor(basis, self.stretch)
        own = ratios(logs_y)
        left = _bend(logs_y, self.inverse, np.zeros(2)) * _factor(basis, self.back_stretch) - (
            ratios(logs_x) + self.back_shift
        )
        slope = np.interp(logs_y[..., 1], _KNOTS[:-1] + 0.5, np.diff(self.inverse))[..., None]
        second = own - left / np.clip(slope, 0.3, 3.0)
        return (first * _LN2).astype(np.float32), (second * _LN2).astype(np.float32)


def ratios(logs: Vector) -> Vector:
    """log2 R/G and B/G of (..., 3) log2 values."""
    return np.stack([logs[..., 0] - logs[..., 1], logs[..., 2] - logs[..., 1]], -1)


def _factor(basis: Vector, stretch: Vector) -> Vector:
    return np.clip(1 + np.einsum("...k,k->...", basis, stretch.astype(basis.dtype)), 0.2, 4.0)[..., None]


def _bend(logs: Vector, curve: Vector, shift: Vector) -> Vector:
    """Ratios after the balance and the curve."""
    r, g, b = (np.interp(logs[..., c] + s, _KNOTS, curve) for c, s in ((0, shift[0]), (1, 0.0), (2, shift[1])))
    return np.stack([r - g, b - g], -1)


def _hats(values: Vector) -> Vector:
    """Weights of the knots for each value, (n, knots): linear interpolation as a matrix."""
    place = np.clip(values - _KNOTS[0], 0, len(_KNOTS) - 1 - 1e-9)
    low = place.astype(int)
    hats = np.zeros((len(values), len(_KNOTS)))
    rows = np.arange(len(values))
    hats[rows, low] = 1 - (place - low)
    hats[rows, low + 1] = place - low
    return hats


def _smooth(count: float) -> tuple[Vector, Vector]:
    """Normal equations that draw a curve's slope weakly to 1 and its bends to 0, and its start to the identity."""
    n = len(_KNOTS)
    first, second = np.diff(np.eye(n), axis=0), np.diff(np.eye(n), 2, axis=0)
    a = count * (1e-3 * first.T @ first + 3e-3 * second.T @ second)
    a[n // 2, n // 2] += count
    b = count * 1e-3 * first.sum(0)
    b[n // 2] += count * _KNOTS[n // 2]
    return a, b


def _gram(a: Vector, b: Vector, weights: Vector) -> Vector:
    """a.T @ diag(weights) @ b. For such small results the threads of a BLAS cost more than they save."""
    return np.einsum("ni,n,nj->ij", a, weights, b, optimize=False)


def _trust(left: Vector, weights: Vector, scale: float) -> Vector:
    return weights / (1 + (left**2).sum(1) / scale**2) ** 2


def _forward(logs_x: Vector, v: Vector, weights: Vector, shift: Vector) -> tuple[Vector, Vector]:
    """Curve and shift with v = curve(x + shift) ratios: Gauss-Newton on both, reweighted with a falling scale."""
    curve = _KNOTS.copy()
    n = len(_KNOTS)
    for scale in _SCALES:
        balanced = logs_x + np.array([shift[0], 0.0, shift[1]])
        hats = [_hats(balanced[:, c]) for c in range(3)]
        slopes = [np.interp(balanced[:, c], _KNOTS[:-1] + 0.5, np.diff(curve)) for c in (0, 2)]
        trust = _trust(v - np.stack([(hats[c] - hats[1]) @ curve for c in (0, 2)], 1), weights, scale)
        a, b = np.zeros((n + 2, n + 2)), np.zeros(n + 2)
        for i, c in enumerate((0, 2)):
            rows = np.concatenate([hats[c] - hats[1], np.zeros((len(v), 2))], 1)
            rows[:, n + i] = slopes[i]
            target = v[:, i] + slopes[i] * shift[i]
            a += _gram(rows, rows, trust)
            b += _gram(rows, target[:, None], trust)[:, 0]
        prior = _smooth(float(trust.sum()))
        a[:n, :n] += prior[0]
        b[:n] += prior[1]
        solution = np.linalg.solve(a + 1e-9 * np.eye(n + 2), b)
        curve, shift = solution[:n], np.clip(solution[n:], -4, 4)
    return curve, shift


def _backward(logs_y: Vector, u: Vector, weights: Vector) -> tuple[Vector, Vector]:
    """Curve and shift with u + shift = curve(y) ratios."""
    n = len(_KNOTS)
    hats = [_hats(logs_y[:, c]) for c in range(3)]
    rows = [np.concatenate([hats[c] - hats[1], np.zeros((len(u), 2))], 1) for c in (0, 2)]
    for i in range(2):
        rows[i][:, n + i] = -1
    solution = np.concatenate([_KNOTS, np.median(rows[0][:, :n] @ _KNOTS - u[:, 0], keepdims=True), [0.0]])
    solution[n + 1] = np.median(rows[1][:, :n] @ _KNOTS - u[:, 1])
    for scale in _SCALES:
        trust = _trust(u - np.stack([r @ solution for r in rows], 1), weights, scale)
        a, b = 1e-9 * np.eye(n + 2), np.zeros(n + 2)
        for i, r in enumerate(rows):
            a += _gram(r, r, trust)
            b += _gram(r, u[:, i : i + 1], trust)[:, 0]
        prior = _smooth(float(trust.sum()))
        a[:n, :n] += prior[0]
        b[:n] += prior[1]
        solution = np.linalg.solve(a, b)
    return solution[:n], solution[n:]


def _stretch(model: Vector, target: Vector, basis: Vector, weights: Vector) -> Vector:
    """Coefficients of a stretch 1 + basis @ c of the model's ratios towards the target."""
    stretch = np.zeros(basis.shape[1])
    for scale in (0.1, 0.06, 0.04, 0.04):
        trust = _trust(target - model * _factor(basis, stretch), weights, scale)
        size = trust * (model**2).sum(1)
        a = _gram(basis, basis, size) + 1e-3 * float(trust.sum()) * np.eye(basis.shape[1])
        stretch = np.linalg.solve(a, _gram(basis, (model * (target - model)).sum(1)[:, None], trust)[:, 0])
    return stretch
