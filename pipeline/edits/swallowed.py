"""Things as pale as the sky that a matte takes for it: what no sky has shows them, with the new sky on both sides.

A chimney of the sky's own brightness has edges that are straight and sharp, and its courses a texture that is as fine
all over it. Clouds are soft, wires thin.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import total
from pipeline.edits.gaps import disc, steps
from pipeline.render.remnants import SmallMatte, in_crowns

_GAIN = 3.0
"""Times the picture's contrast about the sky's level, for LSD counts in levels of 8 bits."""
_UPRIGHT = 10.0
"""Degrees from upright within which edges are a post's rather than a cloud's."""
_SHORTEST, _STEP = 16, 0.03
"""Pixels of the shortest edge, and by how much levels must differ across it."""
_ACROSS = (1.5, 2.5, 5.0)
"""Pixels to both sides at which that is looked at."""
_SHARP, _FLAT, _HALO = 0.65, 0.35, 2.0
"""Share of a step that must lie within the nearest of them; of it, how much one side may go on to change, and how much
the other must not: beside dark things sharpening leaves a pale seam."""
_MARGIN = 6
"""Pixels beside the picture's border, where edges are often its own."""
_SHOWN = 0.3
"""Share of the new sky from which a thing begins to go."""
_SAMPLES, _LEAST_SHOWN = 32, 0.2
"""Places along an edge that are looked at, and at how many of them it must be so."""
_WINDOW, _PURE, _THINGS = 15, 0.85, 5
"""Side of the window over which texture is taken, the share of it that must be sky, and pixels around things that are
left standing, which say nothing."""
_LEAST = 0.003
"""Local gradient of noise, per pixel, of the smoothest sky."""
_FINE, _LEAST_FACE = 4.0, 300
"""Times the sky's own texture that a face has, and pixels of the least."""
_ONSET, _BEGINS, _SHARPLY = 17, 2.0, 0.7
"""Twice the pixels within which it ends, times the sky's texture below which it has, and along how much of the face."""


def swallowed(found: SmallMatte, crowns: NDArray[np.floating[Any]]) -> tuple[float, int]:
    """Pixels of the straight edges, and of the largest textured face, that would go with the old sky.

    Parameters as of `remnants`.
    """
    share, pixels, _ = found
    trees = in_crowns(crowns, share.shape)
    # Below the lowest sky there is nothing to see.
    rows = slice(0, int(np.flatnonzero(share.max(axis=1) > _SHOWN).max(initial=0)) + _MARGIN)
    share, pixels, trees = share[rows], pixels[rows], trees[rows]
    return straight_edges(pixels, share), largest_face(pixels, share, trees)


def straight_edges(pixels: Any, share: Any) -> float:
    """Pixels of straight edges within what becomes new sky (LSD, Grompone von Gioi et al., 2012): the longest, or all
    that are upright, by level or in one channel.

    pixels: (h, w, 3) float32 0..1, the picture. share: (h, w) 0..1 of the new sky in it.
    """
    if not np.any(share > 0.5):
        return 0.0
    longest, upright = _edges_of(total(pixels) / 3, share)
    # Clouds have coloured edges too, but no upright ones.
    return max(longest, upright, *(_edges_of(channel, share)[1] for channel in cv2.split(pixels)))


def _edges_of(level: Any, share: Any) -> tuple[float, float]:
    """Length of the longest edge, and of all upright ones."""
    shown = np.clip(128 + 255 * _GAIN * (level - np.median(level[share > 0.5])), 0, 255).astype(np.uint8)
    found: Any = cv2.createLineSegmentDetector(cv2.LSD_REFINE_ADV, 1.0).detect(shown)[0]
    longest = upright = 0.0
    for start, end in [] if found is None else found.reshape(-1, 2, 2):
        x, y = np.abs(end - start)
        if (length := float(np.hypot(x, y))) < _SHORTEST:
            continue
        length *= _swallowed(level, share, start, end)
        longest = max(longest, length)
        upright += length if x < np.tan(np.radians(_UPRIGHT)) * y else 0.0
    return longest, upright


def _swallowed(level: Any, share: Any, start: Any, end: Any) -> float:
    """The share of a segment at which a sharp edge has new sky on both sides."""
    size, middle = np.array(level.shape[::-1]), (start + end) / 2
    if np.any(middle < _MARGIN) or np.any(middle > size - _MARGIN):
        return 0.0
    along = (end - start) / np.hypot(*(end - start))
    at = start + np.linspace(0.05, 0.95, _SAMPLES)[:, None] * (end - start)
    across = np.array([-along[1], along[0]])

    def beside(field: Any, off: Any) -> Any:
        """(offsets, samples)"""
        places = (at + np.asarray(off)[:, None, None] * across).astype(np.float32)
        return cv2.remap(field, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    near, far, beyond = _ACROSS
    shown = beside(share, np.arange(-beyond, beyond + 1)).min(axis=0) > _SHOWN
    if np.mean(shown) < _LEAST_SHOWN:
        return 0.0
    one, other = (beside(level, (side * near, side * far, side * beyond))[:, shown] for side in (1, -1))
    close, step = (float(np.median(one[k] - other[k])) for k in (0, 1))
    if abs(step) < _STEP or close * step <= 0 or not _SHARP < step / close < 1 / _SHARP:
        return 0.0
    on = [float(np.median(np.abs(side[2] - side[1]))) for side in (one, other)]
    return float(np.mean(shown)) if min(on) < _FLAT * abs(step) and max(on) < _HALO * abs(step) else 0.0


def largest_face(pixels: Any, share: Any, crowns: Any) -> int:
    """Pixels of the largest face with a fine texture within what becomes new sky.

    pixels, share: as of `straight_edges`. crowns: (h, w) where trees are, whose leaves and twigs mix with the sky.
    """
    step, standing = steps(pixels), (share < _SHOWN).astype(np.uint8)
    sky = (share > 0.5) & ~crowns & (cv2.dilate(standing, disc(_THINGS)) == 0)
    if not sky.any():
        return 0
    usual = max(float(np.median(step[sky])), _LEAST)
    # In levels of 8 bits, for the median filter.
    unit = 255 / (2 * _FINE * usual)
    texture = cv2.medianBlur(np.clip(unit * step, 0, 255).astype(np.uint8), _WINDOW) / (unit * usual)
    within = sky & (cv2.blur(sky.astype(np.float32), (_WINDOW, _WINDOW)) > _PURE)
    fine = (within & (texture > _FINE)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(fine, connectivity=4)
    largest = 0
    for k in 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] > _LEAST_FACE):
        face = (labels == k).astype(np.uint8)
        around = (cv2.dilate(face, np.ones((_ONSET, _ONSET), np.uint8)) > face) & within
        if around.any() and np.mean(texture[around] < _BEGINS) > _SHARPLY:
            largest = max(largest, int(stats[k, cv2.CC_STAT_AREA]))
    return largest
