"""Rooms that nobody photographed: boxes with furniture, doors, pictures and windows, seen by a camera inside.

Rays are cut with the walls and with boxes on the floor (slab method, Kay and Kajiya, 1986); what hangs on a wall is a
rectangle of it. Crude, but rooms in what tells them from streets: a ceiling, corners, light from lamps and windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.train.augment import Field, Rng, chance
from jobs.train.skies import clouds

Reals = NDArray[np.floating[Any]]
_PAINT = np.array([(0.86, 0.84, 0.80), (0.80, 0.80, 0.82), (0.90, 0.88, 0.84), (0.74, 0.70, 0.62), (0.62, 0.68, 0.70)])
_WOOD = np.array([(0.55, 0.38, 0.24), (0.70, 0.55, 0.38), (0.35, 0.22, 0.14), (0.80, 0.70, 0.55), (0.45, 0.42, 0.40)])


@dataclass(frozen=True, slots=True)
class _Hit:
    """Where rays end: distance, and the surface's own colour (n, 3) and shade (n,)."""

    distance: Reals
    colour: Reals
    glass: Reals
    glow: Reals


def interior(width: int, height: int, rng: Rng, views: list[Field], stuff: list[Field]) -> tuple[Field, Field]:
    """A room (height, width, 3) float32 0..1, sRGB-encoded, and the glass of its windows (height, width) 0 or 1.

    views: pictures (h, w, 3) 0..1 of what may be outside, one per window; there is no window without any.
    stuff: pictures that hang on walls, and whose texture floors, cloth and furniture take, one for each use.
    """
    spare = list(stuff)
    size = np.array([rng.uniform(2.5, 7), rng.uniform(2.3, 3.2), rng.uniform(3, 8)])
    eye = np.array([rng.uniform(0.25, 0.75), rng.uniform(1.0, 1.7) / size[1], rng.uniform(0.04, 0.3)]) * size
    rays = _rays(width, height, rng)
    hit = _walls(rays, eye, size, rng, views, stuff=spare)
    for _ in range(int(rng.integers(2, 8))):
        hit = _with_box(hit, rays, eye, size, rng, stuff=spare)
    lamp = np.array([rng.uniform(0.2, 0.8), 0.95, rng.uniform(0.2, 0.8)]) * size
    x, y, z = (eye[:, None] + rays * hit.distance - lamp[:, None]) / size[:, None]
    falloff = 1 / (0.6 + (x * x + y * y + z * z))
    light = rng.uniform(0.35, 0.8) * (rng.uniform(0.3, 0.7) + rng.uniform(0.4, 0.9) * falloff)
    warm = np.array([1.0, rng.uniform(0.86, 1.0), rng.uniform(0.65, 1.05)])
    linear = np.square(hit.colour) * light[:, None] * warm
    linear = linear * (1 - hit.glow[:, None]) + hit.colour * hit.glow[:, None]
    picture: Any = np.sqrt(np.clip(linear, 0, 1)).reshape(height, width, 3).astype(np.float32)
    soft = cv2.GaussianBlur(picture, (0, 0), 0.02 * width)
    bloom = cv2.GaussianBlur(hit.glow.reshape(height, width), (0, 0), 0.05 * width)[..., None] * np.float32(0.25)
    shaded = picture * (0.75 + 0.25 * np.clip(soft / np.maximum(picture, 0.05), 0.5, 1.5))
    return np.clip(shaded + bloom, 0, 1).astype(np.float32), hit.glass.reshape(height, width).astype(np.float32)


def _rays(width: int, height: int, rng: Rng) -> Reals:
    """(3, n), as all places here: right, up and away from the camera, row by row."""
    focal = rng.uniform(0.45, 0.9) * max(width, height)
    x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, height / 2 - np.arange(height) - 0.5)
    d = np.stack([x / focal, y / focal, np.ones_like(x)], -1).reshape(-1, 3)
    yaw, pitch = rng.uniform(-0.7, 0.7), rng.normal(0, 0.05)
    cp, sp, cy, sy = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    d = d @ turn.T
    d[np.abs(d) < 1e-6] = 1e-6
    return np.ascontiguousarray(d.T)


