"""Pictures that are no photos, drawn by chance: floor plans, screenshots, logos, pages of text."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from jobs.train.augment import Field, Picture, Rng, chance
from jobs.train.skies import clouds

Box = tuple[int, int, int, int]
_WORDS = (
    *("BEDROOM", "Bath", "KITCHEN", "Living", "Dining", "WC", "Hall", "3.20 x 4.10"),
    *("12 m2", "garage", "CLOSET", "Entry", "Terrace", "11'6\"", "open", "Save"),
)


def drawing(h: int, w: int, rng: Rng, photo: Picture) -> Picture:
    """A drawing (h, w, 3) uint8; `photo` may be shown inside a page, as web pages do."""
    kind = rng.random()
    if kind < 0.45:
        return _floor_plan(h, w, rng)
    if kind < 0.75:
        return _page(h, w, rng, photo)
    return _logo(h, w, rng)


def _pale(rng: Rng) -> tuple[int, int, int]:
    grey = int(rng.integers(225, 256))
    c = np.clip(rng.normal(grey, 6, 3), 0, 255) if chance(rng, 0.5) else (grey, grey, grey)
    return int(c[0]), int(c[1]), int(c[2])


def _any(rng: Rng) -> tuple[int, int, int]:
    c = rng.integers(0, 256, 3)
    return int(c[0]), int(c[1]), int(c[2])


def _dark(rng: Rng) -> tuple[int, int, int]:
    grey = int(rng.integers(0, 110))
    return grey, grey, grey


def _write(image: Any, text: str, at: tuple[int, int], scale: float, colour: Any) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


def _split(box: Box, rng: Rng, depth: int) -> list[Box]:
    """Rooms of a flat: a rectangle cut again and again."""
    x0, y0, x1, y1 = box
    if depth == 0 or min(x1 - x0, y1 - y0) < 24:
        return [box]
    share = rng.uniform(0.3, 0.7)
    if (x1 - x0) * rng.uniform(0.7, 1.4) > y1 - y0:
        x = int(x0 + share * (x1 - x0))
        return [*_split((x0, y0, x, y1), rng, depth - 1), *_split((x, y0, x1, y1), rng, depth - 1)]
    y = int(y0 + share * (y1 - y0))
    return [*_split((x0, y0, x1, y), rng, depth - 1), *_split((x0, y, x1, y1), rng, depth - 1)]


def _floor_plan(h: int, w: int, rng: Rng) -> Picture:
    image = np.full((h, w, 3), _pale(rng), np.uint8)
    margin = [int(rng.uniform(0.03, 0.22) * side) for side in (w, h, w, h)]
    flat = (margin[0], margin[1], w - margin[2], h - margin[3])
    walls, thick = _dark(rng), int(rng.integers(1, 6))
    coloured, hollow = chance(rng, 0.4), chance(rng, 0.25)
    for box in _split(flat, rng, int(rng.integers(2, 5))):
        x0, y0, x1, y1 = box
        if chance(rng, 0.12):
            continue
        if coloured:
            cv2.rectangle(image, (x0, y0), (x1, y1), tuple(int(c) for c in rng.integers(170, 256, 3)), -1)
        cv2.rectangle(image, (x0, y0), (x1, y1), walls, thick)
        if hollow and thick > 2:
            cv2.rectangle(image, (x0, y0), (x1, y1), _pale(rng), thick - 2)
        if chance(rng, 0.6):
            _door(image, box, rng, walls)
        for _ in range(int(rng.integers(0, 4))):
            _furniture(image, box, rng, walls)
        if chance(rng, 0.7):
            _write(image, str(rng.choice(_WORDS)), ((3 * x0 + x1) // 4, (y0 + y1) // 2), rng.uniform(0.2, 0.4), walls)
    if chance(rng, 0.5):
        cv2.line(image, (flat[0], flat[1] // 2), (flat[2], flat[1] // 2), walls, 1)
        _write(image, str(rng.choice(_WORDS)), (w // 2, max(8, flat[1] // 2 - 2)), 0.3, walls)
    if chance(rng, 0.25):
        matrix = cv2.getRotationMatrix2D((w / 2, h / 2), rng.uniform(-20, 20), rng.uniform(0.8, 1.1))
        image = cv2.warpAffine(image, matrix, (w, h), borderMode=cv2.BORDER_REPLICATE)
    return image if chance(rng, 0.9) else np.asarray(255 - image, np.uint8)  # pyright: ignore[reportReturnType]


def _door(image: Any, box: Box, rng: Rng, colour: Any) -> None:
    x0, y0, x1, y1 = box
    size = max(4, int(min(x1 - x0, y1 - y0) * rng.uniform(0.15, 0.4)))
    x = int(rng.integers(x0, max(x0 + 1, x1 - size)))
    y = y0 if chance(rng, 0.5) else y1
    cv2.line(image, (x, y), (x + size, y), _pale(rng), 3)
    start = 0 if y == y0 else 270
    cv2.ellipse(image, (x, y), (size, size), 0, start, start + 90, colour, 1, cv2.LINE_AA)
    cv2.line(image, (x, y), (x, y + size if y == y0 else y - size), colour, 1)


def _furniture(image: Any, box: Box, rng: Rng, colour: Any) -> None:
    x0, y0, x1, y1 = box
    w, h = int((x1 - x0) * rng.uniform(0.1, 0.45)), int((y1 - y0) * rng.uniform(0.1, 0.45))
    x, y = int(rng.integers(x0, max(x0 + 1, x1 - w))), int(rng.integers(y0, max(y0 + 1, y1 - h)))
    if chance(rng, 0.7):
        cv2.rectangle(image, (x, y), (x + w, y + h), colour, 1)
        cv2.rectangle(image, (x + w // 8, y + h // 8), (x + w - w // 8, y + h // 3), colour, 1)
    else:
        cv2.ellipse(
            image, (x + w // 2, y + h // 2), (max(1, w // 2), max(1, h // 2)), 0, 0, 360, colour, 1, cv2.LINE_AA
        )


def _page(h: int, w: int, rng: Rng, photo: Picture) -> Picture:
    """A web page, an application's window or a page of text."""
    night = chance(rng, 0.25)
    ground = tuple(255 - c for c in _pale(rng)) if night else _pale(rng)
    ink = _pale(rng) if night else _dark(rng)
    image = np.full((h, w, 3), ground, np.uint8)
    bar, side = int(rng.uniform(0.03, 0.15) * h), int(rng.uniform(0, 0.3) * w) if chance(rng, 0.6) else 0
    if chance(rng, 0.8):
        cv2.rectangle(image, (0, 0), (w, bar), _any(rng), -1)
    if side:
        cv2.rectangle(image, (0, bar), (side, h), _pale(rng) if chance(rng, 0.6) else _any(rng), -1)
    y = bar + int(rng.integers(4, 20))
    while y < h - 10:
        x, row = side + int(rng.integers(4, 14)), int(rng.uniform(0.05, 0.4) * h)
        kind = rng.random()
        if kind < 0.25 and row > 12:
            columns = int(rng.integers(1, 5))
            for k in range(columns):
                left, right = x + k * (w - x) // columns, x + (k + 1) * (w - x) // columns - 4
                if chance(rng, 0.5) and right - left > 8 and y + row <= h:
                    image[y : y + row, left:right] = cv2.resize(
                        photo, (right - left, row), interpolation=cv2.INTER_AREA
                    )
                else:
                    cv2.rectangle(image, (left, y), (right, y + row), _any(rng), -1 if chance(rng, 0.5) else 1)
            y += row + 8
        elif kind < 0.9:
            step = int(rng.integers(5, 12))
            for _ in range(int(rng.integers(1, 9))):
                _line_of_text(image, (x, y), step, rng, ink)
                y += step
            y += 6
        else:
            cv2.rectangle(image, (x, y), (x + w // 5, y + 14), _any(rng), -1)
            _write(image, str(rng.choice(_WORDS)), (x + 3, y + 10), 0.3, ink)
            y += 22
    return image


def _line_of_text(image: Any, at: tuple[int, int], step: int, rng: Rng, ink: Any) -> None:
    (x, y), w = at, image.shape[1]
    end = x + int(rng.uniform(0.3, 0.98) * (w - x))
    if step > 8 and chance(rng, 0.5):
        _write(image, " ".join(rng.choice(_WORDS, 4)), (x, y + step), step / 32, ink)
        return
    while x < end:
        length = int(rng.integers(3, 18))
        cv2.line(image, (x, y + step // 2), (min(x + length, end), y + step // 2), ink, max(1, step // 4))
        x += length + 3


def _logo(h: int, w: int, rng: Rng) -> Picture:
    image: Any = np.full((h, w, 3), _pale(rng) if chance(rng, 0.6) else _any(rng), np.uint8)
    if chance(rng, 0.2):
        shade: Field = clouds(h, w, rng, base=2, octaves=1)[..., None]
        image = np.clip(image * (0.6 + 0.6 * shade), 0, 255).astype(np.uint8)
    x, y = int(w * rng.uniform(0.3, 0.7)), int(h * rng.uniform(0.3, 0.6))
    size = int(min(h, w) * rng.uniform(0.1, 0.4))
    for _ in range(int(rng.integers(1, 5))):
        colour, dx, dy = _any(rng), int(rng.normal(0, size / 3)), int(rng.normal(0, size / 3))
        kind = int(rng.integers(3))
        if kind == 0:
            cv2.circle(
                image,
                (x + dx, y + dy),
                max(3, int(size * rng.uniform(0.3, 1))),
                colour,
                -1 if chance(rng, 0.7) else 4,
                cv2.LINE_AA,
            )
        elif kind == 1:
            points = (np.array([x + dx, y + dy]) + rng.normal(0, size / 1.5, (int(rng.integers(3, 7)), 2))).astype(
                np.int32
            )
            cv2.fillPoly(image, [cv2.convexHull(points)], colour, cv2.LINE_AA)
        else:
            half = max(3, int(size * rng.uniform(0.3, 1)))
            cv2.rectangle(image, (x + dx - half, y + dy - half), (x + dx + half, y + dy + half), colour, -1)
    if chance(rng, 0.7):
        letters = "".join(rng.choice(list("ABCDEHKLMNORSTaeioruxy"), int(rng.integers(3, 10))))
        at = (int(w * rng.uniform(0.05, 0.4)), min(h - 4, y + size + int(h * 0.15)))
        cv2.putText(
            image,
            letters,
            at,
            int(rng.integers(8)),
            rng.uniform(0.6, 1.8),
            _any(rng),
            int(rng.integers(1, 5)),
            cv2.LINE_AA,
        )
    return image
