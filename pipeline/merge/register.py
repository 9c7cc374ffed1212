"""Registration of two exposures by their local structure: signals, correlation and Gauss-Newton on a homography.

Transforms here are (3, 3) float64 and map the first picture's coordinates to the second's, both divided by the first's
long side, pixel centres at +0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_DARK, _BRIGHT = 4, 248
"""Levels, of 255, between which a pixel is well exposed."""
_WINDOW = (17, 17)
"""Window, in pixels, in which the signal is normalised."""
_NOISE = 0.01
"""Contrast of the logarithmic signal that counts as noise even in a clean picture."""
_WHITE = 0.3
"""Variance that noise leaves in the smoothed signal, relative to its variance in what smoothing took away."""
_FEWEST = 60
"""Points below which nothing is estimated."""
_CELL = 6
"""One point is taken from each cell of this many pixels squared."""
_EDGE = 0.08
"""Least gradient, of the normalised signal per pixel, that makes a point worth taking."""
_CORRELATED = 100.0
"""How many neighbouring residuals count as one independent measurement."""
_CALM, _SHAKEN = 0.3, 0.05
"""Expected size, in pixels at the frame's edge, of motions other than the shift: constant, and per pixel of shift."""
_LUT = np.log(np.arange(256, dtype=np.float32) + 8)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Local structure of two pictures on the first one's grid: (h, w) float32 of mean 0 and variance at most 1.

    weight, (h, w) float32 0..1, is 0 where either is clipped and small where either holds little but noise.
    """

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    weight: NDArray[np.float32]

    @property
    def correlation(self) -> float:
        """Weighted normalised cross-correlation, -1..1; 0 where the pictures have nothing in common."""
        a, b = self.first * self.weight, self.second * self.weight
        norm = float(np.vdot(a, self.first)) * float(np.vdot(b, self.second))
        return float(np.vdot(a, self.second)) / norm**0.5 if norm > 0 else 0.0

    @property
    def support(self) -> float:
        """Sum of the weights, in pixels."""
        return float(self.weight.sum())


def to_index(transform: NDArray[np.float64], long: int) -> NDArray[np.float64]:
    """A normalised transform in OpenCV's coordinates (pixels, centres at integers) of frames with this long side."""
    if np.array_equal(transform, np.eye(3)):
        return transform
    scale = np.array([[1 / long, 0, 0.5 / long], [0, 1 / long, 0.5 / long], [0, 0, 1]])
    matrix = np.linalg.inv(scale) @ transform @ scale
    return matrix / matrix[2, 2]


def to_normalised(matrix: NDArray[np.float64], long: int) -> NDArray[np.float64]:
    """The inverse of to_index."""
    scale = np.array([[1 / long, 0, 0.5 / long], [0, 1 / long, 0.5 / long], [0, 0, 1]])
    transform = scale @ matrix @ np.linalg.inv(scale)
    return transform / transform[2, 2]


def motion_of(transform: NDArray[np.float64], aspect: float = 0.75) -> float:
    """Mean motion over a grid on the frame, relative to the long side."""
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, aspect, 5)), -1).reshape(-1, 1, 2)
    return float(np.linalg.norm(cv2.perspectiveTransform(grid, transform) - grid, axis=-1).mean())


