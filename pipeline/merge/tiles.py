"""Tiles of a full-resolution frame: their boxes, sampling through a Mapping, and enlargement of reduced fields."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.merge.mapping import Mapping
from pipeline.photo import Image
from pipeline.threads import thread_pool

TILE = 512
"""A constant: results must not depend on how a frame is cut."""
_STEP = 8
"""Pixels between the places where a map is computed exactly."""
Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels."""
Way = tuple[NDArray[np.float32], NDArray[np.float32], tuple[float, float, float, float]]
"""Columns and rows of a source for every pixel, and least and most of both."""
Runner = Callable[[Callable[[Box], None], Sequence[Box]], None]
"""Runs a function over boxes, here or elsewhere."""


def _keep_freed_memory() -> None:
    """Make glibc serve arrays of up to 32 MB from memory that was freed before, not from new pages each time.

    By itself it does so once a process has freed one of 32 MB. Until then every array of a tile is new pages,
    which the kernel must clear: that costs as much as the arithmetic. All threads share one arena, or else what one of
    them has freed would not serve the others: that costs time, and a sixth of the peak.
    """
    trim_threshold, mmap_threshold, arena_max = -1, -3, -8  # of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(mmap_threshold, 32 << 20)
        mallopt(trim_threshold, 256 << 20)
        mallopt(arena_max, 1)


_keep_freed_memory()


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
        with thread_pool(threads) as pool:
            for _ in pool.map(function, todo):
                pass

    return run


def sample(image: Image, mapping: Mapping, box: Box) -> Image:
    """Pixels of `image` at mapping(box), bicubic, border replicated; pixel centres at +0.5; dtype kept."""
    maps = _maps(mapping, box)
    if len(maps) == 1:
        return _sampled(image, maps[0])
    bands: Any = [_sampled(image[..., c], way) for c, way in enumerate(maps)]
    return cv2.merge(bands)  # pyright: ignore[reportReturnType]


def resampled(
    image: Any, mapping: Mapping, size: Sequence[int], *, border: int = cv2.BORDER_REPLICATE, nearest: bool = False
) -> Any:
    """The whole of a reduced picture, (h, w) or (h, w, 3), at mapping(size), (width, height): bilinear or `nearest`."""
    kind = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    if mapping.lens is None:
        centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
        matrix = np.linalg.inv(centre) @ mapping.matrix @ centre
        flags = kind | cv2.WARP_INVERSE_MAP
        return cv2.warpPerspective(image, matrix, tuple(size), flags=flags, borderMode=border)
    maps = _maps(mapping, (0, 0, size[0], size[1]))
    if image.ndim == 2 or len(maps) == 1:
        return cv2.remap(image, *maps[len(maps) // 2][:2], kind, borderMode=border)
    return cv2.merge([cv2.remap(image[..., c], *m[:2], kind, borderMode=border) for c, m in enumerate(maps)])


def _sampled(image: Any, way: Way) -> Any:
    height, width = image.shape[:2]
    u, v, (least_u, most_u, least_v, most_v) = way
    # Beyond these the border is all there is, and OpenCV's sums there depend on the size of what it is given.
    if least_u < -2 or most_u > width:
        np.clip(u, -2, width, out=u)
    if least_v < -2 or most_v > height:
        np.clip(v, -2, height, out=v)
    left, top = min(max(int(least_u) - 3, 0), width - 1), min(max(int(least_v) - 3, 0), height - 1)
    right, bottom = max(min(int(most_u) + 4, width), left + 1), max(min(int(most_v) + 4, height), top + 1)
    # In place, and half of what numpy takes on parts of arrays.
    cv2.subtract(u, float(left), dst=u)  # pyright: ignore[reportArgumentType, reportCallIssue]
    cv2.subtract(v, float(top), dst=v)  # pyright: ignore[reportArgumentType, reportCallIssue]
    # OpenCV's cubic takes a third less time on floats than on integers, the conversions included.
    crop = image[top:bottom, left:right].astype(np.float32)
    sampled: Any = cv2.remap(crop, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    depth = cv2.CV_8U if image.dtype == np.uint8 else cv2.CV_16U
    # Rounds and clips: convertScaleAbs would mirror what the cubic takes below zero.
    return cv2.addWeighted(sampled, 1, sampled, 0, 0, dtype=depth)


def _maps(mapping: Mapping, box: Box) -> list[Way]:
    """Columns and rows of the source, centres at integers, for every pixel of the box: once, or for each channel.

    Exact on a grid of the frame and bilinear between: off by an eighth of the square of the grid's step times the map's
    second derivative, which is nothing for shifts, turns and zooms and grows with perspective.
    """
    x0, y0, x1, y1 = box
    a, b, c, d = x0 // _STEP - 1, -(-x1 // _STEP) + 1, y0 // _STEP - 1, -(-y1 // _STEP) + 1
    x, y = (np.arange(a, b) + 0.5) * _STEP, (np.arange(c, d)[:, None] + 0.5) * _STEP
    size = ((b - a) * _STEP, (d - c) * _STEP)
    inside = np.s_[y0 - c * _STEP : y1 - c * _STEP, x0 - a * _STEP : x1 - a * _STEP]

    def whole(coarse: Any) -> Any:
        return cv2.resize((coarse - 0.5).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)[inside]

    def way(u: Any, v: Any) -> Way:
        # What is interpolated lies between what it is interpolated from.
        return whole(u), whole(v), (u.min() - 0.5, u.max() - 0.5, v.min() - 0.5, v.max() - 0.5)

    return [way(u, v) for u, v in mapping.at(x, y)]


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

    def window(self, small: Any) -> Any:
        """The part of the reduced picture that the tile is made from."""
        return small[self.c : self.d, self.a : self.b]

    def __call__(self, small: Any) -> Any:
        part = self.window(small)
        if self.factor == 1:
            return part[self.inside]
        size = ((self.b - self.a) * self.factor, (self.d - self.c) * self.factor)
        return cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)[self.inside]
