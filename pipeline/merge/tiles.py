"""Tiles of a full-resolution frame: their boxes, sampling through a homography, and enlargement of reduced fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.photo import Image

TILE = 512
"""A constant: results must not depend on how a frame is cut."""
Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels."""
Runner = Callable[[Callable[[Box], None], Sequence[Box]], None]
"""Runs a function over boxes, here or elsewhere."""


def boxes(width: int, height: int) -> list[Box]:
    """Boxes that cover the frame, row by row."""
    step = TILE
    return [
        (x, y, min(x + step, width), min(y + step, height))
        for y in range(0, height, step)
        for x in range(0, width, step)
    ]


def run_here(threads: int = 1) -> Runner:
    """A runner on threads of this process."""

    def run(function: Callable[[Box], None], todo: Sequence[Box]) -> None:
        if threads == 1:
            for box in todo:
                function(box)
            return
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(function, todo):
                pass

    return run


def sample(image: Image, transform: NDArray[np.float64], box: Box) -> Image:
    """Pixels of `image` at transform(box), bicubic, border replicated; pixel centres at +0.5; dtype kept."""
    x0, y0, x1, y1 = box
    x, y, t = np.arange(x0, x1) + 0.5, (np.arange(y0, y1) + 0.5)[:, None], transform
    scale = 1 / (t[2, 0] * x + (t[2, 1] * y + t[2, 2]))
    u = ((t[0, 0] * x + (t[0, 1] * y + t[0, 2])) * scale - 0.5).astype(np.float32)
    v = ((t[1, 0] * x + (t[1, 1] * y + t[1, 2])) * scale - 0.5).astype(np.float32)
    left, top = max(int(u.min()) - 3, 0), max(int(v.min()) - 3, 0)
    right, bottom = min(int(u.max()) + 4, image.shape[1]), min(int(v.max()) + 4, image.shape[0])
    left, top = min(left, image.shape[1] - 1), min(top, image.shape[0] - 1)
    crop = image[top : max(bottom, top + 1), left : max(right, left + 1)]
    sampled: Any = cv2.remap(crop, u - left, v - top, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return sampled


class Upsampler:
    """Bilinear enlargement of a reduced picture to one tile; pixel centres at +0.5, so neighbouring tiles join."""

    def __init__(self, factor: int, box: Box, small: Sequence[int]) -> None:
        x0, y0, x1, y1 = box
        self.factor = factor
        # One reduced pixel more on every side, so that the tile's border interpolates as its inside.
        self.a, self.c = max(x0 // factor - 1, 0), max(y0 // factor - 1, 0)
        self.b, self.d = min(-(-x1 // factor) + 1, small[0]), min(-(-y1 // factor) + 1, small[1])
        left, top = x0 - self.a * factor, y0 - self.c * factor
        self.inside = np.s_[top : top + y1 - y0, left : left + x1 - x0]

    def __call__(self, small: Any) -> Any:
        part = small[self.c : self.d, self.a : self.b]
        if self.factor == 1:
            return part[self.inside]
        size = ((self.b - self.a) * self.factor, (self.d - self.c) * self.factor)
        return cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)[self.inside]
