"""What speaks against a border of the sky: walls and roofs as pale as it, and sky that was not found.

The limits (sky.py) are those between skies found well and others (benchmarks/quality/skies.py): an edit that is left
out costs less than a wall that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import lowest
from pipeline.edits.gaps import (
    ALIKE,
    BURNT,
    CLOUDY,
    GREENERY,
    LIKELY,
    LONG_SIDE,
    STEP,
    VERY_ALIKE,
    disc,
    distance_to,
    steps,
)

Mask = NDArray[np.uint8]
_OTHER = 0.04
"""Distance in RGB from the sky around of another colour."""
_BEYOND, _FAR, _INNER = 7, 12, 2
"""Pixels outside of the sky by which it must have ended, and that lie far from any sky of the network; pixels from the
border that say nothing."""
_SOFT, _NOTHING = 4, 0.15
"""Pixels beside the outline within which the colour must have changed, and by how much, in RGB."""
_LEAST, _PART, _PIECE = 60, 0.005, 0.001
"""Pixels of the least part that is judged; shares of the frame of a large one, and of one that the network must have
seen."""
_STRIP, _SIDE, _ACROSS, _FAR_APART, _SAME = 14, 20, 4.0, 12.0, 3.0
"""Pixels on both sides of what separates parts of the sky whose colours are compared, and how many it takes; dE that
they may differ there (in 33 skies 2.3), and where they are farther apart; dE up to which it is the same sky."""
_WHOLE, _AMID_HOLES = 0.72, 1.5
"""Share of a part that is left without what holes leave a pixel wide; dE that it may differ where less is left."""
_AROUND, _ROUGH = 0.2, (2.0, 1.25)
"""Mean probability of vegetation around a part from which it is in a crown; how much rougher than the open sky a roof
is, if its colour is the same across what separates them, and if not."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """What speaks against a border; 0 is nothing.

    open: share of the outline beyond which the picture goes on as before, so that nothing shows where the sky ends.
    edgeless: pixels beside the longest piece of outline at which hardly anything shows that it ends: it goes through
    the face of a thing as pale as the sky. strayed: share of the sky far from all that the network holds for it, trees
    apart. torn: share of what the network holds for sky that was left behind, although nothing dark stands there (less
    in small pictures, which are all border). mottled: share of the sky with another colour than the sky around, as in
    the rents and edges of clouds. elsewhere: how much more of the picture looks just like it but is apart from it, over
    its area: sky below a crown, or a wall; one of the two would be wrong. parted: the largest difference of colour,
    over what it may be, between parts of the sky that something separates, crowns apart: a sky goes on behind wires and
    a house, walls in different light do not. unlike: how little the network holds a part for sky that is rougher than
    the open sky or of another colour, crowns apart: a sunlit roof may be just as white.
    """

    open: float
    edgeless: int
    strayed: float
    torn: float
    mottled: float
    elsewhere: float
    parted: float
    unlike: float


def doubts_of(x: Any, p: Any, green: Any, *, found: Mask, old: Any, apart: Any, beyond: Mask) -> Doubts:
    """What speaks against a sky `found` (h, w) 0 or 1.

    Parameters
    ----------
    x, old : (h, w, 3) float32 0..1, the picture and the sky's colour continued over it
    p, green : (h, w) 0..1, the network's probabilities of sky and vegetation
    apart : (h, w) distance in RGB from the sky's colour
    beyond : (h, w) 0 or 1, what of the sky lies beyond an edge, where the network hardly sees any
    """
    away, sky = distance_to(found), p > LIKELY
    outside = (away > _INNER) & (away < _BEYOND)
    astray = (distance_to(sky.astype(np.uint8)) > _FAR) & (green < GREENERY)
    left = sky & (away > 1) & (old[..., 2] - x[..., 2] < CLOUDY)
    inner = cv2.erode(found, disc(_INNER)) > 0
    parted, unlike = _of_parts(x, p, green, found)
    return Doubts(
        open=float(np.mean(apart[outside] < ALIKE[0])) if outside.any() else 0.0,
        edgeless=_edgeless(apart, away, green),
        strayed=float(np.mean(astray[found > 0])),
        torn=float(left.sum() / max(int(sky.sum()), 1)) * max(p.shape) / LONG_SIDE,
        mottled=float(np.mean(apart[inner] > _OTHER)) if inner.any() else 1.0,
        elsewhere=_elsewhere(x, found, old, apart),
        parted=parted,
        unlike=1.0 if _is_roof(x, found, beyond) else unlike,
    )


def _edgeless(apart: Any, away: Any, green: Any) -> int:
    beside = (away > 0) & (away <= _SOFT) & (green < GREENERY)
    soft = beside & (cv2.dilate(apart, disc(_SOFT)) < _NOTHING)
    _, _, stats, _ = cv2.connectedComponentsWithStats(soft.astype(np.uint8), connectivity=8)
    return int(stats[1:, cv2.CC_STAT_AREA].max(initial=0))


def _elsewhere(x: Any, found: Mask, old: Any, apart: Any) -> float:
    step = steps(x)
    spread, even = float(1.48 * np.median(apart[found > 0])), float(np.percentile(step[found > 0], 75))
    # Burnt things are all alike.
    alike = (apart < np.clip(2 * spread, *VERY_ALIKE)) & (step < np.clip(3 * even, *STEP)) & (lowest(old) < BURNT)
    _, _, stats, _ = cv2.connectedComponentsWithStats((alike & (found == 0)).astype(np.uint8), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return float(areas[areas >= _LEAST].sum() / max(int(found.sum()), 1))


def _of_parts(x: Any, p: Any, green: Any, found: Mask) -> tuple[float, float]:
    """parted and unlike (Doubts)."""
    kernel = cv2.erode(found, disc(_INNER), borderValue=1)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(kernel, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    parts = [int(k) for k in 1 + np.flatnonzero(areas[1:] > _LEAST)]
    if len(parts) < 2:
        return 0.0, 0.0
    open_sky = max(parts, key=lambda k: int(areas[k]))
    lab, step, parted, least = cv2.cvtColor(x, cv2.COLOR_RGB2LAB), steps(x), 0.0, 1.0
    differs = _from_open_sky(lab, labels, parts, open_sky)
    even = float(np.mean(step[labels == open_sky]))
    for k in parts:
        part = labels == k
        if k == open_sky or _in_crown(part, green, found):
            continue
        if k in differs:
            parted = max(parted, differs[k] / _ACROSS)
        elif areas[k] > _PART * found.size:
            parted = max(parted, (_difference(lab, labels == open_sky, part) or 0.0) / _FAR_APART)
        inner = cv2.erode(part.astype(np.uint8), disc(1)) > 0
        most = _ROUGH[int(differs.get(k, np.inf) > _SAME)] * even
        if inner.any() and float(np.mean(step[inner])) > most and areas[k] > _PIECE * found.size:
            least = min(least, float(np.mean(p[part])))
    return parted, 1 - least


def _from_open_sky(lab: Any, labels: Any, parts: list[int], open_sky: int) -> dict[int, float]:
    """The largest difference of colour, dE, on the way from the open sky to each part that can be reached, over what
    separates neighbours, by the way on which it is least.
    """
    near = {k: _near(labels == k) for k in parts}
    across: dict[tuple[int, int], float] = {}
    for i in parts:
        for j in np.unique(labels[near[i]]).tolist():
            if i < j and j in near:
                there, here = near[i] & (labels == j), near[j] & (labels == i)
                if (differs := _difference(lab, there, here)) is not None:
                    across[i, j] = across[j, i] = differs
    reached = {open_sky: 0.0}
    # Each step reaches the part that differs least (Prim, 1957).
    while ways := [(max(reached[i], d), j) for (i, j), d in across.items() if i in reached and j not in reached]:
        differs, part = min(ways)
        reached[part] = differs
    return reached


def _difference(lab: Any, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float | None:
    """Difference of colour, dE, between two regions (h, w); None where one is too small to tell."""
    if min(int(one.sum()), int(other.sum())) <= _SIDE:
        return None
    return float(np.linalg.norm(np.median(lab[one], axis=0) - np.median(lab[other], axis=0)))


def _near(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(distance_to(region.astype(np.uint8)) < _STRIP)


def _in_crown(part: NDArray[np.bool_], green: Any, found: Mask) -> bool:
    around = (cv2.dilate(part.astype(np.uint8), disc(_BEYOND)) > 0) & (found == 0)
    return bool(around.any()) and float(np.mean(green[around])) > _AROUND


def _is_roof(x: Any, found: Mask, beyond: Mask) -> bool:
    """Whether of the sky beyond an edge, where the network hardly sees any, a part has another colour, or many holes.

    A wire crosses the sky and a ridge ends it; both are thin and dark.
    """
    lab = cv2.cvtColor(x, cv2.COLOR_RGB2LAB)
    whole = cv2.morphologyEx(beyond, cv2.MORPH_OPEN, disc(1))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(beyond, connectivity=4)
    sky = (found > 0) & (beyond == 0)
    for k in 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] > _LEAST):
        part = labels == k
        differs = _difference(lab, sky & _near(part), part & _near(sky))
        holes = float(np.mean(whole[part])) < _WHOLE
        if differs is not None and differs > (_AMID_HOLES if holes else _ACROSS):
            return True
    return False
