"""Where a bracketed set of a room shows the outside: glass that is burnt in the middle exposure, not in a darker one.

Whether something is burnt, and whether a darker exposure has a view there, is measured. Whether it is a window says the
network (glass.py); which of it is glass, the scene's radiance (glazing.py) and the bars among it (muntins.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import highest
from pipeline.merge.order import log_radiance
from pipeline.photo import Image
from pipeline.see.bars import Bar, bars_in
from pipeline.see.glass import LIKELY, panes_of
from pipeline.see.glazing import TEXTURED, VIEW_SIDE, across, greenness, through_panes
from pipeline.see.muntins import (
    NO_BAR,
    among_glass,
    beside,
    common_level,
    even,
    levels_of,
    marked,
    whole_panes,
)
from pipeline.see.objects import before

Field = NDArray[np.floating[Any]]
_BURNT, _BLACK = 250, 20
_BRIGHTER = (1.0, 1.8)
"""EV above the room's walls between which something in a window comes to be outside."""
_WALLS, _WHITE, _FLARED = 70, 90, 2.0
"""Percentiles of the room's radiance that its walls and its white paint have, and EV over that up to which muntins are
sought.
"""
_AS_DARK = 0.35
"""EV over muntins, or walls, up to which things before a window are as dark."""
_CURTAIN = 2.2
"""EV below the view's median at which it may be a curtain with the light behind it."""
_SMALLEST = 0.0015
_PLAIN = (0.08, 0.2)
"""Local contrast (EV) between which glass comes to show a view: frosted panes and closed blinds have none."""
_MOSTLY = 0.5
"""Share of the view from which something is seen outside."""
_CLOSED, _FADE, _EDGE = 0.004, 0.03, 0.001
"""Over the long side: dark things that a view closes over, how it fades where it is dark, and at its panes' edges."""
_PER_SIGMA = 4
"""Pixels per sigma that a wide blur needs."""
_OVER = 2
"""Pixels by which a view reaches over its panes: one of the field that the merge gets, which is half as large."""
_LEAST_GLASS, _MISSED = 0.26, 0.05
"""Share of a window that must show what is outside: else it is something smooth and bright in the room; share of it
that may be burnt in one exposure and black in the next."""
_COMPLETE, _GREEN, _SOLID, _LEAST_PANE = 0.9, 1.3, 0.92, 0.003
"""Share of what has texture or is green in a window, and was burnt, from which the panes found are all there are; green
over red and blue of what is so; least area of panes over that of their convex hulls; half the width, over the long
side, of the narrowest."""
_NO_GLASS, _EDGE_STEP, _NOISE = 0.5, 0.12, 0.0015
"""Prior below which something is rather the room; EV per pixel from which there is an edge; over the long side, over
what noise is averaged before."""
_AS_BRIGHT, _APART_IN_VIEW = 1.0, 0.03
"""EV below the view's median down to which all of a window is view; over the long side, how far what is known to be
view may lie apart for what is between to be so, too."""
_WIDE, _RING = 0.003, 0.0026
"""Over the long side: half the width of what is wider than muntins, and how far what lies beside it reaches."""
_BESIDE_VIEW, _AROUND_IT, _BESIDE_ROOM = 0.6, 0.9, 0.2
"""Share of its outline that must lie beside the view, the same where all panes are known, and share that may lie beside
the room, for something dark to be seen through the window."""


