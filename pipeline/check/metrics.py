"""The comparison of a result with its source: structure, edges, colour, and where each is worst.

Wanted edits are taken out first (see structure.py, drift.py), so a room corrected from 2800 K or lifted by 2 EV
compares as unchanged, and what is left is damage: texture lost or invented, edges moved, walls repainted, local casts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.check.drift import Drift, declared, drift, reduced
from pipeline.check.scan import Gray, Grid, Scan, moments, scan, ssim_map, tiles
from pipeline.check.structure import box, edge_blocks, structure, worst
from pipeline.codes import Code, PhotoError
from pipeline.photo import Image
from pipeline.plan import Tone
from pipeline.threads import without_ipp

Place = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the full picture."""

_PROXY_SIDE = 1400
_REGION = 7
_SMALLEST = 64


@dataclass(frozen=True, slots=True)
class Figures:
    """How a result differs from its source once the wanted edit is taken out.

    structure*: 1 is unchanged. edges*: share of edges, 0..1. colour*: OKLab a, b x100 at the lightness of white, 0 is
    no drift. The *_worst figures, which the limits judge, are those of the worst block (1/32 of the long side; colour:
    the worst region, 1/9).
    """

    ssim: float
    """Plain SSIM of the luma, 7x7 windows, as scikit-image computes it: for information, it punishes wanted edits."""
    structure: float
    structure_worst: float
    structure_place: Place
    edge_precision: float
    """Share of the result's edges that the source has."""
    edge_recall: float
    """Share of the source's edges that the result kept."""
    edges_worst: float
    """Lowest precision or recall of a block."""
    edges_place: Place
    colour_mean: float
    colour_p95: float
    """95th percentile over blocks of 1/64 of the long side."""
    colour_worst: float
    colour_place: Place
    changed: float
    """Share of pixels that differ in any channel."""

    def to_dict(self) -> dict[str, float | list[int]]:
        """JSON values, rounded to what they mean (summary.json's qc)."""
        values = ((name, getattr(self, name)) for name in self.__slots__)
        return {k: list(v) if isinstance(v, tuple) else round(v, 6) for k, v in values}


def ssim(a: np.ndarray, b: np.ndarray, *, data_range: float) -> float:
    """Mean SSIM of two pictures with uniform 7x7 windows (Wang et al. 2004), in strips.

    Parameters
    ----------
    a, b : (H, W) or (H, W, 3) uint8 or uint16 of one shape and dtype, at least 7x7. Colour is compared as BT.601 luma,
        rounded as cv2 rounds it.
    data_range : the value of white (255 or 65535).

    Returns
    -------
    float : equal to skimage.metrics.structural_similarity of the same planes within 2e-5.
    """
    if a.shape != b.shape or min(a.shape[:2]) < 7:
        raise ValueError(f"ssim needs two pictures of one size of at least 7x7, got {a.shape} and {b.shape}")
    total, windows = 0.0, 0
    for tile in tiles(*a.shape[:2]):
        x, y = (_plane(v[tile.wide], data_range) for v in (a, b))
        part = tile.inner(ssim_map(*moments(x, y)), tile.whole)
        total += float(part.sum(dtype=np.float64))
        windows += part.size
    return total / windows


def _plane(values: np.ndarray, data_range: float) -> Gray:
    """Grey levels 0..255 of a part of a picture."""
    gray = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY) if values.ndim == 3 else values
    if gray.dtype == np.uint8 and data_range == 255:
        return gray  # pyright: ignore[reportReturnType]
    return gray.astype(np.float32) * np.float32(255 / data_range)


