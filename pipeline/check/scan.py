"""One pass over two pictures in tiles: moments of 7x7 windows and matched edges, collected in cells of 8x8 pixels.

Everything the check says about fine detail comes from these cells, so no float copy of a whole picture is ever made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.photo import Image
from pipeline.threads import thread_pool

CELL = 8
_ROWS, _COLUMNS = 256, 1024
_HALO = 8
_WINDOW = 7
_SAMPLES = _WINDOW * _WINDOW
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
# Steps in grey levels: an edge of at least _STRONG must find one of at least _WEAK_STRONG near it, and one of a quarter
# of _STRONG one of at least _WEAK.
_STRONG, _WEAK_STRONG, _WEAK = 32, 11, 3
_MAX_GAIN = 8.0

Gray = NDArray[np.uint8] | NDArray[np.float32]
Grid = NDArray[np.floating[Any]]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Cells:
    """Means over cells of 8x8 pixels, each (H // 8, W // 8) float32, in grey levels 0..255 of the luma.

    mean: of the source. var_source, var_result, covariance: of 7x7 windows. gain: local slope of result over source.
    new: edges of the result, found: those of them that the source has; old: edges of the source, kept: those the result
    has (all four in pixels per cell).
    """

    mean: Grid
    var_source: Grid
    var_result: Grid
    covariance: Grid
    gain: Grid
    new: Grid
    found: Grid
    old: Grid
    kept: Grid


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass found: plain SSIM, the share of pixels that differ, and the cells."""

    ssim: float
    changed: float
    cells: Cells


def luma(image: Image) -> Gray:
    """BT.601 luma as cv2 rounds it, 0..255: uint8 of 8-bit pictures, float32 of 16-bit ones."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    if gray.dtype == np.uint8:
        return gray  # pyright: ignore[reportReturnType]
    return gray.astype(np.float32) * np.float32(1 / 257)


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the picture that fits the processor's cache, and the wider one its windows look at."""

    own: tuple[slice, slice]
    """Rows and columns of the picture that count here."""
    wide: tuple[slice, slice]
    """The same with a halo, where the picture has one."""
    whole: tuple[slice, slice]
    """Of `own`, where whole 7x7 windows are inside the picture."""

    def inner(self, values: np.ndarray, of: tuple[slice, slice]) -> np.ndarray:
        """The part `of` (own or whole) of an array over `wide`."""
        rows, columns = (slice(s.start - w.start, s.stop - w.start) for s, w in zip(of, self.wide, strict=True))
        return values[rows, columns]


def tiles(height: int, width: int) -> Iterator[Tile]:
    """Tiles of 256 rows and 1024 columns that cover a picture."""
    for down in _spans(height, _ROWS):
        for right in _spans(width, _COLUMNS):
            yield Tile(*((d, r) for d, r in zip(down, right, strict=True)))


def _spans(size: int, step: int) -> Iterator[tuple[slice, slice, slice]]:
    margin = _WINDOW // 2
    for start in range(0, size, step):
        stop = min(start + step, size)
        whole = slice(max(start, margin), max(margin, start, min(stop, size - margin)))
        yield slice(start, stop), slice(max(0, start - _HALO), min(size, stop + _HALO)), whole


def moments(x: Gray, y: Gray) -> tuple[Grid, Grid, Grid, Grid, Grid]:
    """Means, unbiased variances and covariance of 7x7 windows: mean x, mean y, var x, var y, cov; (H, W) float32."""
    exact = x.dtype == np.uint8 and y.dtype == np.uint8
    # Variances are small differences of large sums: whole numbers keep them exact, centring keeps float32 precise.
    shift = 0.0 if exact else 127.5
    if not exact:
        x, y = x.astype(np.float32) - np.float32(shift), y.astype(np.float32) - np.float32(shift)
    kind, wide = (cv2.CV_16U, cv2.CV_32S) if exact else (cv2.CV_32F, cv2.CV_32F)

    def total(a: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(a, wide, (_WINDOW, _WINDOW), normalize=False)

    sum_x, sum_y = total(x), total(y)
    scratch = np.empty_like(sum_x)

    def spread(a: np.ndarray, b: np.ndarray, sum_a: np.ndarray, sum_b: np.ndarray) -> Grid:
        second = total(cv2.multiply(a, b, dtype=kind))
        second *= _SAMPLES
        np.multiply(sum_a, sum_b, out=scratch)
        second -= scratch
        return np.multiply(second, np.float32(1 / (_SAMPLES * (_SAMPLES - 1))), dtype=np.float32, casting="same_kind")

    variances = spread(x, x, sum_x, sum_x), spread(y, y, sum_y, sum_y), spread(x, y, sum_x, sum_y)
    means = (np.multiply(t, np.float32(1 / _SAMPLES), dtype=np.float32, casting="same_kind") for t in (sum_x, sum_y))
    mean_x, mean_y = (m + np.float32(shift) for m in means)
    return mean_x, mean_y, *variances


def ssim_map(mean_x: Grid, mean_y: Grid, var_x: Grid, var_y: Grid, cov: Grid) -> Grid:
    """SSIM of every window (Wang et al. 2004, K1 .01, K2 .03, range 255), overwriting mean_x and mean_y."""
    product = mean_x * mean_y
    mean_x *= mean_x
    mean_y *= mean_y
    mean_x += mean_y
    mean_x += C1
    np.add(var_x, var_y, out=mean_y)
    mean_y += C2
    mean_x *= mean_y
    product *= 2
    product += C1
    np.multiply(cov, 2, out=mean_y)
    mean_y += C2
    product *= mean_y
    product /= mean_x
    return product


def scan(source: Image, result: Image, *, workers: int = 1) -> Scan:
    """Compare two pictures of one size, (H, W, 3) uint8 or uint16, in tiles of 256x1024 pixels."""
    height, width = source.shape[:2]

    def part(tile: Tile) -> tuple[float, int, Grid]:
        return _scan_tile(source, result, tile)

    if workers > 1:
        with thread_pool(workers) as pool:
            parts = list(pool.map(part, tiles(height, width)))
    else:
        parts = [part(t) for t in tiles(height, width)]
    windows = max(1, (height - _WINDOW + 1) * (width - _WINDOW + 1))
    across = -(-width // _COLUMNS)
    rows = [np.concatenate([p[2] for p in parts[i : i + across]], axis=2) for i in range(0, len(parts), across)]
    cells = Cells(*np.concatenate(rows, axis=1))
    return Scan(sum(p[0] for p in parts) / windows, sum(p[1] for p in parts) / (height * width), cells)


def _scan_tile(source: Image, result: Image, tile: Tile) -> tuple[float, int, Grid]:
    """Sum of SSIM, number of pixels that differ, and the cells as one (9, h, w) array."""
    before, after = alike(source[tile.wide], result[tile.wide])
    x, y = luma(before), luma(after)
    mean_x, mean_y, var_x, var_y, cov = moments(x, y)
    grids = [_cells(tile.inner(m, tile.own)) for m in (mean_x, var_x, var_y, cov)]
    gain = local_gain(grids[1], grids[3])
    similarity = tile.inner(ssim_map(mean_x, mean_y, var_x, var_y, cov), tile.whole)
    edges = _edges(_byte(x), _byte(y), gain, tile)
    different = _differ(tile.inner(before, tile.own), tile.inner(after, tile.own))
    return float(similarity.sum(dtype=np.float64)), different, np.concatenate([np.stack([*grids, gain]), edges])


def local_gain(var_source: Grid, covariance: Grid) -> Grid:
    """Slope of result over source around each cell (5x5 cells); 1 where there is nothing to fit."""
    if not var_source.size:
        return var_source
    around = (cv2.blur(m, (5, 5), borderType=cv2.BORDER_REPLICATE) for m in (covariance, var_source))
    top, bottom = around
    return np.clip((top + 0.25) / (bottom + 0.25), 1 / _MAX_GAIN, _MAX_GAIN).astype(np.float32)


def alike(a: Image, b: Image) -> tuple[Image, Image]:
    """Both pictures with 16 bits if one of them has."""
    if a.dtype == b.dtype:
        return a, b
    a, b = (v if v.dtype == np.uint16 else v.astype(np.uint16) * np.uint16(257) for v in (a, b))
    return a, b


def _differ(a: np.ndarray, b: np.ndarray) -> int:
    """Number of pixels that differ in any channel."""
    different = cv2.absdiff(a, b)
    return different.shape[0] * different.shape[1] - cv2.countNonZero(cv2.inRange(different, (0, 0, 0), (0, 0, 0)))


def _byte(gray: Gray) -> Bytes:
    return gray if gray.dtype == np.uint8 else np.rint(gray).astype(np.uint8)  # pyright: ignore[reportReturnType]


def _cells(values: np.ndarray) -> Grid:
    """Means over whole cells; a rest of less than a cell at the right or bottom is left out."""
    rows, columns = values.shape[0] // CELL, values.shape[1] // CELL
    if not rows or not columns:
        return np.zeros((rows, columns), np.float32)
    means = values[: rows * CELL, : columns * CELL]
    for scale in (4, 2, 1):  # cv2 is four times as fast in halves as in one step
        means = cv2.resize(means, (columns * scale, rows * scale), interpolation=cv2.INTER_AREA)
    return means.astype(np.float32, copy=False)


def _edges(x: Bytes, y: Bytes, gain: Grid, tile: Tile) -> Grid:
    """Edges of the result, those found in the source, edges of the source, those kept: (4, h, w) pixels per cell."""
    if not gain.size:
        return np.zeros((4, *gain.shape), np.float32)
    (ridge_x, bits_x), (ridge_y, bits_y) = _ridges(x), _ridges(y)
    # Thresholds follow the gain upwards only: below 1 the result's own noise (rounding, JPEG) sets the limit.
    least_y = _enlarge(_STRONG * np.maximum(gain, 1), tile)
    least_x = _enlarge(_STRONG / np.minimum(gain, 1), tile)
    near_x, near_y = _near(ridge_x, bits_x), _near(ridge_y, bits_y)
    counts = [np.zeros_like(x) for _ in range(4)]
    for half, lower in enumerate((2, 0)):
        new = cv2.compare(ridge_y, least_y >> lower, cv2.CMP_GE)
        old = cv2.compare(ridge_x, least_x >> lower, cv2.CMP_GE)
        found = new & _at_least((near_x >> np.uint8(4 * half)) & bits_y, 1)
        kept = old & _at_least((near_y >> np.uint8(4 * half)) & bits_x, 1)
        for count, mask in zip(counts, (new, found, old, kept), strict=True):
            np.add(count, mask >> 1, out=count)
    return np.stack([np.rint(_cells(tile.inner(c, tile.own)) * (CELL * CELL / 127)) for c in counts])


def _at_least(values: Bytes, limit: int) -> Bytes:
    return cv2.threshold(values, limit - 1, 255, cv2.THRESH_BINARY)[1]  # pyright: ignore[reportReturnType]


def _enlarge(grid: Grid, tile: Tile) -> Bytes:
    """A grid of cells as one byte per pixel of the tile with its halo."""
    small = np.minimum(grid, 255).astype(np.uint8)
    (top, bottom), (left, right) = (
        (o.start - w.start, w.stop - o.stop) for o, w in zip(tile.own, tile.wide, strict=True)
    )
    size = tile.own[1].stop - tile.own[1].start, tile.own[0].stop - tile.own[0].start
    large = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
    return cv2.copyMakeBorder(large, top, bottom, left, right, cv2.BORDER_REPLICATE)  # pyright: ignore[reportReturnType]


def _ridges(gray: Bytes) -> tuple[Bytes, Bytes]:
    """Steps in grey levels, thinned to their ridge, and the direction of each as bits.

    Bits: 1 and 2 rising and falling in x, 4 and 8 in y; a slanted step has one of each, so that directions less than
    about 60 degrees apart share a bit and opposite ones do not.
    """
    dx, dy = cv2.spatialGradient(gray)
    across, along = cv2.convertScaleAbs(dx, alpha=0.25), cv2.convertScaleAbs(dy, alpha=0.25)
    step = cv2.add(across, along)
    line = np.ones((1, 3), np.uint8)
    steep = cv2.compare(across, along, cv2.CMP_GT)
    peak = (cv2.compare(step, cv2.dilate(step, line), cv2.CMP_EQ) & steep) | (
        cv2.compare(step, cv2.dilate(step, line.T), cv2.CMP_EQ) & ~steep
    )
    sideways = cv2.compare(across, cv2.convertScaleAbs(dy, alpha=0.125), cv2.CMP_GE)
    upright = cv2.compare(along, cv2.convertScaleAbs(dx, alpha=0.125), cv2.CMP_GE)
    left, up = (dx < 0).view(np.uint8), (dy < 0).view(np.uint8)
    return step & peak, (sideways & (left + np.uint8(1))) | (upright & ((up << 2) + np.uint8(4)))


def _near(ridge: Bytes, bits: Bytes) -> Bytes:
    """Directions of edges within 2 pixels (a 5x5 square): the weak tier in the low bits, the strong one in the high."""
    wide = (bits & _at_least(ridge, _WEAK)) | ((bits << np.uint8(4)) & _at_least(ridge, _WEAK_STRONG))
    own = wide.copy()
    for step in (1, 2):
        wide[:, step:] |= own[:, :-step]
        wide[:, :-step] |= own[:, step:]
    tall = wide.copy()
    for step in (1, 2):
        tall[step:] |= wide[:-step]
        tall[:-step] |= wide[step:]
    return tall
