"""Alignment to a fraction of a full-resolution pixel, on patches.

What a proxy shows to a tenth of its pixels is half a pixel of a 45 MP photo. Some patches, textured and well exposed in
both exposures, are cut from the full pictures; each says how far it still is off, and a low-order motion is fitted to
all of them. The whole frames are never converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.merge.align import Alignment, anchors, green_of
from pipeline.merge.mapping import Mapping
from pipeline.merge.register import (
    motion_matrix,
    motion_of,
    motion_prior,
    pair_of,
    polish,
    shift_of,
    to_index,
    to_normalised,
)
from pipeline.merge.tiles import Box, sample
from pipeline.photo import Image
from pipeline.plan import Lens

_PATCH = 160
"""Side of a patch in pixels."""
_GRID = (7, 5)
"""Patches along the long and the short side, at most one from each cell."""
_GLANCE = 640
"""Long side of the sampled picture on which patches are chosen."""
_TEXTURE = 0.02
"""Mean weighted steepness, of the normalised signal per pixel, that a patch must have."""
_FEW = 6
"""Patches below which nothing is refined."""
_TRUE = 0.15
"""Residual motion, in full-resolution pixels, that counts as none."""
_LOST = 12.0
"""Motion of a patch, in pixels, that is not a remainder but a mistake."""
_AGREE = 0.5
"""Correlation that a patch must reach."""
_MODELS = (2, 3, 4, 8)
"""Numbers of motions that are tried, of those of register.motion_matrix: shift, rigid, similarity, homography."""
_WORTH = 0.95
"""What a model must lower the residual to, relative to a simpler one, to be taken."""
_WORTH_STILL = 0.75
"""The same against leaving a frame still: noise must not cost a tripod set its exact pixels."""
_SHARP, _CALM = 0.1, 0.3
"""Error of a patch, and expected size of motions other than the shift at the edge, in full-resolution pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """What patches say of an alignment: (n, 2) centres in the first picture and (n, 2) motion left there, in pixels."""

    centres: NDArray[np.float64]
    motions: NDArray[np.float64]

    @property
    def median(self) -> float:
        """Median length, in pixels; infinite without patches."""
        return _median(self.motions) if len(self.motions) else float("inf")


def refine(
    alignments: Sequence[Alignment],
    exposures: Sequence[Image],
    reference: int,
    exposure_values: Sequence[float],
    lens: Lens | None = None,
) -> list[Alignment]:
    """Alignments made better on full-resolution pictures, by the chain that align uses.

    exposures: (H, W, 3) RGB uint8 or uint16, all of one size; those whose alignment is not ok are not looked at. lens:
    what they were taken through; alignments hold for the pictures of an ideal one. A
    refinement is taken only where it lowers the residual of patches that it was not fitted to; else the alignment
    stays. Frames that have not moved by 0.15 pixels get exactly the identity.
    """
    refined: dict[int, Alignment] = {reference: alignments[reference]}
    order = sorted(range(len(alignments)), key=lambda k: abs(exposure_values[k] - exposure_values[reference]))
    for k in (k for k in order if k not in refined):
        refined[k] = alignments[k]
        if not alignments[k].ok:
            continue
        anchor = anchors(k, {i: a for i, a in refined.items() if i != k}, exposure_values, reference)[0]
        base = refined[anchor].transform
        link = _refined(exposures[anchor], exposures[k], alignments[k].transform @ np.linalg.inv(base), lens)
        transform = link @ base
        transform /= transform[2, 2]
        still = motion_of(transform) * max(exposures[k].shape) < _TRUE
        refined[k] = replace(alignments[k], transform=np.eye(3) if still else transform)
    return [refined[k] for k in range(len(alignments))]


def _refined(first: Image, second: Image, transform: NDArray[np.float64], lens: Lens | None) -> NDArray[np.float64]:
    """The transform from the first to the second picture after at most two rounds of patches."""
    long = max(first.shape)
    for _ in range(2):
        left = residuals(first, second, transform, lens)
        if len(left.motions) < _FEW or left.median < _TRUE:
            break
        still = np.array_equal(transform, np.eye(3))
        motion = _fit(left, first.shape, worth=_WORTH_STILL if still else 1.0)
        if motion is None:
            break
        half = long / 2
        centre = _centre(first.shape)
        index = to_index(transform, long) @ centre @ motion_matrix(motion, half) @ np.linalg.inv(centre)
        transform = to_normalised(index, long)
        if np.abs(motion).max() < 1:
            break
    return transform


def residuals(first: Image, second: Image, transform: NDArray[np.float64], lens: Lens | None = None) -> Residuals:
    """How far patches of the first picture still are from where the transform puts them in the second."""
    matrix = to_index(transform, max(first.shape))
    centres: list[tuple[float, float]] = []
    motions: list[tuple[float, float]] = []
    for x, y in _places(first, second, transform):
        motion = _left(first, second, matrix, (x, y), lens)
        if motion is not None and np.hypot(*motion) < _LOST:
            centres.append((x + (_PATCH - 1) / 2, y + (_PATCH - 1) / 2))
            motions.append(motion)
    return Residuals(np.array(centres).reshape(-1, 2), np.array(motions).reshape(-1, 2))


