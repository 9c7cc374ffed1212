"""Things that stand before a window: lamps, vases, plants, as dark as the room and smooth, among the view.

Nothing out of doors is both: by day what is as dark there as a room is foliage, or the inside of something, and
textured. What hangs together with such a smooth piece is the rest of it, its stem or its thin leaves.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
_SIGMA = 0.0008
"""Over the long side, as all lengths here: smoothing before gradients."""
_SMOOTH, _SMOOTHER = 0.1, 0.06
"""EV per pixel below which a thing may be smooth, and below which it shows by it."""
_PIECE, _LEAST = 0.004, 0.0005
"""Half of the width of the narrowest piece that shows a thing, and its least share of the picture."""
_OUTLINE, _STANDS_OUT = 0.3, 0.4
"""EV by which the view around a piece is brighter, and share of its outline in the view at which it is."""
_MOSTLY, _REACH = 0.4, 0.05
"""Share of what hangs together with such a piece that must be smooth, and how far from it that belongs to it."""


def before(radiance: Field, view: NDArray[np.bool_], bars: NDArray[np.bool_], brightest: float) -> NDArray[np.bool_]:
    """(h, w): things before a view (h, w) over radiance (h, w), log2 (EV), none brighter than that; bars: (h, w)."""
    long = max(radiance.shape)
    smooth = cv2.GaussianBlur(radiance.astype(np.float32), (0, 0), max(0.8, _SIGMA * long))
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, *d, scale=0.125) for d in ((1, 0), (0, 1)))
    texture = cv2.magnitude(x, y)
    dark = (smooth < brightest) & view
    size = 2 * max(1, round(_PIECE * long)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    pieces = cv2.morphologyEx((dark & (texture < _SMOOTHER)).astype(np.uint8), cv2.MORPH_OPEN, disc)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pieces)
    near = cv2.dilate(labels.astype(np.uint16), np.ones((size, size), np.uint8))
    beyond = (near == 0) & view & ~bars
    around = np.where(beyond, cv2.dilate(near, np.ones((5, 5), np.uint8)), 0).ravel()
    clear = smooth > brightest + _OUTLINE
    stands_out = np.bincount(around, clear.ravel(), count) / np.maximum(np.bincount(around, minlength=count), 1)
    shows = (stats[:, cv2.CC_STAT_AREA] > _LEAST * radiance.size) & (stands_out > _STANDS_OUT)
    shows[0] = False
    if not shows.any():
        return np.zeros(view.shape, bool)
    count, things = cv2.connectedComponents(dark.astype(np.uint8))
    area = np.maximum(np.bincount(things.ravel(), minlength=count), 1)
    even = np.bincount(things.ravel(), (dark & (texture < _SMOOTH)).ravel(), count) / area
    whole = (np.bincount(things.ravel(), shows[labels].ravel(), count) > 0) & (even > _MOSTLY)
    whole[0] = False
    reach = np.ones((2 * round(_REACH * long) + 1,) * 2, np.uint8)
    return (whole[things] & (cv2.dilate(shows[labels].astype(np.uint8), reach) > 0)) | (dark & shows[near])
