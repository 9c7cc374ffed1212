"""Where the sky is and what it and its foreground look like: the fields by which a full-resolution matte is told.

The network knows what is sky, to a few pixels of its own small picture; the photo's colours know where it ends. From
the places that are certain the sky grows through pixels alike, up to the first edge; in trees it also grows into holes.
In a narrow band around that border each pixel's share of sky follows from its own colour, between that of the sky and
that of what stands before it (pipeline/render/layers.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import length, lowest, total
from pipeline.edits.doubts import Doubts, doubts_of
from pipeline.edits.gaps import (
    ALIKE,
    BURNT,
    CLOUDY,
    GAP,
    GREENERY,
    LIKELY,
    LONG_SIDE,
    STEP,
    VERY_ALIKE,
    disc,
    distance_to,
    leafy,
    openings,
    pockets,
    recesses,
    steps,
)
from pipeline.reduce import reduced
from pipeline.render.layers import apart_from
from pipeline.see.masks import guided

Field = NDArray[np.floating[Any]]
Mask = NDArray[np.uint8]
_SURE, _POSSIBLE, _HOLE = 0.9, 0.12, 0.02
_UNSURE, _WIRE, _INTO_TREES, _INTO_TWIGS, _VEILED = 0.005, 4, 20, 8, 0.1
_APART, _PURE = 0.15, (4, 0.5)
_SLOPE, _LEVEL = 3, 0.85
"""Pixels over which edges of small pictures are blurred, and how much of what is beside it a pixel there must reach."""
_BAND = 2
_EVEN = 4.0
_THIN, _BETWEEN, _TWIG = 7, 10, 2
_FARTHER = 3
"""Times that openings are looked for, each farther from the open sky."""
_LEAST = 60
"""Pixels of the least piece of sky."""
_ALMOST_ALL, _BELOW = 0.999, 0.15
"""Share of the open sky that counts for how low it reaches; over the height, how far below it may show through."""
_GUIDED = (4, 4e-4)
_UNLIKELY = 0.3
"""The network's probability below which something is hardly sky."""
_POST, _BESIDE = 0.1, 2
"""Distance in RGB from the sky of a post before it, and pixels beside one that it reaches."""
_SEAM = 7
"""Pixels outside of the sky by which it must have ended."""


@dataclass(frozen=True, slots=True, eq=False)
class Border:
    """Where the sky is, and what speaks against that.

    Fields (h, w) or (h, w, 3), float32 0..1, over the whole frame. inside: 1 where all is sky but for thin things
    before it. band: 1 where colours decide. soft: the share of sky where colours cannot tell. old, front: colour of the
    sky, continued everywhere, and of what stands before it, in the band.
    """

    inside: NDArray[np.float32]
    band: NDArray[np.float32]
    soft: NDArray[np.float32]
    old: NDArray[np.float32]
    front: NDArray[np.float32]
    doubts: Doubts


