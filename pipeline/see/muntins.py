"""What the bars of a window tell: which of them the room lights, where panes begin, and which are panes as a whole.

Daylight from behind makes white bars look dark in a view that is shown as one exposure shows it; those that the room
lights alike keep the room's own exposure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.see.bars import BESIDE, SAME, STEP, Bar, sampled

Field = NDArray[np.floating[Any]]
NO_BAR = -100.0
"""Level (EV) where there is no bar."""
_EVEN, _OVER, _FEWEST = (0.4, 0.7, 0.85), (-0.7, 1.4), 3
"""Share of their length from which bars are lit alike: of those up to so many EV over the walls, up to so many, and of
brighter ones; and how many edges beyond doubt it takes to tell.
"""
_GLASS, _ENOUGH, _MOST = 0.5, 0.1, 0.6
"""Share of a pane that must be bright and likely glass, that must be view, and of panes from which all are view."""
_SAMPLES, _LIKELY_GLASS = 32, 0.5
"""Points along a bar at which to ask what is beside it, and how likely glass must be there on the mean."""
_NARROWEST, _ACROSS = 0.015, 6
"""How far from a bar its pane must be bright, and at how many distances up to that."""


def even(bars: Sequence[Bar], walls: float) -> bool:
    """Whether the bars of a window are lit by the room, and all alike.

    Those over which the light of the view flares are of every level, and brighter than walls (EV) only because of it;
    dark ones look the same either way.
    """
    sure = [bar for bar in bars if bar.sure]
    if len(sure) < _FEWEST:
        return False
    level, alike = _level(sure)
    return alike > _EVEN[int(np.searchsorted(_OVER, level - walls))]


def common_level(bars: Sequence[Bar]) -> float:
    """The median of the bars' levels (EV) by length."""
    return _level(bars)[0]


def _level(bars: Sequence[Bar]) -> tuple[float, float]:
    """The median of the bars' levels by length, and the share of their length that is like it."""
    lengths = np.array([np.hypot(*(bar.ends[1] - bar.ends[0])) for bar in bars])
    levels = np.array([bar.level for bar in bars])
    order = np.argsort(levels)
    middle = np.searchsorted(np.cumsum(lengths[order]), lengths.sum() / 2)
    median = float(levels[order][middle])
    return median, float(lengths[np.abs(levels - median) < SAME].sum() / lengths.sum())


def marked(bars: Sequence[Bar], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(h, w): where bars are beyond doubt."""
    painted = np.zeros(shape, np.float32)
    for bar in bars:
        _paint(painted, bar, bar.ends, (0, bar.width), 1)
    return painted > 0


def among_glass(bars: Sequence[Bar], prior: Field) -> list[Bar]:
    """The bars that lie in likely glass, (h, w) 0..1: beside a wall's edge may be a sunlit frame or a blind."""
    reach = max(2.0, BESIDE * max(prior.shape))
    return [bar for bar in bars if float(np.mean(_along(prior, bar, reach))) > _LIKELY_GLASS]


def beside(bars: Sequence[Bar], radiance: Field) -> NDArray[np.bool_]:
    """(h, w): a narrow strip where panes, or whatever else is brighter, begin along sure bars.

    Between the slats of blinds there are none: what is brighter than a bar must be as wide as a pane.
    """
    painted = np.zeros(radiance.shape, np.float32)
    long = max(radiance.shape)
    reach = max(2.0, BESIDE * long)
    across = np.linspace(reach, max(_NARROWEST * long, reach), _ACROSS)
    for bar in bars:
        if bar.sure and min(np.median(_along(radiance, bar, -far)) for far in across) > bar.level + STEP:
            _paint(painted, bar, bar.ends, (-reach, 1 - reach), 1)
    return painted > 0


def _along(field: Field, bar: Bar, inward: float) -> NDArray[np.float32]:
    """Samples of a field along a bar, so many pixels from its edge into it."""
    steps = np.outer(np.linspace(0, 1, _SAMPLES), bar.ends[1] - bar.ends[0])
    return sampled(field.astype(np.float32, copy=False), bar.ends[0] + steps + inward * bar.inward)


def whole_panes(
    bars: Sequence[Bar], view: NDArray[np.bool_], radiance: Field, glass: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(h, w): what bars enclose that may be glass, is brighter than they, and is the view in part: so all of it is.

    A clear sky is as smooth as paint, and where most panes show some of the view, the others show that. No blind or
    curtain hangs in such a pane: it would hide the bars.
    """
    if not bars:
        return np.zeros(view.shape, bool)
    enclosed = levels_of(bars, view.shape) == NO_BAR
    count, labels = cv2.connectedComponents(enclosed.astype(np.uint8), connectivity=4)
    bright = glass & (radiance > _level(bars)[0] + STEP)
    seen, likely = (np.bincount(labels[plane], minlength=count) for plane in (view, bright))
    area = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
    panes = (likely > _GLASS * area) & (np.arange(count) > 0)
    shown = panes & (seen > _ENOUGH * area)
    return (panes if area[shown].sum() > _MOST * area[panes].sum() else shown)[labels]


def levels_of(bars: Sequence[Bar], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w) float32: the level of the bars (EV) as far as they reach, and a pixel beyond; NO_BAR elsewhere."""
    painted = np.full(shape, NO_BAR, np.float32)
    for bar in bars:
        for piece in bar.pieces:
            _paint(painted, bar, piece, (-1, bar.width + 1), bar.level)
    return painted


def _paint(painted: NDArray[np.float32], bar: Bar, ends: Field, sides: tuple[float, float], value: float) -> None:
    """In place: the strip between two distances from the bar's edge, into it."""
    corners = np.concatenate([ends + sides[0] * bar.inward, ends[::-1] + sides[1] * bar.inward])
    cv2.fillPoly(painted, [np.round(corners * 16).astype(np.int32)], value, cv2.LINE_8, 4)
