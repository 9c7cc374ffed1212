"""Structure and edges of a scan, judged in blocks after the local tone change is taken out.

A tone edit multiplies local contrast by the slope of its curve times a smooth local gain. That slope is fitted from
the cells themselves: a curve over brightness (the median slope of textured cells), a gain over a sixth of the picture,
and a cell's own slope within a factor of two of both. Contrast beyond that is texture lost or invented.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.check.scan import CELL, Cells, Grid

_NOISE = 4.0
_FREEDOM = 2.0
_STEEPEST = 8.0
_LEVELS = 16


def side(cells: Cells) -> int:
    """Side of a block in cells: 1/32 of the long side, at least 3."""
    return max(3, round(max(cells.mean.shape) / 32))


def box(values: Grid, size: int) -> Grid:
    """Means over a sliding square of `size` cells."""
    return cv2.blur(values, (size, size), borderType=cv2.BORDER_REPLICATE)  # pyright: ignore[reportReturnType]


def slope(cells: Cells) -> Grid:
    """Slope of result over source that a tone edit explains, per cell."""
    curve = _curve(cells)
    # Faint and strong texture have an equal say: what matters is the ratio.
    weight = 1 / (curve * curve * (cells.var_source + _NOISE))
    around = max(5, max(curve.shape) // 6 | 1)
    top, bottom = box(cells.covariance * curve * weight, around), box(cells.var_source * curve**2 * weight, around)
    expected = np.clip(curve * (top + 1e-3) / (bottom + 1e-3), 1 / _STEEPEST, _STEEPEST)
    own = (box(cells.covariance, 3) + _NOISE * expected) / (box(cells.var_source, 3) + _NOISE)
    free = np.clip(own, expected / _FREEDOM, expected * _FREEDOM)
    return np.clip(free, 1 / _STEEPEST, _STEEPEST).astype(np.float32)


def structure(cells: Cells) -> Grid:
    """Contrast-structure term of SSIM per cell after dividing the result by its slope; 1 is unchanged.

    The constant stands for 2 grey levels of noise in source and result (quantisation, JPEG), so flat areas, lifted
    shadows and compressed highlights count as unchanged.
    """
    g = slope(cells)
    noise = _NOISE * (g + 1 / g)
    return (2 * cells.covariance + noise) / (g * cells.var_source + cells.var_result / g + noise)


def edge_blocks(cells: Cells) -> tuple[Grid, Grid]:
    """Precision and recall of edges in the block around each cell.

    Both are shrunk to 1 by as many edge pixels as a few lines through the block have: little evidence says little.
    """
    size = side(cells)
    area = size * size
    few = 6.0 * size
    new, found, old, kept = (box(v, size) * area for v in (cells.new, cells.found, cells.old, cells.kept))
    return (found + few) / (new + few), (kept + few) / (old + few)


def worst(blocks: Grid, cells: Cells, step: int) -> tuple[float, tuple[int, int, int, int]]:
    """Lowest block and its place (left, top, right, bottom) in pixels of the full picture; `step` pixels per pixel."""
    row, column = np.unravel_index(int(blocks.argmin()), blocks.shape)
    half, unit = side(cells) * CELL * step // 2, CELL * step
    x, y = int((column + 0.5) * unit), int((row + 0.5) * unit)
    return float(blocks[row, column]), (max(0, x - half), max(0, y - half), x + half, y + half)


def _curve(cells: Cells) -> Grid:
    """Median slope of textured cells over 16 bands of brightness, interpolated to every cell."""
    textured = cells.var_source > _NOISE
    slopes = cells.covariance / np.maximum(cells.var_source, 1e-3)
    # Bands are even in the square root: curves are steepest near black.
    place = np.sqrt(cells.mean * (1 / 256)) * _LEVELS
    band = np.clip(place, 0, _LEVELS - 1).astype(np.uint8)
    centres: list[float] = []
    medians: list[float] = []
    for level in range(_LEVELS):
        here = slopes[textured & (band == level)]
        if here.size >= 20:
            centres.append(level + 0.5)
            medians.append(float(np.median(here)))
    if not centres:
        return np.ones_like(cells.mean)
    return np.clip(np.interp(place, centres, medians), 0.1, _STEEPEST).astype(np.float32)
