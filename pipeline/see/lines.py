"""How a camera was held, from the straight lines of what it saw.

Line segments (LSD, Grompone von Gioi et al., 2012) that run roughly upright vote for the pitch and roll under which the
most of their length points at one vanishing point, the vertical's; the best of a grid is then polished by iteratively
reweighted least squares on the angles between segments and vanishing direction. What cannot be told from the lines
(too few of them, all in one corner, two answers that fit alike) lowers the confidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.reduce import reduced

Field = NDArray[np.floating[Any]]
Vector = NDArray[np.float64]
WIDE_FOCAL = 24 / 36
"""Focal length over the long side where nothing tells it: 24 mm on full frame."""
_LONG_SIDE = 1200
_STEEPEST = 28.0
"""Degrees from upright beyond which a segment is no candidate."""
_SHORTEST = 0.022
"""Of the long side."""
_MOST = 500
"""Segments that vote, the longest."""
_PITCHES, _ROLLS = np.arange(-24, 24.1, 1.0), np.arange(-12, 12.1, 0.5)
_SIGMA = 0.9
"""Degrees by which a vertical's segment misses the vanishing point, in the vote."""
_LEAN, _JITTER = 0.3, 40.0
"""Standard deviation of a segment's angle: degrees by which real verticals lean, and degrees times pixels of its length
by which its ends are misplaced."""
_POLISH = (3.8, 2.7, 2.0, 1.5, 1.5)
"""Standard deviations beyond which a segment loses its say, step by step."""
_PRIOR_PITCH, _PRIOR_ROLL = 9.0, 3.0
"""Standard deviations, degrees, of how cameras are held."""
_PROFILES, _ACROSS = 24, 3.0
"""Profiles across a segment that tell where its edge is, and how far to either side they reach, in pixels."""
_BORDER = 2
"""Pixels beside a border of one colour, whose own edge is no line of the scene."""


@dataclass(frozen=True, slots=True)
class Tilt:
    """pitch: degrees, positive = camera looks up. roll: degrees, positive = camera turned clockwise. confidence: the
    probability, 0..1, that both are right within a degree. focal: over the long side; known: whether the file told it.
    """

    pitch: float = 0.0
    roll: float = 0.0
    confidence: float = 0.0
    focal: float = WIDE_FOCAL
    known: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments: middle (n, 2) and direction (n, 2), in units of the long side, origin in the centre, y down; length
    (n,) in the same units; sigma (n,), the standard deviation of the direction in degrees."""

    middle: Vector
    direction: Vector
    length: Vector
    sigma: Vector


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the confidence is judged by.

    support: length of the segments that agree, over the height. upheld: their share of all upright segments. rival: the
    best score far from the best answer over its own. pitch_spread, roll_spread: how sharply the angles are determined,
    degrees, were all segments independent. size: of the pitch.
    """

    support: float
    upheld: float
    rival: float
    pitch_spread: float
    roll_spread: float
    size: float

    def features(self) -> Vector:
        """(7,) features of the regression, the first of which is 1."""
        spreads = np.log(self.pitch_spread + 0.02), np.log(self.roll_spread + 0.02)
        return np.array([1.0, np.log(self.support + 0.05), self.upheld, self.rival, *spreads, self.size / 10])


_TRUST = np.array([0.122, -0.262, 3.381, -1.208, -2.395, -0.114, -0.095])
"""A logistic regression on known warps of real photos (benchmarks/quality/tilt.py)."""


def tilt_of(proxy: Field, focal: float | None = None) -> Tilt:
    """Pitch and roll of the camera that took (h, w, 3) float32 0..1, sRGB-encoded; focal: over the long side."""
    pitch, roll, evidence = measured(proxy, focal or WIDE_FOCAL)
    if evidence is None:
        return Tilt(focal=focal or WIDE_FOCAL, known=focal is not None)
    trust = float(1 / (1 + np.exp(-_TRUST @ evidence.features())))
    return Tilt(round(pitch, 3), round(roll, 3), round(trust, 3), focal or WIDE_FOCAL, focal is not None)


