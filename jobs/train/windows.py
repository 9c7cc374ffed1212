"""Windows pasted into rooms that have none: frames, bars, blinds and curtains, a view that is mostly burnt, glare."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from jobs.train.augment import Field, Rng, chance
from jobs.train.skies import clouds

_SIDE = 96


def with_windows(room: Field, views: list[Field], rng: Rng) -> tuple[Field, Field]:
    """A room (h, w, 3) float32 0..1 with one window per view pasted in, and the mask (h, w) 0..1 of their glass."""
    h, w = room.shape[:2]
    linear: Any = cv2.pow(np.clip(room, 0, 1), 2.2)
    mask, glare = np.zeros((h, w), np.float32), np.zeros((h, w, 3), np.float32)
    for view in views:
        window, glass = _window(view, rng)
        corners = _corners(h, w, rng)
        unit = np.array([[0, 0], [_SIDE, 0], [_SIDE, _SIDE], [0, _SIDE]], np.float32)
        place = cv2.getPerspectiveTransform(unit, corners)
        shown, panes, cover = (
            cv2.warpPerspective(p, place, (w, h), flags=cv2.INTER_LINEAR) for p in (window, glass, np.ones_like(glass))
        )
        if chance(rng, 0.25):
            # Furniture in front.
            below = np.linspace(0, 1, h, dtype=np.float32)[:, None] - corners[:, 1].max() / h + rng.uniform(0, 0.25)
            noise = clouds(h, w, rng, base=4, octaves=4, gain=0.6, stretch=1)
            front = np.clip((noise + 0.5 * below - 0.55) / 0.02, 0, 1)
            panes, cover = panes * (1 - front), cover * (1 - front)
        linear = linear * (1 - cover[..., None]) + shown * cover[..., None]
        mask = np.maximum(mask * (1 - cover), panes * cover)
        glare += np.minimum(shown, 6) * cover[..., None]
    if chance(rng, 0.8):
        spread = rng.uniform(0.01, 0.06) * w
        linear = linear + cv2.GaussianBlur(glare, (0, 0), spread) * np.float32(rng.uniform(0, 0.25))
        linear = linear + cv2.GaussianBlur(glare, (0, 0), spread * 4) * np.float32(rng.uniform(0, 0.12))
    if chance(rng, 0.5):
        linear = linear * np.float32(2 ** rng.uniform(-1.5, 0.3))
    return np.asarray(cv2.pow(np.clip(linear, 0, 1), 1 / 2.2), np.float32), mask


def _corners(h: int, w: int, rng: Rng) -> Field:
    """A window's corners on a wall seen at an angle."""
    large = chance(rng, 0.3)
    ww = w * (rng.uniform(0.2, 0.6) if large else rng.uniform(0.06, 0.28))
    hh = h * (rng.uniform(0.3, 0.75) if large else rng.uniform(0.1, 0.42))
    x, y = rng.uniform(0.02, 0.98) * w, rng.uniform(0.12, 0.62) * h
    lean, drop = rng.uniform(-0.35, 0.35), rng.uniform(-0.12, 0.12) * hh
    left, right = hh / 2 * (1 + lean), hh / 2 * (1 - lean)
    return np.array(
        [
            [x - ww / 2, y - left],
            [x + ww / 2, y - right + drop],
            [x + ww / 2, y + right + drop],
            [x - ww / 2, y + left],
        ],
        np.float32,
    )


def _window(view: Field, rng: Rng) -> tuple[Any, Any]:
    """A window seen from the front: linear light (96, 96, 3), and its glass (96, 96) 0..1 with thin bars in it."""
    n = _SIDE
    gain = 2 ** rng.uniform(-1, 5.5)
    small: Any = cv2.resize(view, (n, n), interpolation=cv2.INTER_AREA)
    window = np.asarray(cv2.pow(np.clip(small, 0, 1), 2.2) * np.float32(gain), np.float32)
    glass = np.ones((n, n), np.float32)
    thick = max(1, int(rng.uniform(0.5, 3.5)))
    frame = (
        np.full(3, rng.uniform(0.5, 0.95))
        if chance(rng, 0.75)
        else np.array([0.25, 0.15, 0.08]) * rng.uniform(0.3, 1.5)
    )
    frame = (frame**2.2 * 2 ** rng.uniform(-1.5, 0.5)).astype(np.float32)
    columns, rows = int(rng.choice([1, 1, 2, 2, 3, 4, 6])), int(rng.choice([1, 1, 2, 2, 3, 4]))
    lines = [np.s_[:, i * n // columns - thick // 2 - 1 : i * n // columns + thick // 2 + 1] for i in range(1, columns)]
    lines += [np.s_[j * n // rows - thick // 2 - 1 : j * n // rows + thick // 2 + 1, :] for j in range(1, rows)]
    for line in lines:
        window[line] = frame
    _dress(window, glass, gain, rng)
    for edge in (np.s_[: 2 * thick], np.s_[n - 2 * thick :], np.s_[:, : 2 * thick], np.s_[:, n - 2 * thick :]):
        window[edge], glass[edge] = frame, 0
    return window, glass


def _dress(window: Field, glass: Field, gain: float, rng: Rng) -> None:
    """Venetian blinds, sheer or side curtains, a roller blind; or nothing."""
    n, kind = _SIDE, rng.random()
    lit = np.float32(1 + 0.25 * gain**0.5)
    if kind < 0.2:
        pitch, length = int(rng.integers(3, 8)), int(n * (1 if chance(rng, 0.6) else rng.uniform(0.2, 0.9)))
        slats = ((np.arange(length) % pitch) < rng.uniform(0.3, 0.8) * pitch)[:, None, None] * rng.uniform(0.3, 0.95)
        colour = np.full(3, rng.uniform(0.4, 0.95)) * lit
        window[:length] = window[:length] * (1 - slats) + colour * slats
    elif kind < 0.3:
        folds = (1 + 0.15 * np.sin(np.arange(n) * rng.uniform(0.2, 0.8)))[None, :, None]
        colour = rng.uniform(0.6, 0.9, 3) * lit * folds * rng.uniform(0.5, 1.2)
        opacity = rng.uniform(0.25, 0.9)
        window[:] = window * (1 - opacity) + colour * opacity
    elif kind < 0.4:
        width = int(n * rng.uniform(0.1, 0.35))
        folds = (1 + 0.15 * np.sin(np.arange(n) * rng.uniform(0.2, 0.8)))[None, :, None]
        cloth = np.broadcast_to(rng.uniform(0.05, 0.85, 3) * 0.6 * folds, window.shape)
        for side in (np.s_[:, :width], np.s_[:, n - width :]):
            window[side], glass[side] = cloth[side], 0
    elif kind < 0.48:
        window[: int(n * rng.uniform(0.15, 0.6))] = rng.uniform(0.3, 0.9) * lit