def _grain(stuff: list[Field], u: Reals, v: Reals, rng: Rng) -> Reals:
    """Light and dark (n,), about 1, of a picture's fine texture at places on a surface in metres; 1 without any."""
    if not stuff:
        return np.ones(len(u))
    luma: Any = cv2.cvtColor(stuff.pop(), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(luma, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(small, (0, 0), 0.06 * max(small.shape))
    fine = luma - cv2.resize(coarse, luma.shape[::-1], interpolation=cv2.INTER_LINEAR)
    fine = np.clip(rng.uniform(0.06, 0.22) * fine / (float(fine.std()) + 0.02), -0.6, 0.6)
    scale = rng.uniform(0.6, 2.0) * min(luma.shape) / 2
    rows, columns = (np.abs(v) * scale).astype(int), (np.abs(u) * scale).astype(int)
    return 1 + fine[rows % luma.shape[0], columns % luma.shape[1]]


def _walls(rays: Reals, eye: Reals, size: Reals, rng: Rng, views: list[Field], *, stuff: list[Field]) -> _Hit:
    far = np.where(rays > 0, (size - eye)[:, None], -eye[:, None]) / rays
    axis, distance = _nearest(far)
    at = eye[:, None] + rays * distance
    side = np.choose(axis, list(rays)) > 0
    paint = _PAINT[rng.integers(len(_PAINT))] * rng.uniform(0.8, 1.1)
    colour = np.tile(np.clip(paint + rng.normal(0, 0.03, 3), 0, 1), (len(distance), 1))
    floor, ceiling = (axis == 1) & ~side, (axis == 1) & side
    colour[floor] = _floor(at[0, floor], at[2, floor], rng)
    if chance(rng, 0.6):
        colour[floor] *= _grain(stuff, at[0, floor], at[2, floor], rng)[:, None]
    if chance(rng, 0.2):
        papered = axis != 1
        colour[papered] *= _grain(stuff, at[0, papered] + at[2, papered], at[1, papered], rng)[:, None]
    colour[ceiling] = np.clip(rng.uniform(0.85, 1.0) + rng.normal(0, 0.02, 3), 0, 1)
    colour *= np.where(axis == 0, 0.9, 1.0)[:, None]
    # Corners are darker.
    x, y, z = np.minimum(at, size[:, None] - at)
    inside = np.maximum(np.minimum(x, y), np.minimum(np.maximum(x, y), z))
    colour *= (1 - 0.25 * np.exp(-inside / 0.25))[:, None]
    hit = _Hit(distance, colour, np.zeros(len(distance)), np.zeros(len(distance)))
    for wall, end in ((2, True), (0, True), (0, False)):
        there = (axis == wall) & (side == end)
        if there.any():
            along = 2 if wall == 0 else 0
            _hang(hit, there, (at[along], at[1], size[along], size[1]), rng, views, stuff=stuff)
    if chance(rng, 0.7):
        spot = np.hypot(at[0] - size[0] * rng.uniform(0.3, 0.7), at[2] - size[2] * rng.uniform(0.3, 0.7))
        lamp = ceiling & (spot < rng.uniform(0.06, 0.3))
        hit.colour[lamp], hit.glow[lamp] = 1.0, 1.0
    return hit


def _floor(x: Reals, z: Reals, rng: Rng) -> Reals:
    base = _WOOD[rng.integers(len(_WOOD))] * rng.uniform(0.8, 1.15)
    kind = rng.integers(3)
    if kind == 0:
        plank = np.floor(x / rng.uniform(0.08, 0.2)) * 7.13 + np.floor(z / 1.1) * 3.7
        tone = 0.85 + 0.3 * (np.sin(plank * 12.9898) * 43758.5 % 1)
    elif kind == 1:
        tile = rng.uniform(0.25, 0.6)
        edge = np.minimum(x % tile, z % tile)
        base = _PAINT[rng.integers(len(_PAINT))]
        tone = np.where(edge < 0.012, 0.7, 1.0)
    else:
        tone = 0.9 + 0.1 * np.sin(x * 37 + np.sin(z * 41))
    return np.clip(base * tone[:, None], 0, 1)


def _hang(
    hit: _Hit, there: Any, wall: tuple[Any, Any, float, float], rng: Rng, views: list[Field], *, stuff: list[Field]
) -> None:
    """Windows, a door and pictures on one wall (where its rays end along and up, length, height), drawn into `hit`."""
    u, v, length, high = wall
    if views and chance(rng, 0.75):
        view = views.pop()
        w, h = rng.uniform(0.25, 0.8) * length, rng.uniform(0.35, 0.75) * high
        left, low = rng.uniform(0, length - w), rng.uniform(0.05, 0.98) * (high - h)
        _window(hit, there, ((u - left) / w, (v - low) / h), view, rng)
    if chance(rng, 0.4):
        left = rng.uniform(0, length - 0.9)
        door = there & (u > left) & (u < left + 0.85) & (v < 2.05) & (hit.glass == 0)
        hit.colour[door] = _WOOD[rng.integers(len(_WOOD))] if chance(rng, 0.5) else rng.uniform(0.75, 0.95)
    for _ in range(int(rng.integers(0, 3))):
        w, h = rng.uniform(0.3, 1.4), rng.uniform(0.3, 0.9)
        left, low = rng.uniform(0, max(length - w, 0.01)), rng.uniform(1.0, max(high - h, 1.05))
        picture = there & (u > left) & (u < left + w) & (v > low) & (v < low + h) & (hit.glow == 0)
        edge = np.minimum(np.minimum(u - left, left + w - u), np.minimum(v - low, low + h - v))
        hit.colour[picture] = np.clip(rng.uniform(0.05, 0.9) + rng.normal(0, 0.12, 3), 0, 1)
        if stuff and chance(rng, 0.6):
            art = stuff.pop()
            rows, columns = ((low + h - v[picture]) / h * art.shape[0], (u[picture] - left) / w * art.shape[1])
            hit.colour[picture] = art[
                np.clip(rows.astype(int), 0, art.shape[0] - 1), np.clip(columns.astype(int), 0, art.shape[1] - 1)
            ]
        hit.colour[picture & (edge < 0.04)] = rng.uniform(0, 0.9)


def _window(hit: _Hit, there: Any, at: tuple[Any, Any], view: Field, rng: Rng) -> None:
    """Glass with its view, frame, bars and curtains in the unit square of `at`."""
    u, v = at
    inside = there & (u > 0) & (u < 1) & (v > 0) & (v < 1)
    rim, bar = rng.uniform(0.02, 0.06), rng.uniform(0.006, 0.02)
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    edge = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v))
    cut = np.minimum(np.abs(u * columns - np.round(u * columns)), np.abs(v * rows - np.round(v * rows)))
    glass = inside & (edge > rim) & (cut > bar * max(columns, rows))
    hit.colour[inside] = rng.uniform(0.05, 0.3) if chance(rng, 0.2) else rng.uniform(0.8, 1.0)
    if chance(rng, 0.5):
        cloth = inside & (np.minimum(u, 1 - u) < rng.uniform(0.05, 0.3))
        fold = 0.85 + 0.15 * np.sin(u[cloth] * rng.uniform(60, 160))
        hit.colour[cloth] = np.clip(rng.uniform(0.2, 1.0, 3) * fold[:, None], 0, 1)
        glass &= ~cloth
    h, w = view.shape[:2]
    rows_at = np.clip(((1 - v[glass]) * h).astype(int), 0, h - 1)
    seen = view[rows_at, np.clip((u[glass] * w).astype(int), 0, w - 1)]
    hit.colour[glass] = np.clip(np.square(seen) * 2 ** rng.uniform(-0.5, 4.0), 0, 1)
    hit.glow[glass], hit.glass[glass] = 1.0, 1.0