def view_of(
    exposures: Sequence[NDArray[np.uint8]], exposure_values: Sequence[float], reference: int, prior: Field
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where aligned exposures (h, w, 3), darkest first, show a view through glass: (h, w) float32 0..1; and the level
    (EV) of muntins and things before it: (h, w) float32, NO_BAR elsewhere.

    prior: (h, w) 0..1, as `window_prior`.
    """
    nothing = np.zeros(prior.shape, np.float32)
    burnt = highest(exposures[reference]) >= _BURNT
    recovered = burnt & (highest(exposures[0]) < _BURNT)
    inside = (prior < 0.3) & ~burnt
    if np.mean(recovered) < _SMALLEST or np.mean(inside) < 0.05:
        return nothing, np.full_like(nothing, NO_BAR)
    radiance = log_radiance(exposures, exposure_values)
    wall = float(np.median(radiance[inside]))
    closed = _closed(radiance, _CLOSED)
    may_be = (prior > LIKELY[0]) & (closed > wall + float(np.mean(_BRIGHTER)))
    texture = across(radiance, VIEW_SIDE * max(prior.shape))
    brightest = float(np.percentile(radiance[inside], _WHITE)) + _FLARED
    framed = [bars_in(radiance, window, brightest) for window in panes_of(prior)]
    muntins = among_glass(list(itertools.chain(*framed)), prior)
    bars = marked(list(itertools.chain(*framed)), prior.shape)
    built = {"bars": bars, "rims": beside(muntins, radiance) & (radiance > brightest) & may_be}
    through = through_panes(exposures, reference, radiance, texture, wall=wall, outside=may_be, prior=prior, **built)
    through |= whole_panes(muntins, through, radiance, may_be)
    # Frames are smooth, and so are lawns, but green.
    shows = recovered & ((texture > TEXTURED) | (greenness(exposures[0]) > _GREEN)) & ~bars
    contrast, missed = _local_contrast(radiance), _between(exposures)
    outside, share, complete = nothing.copy(), nothing.copy(), np.zeros(prior.shape, bool)
    for window in panes_of(np.where(may_be | through, np.maximum(prior, 2 * LIKELY[0]), 0)):
        seen = window & (radiance > wall + _BRIGHTER[1])
        too_little = np.mean(through[window]) < _LEAST_GLASS or np.mean(missed[window]) > _MISSED
        if too_little or np.mean(window & recovered & (prior > LIKELY[1])) < _SMALLEST or not seen.any():
            continue
        median = float(np.median(radiance[seen]))
        darkest = max(wall + _BRIGHTER[0], median - _CURTAIN)
        if _is_complete(through & window, window & shows):
            glass = window & (_closed(through, _CLOSED) > 0)
            complete |= glass
        else:
            held = _closed(through, _APART_IN_VIEW) > 0
            glass = window & ~_of_room((radiance < median - _AS_BRIGHT) & ~held, radiance, prior)
        outside[glass] = np.maximum(_ramp(closed[glass] - darkest, (0, _BRIGHTER[1] - _BRIGHTER[0])), through[glass])
        share[glass] = _ramp(np.median(contrast[seen]), _PLAIN)
    dark = _enclosed(outside > _MOSTLY, complete, (outside <= _MOSTLY) & (prior > LIKELY[1]), prior)
    outside[dark], share[dark] = 1, _within(share > 0, share, _FADE * max(prior.shape))[dark]
    mask = _faded(outside, share)
    return mask, _indoors(radiance, mask > _MOSTLY, framed, float(np.percentile(radiance[inside], _WALLS)))


def _indoors(
    radiance: Field, view: NDArray[np.bool_], framed: Sequence[Sequence[Bar]], walls: float
) -> NDArray[np.float32]:
    """The level (EV) of muntins and of things before a view: (h, w), NO_BAR elsewhere. framed: each window's bars."""
    lit = list(itertools.chain(*(bars for bars in framed if even(bars, walls))))
    levels = levels_of(lit, (radiance.shape[0], radiance.shape[1]))
    as_dark = (common_level(lit) if lit else walls) + _AS_DARK
    levels[before(radiance, view, levels > NO_BAR, as_dark)] = as_dark
    return levels


def _closed(values: NDArray[Any], radius: float) -> Any:
    """Values without what is dark and, over the long side, narrower than twice the radius."""
    plane = values.astype(np.uint8) if values.dtype == bool else values
    near = np.ones((2 * round(radius * max(values.shape)) + 1,) * 2, np.uint8)
    return cv2.morphologyEx(plane, cv2.MORPH_CLOSE, near)


def _is_complete(through: NDArray[np.bool_], shows: NDArray[np.bool_]) -> bool:
    """Whether panes found are all there are of a window, so that the rest of it is frames, reveals and curtains.

    They are of one piece each, as glass is, and outside of them little of what was burnt shows a view.
    """
    if not shows.any() or np.mean(through[shows]) < _COMPLETE:
        return False
    least = np.ones((2 * max(1, round(_LEAST_PANE * max(through.shape))) + 1,) * 2, np.uint8)
    panes = cv2.morphologyEx(through.astype(np.uint8), cv2.MORPH_OPEN, least)
    outlines, _ = cv2.findContours(panes, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    areas, hulls = (sum(map(cv2.contourArea, shapes)) for shapes in (outlines, map(cv2.convexHull, outlines)))
    return areas > _SOLID * hulls


def _faded(outside: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mask of a view (h, w): what is dark between bright things fades, they do not."""
    long = max(share.shape)
    mask = share * np.maximum(*(_within(share > 0, outside, sigma * long) for sigma in (_CLOSED, _FADE)))
    # It ends on the frames: a rim of glass that is left as fused would shine.
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _OVER + 1,) * 2))
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), _EDGE * long), np.float32)


def _enclosed(
    view: NDArray[np.bool_], complete: NDArray[np.bool_], dark: NDArray[np.bool_], prior: Field
) -> NDArray[np.bool_]:
    """What of the dark things among windows the view lies around: roofs and trees as dark as the room, no curtains.

    complete: which of the view is all that a window has of it.
    """
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(_WIDE * max(prior.shape))) + 1,) * 2)
    near = np.ones((2 * max(1, round(_RING * max(prior.shape))) + 1,) * 2, np.uint8)
    count, labels = cv2.connectedComponents(cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, disc))
    beside = np.where(labels > 0, 0, cv2.dilate(labels.astype(np.uint16), near)).ravel()
    length = np.maximum(np.bincount(beside, minlength=count), 1)
    view_there, complete_there, room_there = (
        np.bincount(beside, where.ravel(), count) / length for where in (view, complete, prior < LIKELY[1])
    )
    least = np.where(complete_there > 0, _AROUND_IT, _BESIDE_VIEW)
    kept = (view_there >= least) & (room_there <= _BESIDE_ROOM)
    kept[0] = False
    # What opening took from their outlines comes back.
    return dark & (cv2.dilate(kept[labels].astype(np.uint8), disc) > 0)


def _of_room(dark: NDArray[np.bool_], radiance: Field, prior: Field) -> NDArray[np.bool_]:
    """What of the darker things in a window goes over into the room without an edge: reveals, sills and walls."""
    # Noise has no edges.
    smooth = cv2.GaussianBlur(radiance.astype(np.float32), (0, 0), _NOISE * max(prior.shape))
    steps = cv2.morphologyEx(smooth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) / 2
    count, labels = cv2.connectedComponents((dark & (steps < _EDGE_STEP)).astype(np.uint8), connectivity=4)
    reached = np.bincount(labels[prior < _NO_GLASS], minlength=count) > 0
    reached[0] = False
    near = np.ones((2 * round(_CLOSED * max(prior.shape)) + 1,) * 2, np.uint8)
    return dark & (cv2.dilate(reached[labels].astype(np.uint8), near) > 0)


def _between(exposures: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """Where (h, w) the exposures lie too far apart: one is black, and the next is burnt."""
    peaks = [highest(exposure) for exposure in exposures]
    return np.any([(a < _BLACK) & (b >= _BURNT) for a, b in itertools.pairwise(peaks)], axis=0)


def _within(region: NDArray[np.bool_], values: NDArray[np.float32], sigma: float) -> Any:
    """Values averaged over the region alone, on a grid no finer than it takes.

    Source: normalised convolution (Knutsson and Westin, 1993).
    """
    coarser = max(1, int(sigma / _PER_SIGMA))
    size = tuple(max(1, n // coarser) for n in values.shape[::-1])
    inside = region.astype(np.float32)
    total, weight = (
        cv2.GaussianBlur(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / coarser)
        for plane in (values * inside, inside)
    )
    return cv2.resize(total / (weight + np.float32(1e-6)), values.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _local_contrast(radiance: Field) -> Any:
    """Deviation of log2 luminance (EV) from its surroundings, averaged there."""
    sigma = 0.01 * max(radiance.shape)
    deviation = np.abs(radiance - cv2.GaussianBlur(radiance, (0, 0), sigma))
    return cv2.GaussianBlur(deviation, (0, 0), sigma)


def _ramp(x: Any, ends: tuple[float, float]) -> Any:
    t = np.clip((x - ends[0]) / (ends[1] - ends[0]), 0, 1)
    return t * t * (3 - 2 * t)


def eight_bits(image: Image) -> NDArray[np.uint8]:
    """An exposure of 8 or 16 bits as the network and the radiance want it."""
    return np.asarray(image if image.dtype == np.uint8 else cv2.convertScaleAbs(image, alpha=1 / 257), np.uint8)
