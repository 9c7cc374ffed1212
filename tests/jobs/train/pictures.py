"""Small pictures of smooth noise."""

from __future__ import annotations

import cv2
import numpy as np


def picture(seed: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    noise = np.random.default_rng(seed).random((size[1] // 8, size[0] // 8, 3)).astype(np.float32)
    return (cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8)
