"""Damage of other makes than check_edits.py's: other shapes, colours and patterns, on other edits."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.quality.check_edits import (
    Cast,
    Edit,
    Pair,
    Photo,
    balanced,
    jpeg,
    lifted_raw,
    linear,
    roll_off,
    to_bytes,
    to_photo,
)
from pipeline.edits import balance, light
from pipeline.recipe import Recipe
from pipeline.render.tone import shown_after
from pipeline.see import scene

Rng = np.random.Generator
Mask = np.ndarray
Shape = Callable[[Photo, Rng], Mask]


def edited(photo: Photo, rng: Rng) -> Pair:
    """What `sunroom edit` makes of one exposure: its balance, its curve, its local light."""
    proxy = (photo / 255).astype(np.float32)
    seen, recipe = scene.look(proxy), Recipe()
    tones = balance.plan(proxy, seen, recipe.balance)
    tones += light.plan(shown_after(tones, proxy), seen, recipe.light)
    return photo, jpeg(to_bytes(shown_after(tones, proxy)))


def curved(photo: Photo, rng: Rng) -> Pair:
    """A film-like curve: toe, shoulder, 0.4 EV."""
    v = roll_off(photo / np.float32(255) * rng.uniform(1, 1.3), 0.6)
    return photo, jpeg(to_bytes(v - 0.06 * np.sin(2 * np.pi * v) / (2 * np.pi)))


BASES: tuple[Edit, ...] = (lambda p, _: (p, p.copy()), lambda p, _: (p, jpeg(p)), edited, curved, balanced, lifted_raw)


def _extent(photo: Photo) -> tuple[int, int, np.ndarray, np.ndarray]:
    height, width = photo.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return height, width, x, y


def polygon(photo: Photo, rng: Rng) -> Mask:
    """3 to 7 corners, hard edges."""
    height, width, _, _ = _extent(photo)
    corners = int(rng.integers(3, 8))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners)) + np.linspace(0, 0.1, corners)
    reach = rng.uniform(0.25, 0.6) * min(height, width) * rng.uniform(0.7, 1.3, corners)
    centre = rng.uniform(0.2, 0.8, 2) * (width, height)
    points = centre + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    return cv2.fillPoly(np.zeros((height, width), np.uint8), [points.astype(np.int32)], 1).astype(np.float32)


def blob(photo: Photo, rng: Rng) -> Mask:
    """A lobed blob with soft edges."""
    height, width, x, y = _extent(photo)
    size = rng.uniform(0.15, 0.35) * min(height, width)
    centre = rng.uniform(0.15, 0.85, 2) * (width, height)
    angle = np.arctan2(y - centre[1], x - centre[0])
    edge = size * (1 + 0.3 * np.sin(angle * int(rng.integers(1, 5)) + rng.uniform(0, 6)))
    soft = rng.uniform(0.02, 0.3) * size
    return np.clip((edge - np.hypot(x - centre[0], y - centre[1])) / soft + 0.5, 0, 1).astype(np.float32)


def half(photo: Photo, rng: Rng) -> Mask:
    """What lies beyond a line: part of a wall, the floor, a corner."""
    height, width, x, y = _extent(photo)
    angle = rng.uniform(0, 2 * np.pi)
    along = (x / width) * np.cos(angle) + (y / height) * np.sin(angle)
    limit = np.quantile(along, rng.uniform(0.7, 0.95))
    return np.clip((along - limit) / rng.choice([0.003, 0.05]), 0, 1).astype(np.float32)


def surface(photo: Photo, rng: Rng) -> Mask:
    """A surface of like colour: a wall, a ceiling, the sky."""
    scale = min(1.0, 400 / max(photo.shape))
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(cv2.bilateralFilter(small, 9, 30, 9), cv2.COLOR_RGB2LAB).astype(np.float32)
    seed = lab[int(rng.integers(0, lab.shape[0])), int(rng.integers(0, lab.shape[1]))]
    alike = (np.abs(lab - seed) @ np.array([0.5, 1, 1], np.float32) < 22).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(alike, cv2.MORPH_OPEN, np.ones((3, 3))))
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else 0
    size = photo.shape[1], photo.shape[0]
    return cv2.resize((labels == largest).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)


# Red, green, blue, their opposites, warm, cool, violet, olive.
COLOURS = (
    (1, 0, 0),
    (0, 1, 0),
    (0, 0, 1),
    (-1, 0, 0),
    (0, -1, 0),
    (0, 0, -1),
    (1, 0, -1),
    (-1, 0, 1),
    (1, 0, 1),
    (0, 1, -1),
)


def region(photo: Photo, rng: Rng, shapes: tuple[Shape, ...], low: float, high: float) -> Mask:
    """A mask (H, W, 1) that covers low..high of the photo, or comes nearest of 40."""
    best, gap = np.zeros(photo.shape[:2], np.float32), 9.0
    for _ in range(40):
        mask = shapes[int(rng.integers(0, len(shapes)))](photo, rng)
        off = max(low - mask.mean(), mask.mean() - high, 0) / low
        if off < gap:
            best, gap = mask, off
        if off == 0:
            break
    return best[..., None]


def _base(photo: Photo, rng: Rng) -> Pair:
    made = BASES[int(rng.integers(0, len(BASES)))](photo, rng)
    return made[0], made[1]


def cast_over(shape: Shape) -> Edit:
    """One or two linear channels up or down by 12 % over 5-30 % of the picture."""

    def run(photo: Photo, rng: Rng) -> Cast:
        before, after = _base(photo, rng)
        mask = region(after, rng, (shape,), 0.05, 0.3)
        colour = np.array(COLOURS[int(rng.integers(0, len(COLOURS)))], np.float32)
        down = 0.88 if rng.random() < 0.5 else 1 / 1.12
        gain = np.where(colour > 0, 1.12, np.where(colour < 0, down, 1)).astype(np.float32)
        return Cast(before, to_photo(linear(after) * (1 + mask * (gain - 1))), after, mask)

    return run


def painted(photo: Photo, rng: Rng) -> Pair:
    """A surface or a polygon in another hue by 25 %."""
    before, after = _base(photo, rng)
    mask = region(after, rng, (surface, polygon, surface), 0.05, 0.4)
    hue = rng.uniform(0, 2 * np.pi) - np.array([0, 2, 4]) * np.pi / 3
    return before, to_bytes(after / 255 * (1 + mask * 0.25 * np.cos(hue)))


def striped(photo: Photo, rng: Rng) -> Pair:
    """Slanted stripes or tiles of 5-12 % in a polygon or blob."""
    before, after = _base(photo, rng)
    _, _, x, y = _extent(photo)
    angle, wave = rng.uniform(0, np.pi), 2 * np.pi / rng.uniform(5, 14)
    along = np.sin((x * np.cos(angle) + y * np.sin(angle)) * wave)
    if rng.random() < 0.5:
        along = np.sign(along * np.sin((y * np.cos(angle) - x * np.sin(angle)) * wave))
    mask = region(after, rng, (polygon, blob), 0.02, 0.1)
    return before, to_bytes(after / 255 + mask * (along * rng.uniform(0.05, 0.12))[..., None])


def grained(photo: Photo, rng: Rng) -> Pair:
    """Plaster or grain of two sizes, 3-7 % strong, in a polygon or blob."""
    before, after = _base(photo, rng)
    noise = sum(
        cv2.GaussianBlur(rng.normal(0, 1, photo.shape[:2]).astype(np.float32), (0, 0), size) * size for size in (1.2, 3)
    )
    mask = region(after, rng, (polygon, blob), 0.02, 0.12)
    return before, to_bytes(after / 255 + mask * (noise / np.std(noise) * rng.uniform(0.03, 0.07))[..., None])


UNSEEN: dict[str, Edit] = {
    "cast, hard polygon": cast_over(polygon),
    "cast, soft blob": cast_over(blob),
    "cast, half of a wall": cast_over(half),
    "cast, one whole surface": cast_over(surface),
    "surface in another hue": painted,
    "stripes or tiles invented": striped,
    "grain invented": grained,
}