def pair_of(first: NDArray[np.uint8], second: NDArray[np.uint8], transform: NDArray[np.float64]) -> Pair:
    """Local structure of two green channels (h, w), the second resampled by the transform onto the first's grid.

    Structure is the logarithm, less its local mean, over its local deviation, so it is the same for any exposure. Local
    statistics are taken over pixels well exposed in both pictures: else the edge of a burnt window would be seen in one
    of them only, and would pull.
    """
    h, w = first.shape
    matrix = to_index(transform, max(h, w))
    both = cv2.bitwise_and(_exposed(first), _moved(_exposed(second), matrix, (w, h), cv2.INTER_NEAREST))
    both = cv2.erode(both, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    mask = both.astype(np.float32)
    per_pixel = 1 / (cv2.blur(mask, _WINDOW) + 1e-6)
    a, weight = _structure(_logarithm(first), mask, per_pixel)
    b, clear = _structure(_moved(_logarithm(second), matrix, (w, h), cv2.INTER_CUBIC), mask, per_pixel)
    inner = cv2.erode(both, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    weight *= clear
    weight *= inner
    return Pair(a, b, weight)


def _logarithm(green: NDArray[np.uint8]) -> NDArray[np.float32]:
    return cv2.LUT(green, _LUT)  # pyright: ignore[reportReturnType]


def _exposed(green: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.inRange(green, _DARK, _BRIGHT) & 1  # pyright: ignore[reportArgumentType,reportCallIssue,reportReturnType]


def _moved(values: NDArray[Any], matrix: NDArray[np.float64], size: tuple[int, int], mode: int) -> NDArray[Any]:
    if values.shape == size[::-1] and np.array_equal(matrix, np.eye(3)):
        return values
    return cv2.warpPerspective(values, matrix, size, flags=mode | cv2.WARP_INVERSE_MAP)


def _structure(
    log: NDArray[np.float32], mask: NDArray[np.float32], per_pixel: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The normalised signal, and how much of its variance is structure rather than noise, 0..1.

    per_pixel: what makes a mean over the window a mean over those of its pixels that count.
    """
    detail: Any = cv2.blur(log * mask, _WINDOW)
    detail *= per_pixel
    cv2.subtract(log, detail, dst=detail)
    detail *= mask
    smooth: Any = cv2.GaussianBlur(detail, (0, 0), 1.0)
    fine = cv2.subtract(detail, smooth, dst=detail)
    variance: Any = cv2.sqrBoxFilter(smooth, cv2.CV_32F, _WINDOW)
    variance *= per_pixel
    noise: Any = cv2.sqrBoxFilter(fine, cv2.CV_32F, _WINDOW)
    noise *= per_pixel
    noise *= np.float32(_WHITE)
    noise += np.float32(_NOISE**2)
    deviation = cv2.add(variance, noise)
    smooth /= np.sqrt(deviation, out=deviation)
    variance += np.float32(1e-9)
    clear = np.divide(noise, variance, out=noise)
    np.subtract(1, clear, out=clear)
    return smooth, np.maximum(clear, 0, out=clear)


def shift_of(pair: Pair) -> NDArray[np.float64]:
    """The shift between two pictures by phase correlation, as a transform."""
    h, w = pair.first.shape
    window = cv2.createHanningWindow((w, h), cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(pair.first, pair.second, window)
    moved = np.eye(3)
    moved[:2, 2] = np.array([dx, dy]) / max(h, w)
    return moved


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Textured pixels: index coordinates, value, weight, and (n, 8) derivatives for the motions of motion_matrix."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    value: NDArray[np.float32]
    weight: NDArray[np.float32]
    slope: NDArray[np.float32]


def _points(pair: Pair) -> _Points:
    """The steepest pixel of each cell."""
    h, w = pair.first.shape
    gx = cv2.Scharr(pair.first, cv2.CV_32F, 1, 0, scale=1 / 32)
    gy = cv2.Scharr(pair.first, cv2.CV_32F, 0, 1, scale=1 / 32)
    steep = (np.abs(gx) + np.abs(gy)) * pair.weight
    rows, columns = h // _CELL, w // _CELL
    cells = steep[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL).transpose(0, 2, 1, 3)
    cells = cells.reshape(rows, columns, _CELL * _CELL)
    best = cells.argmax(-1)
    top = np.take_along_axis(cells, best[..., None], -1)[..., 0] > _EDGE
    y = (np.arange(rows)[:, None] * _CELL + best // _CELL)[top]
    x = (np.arange(columns)[None] * _CELL + best % _CELL)[top]
    sx, sy, half = gx[y, x], gy[y, x], max(h, w) / 2
    u = ((x - (w - 1) / 2) / half).astype(np.float32)
    v = ((y - (h - 1) / 2) / half).astype(np.float32)
    out = u * sx + v * sy
    slope = np.stack([sx, sy, u * sy - v * sx, out, u * sx - v * sy, v * sx + u * sy, u * out, v * out], -1)
    return _Points(x.astype(np.float32), y.astype(np.float32), pair.first[y, x], pair.weight[y, x], slope)


def polish(
    pair: Pair, transform: NDArray[np.float64], *, calm: float = _CALM, shift_only: bool = False, iterations: int = 30
) -> tuple[NDArray[np.float64], float]:
    """Better a transform; returns it with its expected error over the frame, in pixels (infinite if unknown).

    The result is the transform by which the pair was made, after Gauss-Newton on what the pair still moves.
    Inverse compositional, with Tukey weights, and a prior on the whole transform (calm: see motion_prior). Shift and
    rotation are freed first.
    """
    h, w = pair.first.shape
    half = max(h, w) / 2
    centre = np.array([[half, 0, (w - 1) / 2], [0, half, (h - 1) / 2], [0, 0, 1]])
    away = np.linalg.inv(centre)
    points = _points(pair)
    if len(points.x) < _FEWEST:
        return transform, float("inf")
    before = away @ to_index(transform, max(h, w)) @ centre
    inner, normal, prior = np.eye(3), np.eye(8), np.eye(8)
    for step in range(iterations):
        normal, right = _equations(points, pair.second, centre @ inner @ away)
        motion = motion_vector(before @ inner, half)
        prior = np.diag(motion_prior(motion, calm))
        free = 2 if shift_only else 3 if step < 3 else 8
        delta = np.zeros(8)
        delta[:free] = np.linalg.lstsq((normal + prior)[:free, :free], (right + prior @ motion)[:free], rcond=None)[0]
        inner = inner @ np.linalg.inv(motion_matrix(delta, half))
        inner /= inner[2, 2]
        if step > 3 and np.abs(delta).max() < 0.003:
            break
    return to_normalised(centre @ before @ inner @ away, max(h, w)), _expected_error(normal + prior, h / w)


def _expected_error(precision: NDArray[np.float64], aspect: float) -> float:
    """Root mean square over the frame, in pixels, of the motion whose eight parts are known to this precision."""
    u, v = (a.ravel() for a in np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 5) * min(aspect, 1)))
    one, zero = np.ones_like(u), np.zeros_like(u)
    x = np.stack([one, zero, -v, u, u, v, u * u, u * v], -1)
    y = np.stack([zero, one, u, v, -v, u, u * v, v * v], -1)
    spread = (x.T @ x + y.T @ y) / len(u)
    return float(np.sqrt(np.trace(np.linalg.pinv(precision) @ spread)))


def motion_prior(motion: NDArray[np.float64], calm: float) -> NDArray[np.float64]:
    """How strongly each of the eight motions is held to zero, in 1 / pixels squared.

    A Cauchy prior by reweighting: what the pictures show clearly is free, what they hardly show (little in common, all
    in one window) stays zero. Without it, perspective would be extrapolated over most of the frame.
    """
    expected = calm + _SHAKEN * float(np.hypot(motion[0], motion[1]))
    expected = expected * np.array([np.inf, np.inf, 5, 1, 1, 1, 1, 1])
    return 1 / (expected**2 + motion**2)


def _equations(
    points: _Points, second: NDArray[np.float32], matrix: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Normal equations of one step, in units of the residuals' variance."""
    a = matrix.astype(np.float32)
    z = a[2, 0] * points.x + a[2, 1] * points.y + a[2, 2]
    x = (a[0, 0] * points.x + a[0, 1] * points.y + a[0, 2]) / z
    y = (a[1, 0] * points.x + a[1, 1] * points.y + a[1, 2]) / z
    value = _sample(second, x, y)
    gain = float(value @ points.value) / max(float(value @ value), 1e-6)
    residual = max(gain, 0.2) * value - points.value
    scale = 1.4826 * float(np.median(np.abs(residual))) + 1e-3
    weight = np.square(np.clip(1 - np.square(residual / (4.685 * scale)), 0, None)) * points.weight
    weighted = points.slope * (weight / (scale * scale * _CORRELATED))[:, None]
    return (weighted.T @ points.slope).astype(np.float64), (weighted.T @ residual).astype(np.float64)


def _sample(values: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    # remap takes no more than 32767 rows or columns, so points are laid out in rows of 256.
    shape = (-(-len(x) // 256), 256)
    maps = [np.resize(m, shape) for m in (x, y)]
    sampled = cv2.remap(values, maps[0], maps[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return sampled.ravel()[: len(x)]  # pyright: ignore[reportReturnType]


def motion_matrix(motion: NDArray[np.float64], half: float) -> NDArray[np.float64]:
    """The homography, in coordinates centred and divided by half the long side, of the eight motions in pixels."""
    tx, ty, turn, size, stretch, skew, px, py = motion / half
    return np.array([[1 + size + stretch, skew - turn, tx], [turn + skew, 1 + size - stretch, ty], [-px, -py, 1]])


def motion_vector(matrix: NDArray[np.float64], half: float) -> NDArray[np.float64]:
    """The inverse of _matrix."""
    m = half * (matrix / matrix[2, 2] - np.eye(3))
    turn, skew = (m[1, 0] - m[0, 1]) / 2, (m[1, 0] + m[0, 1]) / 2
    size, stretch = (m[0, 0] + m[1, 1]) / 2, (m[0, 0] - m[1, 1]) / 2
    return np.array([m[0, 2], m[1, 2], turn, size, stretch, skew, -m[2, 0], -m[2, 1]])
