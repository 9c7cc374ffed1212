"""How a camera was held, from the straight lines of what it saw.

Line segments that run roughly upright vote for the pitch and roll under which the most of their length points at one
vanishing point, the vertical's; the best of a grid is then polished by iteratively reweighted least squares on the
angles between segments and vanishing direction. What cannot be told from the lines (too few of them, all in one corner,
two answers that fit alike, lines above that tell another pitch than those below) lowers the confidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.see.segments import Segments, misses, segments
from pipeline.see.vanishing import focal_of

Field = NDArray[np.floating[Any]]
Vector = NDArray[np.float64]
WIDE_FOCAL = 24 / 36
"""Focal length over the long side where nothing tells it: 24 mm on full frame."""
_VANISHING, _GUESSED = 0.9, 0.4
"""Confidence in a focal length that vanishing points told, and in WIDE_FOCAL."""
_PITCHES, _ROLLS = np.arange(-24, 24.1, 1.0), np.arange(-12, 12.1, 0.5)
_SIGMA = 0.9
"""Degrees by which a vertical's segment misses the vanishing point, in the vote."""
_POLISH = (3.8, 2.7, 2.0, 1.5, 1.5)
"""Standard deviations beyond which a segment loses its say, step by step."""
_PRIOR_PITCH, _PRIOR_ROLL = 9.0, 3.0
"""Standard deviations, degrees, of how cameras are held."""


@dataclass(frozen=True, slots=True)
class Tilt:
    """pitch: degrees, positive = camera looks up. roll: degrees, positive = camera turned clockwise. confidence: the
    probability, 0..1, that both are right within a degree. focal: over the long side; focal_confidence: 1 where the
    file told it, .9 where vanishing points did, .4 where it is what photos of rooms are mostly taken at.
    """

    pitch: float = 0.0
    roll: float = 0.0
    confidence: float = 0.0
    focal: float = WIDE_FOCAL
    focal_confidence: float = _GUESSED


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the confidence is judged by.

    support: length of the segments that agree, over the height. upheld: their share of all upright segments. rival: the
    best score far from the best answer over its own. pitch_spread, roll_spread: how sharply the angles are determined,
    degrees, were all segments independent. size: of the pitch. bent: degrees between the pitch that the upper half of
    the agreeing lines tells and that of the lower one, as after a lens that bends lines; 0 where that may be chance.
    """

    support: float
    upheld: float
    rival: float
    pitch_spread: float
    roll_spread: float
    size: float
    bent: float

    def features(self) -> Vector:
        """(7,) features of the regression, the first of which is 1."""
        spreads = np.log(self.pitch_spread + 0.02), np.log(self.roll_spread + 0.02)
        return np.array([1.0, np.log(self.support + 0.05), self.upheld, self.rival, *spreads, self.size / 10])


_BENT, _CHANCE, _DOUBT = 3.0, 3.0, 0.5
"""Degrees from which lines are bent, standard deviations up to which that is chance, and the most trust in them."""
_TRUST = np.array([1.05, -0.053, 4.392, -2.336, -2.195, 0.045, -0.417])
"""A logistic regression on known warps of real photos (benchmarks/quality/tilt.py)."""


def tilt_of(proxy: Field, focal: float | None = None) -> Tilt:
    """Pitch and roll of the camera that took (h, w, 3) float32 0..1, sRGB-encoded; focal: over the long side, if known.

    Without one it is looked for in the vanishing points.
    """
    found = segments(proxy)
    aspect, certain = proxy.shape[0] / max(proxy.shape[:2]), 1.0
    pitch, roll, evidence = measured(found, aspect, focal or WIDE_FOCAL)
    if focal is None:
        vanishing = None if evidence is None else focal_of(found, vertical_of(pitch, roll), WIDE_FOCAL)
        focal, certain = (WIDE_FOCAL, _GUESSED) if vanishing is None else (vanishing, _VANISHING)
        if vanishing is not None:
            pitch, roll, evidence = measured(found, aspect, focal)
    if evidence is None:
        return Tilt(focal=focal, focal_confidence=certain)
    trust = float(1 / (1 + np.exp(-_TRUST @ evidence.features())))
    if evidence.bent > _BENT:
        trust = min(trust, _DOUBT)
    return Tilt(round(pitch, 3), round(roll, 3), round(trust, 3), focal, certain)


def measured(found: Segments, aspect: float, focal: float) -> tuple[float, float, Evidence | None]:
    """Pitch, roll, and what speaks for them; None where there is next to nothing. aspect: height over the long side."""
    lines = found.where(found.upright)
    if len(lines.length) < 3:
        return 0.0, 0.0, None
    pitch, roll, rival = _vote(lines, focal)
    for limit in _POLISH:
        pitch, roll = _polished(lines, focal, pitch, roll, limit)
    agree, spread = _agreement(lines, focal, pitch, roll)
    share = lines.length * agree
    agreed = float(share.sum())
    upheld = agreed / max(float(lines.length.sum()), 1e-9)
    bent = _bent(lines, share, focal, pitch, roll)
    spreads = float(spread[0]), float(spread[1])
    return pitch, roll, Evidence(agreed / aspect, upheld, rival, *spreads, size=abs(pitch), bent=bent)


def _agreement(lines: Segments, focal: float, pitch: float, roll: float) -> tuple[Vector, Vector]:
    """How far each segment agrees, 0..1, and the standard deviations of pitch and roll that follow, degrees."""
    off, slope = _linearised(lines, focal, pitch, roll)
    agree = np.exp(-0.5 * np.square(off / np.hypot(0.4, lines.sigma)))
    precision = (slope * (agree / np.square(lines.sigma))[:, None]).T @ slope + np.diag([1e-3, 1e-3])
    return agree, np.sqrt(np.diag(np.linalg.inv(precision)))


def _bent(lines: Segments, share: Vector, focal: float, pitch: float, roll: float) -> float:
    """Evidence.bent; share: agreeing length of each segment."""
    order = np.argsort(lines.middle[:, 1])
    middle = order[min(int(np.searchsorted(np.cumsum(share[order]), share.sum() / 2)), len(order) - 1)]
    above = lines.middle[:, 1] <= lines.middle[middle, 1]
    told: list[tuple[float, float]] = []
    for half in (above, ~above):
        if half.sum() < 2:
            return 0.0
        of, p, r = lines.where(half), pitch, roll
        for _ in range(3):
            p, r = _polished(of, focal, p, r, _POLISH[2])
        told.append((p, float(_agreement(of, focal, p, r)[1][0])))
    (upper, a), (lower, b) = told
    return abs(upper - lower) if abs(upper - lower) > _CHANCE * np.hypot(a, b) else 0.0


def vertical_of(pitch: Any, roll: Any) -> Any:
    """The world's downward direction in the camera's frame (x right, y down, z forward): (..., 3)."""
    p, r = np.radians(pitch), np.radians(roll)
    return np.stack([np.sin(r) * np.cos(p), np.cos(r) * np.cos(p), -np.sin(p) + 0 * r], -1)


def camera(pitch: float, roll: float) -> Vector:
    """(3, 3) whose columns are the world's right, down and forward in the frame of a camera so held."""
    down = vertical_of(pitch, roll)
    forward = np.array([0.0, 0.0, 1.0]) - down[2] * down
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(down, forward), down, forward], axis=1)