def _with_box(hit: _Hit, rays: Reals, eye: Reals, size: Reals, rng: Rng, *, stuff: list[Field]) -> _Hit:
    """With one piece of furniture in front of what it hides."""
    kind = rng.integers(3)
    extent = np.array([(rng.uniform(1, 2.2), rng.uniform(0.35, 0.6), rng.uniform(1, 2.2)),
                       (rng.uniform(0.4, 1.6), rng.uniform(0.7, 1.0), rng.uniform(0.4, 0.9)),
                       (rng.uniform(0.5, 1.8), rng.uniform(1.2, 2.2), rng.uniform(0.35, 0.7))][kind])  # fmt: skip
    low = np.array([rng.uniform(0, 1), 0, rng.uniform(0.3, 1)]) * np.maximum(size - extent, 0)
    if kind == 2:
        low[0] = 0 if chance(rng, 0.5) else max(size[0] - extent[0], 0)
    if np.all((eye > low - 0.2) & (eye < low + extent + 0.2)):
        return hit
    first, last = (low - eye)[:, None] / rays, (low + extent - eye)[:, None] / rays
    _, away = _nearest(np.maximum(first, last))
    axis, enter = _nearest(-np.minimum(first, last))
    enter = -enter
    shown = (enter > 0) & (enter < away) & (enter < hit.distance)
    grey = rng.uniform(0.08, 0.95)
    colour = _WOOD[rng.integers(len(_WOOD))] if chance(rng, 0.45) else grey + rng.normal(0, rng.choice([0.03, 0.25]), 3)
    tone = np.array([0.75, 1.0, 0.88])[axis[shown]]
    x, y, z = eye[:, None] + rays[:, shown] * enter[shown]
    if chance(rng, 0.5):
        tone = tone * np.where((x % 0.5 < 0.012) | (y % 0.4 < 0.012), 0.7, 1.0)
    elif chance(rng, 0.5):
        cloth = clouds(32, 32, rng, base=4, stretch=1)
        tone = tone * (0.7 + 0.6 * cloth[(y * 20).astype(int) % 32, (x * 20).astype(int) % 32])
    if chance(rng, 0.6):
        tone = tone * _grain(stuff, x + z, y + z, rng)
    hit.distance[shown] = enter[shown]
    hit.colour[shown] = np.clip(np.asarray(colour) * tone[:, None], 0, 1)
    hit.glow[shown], hit.glass[shown] = 0.0, 0.0
    return hit


def _nearest(distances: Reals) -> tuple[Any, Reals]:
    """Which of three distances (3, n) is the least, and the least: numpy's own reductions are slow over so few."""
    x, y, z = distances
    least = np.minimum(x, y)
    return np.where(z < least, 2, (y < x).astype(int)), np.minimum(least, z)
