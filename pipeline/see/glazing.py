"""Where panes end: the view through them told from frames, reveals and curtains that daylight makes as bright.

A view has edges in every direction, or it is a sky, brighter than all before it. What people build around it is smooth,
or its edges run along it. Both mark what they are sure of, and the rest goes to the nearer of them, as a watershed
takes it, over the scene's radiance: the border lies where the radiance has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
_EDGE = 0.0008
"""Over the long side, as all lengths here: smoothing before gradients."""
VIEW_SIDE, _FRAME_SIDE = 0.006, 0.0035
"""Surroundings in which edges of every direction tell a view, and none tell a frame."""
_STRONGEST = 0.15
"""EV per pixel that counts of a gradient: one strong edge is no texture."""
TEXTURED, _SMOOTH = 0.06, 0.03
"""EV per pixel across the main direction from which there is texture, and below which there is none."""
_BRIGHT = 1.8
"""EV above the room's walls from which what has texture speaks for the view's level."""
_FEW = 0.001
"""Share of the picture that must have texture to speak for the view's level."""
_SKY, _CLEAR_SKY, _ABOVE_WALL = 1.2, 2.5, 3.0
"""EV above the view from which what is smooth is sky if it is large, or even if small; and above the walls."""
_FRAME = 0.3
"""EV above the view up to which what is smooth may be a frame."""
_PANE, _SLIT, _BAR = 0.011, 0.002, 0.0015
"""Half of the width of the smallest thing that marks a view, that marks one as clear sky alone, that marks a frame."""
_GAP, _LONG = 0.004, 0.08
"""Gap over which pieces of a bar belong together, and the length of one that touches nothing of the room."""
_NO_GLASS, _ROOM = 0.1, 0.3
"""Prior below which something is certainly the room, and below which a frame hangs together with it."""
_GREEN, _NOISE = 1.06, 4
"""Green over the stronger of red and blue from which what is smooth is a lawn; levels that black may have of it."""
_STEPS_PER_EV, _GREENS_PER_EV, _DARKEST = 21, 100, 3
"""Levels per EV of what the watershed floods and of its green over red and blue: the shade of a lawn is as bright as a
white frame. EV below the walls of its black.
"""
_OF_ROOM, _OF_VIEW = 1, 2


def through_panes(
    exposures: Sequence[NDArray[np.uint8]],
    reference: int,
    radiance: Field,
    texture: Field,
    *,
    wall: float,
    outside: NDArray[np.bool_],
    bars: NDArray[np.bool_],
    rims: NDArray[np.bool_],
    prior: Field,
) -> NDArray[np.bool_]:
    """(h, w): where the view is, of where there may be glass.

    Parameters
    ----------
    exposures, reference : (h, w, 3) each, aligned, darkest first; which of them shows the room
    radiance : (h, w), log2 (EV)
    texture : (h, w), that across its main direction within VIEW_SIDE
    wall : EV of the room's walls
    outside : (h, w)
        What may be a view: likely glass, brighter than the walls.
    bars, rims : (h, w)
        Muntins and frames that are known, and where panes begin beside them.
    prior : (h, w) 0..1
        How likely there is glass.

    Source: coherence of the structure tensor (Bigün and Granlund, 1987); marker-controlled watershed (Meyer, 1992).
    """
    long = max(prior.shape)
    speaks = outside & (radiance > wall + _BRIGHT)
    textured = speaks & (texture > TEXTURED)
    if not speaks.any():
        return np.zeros(prior.shape, bool)
    level = float(np.median(radiance[textured if textured.mean() > _FEW else speaks]))
    sky = outside & (radiance > max(level + _SKY, wall + _ABOVE_WALL))
    view = _opened(outside & (texture > TEXTURED), _PANE * long) | _opened(sky, _PANE * long)
    view |= _opened(sky & (radiance > level + _CLEAR_SKY), _SLIT * long)
    green = _green(exposures, reference)
    smooth = (across(radiance, _FRAME_SIDE * long) < _SMOOTH) & (radiance < level + _FRAME) & ~view
    frame = _opened(smooth & (green <= _GREEN), _BAR * long)
    markers = np.zeros(prior.shape, np.int32)
    markers[_built(frame | (prior < _NO_GLASS), rims, prior)] = _OF_ROOM
    markers[view] = _OF_VIEW
    markers[bars] = _OF_ROOM
    markers[rims & ~bars] = _OF_VIEW
    shown = np.clip((radiance - wall + _DARKEST) * _STEPS_PER_EV, 0, 255).astype(np.uint8)
    hue = cv2.medianBlur(np.clip(128 + np.log2(green) * _GREENS_PER_EV, 0, 255).astype(np.uint8), 5)
    return np.asarray(cv2.watershed(cv2.merge([shown, shown, hue]), markers) == _OF_VIEW)


def across(radiance: Field, sigma: float) -> Any:
    """(h, w): the texture across its main direction within sigma pixels, in EV per pixel.

    It is the root of the structure tensor's smaller eigenvalue: none along straight edges, however many.
    """
    smooth = cv2.GaussianBlur(radiance.astype(np.float32), (0, 0), max(0.8, _EDGE * max(radiance.shape)))
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, *d, scale=0.125) for d in ((1, 0), (0, 1)))
    length = np.hypot(x, y)
    share = np.minimum(length, _STRONGEST) / np.maximum(length, 1e-6)
    x, y = x * share, y * share
    xx, yy, xy = (cv2.GaussianBlur(product, (0, 0), sigma) for product in (x * x, y * y, x * y))
    return np.sqrt(np.maximum((xx + yy - np.sqrt((xx - yy) ** 2 + 4 * xy * xy)) / 2, 0))


def _opened(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(radius)) + 1,) * 2)
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0


def _built(frame: NDArray[np.bool_], rims: NDArray[np.bool_], prior: Field) -> NDArray[np.bool_]:
    """What hangs together with the room, not across rims, or is long: anything else smooth lies in the view."""
    long = max(prior.shape)
    near = np.ones((2 * round(_GAP * long) + 1,) * 2, np.uint8)
    together = cv2.dilate(frame.astype(np.uint8), near) * ~rims
    count, labels, stats, _ = cv2.connectedComponentsWithStats(together, connectivity=4)
    kept = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) > _LONG * long
    kept |= np.bincount(labels[prior < _ROOM], minlength=count) > 0
    return np.asarray(frame & kept[labels])


def _green(exposures: Sequence[NDArray[np.uint8]], reference: int) -> Any:
    shown = exposures[reference]
    return greenness(np.where(shown.max(axis=2, keepdims=True) < 245, shown, exposures[0]))


def greenness(picture: NDArray[np.uint8]) -> Any:
    """Green over the stronger of red and blue (h, w) of (h, w, 3); near black that is noise, and counts less."""
    red, green, blue = (plane.astype(np.float32) + _NOISE for plane in cv2.split(picture))
    return green / np.maximum(red, blue)
