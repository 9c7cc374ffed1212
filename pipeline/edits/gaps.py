"""Sky that shows through what stands before it: small, just like the open sky, and with other things all around."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import highest, length, lowest, total
from pipeline.render.layers import apart_from

Mask = NDArray[np.uint8]
LONG_SIDE = 768
"""Of the picture in which the sky is looked for; all pixels here are its."""
LIKELY = 0.5
"""The network's probability from which something is rather sky."""
STEP = (0.025, 0.06)
"""Local gradient, per pixel, that ends the sky, by how even that is."""
CLOUDY = 0.08
"""How much darker in blue than the sky around it a cloud or a rent in one may be."""
ALIKE, VERY_ALIKE = (0.045, 0.12), (0.02, 0.06)
"""Distance in RGB between which what is alike lies, by how even the sky is."""
BURNT, GREENERY = 0.96, 0.3
"""Level from which all things are alike; probability of vegetation from which something is a crown."""
GAP = 0.012
"""The network's probability of sky in the holes of crowns."""
_POCKET, _POCKETS_OFF, _SMALL, _LARGE = 0.04, 80, 120, 0.1
"""Distance in RGB from the sky of what shows it deep in a crown, and pixels from other sky; pixels from which such a
pocket must have more than that probability."""
_IN_CROWN = 0.95
"""Share of a pocket that must lie in a crown: what goes on beside it is a wall."""
_OPENING, _OPENINGS_OFF, _HELD = 600, 25, 4
"""Pixels of the largest opening of a building, by how many it is off the open sky, and of the smallest."""
_OTHER, _FRAMED, _TWIGS, _CORE = 0.15, 0.8, 0.5, 0.5
"""Distance in RGB from the sky of what surrounds an opening, and over which share, in a building and in a crown; share
of an opening that must be very alike."""
_BOARD = 3
"""Width over height from which a pale thing is a board along the eaves."""
_EVEN, _BESIDE, _WIDE = (0.01, 0.03), 2, 2
"""Local gradient, per pixel, within a recess; pixels from the open sky from which one begins; half the width of a
narrow one."""
_RECESS, _BURNT_RECESS = (60, 6000), (12, 400)
"""Pixels that a recess reaches, and that it has, at most; the same where walls may be burnt like the sky."""
_GREEN, _COLOURED, _LEAVES, _ABOUT = 0.012, 0.15, 0.1, 12
"""Green over red and blue, or range of the channels, of leaves; least share of them within so many pixels."""
_BLACK, _SILHOUETTE = 0.2, 0.4
"""Level of leaves against the light, and the least share of them."""


def pockets(x: Any, p: Any, green: Any, found: Mask, old: Any) -> Mask:
    """Sky that shows through a crown farther from the sky: small, alike or brighter, with nothing but leaves around.

    Parameters
    ----------
    x, old : (h, w, 3) float32 0..1, the picture and the sky's colour continued over it
    p, green : (h, w) 0..1, the network's probabilities of sky and vegetation
    found : (h, w) 0 or 1, the open sky

    Returns
    -------
    (h, w) 0 or 1, more sky
    """
    alike = ((apart_from(x, old) < _POCKET) & (p > GAP)).astype(np.uint8)
    _, labels = cv2.connectedComponents(alike, connectivity=8)
    areas = np.bincount(labels.ravel())

    def mean(of: Any) -> Any:
        return np.bincount(labels.ravel(), weights=of.ravel()) / np.maximum(areas, 1)

    near = np.zeros(len(areas), bool)
    near[np.unique(labels[distance_to(found) < _POCKETS_OFF])] = True
    small = (areas < _SMALL) | (mean(p) > _LARGE)
    held = near & small & (mean(green > GREENERY) > _IN_CROWN) & (mean(found) == 0)
    held[0] = False
    return held[labels].astype(np.uint8)