def border_of(picture: Field, sky: Field, vegetation: Field) -> Border | None:
    """The border of the sky in a proxy (h, w, 3) float32 0..1; None where there is no certain sky.

    sky, vegetation: probabilities of any size over the whole frame.
    """
    x = reduced(picture.astype(np.float32), LONG_SIDE)
    size = (x.shape[1], x.shape[0])
    p, green = (cv2.resize(m.astype(np.float32), size, interpolation=cv2.INTER_AREA) for m in (sky, vegetation))
    seed = cv2.erode((p > _SURE).astype(np.uint8), disc(2))
    if int(seed.sum()) < _LEAST:
        return None
    found, old, beyond = _grown(x, p, green, seed)
    above = _above(found)
    burnt = float(np.median(lowest(old)[found > 0])) >= BURNT
    found = found | recesses(_apart(x, old, p), steps(x), found, burnt=burnt) | pockets(x, p, green, found, old)
    for _ in range(_FARTHER):
        # What shows through far from the open sky differs a little from it, less from what shows through beside it.
        found = found | openings(x, green, found, old) & above
        old = _continued(x, found > 0, _EVEN)
    apart = _apart(x, old, p)
    thin = (cv2.morphologyEx(found, cv2.MORPH_CLOSE, disc(_THIN)) > 0) & (found == 0) & (p > 0.5)
    # What is less apart from the sky than things beside it is mixed with it.
    pure = apart > np.maximum(_APART, _PURE[1] * cv2.dilate(apart, disc(_PURE[0])))
    # Edges of small pictures are blurred: their slope shows no colour of its own, and reaches farther.
    slope = _SLOPE if max(picture.shape) <= LONG_SIDE else 0
    pure &= (apart > _LEVEL * cv2.dilate(apart, disc(1))) | (distance_to(found) > slope)
    solid = (p < _UNLIKELY) & (found == 0) & pure & (distance_to(found) < 60) & ~_twigs(green, found)
    if int(solid.sum()) < _LEAST:
        solid = (p < _UNLIKELY) & (found == 0)
    posts = _posts(length(x - old), p, green, found)
    front = _continued(x, solid | posts)
    # Of what is thinner than a pixel here nothing shows its own colour: wires and twigs are dark before the sky.
    thin &= distance_to(posts.astype(np.uint8)) > _BESIDE
    weight = cv2.GaussianBlur(thin.astype(np.float32), (0, 0), 1.5)[..., None]
    front = front + np.clip(3 * weight, 0, 1) * (np.minimum(front, 0.2 * old) - front)
    inside = cv2.erode(found, disc(_BAND)).astype(np.float32)
    # What has no leaves shows more of the sky, which is found; or it is a wall, and pale things on it are no sky.
    reach = np.where(leafy(x, old), _INTO_TREES, _INTO_TWIGS)
    crowns = cv2.dilate((green > GREENERY).astype(np.uint8), disc(_BAND)) & (distance_to(found) < reach)
    seam = (p > LIKELY) & (distance_to(found) < (_SEAM if slope else _SEAM / 2))
    between = cv2.morphologyEx(found | crowns, cv2.MORPH_CLOSE, disc(_BETWEEN)) & (p > _HOLE)
    band = (cv2.dilate(found, disc(max(_BAND, slope))) | crowns | seam | between).astype(np.float32)
    # Elsewhere it is not asked for: nothing there makes small plans.
    front = front * cv2.dilate(band, disc(_BAND))[..., None]
    soft = np.clip((guided(total(x) / 3, p, *_GUIDED) - 0.15) / 0.7, 0, 1)
    return Border(
        inside,
        band,
        soft.astype(np.float32),
        old,
        front,
        doubts_of(x, p, green, found=found, old=old, apart=apart, beyond=beyond),
    )


