"""Straight line segments of a picture, placed to a fraction of a pixel, with what their direction is worth.

Found by LSD (Grompone von Gioi et al., 2012) and moved onto the edge itself by profiles across it.
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
_LONG_SIDE = 1200
_STEEPEST = 28.0
"""Degrees from upright beyond which a segment is no candidate."""
_SHORTEST = 0.022
"""Of the long side."""
_MOST = 500
"""Segments that vote, the longest."""
_LEAN, _JITTER = 0.3, 40.0
"""Standard deviation of a segment's angle: degrees by which real verticals lean, and degrees times pixels of its length
by which its ends are misplaced."""
_PROFILES, _ACROSS = 24, 3.0
"""Profiles across a segment that tell where its edge is, and how far to either side they reach, in pixels."""
_SMALL, _SOFTENED = 600, 0.8
"""Long side up to which pictures are enlarged, and the standard deviation in pixels by which they are softened then."""
_BORDER = 2
"""Pixels beside a border of one colour, whose own edge is no line of the scene."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments: middle (n, 2) and direction (n, 2), in units of the long side, origin in the centre, y down; length
    (n,) in the same units; sigma (n,), the standard deviation of the direction in degrees."""

    middle: Vector
    direction: Vector
    length: Vector
    sigma: Vector

    def where(self, which: NDArray[np.bool_]) -> Segments:
        """The longest of those for which (n,) holds, at most 500."""
        keep = np.flatnonzero(which)[:_MOST]
        return Segments(self.middle[keep], self.direction[keep], self.length[keep], self.sigma[keep])

    @property
    def upright(self) -> NDArray[np.bool_]:
        """(n,) whether they run within 28 degrees of upright."""
        return np.degrees(np.arctan2(np.abs(self.direction[:, 0]), self.direction[:, 1])) < _STEEPEST


def segments(proxy: Field) -> Segments:
    """Segments of (h, w, 3) float32 0..1, all downward, the longest first; none along borders of one colour."""
    long = max(proxy.shape[:2])
    fitted = _enlarged(reduced(proxy.astype(np.float32, copy=False), _LONG_SIDE))
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
    keep = np.flatnonzero((length > _SHORTEST) & inside)
    keep = keep[np.argsort(-length[keep], kind="stable")]
    sigma = np.hypot(_LEAN, _JITTER / (length[keep] * min(long, max(size))))
    return Segments(ends[keep].mean(1), along[keep] / length[keep, None], length[keep], sigma)


def _enlarged(picture: Field) -> Any:
    """A small picture (h, w, 3) at twice its size, softened: edges a pixel wide are too narrow for the detector's
    regions, and the stairs of enlarged ones would be segments of their own, all of them upright."""
    if max(picture.shape[:2]) > _SMALL:
        return picture
    twice: Any = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(twice, (0, 0), _SOFTENED)


def misses(lines: Segments, focal: float, vertical: Any) -> Any:
    """Signed angle in degrees, (..., n), between each segment and the line from its middle to the vanishing point.

    vertical: (..., 3) the direction, in the camera's frame, whose vanishing point it is.
    """
    v = np.asarray(vertical)[..., None, :]
    x = v[..., 0] * focal - v[..., 2] * lines.middle[:, 0]
    y = v[..., 1] * focal - v[..., 2] * lines.middle[:, 1]
    cross = x * lines.direction[:, 1] - y * lines.direction[:, 0]
    dot = x * lines.direction[:, 0] + y * lines.direction[:, 1]
    return np.degrees(np.arctan2(cross, np.abs(dot))) * np.where(dot < 0, -1, 1)


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
