"""Rendered rooms with known light: the truth that tests compare with."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def encode(linear: NDArray[np.floating]) -> NDArray[np.float32]:
    """Linear 0..1 to sRGB-encoded 0..1."""
    x = np.clip(linear, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)


def radiance(width: int = 480, height: int = 320, *, window: float = 5.0, seed: int = 0) -> NDArray[np.float32]:
    """A linear room (h, w, 3): painted walls, a wooden floor, furniture, and a window `window` EV above the wall."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32) / width
    room = np.empty((height, width, 3), np.float32)
    room[:] = np.array([0.30, 0.29, 0.27]) * (0.6 + 0.5 * (1 - np.abs(x - 0.6)))[..., None]
    floor = y > 0.5
    room[floor] = np.array([0.20, 0.12, 0.06]) * (1 + 0.2 * np.sin(60 * x[floor]))[:, None]
    for _ in range(12):
        cx, cy = rng.integers(0, width), rng.integers(height // 2, height)
        colour = rng.uniform(0.02, 0.4, 3)
        cv2.rectangle(room, (int(cx), int(cy)), (int(cx + width // 9), int(cy + height // 8)), colour.tolist(), -1)
    left, right, top, bottom = int(0.55 * width), int(0.8 * width), int(0.1 * height), int(0.45 * height)
    view = room[top:bottom, left:right]
    view[:] = np.array([0.30, 0.34, 0.40]) * 2.0**window
    view[view.shape[0] // 2 :] = np.array([0.10, 0.22, 0.08]) * 2.0**window
    texture = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 0.8)
    return (room * (1 + 0.08 * texture[..., None])).clip(1e-4)


def exposures(
    room: NDArray[np.float32], values: tuple[float, ...], *, depth: int = 8, noise: float = 0.0, seed: int = 0
) -> list[NDArray[np.uint8]] | list[NDArray[np.uint16]]:
    """The room photographed at these exposure values, darkest first; sRGB-encoded, clipped, with noise if wanted."""
    rng = np.random.default_rng(seed)
    top = 255 if depth == 8 else 65535
    taken = []
    for value in values:
        linear = room * 2.0**value
        linear = linear + noise * np.sqrt(np.clip(linear, 0, 1)) * rng.normal(0, 1, linear.shape)
        taken.append(np.rint(encode(linear) * top).astype(np.uint8 if depth == 8 else np.uint16))
    return taken