def _posts(away: Any, p: Any, green: Any, found: Mask) -> Any:
    """Where (h, w) things before the sky that the network does not see are wide enough to show their own colour.

    away: (h, w) distance in RGB from the sky's colour.
    """
    things = (found == 0) & (p >= _UNLIKELY) & (green < GREENERY) & (away > _POST)
    # As wide as it is where it has half its colour: a wire's blurred sides are none of it.
    things &= away > 0.5 * cv2.dilate(away, disc(_BESIDE + 1))
    wide = cv2.morphologyEx(things.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    return wide & (away > _LEVEL * cv2.dilate(away, disc(_BESIDE)))


def _twigs(green: Any, found: Mask) -> Any:
    """Where (h, w) what stands before the sky is a crown's, and so thin that here the sky is mixed with all of it."""
    thin = cv2.morphologyEx(1 - found, cv2.MORPH_OPEN, disc(_TWIG)) == 0
    return thin & (distance_to((green > GREENERY).astype(np.uint8)) < _INTO_TWIGS)


def _above(found: Mask) -> Mask:
    """Rows (h, 1) 0 or 1 in which sky may show through things: not far below the lowest open sky."""
    rows = np.arange(len(found))
    lowest = int(np.searchsorted(np.cumsum(found.sum(axis=1)), _ALMOST_ALL * int(found.sum())))
    return (rows <= lowest + _BELOW * len(found)).astype(np.uint8)[:, None]


def _grown(x: Any, p: Any, green: Any, seed: Mask) -> tuple[Mask, NDArray[np.float32], Mask]:
    """The sky (h, w) 0 or 1 grown from its certain part, its colour continued everywhere, and what of it lies beyond an
    edge although the network hardly sees any there.
    """
    step, found, ways, across = steps(x), seed, seed, seed
    old = _continued(x, found > 0, _EVEN)
    for _ in range(4):
        apart = _apart(x, old, p)
        spread = float(1.48 * np.median(apart[found > 0]))
        even = float(np.percentile(step[found > 0], 75))
        alike = apart < np.clip(3 * spread, *ALIKE)
        smooth = step < np.clip(3 * even, *STEP)
        # Where nothing is burnt, colour alone may carry it on against the network: burnt walls meet burnt skies unseen.
        very_alike = (p > _UNSURE) & (apart < np.clip(2 * spread, *VERY_ALIKE))
        possible = (p > _POSSIBLE) | (very_alike & (lowest(old) < BURNT))
        ways = (alike & smooth & possible).astype(np.uint8) | seed
        across = cv2.morphologyEx(ways, cv2.MORPH_CLOSE, disc(_WIRE)) & (p > _POSSIBLE).astype(np.uint8)
        reached = (_connected(ways | across, found) | (p > LIKELY).astype(np.uint8)) & ways
        # A pixel beside an edge is alike but not smooth: it is reached last, and nothing grows on from it.
        reached = reached | (cv2.dilate(reached, disc(1)) & (alike & possible).astype(np.uint8))
        # Leaves are far from all skies, so what is near enough between them is sky, also in the veil that a lens lays.
        gap = (alike & ((p > _HOLE) | very_alike)) | ((apart < _VEILED) & (p > GAP))
        gap = (gap & (green > GREENERY)).astype(np.uint8)
        certain = reached | _connected(gap, gap & (distance_to(reached) < _INTO_TREES))
        # What was certain to the network but is darker than all around it stands before the sky. Blue is the last to
        # go: it is left in the rents of clouds.
        darker = np.where(old[..., 2] - x[..., 2] > CLOUDY, apart, 0)
        found = np.where(darker < max(0.12, 4 * spread), certain, 0).astype(np.uint8)
        old = _continued(x, found > 0, _EVEN)
    sure = (p > np.where(green > GREENERY, _POSSIBLE, LIKELY)).astype(np.uint8)
    here = _connected(ways | across & sure, seed) | (p > LIKELY).astype(np.uint8)
    return found, old, found & ways & ~here


def _apart(x: Any, old: Any, p: Any) -> Any:
    """Distance in RGB from the sky's colour: where sky is likely, the bright seam of sharpening counts for less."""
    return np.where(p > LIKELY, apart_from(x, old), length(x - old))


def _connected(ways: Mask, start: Mask) -> Mask:
    """The parts of `ways` that hold some of `start`."""
    _, labels = cv2.connectedComponents(ways, connectivity=4)
    held = np.zeros(int(labels.max()) + 1, np.uint8)
    held[np.unique(labels[(start > 0) & (ways > 0)])] = 1
    held[0] = 0
    return held[labels]


def _continued(x: Any, known: Any, even: float = 0.0) -> NDArray[np.float32]:
    """Colours (h, w, 3) where they are known, smooth ones elsewhere (push-pull, Gortler et al., 1996).

    even: standard deviation in pixels over which known colours are averaged, so that none is compared with itself.
    """
    weight = known.astype(np.float32)
    colour = x * weight[..., None]
    if even > 0:
        colour, weight = (cv2.GaussianBlur(v, (0, 0), even) for v in (colour, weight))
    levels = [(colour, weight)]
    while min(levels[-1][1].shape) > 3:
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    colour, weight = levels[-1]
    out: Any = colour / (weight[..., None] + 1e-6)
    for colour, weight in levels[-2::-1]:
        wide = cv2.pyrUp(out, dstsize=(weight.shape[1], weight.shape[0]))
        share = np.clip(4 * weight, 0, 1)[..., None]
        out = share * (colour / (weight[..., None] + 1e-6)) + (1 - share) * wide
    return out.astype(np.float32)
