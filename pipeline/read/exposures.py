"""The exposures of a shot, as proxies or whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.codes import Code, PhotoError
from pipeline.photo import Header, Image, Shot
from pipeline.read.decode import decode
from pipeline.read.metadata.header import read_header
from pipeline.read.raw import RawSettings, raw_settings
from pipeline.threads import thread_pool

Gain = NDArray[np.floating[Any]]
PROXY_AREA = 1.6e6
PROXY_LONG_SIDE = 1536


@dataclass(frozen=True, slots=True)
class Opened:
    """A shot's headers, darkest first, and how its RAW files are developed (the reference's settings for all)."""

    headers: tuple[Header, ...]
    raw: RawSettings | None
    max_megapixels: float


def open_shot(shot: Shot, *, max_megapixels: float) -> Opened:
    """Read the headers of a shot. Raises PhotoError, SIZE_MISMATCH if the exposures differ in size."""
    headers = tuple(read_header(Path(source)) for source in shot.sources)
    reference = headers[shot.reference]
    for header in headers:
        if (header.width, header.height) != (reference.width, reference.height):
            sizes = f"{header.width}x{header.height}, its reference {reference.width}x{reference.height}"
            raise PhotoError(Code.SIZE_MISMATCH, f"{header.path}: is {sizes}")
    raw = raw_settings(reference, alone=len(headers) == 1) if reference.format == "raw" else None
    return Opened(headers, raw, max_megapixels)


def proxy_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the proxy: at most 1.6 MP and 1536 pixels long, never enlarged."""
    scale = min(1.0, PROXY_LONG_SIDE / max(width, height), (PROXY_AREA / (width * height)) ** 0.5)
    return max(1, round(width * scale)), max(1, round(height * scale))


def read_proxies(opened: Opened, *, gain: Gain | None = None, threads: int = 1) -> list[Image]:
    """All exposures at proxy size (area), uint8 or uint16; by reduced decoding, so only for looking and planning.

    gain: (h, w, 1 or 3) over the frame, by which linear light is multiplied.
    """
    reference = opened.headers[0]
    width, height = proxy_size(reference.width, reference.height)
    reduce = max(r for r in (1, 2, 4, 8) if reference.width // r >= width and reference.height // r >= height)

    def one(header: Header) -> Any:
        pixels = decode(header, reduce=reduce, raw=opened.raw, gain=gain, max_megapixels=opened.max_megapixels)
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)

    with thread_pool(threads) as pool:
        return list(pool.map(one, opened.headers))


def read_exposures(opened: Opened, used: Sequence[bool], *, gain: Gain | None = None, threads: int = 1) -> list[Image]:
    """The used exposures whole, accurately decoded; an empty picture in the place of those that are not used.

    gain: as for read_proxies.
    """

    def one(index: int) -> Image:
        if not used[index]:
            return np.empty((0, 0, 3), np.uint8)
        return decode(opened.headers[index], raw=opened.raw, gain=gain, max_megapixels=opened.max_megapixels)

    with thread_pool(threads) as pool:
        return list(pool.map(one, range(len(opened.headers))))