def measured(proxy: Field, focal: float) -> tuple[float, float, Evidence | None]:
    """Pitch, roll, and what speaks for them; None where there is next to nothing."""
    lines = upright_segments(proxy)
    if len(lines.length) < 3:
        return 0.0, 0.0, None
    pitch, roll, rival = _vote(lines, focal)
    for limit in _POLISH:
        pitch, roll = _polished(lines, focal, pitch, roll, limit)
    misses, slope = _linearised(lines, focal, pitch, roll)
    agree = np.exp(-0.5 * np.square(misses / np.hypot(0.4, lines.sigma)))
    share = lines.length * agree
    precision = (slope * (agree / np.square(lines.sigma))[:, None]).T @ slope + np.diag([1e-3, 1e-3])
    spread = np.sqrt(np.diag(np.linalg.inv(precision)))
    agreed, height = float(share.sum()), proxy.shape[0] / max(proxy.shape[:2])
    upheld = agreed / max(float(lines.length.sum()), 1e-9)
    return pitch, roll, Evidence(agreed / height, upheld, rival, float(spread[0]), float(spread[1]), abs(pitch))


def upright_segments(proxy: Field) -> Segments:
    """Segments within 28 degrees of upright, the longest first; none along borders of one colour."""
    # Never enlarged: the stairs of an enlarged edge are segments of their own, all of them upright.
    fitted = reduced(proxy.astype(np.float32, copy=False), _LONG_SIDE)
    size = fitted.shape[1::-1]
    grey = np.clip(cv2.cvtColor(fitted, cv2.COLOR_RGB2GRAY) * 255, 0, 255).astype(np.uint8)
    found: Any = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(grey)[0]
    if found is None:
        return Segments(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    ends = _refined(grey, found.reshape(-1, 2, 2).astype(np.float64)) + 0.5
    x, y = np.clip(ends.mean(1).astype(int), 0, np.array(size) - 1).T
    inside = ~_border(grey)[y, x]
    ends = (ends - np.array(size) / 2) / max(size)
    along = ends[:, 1] - ends[:, 0]
    along *= np.where(along[:, 1:] < 0, -1.0, 1.0)
    length = np.hypot(along[:, 0], along[:, 1])
    steep = np.degrees(np.arctan2(np.abs(along[:, 0]), along[:, 1]))
    keep = np.flatnonzero((steep < _STEEPEST) & (length > _SHORTEST) & inside)
    keep = keep[np.argsort(-length[keep], kind="stable")][:_MOST]
    sigma = np.hypot(_LEAN, _JITTER / (length[keep] * max(size)))
    return Segments(ends[keep].mean(1), along[keep] / length[keep, None], length[keep], sigma)


def _refined(grey: NDArray[np.uint8], ends: Vector) -> Vector:
    """Ends (n, 2, 2: first and last, x and y) moved onto the edge itself, by its place on profiles across the segment.

    LSD breaks lines that are nearly upright into pieces that are exactly so.
    """
    along = ends[:, 1] - ends[:, 0]
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)
    across = np.stack([-along[:, 1], along[:, 0]], -1) / length[:, None]
    shares = np.linspace(0.03, 0.97, _PROFILES)
    offsets = np.arange(-_ACROSS, _ACROSS + 0.1, 0.5)
    middle = ends[:, None, 0] + shares[None, :, None] * along[:, None]
    at = (middle[:, :, None] + offsets[None, None, :, None] * across[:, None, None]).astype(np.float32)
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 0.8)
    flat = at.reshape(len(ends), -1, 2)
    values: Any = np.concatenate(
        [
            cv2.remap(soft, part[..., 0], part[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for part in np.array_split(flat, -(-len(flat) // 16384))
        ]
    ).reshape(at.shape[:3])
    slope = np.diff(values, axis=2)
    slope = np.maximum(slope * np.sign(slope.sum((1, 2)))[:, None, None], 0)
    slope = np.maximum(slope - 0.3 * slope.max(2, keepdims=True), 0)
    weight = slope.sum(2)
    place = (slope @ (offsets[:-1] + 0.25)) / np.maximum(weight, 1e-6)
    start, lean = _line(shares, place, weight)
    for _ in range(2):
        miss = place - start[:, None] - lean[:, None] * shares
        weight = weight / (1 + np.square(miss / 0.5))
        start, lean = _line(shares, place, weight)
    shift = start[:, None] + lean[:, None] * np.array([0.0, 1.0])
    return ends + np.clip(shift, -_ACROSS, _ACROSS)[..., None] * across[:, None]


def _line(x: Vector, y: Any, weight: Any) -> tuple[Vector, Vector]:
    """Weighted least squares y = start + lean * x, per row of y and weight (n, k): (n,) each."""
    total = np.maximum(weight.sum(1), 1e-6)
    t, p = (weight @ x) / total, (weight * y).sum(1) / total
    dx, dy = x - t[:, None], y - p[:, None]
    lean = (weight * dx * dy).sum(1) / np.maximum((weight * dx * dx).sum(1), 1e-6)
    return p - lean * t, lean


def _border(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a border of pure black or white lies along the frame (letterboxed, turned), and a little beyond."""
    found = np.zeros(grey.shape, bool)
    for flat in (grey == 0, grey == 255):
        _, labels = cv2.connectedComponents(flat.astype(np.uint8), connectivity=4)
        edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        found |= np.isin(labels, edge[edge > 0])
    grown = cv2.dilate(found.astype(np.uint8), np.ones((2 * _BORDER + 1, 2 * _BORDER + 1), np.uint8))
    return grown.astype(bool)


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


def _misses(lines: Segments, focal: float, vertical: Any) -> Any:
    """Signed angle in degrees, (..., n), between each segment and the line from its middle to the vanishing point."""
    v = np.asarray(vertical)[..., None, :]
    x = v[..., 0] * focal - v[..., 2] * lines.middle[:, 0]
    y = v[..., 1] * focal - v[..., 2] * lines.middle[:, 1]
    cross = x * lines.direction[:, 1] - y * lines.direction[:, 0]
    dot = x * lines.direction[:, 0] + y * lines.direction[:, 1]
    return np.degrees(np.arctan2(cross, np.abs(dot))) * np.where(dot < 0, -1, 1)


def _vote(lines: Segments, focal: float) -> tuple[float, float, float]:
    """Pitch and roll of the grid's best cell, and the best score far from it over its own."""
    pitch, roll = (a.ravel() for a in np.meshgrid(_PITCHES, _ROLLS, indexing="ij"))
    misses = _misses(lines, focal, vertical_of(pitch, roll))
    reach = 2 * np.hypot(_SIGMA, lines.sigma)
    score = np.maximum(1 - np.square(misses / reach), 0) @ (lines.length / np.square(lines.sigma))
    score *= np.exp(-0.15 * (np.square(pitch / _PRIOR_PITCH) + np.square(roll / _PRIOR_ROLL)))
    best = int(np.argmax(score))
    far = np.hypot((pitch - pitch[best]) / 4, (roll - roll[best]) / 1.5) > 1
    return float(pitch[best]), float(roll[best]), float(score[far].max() / max(score[best], 1e-9))


def _polished(lines: Segments, focal: float, pitch: float, roll: float, limit: float) -> tuple[float, float]:
    """One step of reweighted Gauss-Newton on the angles (Geman-McClure weights), held by the prior."""
    misses, slope = _linearised(lines, focal, pitch, roll)
    weight = 1 / np.square(lines.sigma) / np.square(1 + np.square(misses / (limit * lines.sigma)))
    hold = 0.3 / np.square([_PRIOR_PITCH, _PRIOR_ROLL])
    normal = (slope * weight[:, None]).T @ slope + np.diag(hold + 1e-9)
    right = -(slope * weight[:, None]).T @ misses - hold * np.array([pitch, roll])
    step = np.clip(np.linalg.solve(normal, right), -2, 2)
    return pitch + float(step[0]), roll + float(step[1])


def _linearised(lines: Segments, focal: float, pitch: float, roll: float) -> tuple[Vector, Vector]:
    small = 0.05
    around = np.array([pitch, pitch + small, pitch]), np.array([roll, roll, roll + small])
    at = _misses(lines, focal, vertical_of(*around))
    return at[0], np.stack([at[1] - at[0], at[2] - at[0]], -1) / small
