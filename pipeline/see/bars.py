"""The bars of windows, muntins and frames, told from what lies beyond the panes: straight, of one level, smooth.

Along a bar nothing changes on its dark side, whatever the view beside it does, and it ends where another bar or the
frame meets it. No tree, roof or horizon is all of that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
_SHORTEST, _FEWEST_PIXELS = 0.012, 8
"""Over the long side, as all lengths here: the shortest segment to look along; and in pixels."""
BESIDE, _WIDEST = 0.002, 0.012
"""How far beside an edge its sides are told, and how much of a wide frame is marked."""
_WITHIN = (0.5, 0.75, 1.0)
"""Of that distance, where the bar is."""
_GAP = 0.006
"""Gap in a bar, such as a leaf before it leaves; and how near to its end it must meet another."""
SAME, STEP, _EDGE = 0.35, 0.5, 0.4
"""EV within which a bar is of one level, and by which what lies beside it is brighter: on the whole, and in places."""
_HIDDEN = 0.02
"""How far something plain beside it and as dark goes on that hides a bar."""
_WIDE = 0.8
"""Share of its length on which a bar is as wide as it is taken to be."""
_RIPPLE, _TEXTURED = 15, 0.05
"""Pixels along a bar over which its texture is told, and EV of it from which it is a hedge in the shade."""
_MOST_OF_THEM, _ALIKE = (0.1, 0.9), 0.4
"""Quantiles of the levels of a window's bars, and EV beyond them up to which others are sought."""
_BRIGHTER, _SIGMA = 0.25, 0.7
"""EV by which a bar may be brighter than what is beside it; pixels of smoothing."""
_STEPS_PER_EV, _DARKEST = 21, 8.0
"""Levels per EV in which edges are looked for, and EV below the brightest bar of their black."""


@dataclass(frozen=True, slots=True, eq=False)
class Bar:
    """One straight edge of a muntin or frame: ends (2, 2) of x and y between which there is an edge; pieces (n, 2, 2)
    of the bar as far as it goes on beside something no brighter and nothing hides it; the unit vector (2,) from the
    edge into the bar; its width (all in pixels), its level in EV, and whether it is one beyond doubt.
    """

    ends: NDArray[np.float64]
    pieces: NDArray[np.float64]
    inward: NDArray[np.float64]
    width: float
    level: float
    sure: bool


@dataclass(frozen=True, slots=True)
class _Proof:
    """What a bar must show: its length over the long side, the share of it that is of one level and not the brighter,
    the share at which there is an edge, and how many of its ends meet another.
    """

    length: float
    mostly: float
    edges: float
    ends: int