def compare(source: Image, result: Image, *, tones: Sequence[Tone] | None = None, workers: int = 1) -> Figures:
    """Compare a result with its source.

    Parameters
    ----------
    source, result : (H, W, 3) RGB uint8 or uint16, sRGB-encoded, in the same frame (the source rendered through the
        plan's Warp). Depths may differ.
    tones : the plan's own Tone operations: their curves and the shared part of their fields explain colour changes,
        colour of a field's own does not.
    workers : threads for the full-resolution pass.

    Raises
    ------
    PhotoError
        SIZE_MISMATCH if the sizes differ.
    """
    without_ipp()
    if source.shape != result.shape:
        raise PhotoError(Code.SIZE_MISMATCH, f"source is {_size(source)}, result is {_size(result)}: cannot compare")
    source, result = _grown(source), _grown(result)
    fine = scan(source, result, workers=workers)
    levels = [(fine, 1)]
    step = round(max(source.shape) / _PROXY_SIDE)
    if step > 1:
        levels.append((scan(_grown(_shrunk(source, step)), _grown(_shrunk(result, step))), step))
    structures = [_worst_structure(s, step) for s, step in levels]
    edges = [_worst_edges(s, step) for s, step in levels]
    structure_worst, structure_place = min(v[1:] for v in structures)
    edges_worst, edges_place = min(edges)
    before, after = reduced(source), reduced(result)
    drifts = [*drift(before, after)]
    if tones:
        drifts += drift(declared(before, tones), after)
    colour_mean, colour_p95, colour_worst, colour_place = _colour(drifts, source.shape)
    c = fine.cells
    return Figures(
        ssim=fine.ssim,
        structure=min(v[0] for v in structures),
        structure_worst=structure_worst,
        structure_place=_inside(structure_place, source.shape),
        edge_precision=_share(c.found, c.new),
        edge_recall=_share(c.kept, c.old),
        edges_worst=edges_worst,
        edges_place=_inside(edges_place, source.shape),
        colour_mean=colour_mean,
        colour_p95=colour_p95,
        colour_worst=colour_worst,
        colour_place=_inside(colour_place, source.shape),
        changed=fine.changed,
    )


def _size(image: Image) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _grown(image: Image) -> Image:
    """Thumbnails are continued at their edges to the size of a few blocks."""
    down, right = (max(0, _SMALLEST - n) for n in image.shape[:2])
    if not down and not right:
        return image
    return cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE)  # pyright: ignore[reportReturnType]


def _shrunk(image: Image, step: int) -> Image:
    rows, columns = image.shape[0] // step, image.shape[1] // step
    whole = image[: rows * step, : columns * step]
    return cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)  # pyright: ignore[reportReturnType]


def _worst_structure(found: Scan, step: int) -> tuple[float, float, Place]:
    cells = structure(found.cells)
    size = max(3, round(max(cells.shape) / 32))
    return float(cells.mean()), *worst(box(cells, size), found.cells, step)


def _worst_edges(found: Scan, step: int) -> tuple[float, Place]:
    return min(worst(blocks, found.cells, step) for blocks in edge_blocks(found.cells))


def _share(part: Grid, whole: Grid) -> float:
    return (float(part.sum()) + 1) / (float(whole.sum()) + 1)


def _colour(drifts: Sequence[Drift], shape: tuple[int, ...]) -> tuple[float, float, float, Place]:
    """Mean, 95th percentile, worst region and its place; a drift that any of the models explains is none."""
    weights = drifts[0].weights
    sizes = np.min([np.linalg.norm(d.vectors, axis=2) for d in drifts], axis=0)
    judged = sizes[weights > 0.3]
    mean = float((sizes * weights).sum() / max(float(weights.sum()), 1e-6))
    covered = np.maximum(box(weights, _REGION), 0.4)[..., None]
    sums = (
        cv2.blur(d.vectors * weights[..., None], (_REGION, _REGION), borderType=cv2.BORDER_REPLICATE) for d in drifts
    )
    regions = np.min([np.linalg.norm(s / covered, axis=2) for s in sums], axis=0)
    row, column = np.unravel_index(int(regions.argmax()), regions.shape)
    unit = max(shape) / max(regions.shape)
    x, y, half = (column + 0.5) * unit, (row + 0.5) * unit, _REGION / 2 * unit
    place = int(x - half), int(y - half), int(x + half), int(y + half)
    p95 = float(np.percentile(judged, 95)) if judged.size else 0.0
    return mean, p95, float(regions[row, column]), place


def _inside(place: Place, shape: tuple[int, ...]) -> Place:
    """The part of `place` inside the picture, at least one pixel."""
    height, width = shape[:2]
    left, top = min(max(place[0], 0), width - 1), min(max(place[1], 0), height - 1)
    return left, top, max(left + 1, min(place[2], width)), max(top + 1, min(place[3], height))