def openings(x: Any, green: Any, found: Mask, old: Any) -> Mask:
    """Sky seen through crowns, and near its border through railings, lanterns and roofs: just like it, in a frame.

    Parameters and result as of `pockets`; the network is not asked, for it does not see such small things.
    """
    away, off = length(x - old), distance_to(found)
    spread = float(1.48 * np.median(away[found > 0]))
    alike = (away < np.clip(3 * spread, *ALIKE)) & (lowest(old) < BURNT) & (off > 1.5)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(alike.astype(np.uint8), connectivity=4)
    area, width, height = (stats[:, k] for k in (cv2.CC_STAT_AREA, cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT))
    # Where two of them are near, what surrounds both is that of either in turn.
    turned = _ring(np.where(labels > 0, count - labels, 0))
    rings = [_ring(labels), np.where(turned > 0, count - turned, 0)]

    def share(of: Any, where: Any) -> Any:
        counts = np.bincount(where.ravel(), minlength=count)
        return np.bincount(where.ravel(), weights=of.ravel(), minlength=count) / np.maximum(counts, 1)

    leaves = (green > GREENERY) & leafy(x, old)
    framed, in_crown = (np.min([share(of, ring) for ring in rings], axis=0) for of in (away > _OTHER, leaves))
    certain = share(away < np.clip(2 * spread, *VERY_ALIKE), labels) > _CORE
    near = np.zeros(count, bool)
    near[np.unique(labels[off < _OPENINGS_OFF])] = True
    in_wall = near & (area <= _OPENING) & (framed > _FRAMED) & (width <= _BOARD * height)
    held = certain & (area >= _HELD) & (in_wall | (framed > _TWIGS) & (in_crown > _IN_CROWN))
    held[0] = False
    return held[labels].astype(np.uint8)


def _ring(labels: Any) -> Any:
    """What surrounds regions (h, w), a pixel off and two wide; the largest label where several are near."""
    wide, close = (cv2.dilate(labels.astype(np.float32), disc(r)).astype(np.int32) for r in (3, 1))
    return np.where(close == 0, wide, 0)


def recesses(apart: Any, step: Any, found: Mask, *, burnt: bool) -> Mask:
    """Sky in corners that the network, whose picture is small, does not reach: as even, wide, and shut in by edges.

    Parameters
    ----------
    apart : (h, w) distance in RGB from the sky's colour
    step : (h, w) the local gradient, per pixel
    found : (h, w) 0 or 1, the open sky
    burnt : whether the sky is, so that other burnt things look just like it

    Returns
    -------
    (h, w) 0 or 1, more sky; boards along the eaves are too narrow for it, and what goes on is a wall.
    """
    spread, even = float(1.48 * np.median(apart[found > 0])), float(np.percentile(step[found > 0], 75))
    near = np.clip(2 * spread, *VERY_ALIKE) if burnt else np.clip(3 * spread, *ALIKE)
    alike = (apart < near) & (step < np.clip(2 * even, *_EVEN))
    ways = alike.astype(np.uint8) | found
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ways & (1 - found), connectivity=4)
    off = distance_to(found)
    farthest = np.zeros(count)
    np.maximum.at(farthest, labels.ravel(), off.ravel())
    held = np.zeros(count, bool)
    held[np.unique(labels[off < _BESIDE])] = True
    reach, most = _BURNT_RECESS if burnt else _RECESS
    held &= (farthest <= reach) & (stats[:, cv2.CC_STAT_AREA] <= most)
    held[0] = False
    return held[labels] & (1 - found) & cv2.morphologyEx(ways, cv2.MORPH_OPEN, disc(_WIDE))


def leafy(x: Any, old: Any) -> Any:
    """Where (h, w) what stands before the sky is leaves about: green, in autumn's colours, or black before the light.

    x, old : as of `pockets`
    """
    most = highest(x)
    green = x[..., 1] - np.maximum(x[..., 0], x[..., 2]) > _GREEN
    coloured = green | (most - lowest(x) > _COLOURED)
    before = apart_from(x, old) > _OTHER
    things, leaves, black = (
        cv2.blur((before & m).astype(np.float32), (2 * _ABOUT + 1,) * 2) for m in (True, coloured, most < _BLACK)
    )
    return (leaves > _LEAVES * things) | (black > _SILHOUETTE * things)


def steps(x: Any) -> Any:
    """The local gradient (h, w) of a picture's mean (h, w, 3) float32, per pixel."""
    return cv2.morphologyEx(total(x), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) / 6


def distance_to(mask: Mask) -> Any:
    """Pixels (h, w) float32 to the nearest pixel of a mask (h, w) 0 or 1."""
    return cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)


def disc(radius: int) -> Any:
    """A round structuring element."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