_SURE, _LIKELY = _Proof(0.045, 0.9, 0.5, 2), _Proof(0.025, 0.75, 0.4, 1)
"""Of the first bars of a window, and of others like them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """The whole of a segment's line: points (n, 2) of x and y, one pixel apart, the part that is the segment, the
    radiance (n,) on either side of it, that on the segment's darker side as the bar's and its level, and the unit
    vector towards it.
    """

    points: NDArray[np.float64]
    known: slice
    bar: NDArray[np.float32]
    view: NDArray[np.float32]
    level: float
    inward: NDArray[np.float64]


def bars_in(radiance: Field, window: NDArray[np.bool_], brightest: float) -> list[Bar]:
    """The edges of bars in a window (h, w) over radiance (h, w), log2 (EV), none brighter than that.

    Source: LSD, a line segment detector (Grompone von Gioi et al., 2010).
    """
    long = max(radiance.shape)
    left, top, width, height = cv2.boundingRect(window.astype(np.uint8))
    more = round(_GAP * long)
    rows, columns = slice(max(top - more, 0), top + height + more), slice(max(left - more, 0), left + width + more)
    smooth = cv2.GaussianBlur(radiance[rows, columns].astype(np.float32), (0, 0), _SIGMA)
    shown = np.clip((smooth - brightest + _DARKEST) * _STEPS_PER_EV, 0, 255).astype(np.uint8)
    found: Any = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD, 1.0).detect(shown)[0]
    segments = np.reshape([] if found is None else found, (-1, 2, 2))
    segments = segments[np.hypot(*(segments[:, 1] - segments[:, 0]).T) > max(_SHORTEST * long, _FEWEST_PIXELS)]
    lines = [_line(segment, smooth, max(2.0, BESIDE * long)) for segment in segments]
    lines = [line for line in lines if line.level < brightest and _is_edge(line)]
    sure = [bar for line in lines if (bar := _bar(line, smooth, long, _SURE)) is not None]
    if not sure:
        return []
    darkest, brightest = np.quantile([bar.level for bar in sure], _MOST_OF_THEM)
    alike = [line for line in lines if darkest - _ALIKE < line.level < brightest + _ALIKE]
    likely = [bar for line in alike if (bar := _bar(line, smooth, long, _LIKELY)) is not None]
    at = np.array([columns.start, rows.start])
    return [replace(bar, ends=bar.ends + at, pieces=bar.pieces + at) for bar in [*sure, *likely]]


def _line(segment: Field, radiance: Field, beside: float) -> _Line:
    """The line of a segment (2, 2), of x and y, and what lies so many pixels beside it."""
    length = float(np.hypot(*(segment[1] - segment[0])))
    along = (segment[1] - segment[0]) / length
    height, width = radiance.shape
    points = segment.mean(axis=0) + np.outer(np.arange(-height - width, height + width + 1), along)
    # A segment may lie half a pixel outside.
    inside = np.flatnonzero(((points > -2) & (points < (width + 1, height + 1))).all(axis=1))
    middle, half = height + width - inside[0], int(length / 2)
    points, known = points[inside], slice(max(middle - half, 0), middle + half)
    across = np.array([-along[1], along[0]])
    view, inward = max(
        ((sampled(radiance, points - beside * way), way) for way in (across, -across)),
        key=lambda side: float(side[0][known].mean()),
    )
    # Of a thin bar the other side may be so near.
    bar = np.min([sampled(radiance, points + share * beside * inward) for share in _WITHIN], axis=0)
    return _Line(points, known, bar, view, float(np.median(bar[known])), inward)


def _is_edge(line: _Line) -> bool:
    return float(np.median(line.view[line.known])) > line.level + STEP


def _bar(line: _Line, radiance: Field, long: int, proof: _Proof) -> Bar | None:
    """The bar along a line, if it is proven."""
    gap = round(_GAP * long)
    same, view = np.abs(line.bar - line.level) < SAME, line.view
    reach = _run(same, line.known, gap)
    edges = np.flatnonzero((same & (view > line.level + _EDGE))[reach]) + reach.start
    if not edges.size:
        return None
    run = slice(int(edges[0]), int(edges[-1]) + 1)
    size = run.stop - run.start
    meets = view < line.level + SAME
    ends = meets[max(run.start - gap, 0) : run.start], meets[run.stop : run.stop + gap]
    proven = (
        size > proof.length * long
        and edges.size > proof.edges * size
        and min(np.mean(same[run]), np.mean(view[run] > line.bar[run] - _BRIGHTER)) > proof.mostly
        and sum(bool(end.any()) for end in ends) >= proof.ends
    )
    if not proven:
        return None
    here = line.points[run]
    least = max(2.0, BESIDE * long)
    offsets = np.arange(least, max(_WIDEST * long, least + 0.5), 0.5)
    strip = np.stack([sampled(radiance, here + offset * line.inward) for offset in offsets])
    other = np.flatnonzero((np.abs(strip - line.level) < SAME).mean(axis=1) < _WIDE)
    last = max(int(other[0]) - 1, 0) if other.size else len(offsets) - 1
    texture = np.abs(strip - cv2.blur(strip, (_RIPPLE, 1)))[: last + 1]
    if np.median(texture) > _TEXTURED:
        return None
    return Bar(here[[0, -1]], _pieces(line, reach, long), line.inward, float(offsets[last]), line.level, proof is _SURE)


def _pieces(line: _Line, reach: slice, long: int) -> NDArray[np.float64]:
    """The ends (n, 2, 2) of what is seen of a bar: a lamp before it is of one level on both of its sides."""
    view = line.view[reach]
    texture = cv2.blur(np.abs(view - cv2.blur(view[None], (_RIPPLE, 1))[0])[None], (_RIPPLE, 1))[0]
    dark = view < line.level + _BRIGHTER
    plain = (dark & (texture < _TEXTURED)).astype(np.uint8)[None]
    hidden = cv2.morphologyEx(plain, cv2.MORPH_OPEN, np.ones((1, max(round(_HIDDEN * long), 1)), np.uint8))
    # The edge of what hides it is no texture.
    hidden = (cv2.dilate(hidden, np.ones((1, 2 * _RIPPLE + 1), np.uint8))[0] > 0) & dark
    edges = np.flatnonzero(np.diff(hidden.astype(np.int8), prepend=1, append=1))
    starts, stops = edges[::2] + reach.start, edges[1::2] + reach.start
    return np.stack([line.points[starts], line.points[stops - 1]], axis=1)


def sampled(radiance: Field, points: Field) -> NDArray[np.float32]:
    """Radiance at points (n, 2) of x and y."""
    across, down = points.astype(np.float32).T[:, None]
    found: Any = cv2.remap(radiance, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found[0]


def _run(there: NDArray[np.bool_], known: slice, gap: int) -> slice:
    """How far a run reaches that holds what is known, over gaps."""
    held = cv2.morphologyEx(there.astype(np.uint8)[None], cv2.MORPH_CLOSE, np.ones((1, gap + 1), np.uint8))[0]
    held[known] = 1
    ends = np.flatnonzero(held == 0)
    before, after = ends[ends < known.start], ends[ends >= known.stop]
    return slice(int(before[-1]) + 1 if before.size else 0, int(after[0]) if after.size else len(there))