def _vote(lines: Segments, focal: float) -> tuple[float, float, float]:
    """Pitch and roll of the grid's best cell, and the best score far from it over its own."""
    pitch, roll = (a.ravel() for a in np.meshgrid(_PITCHES, _ROLLS, indexing="ij"))
    off = misses(lines, focal, vertical_of(pitch, roll))
    reach = 2 * np.hypot(_SIGMA, lines.sigma)
    score = np.maximum(1 - np.square(off / reach), 0) @ (lines.length / np.square(lines.sigma))
    score *= np.exp(-0.15 * (np.square(pitch / _PRIOR_PITCH) + np.square(roll / _PRIOR_ROLL)))
    best = int(np.argmax(score))
    far = np.hypot((pitch - pitch[best]) / 4, (roll - roll[best]) / 1.5) > 1
    return float(pitch[best]), float(roll[best]), float(score[far].max() / max(score[best], 1e-9))


def _polished(lines: Segments, focal: float, pitch: float, roll: float, limit: float) -> tuple[float, float]:
    """One step of reweighted Gauss-Newton on the angles (Geman-McClure weights), held by the prior."""
    off, slope = _linearised(lines, focal, pitch, roll)
    weight = 1 / np.square(lines.sigma) / np.square(1 + np.square(off / (limit * lines.sigma)))
    hold = 0.3 / np.square([_PRIOR_PITCH, _PRIOR_ROLL])
    normal = (slope * weight[:, None]).T @ slope + np.diag(hold + 1e-9)
    right = -(slope * weight[:, None]).T @ off - hold * np.array([pitch, roll])
    step = np.clip(np.linalg.solve(normal, right), -2, 2)
    return pitch + float(step[0]), roll + float(step[1])


def _linearised(lines: Segments, focal: float, pitch: float, roll: float) -> tuple[Vector, Vector]:
    small = 0.05
    around = np.array([pitch, pitch + small, pitch]), np.array([roll, roll, roll + small])
    at = misses(lines, focal, vertical_of(*around))
    return at[0], np.stack([at[1] - at[0], at[2] - at[0]], -1) / small