def _places(first: Image, second: Image, transform: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Top left corners of patches: in each cell of a grid the one with most structure seen in both pictures."""
    h, w = first.shape[:2]
    step = max(1, max(h, w) // _GLANCE)
    a, b = (green_of(image[step // 2 :: step, step // 2 :: step]) for image in (first, second))
    pair = pair_of(a, b, transform)
    gx, gy = (cv2.Scharr(pair.first, cv2.CV_32F, *axis, scale=1 / 32) for axis in ((1, 0), (0, 1)))
    side = max(3, _PATCH // step)
    texture = cv2.blur(np.minimum(np.abs(gx) + np.abs(gy), 1) * pair.weight, (side, side))
    columns, rows = _GRID if w >= h else _GRID[::-1]
    places: list[tuple[int, int]] = []
    for top, bottom in _cells(side // 2, texture.shape[0] - side // 2, rows):
        for left, right in _cells(side // 2, texture.shape[1] - side // 2, columns):
            _, best, _, (dx, dy) = cv2.minMaxLoc(texture[top:bottom, left:right])
            if best > _TEXTURE:
                x, y = (left + dx) * step - _PATCH // 2, (top + dy) * step - _PATCH // 2
                places.append((int(np.clip(x, 0, w - _PATCH)), int(np.clip(y, 0, h - _PATCH))))
    return places


def _cells(low: int, high: int, count: int) -> list[tuple[int, int]]:
    edges = np.linspace(low, max(high, low + 1), count + 1).astype(int).tolist()
    return [(a, b) for a, b in pairwise(edges) if b > a]


def _left(
    first: Image, second: Image, matrix: NDArray[np.float64], at: tuple[int, int], lens: Lens | None
) -> tuple[float, float] | None:
    """Motion left in the patch whose top left is `at`, in the first picture's pixels; None where unclear."""
    x, y = at
    h, w = second.shape[:2]
    corners = np.array([(x, y), (x + _PATCH, y), (x, y + _PATCH), (x + _PATCH, y + _PATCH)], np.float64)
    there = cv2.perspectiveTransform(corners[:, None], matrix)[:, 0]
    margin = int(_LOST) + 4
    left, top = np.maximum(np.floor(there.min(0)).astype(int) - margin, 0)
    right, bottom = np.minimum(np.ceil(there.max(0)).astype(int) + margin, (w, h))
    if right - left < _PATCH // 2 or bottom - top < _PATCH // 2:
        return None
    a = green_of(_part(first, (x, y, x + _PATCH, y + _PATCH), lens))
    b = green_of(_part(second, (left, top, right, bottom), lens))
    local = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ matrix @ np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])
    start = to_normalised(local, _PATCH)
    pair = pair_of(a, b, start)
    jump = shift_of(pair)
    moved = start
    if 0.5 < motion_of(jump) * _PATCH < _LOST:
        again = pair_of(a, b, start @ jump)
        if again.correlation > pair.correlation:
            pair, moved = again, start @ jump
    found, _ = polish(pair, moved, shift_only=True, iterations=8)
    if found is moved or pair.correlation < _AGREE:
        return None
    inner = to_index(np.linalg.inv(start) @ found, _PATCH)
    return float(inner[0, 2]), float(inner[1, 2])


def _part(image: Image, box: Box, lens: Lens | None) -> Image:
    """The box of the picture as an ideal lens would have given it."""
    if lens is None or not lens.bends:
        return image[box[1] : box[3], box[0] : box[2]]
    return sample(image, Mapping(np.eye(3), lens, float(max(image.shape[:2]))), box)


def _fit(left: Residuals, shape: tuple[int, ...], *, worth: float) -> NDArray[np.float64] | None:
    """The eight motions (see register.motion_matrix) that best explain the patches, or None if none helps.

    The model is the one with least residual on patches left out (two-fold, every other patch), if
    that is below `worth` of the residual as it is.
    """
    basis = _basis(left.centres, shape)
    halves = np.arange(len(left.motions)) % 2 == 0
    best, best_score = None, worth / _WORTH * left.median
    for free in _MODELS:
        if len(left.motions) < 2 * free:
            continue
        parts = [(basis[part], left.motions[part], ~part) for part in (halves, ~halves)]
        off = [left.motions[rest] - basis[rest] @ _solve(b, m, free) for b, m, rest in parts]
        score = _median(np.concatenate(off))
        if score < _WORTH * best_score:
            best, best_score = _solve(basis, left.motions, free), score
    return best


def _basis(centres: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(n, 2, 8): motion in x and y at each centre per unit of each of the eight motions."""
    centre = _centre(shape)
    u, v = ((centres - centre[:2, 2]) / centre[0, 0]).T
    one, zero = np.ones_like(u), np.zeros_like(u)
    x = np.stack([one, zero, -v, u, u, v, u * u, u * v], -1)
    y = np.stack([zero, one, u, v, -v, u, u * v, v * v], -1)
    return np.stack([x, y], 1)


def _solve(basis: NDArray[np.float64], motions: NDArray[np.float64], free: int) -> NDArray[np.float64]:
    """Robust fit (Tukey weights) of the first `free` motions, small where patches do not show them; others are zero."""
    motion = np.zeros(8)
    motion[:2] = np.median(motions, 0)
    for _ in range(10):
        length = np.linalg.norm(motions - basis @ motion, axis=-1)
        scale = max(1.4826 * float(np.median(length)), _SHARP)
        weight = np.square(np.clip(1 - np.square(length / (4.685 * scale)), 0, None)) / scale**2
        rows = basis[..., :free]
        normal = np.einsum("nak,n,nal->kl", rows, weight, rows) + np.diag(motion_prior(motion, _CALM)[:free])
        motion[:free] = np.linalg.solve(normal, np.einsum("nak,n,na->k", rows, weight, motions))
    return motion


def _centre(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """From coordinates centred and divided by half the long side to index coordinates."""
    h, w = shape[:2]
    half = max(h, w) / 2
    return np.array([[half, 0, (w - 1) / 2], [0, half, (h - 1) / 2], [0, 0, 1.0]])


def _median(motions: NDArray[np.float64]) -> float:
    return float(np.median(np.linalg.norm(motions, axis=-1)))
