"""Pixels to bytes, and bytes to disk. Encoders are deterministic: no clock, no threads, accurate DCT."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal, cast

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from pipeline.codes import Code, PhotoError
from pipeline.photo import Image

PART = ".part"
"""Ending of files not yet whole, which a process that was killed leaves."""

Subsampling = Literal["4:2:0", "4:4:4"]


def to_depth(image: Image, depth: Literal[8, 16]) -> Image:
    """The picture with 8 or 16 bits per channel; 16 to 8 rounds to the nearest level (v / 257), 8 to 16 is v * 257."""
    if (image.dtype == np.uint16) == (depth == 16):
        return image
    if depth == 16:
        return np.multiply(image, 257, dtype=np.uint16)
    # Never half way between two levels, since 257 is odd.
    return cast(Image, cv2.convertScaleAbs(image, alpha=1 / 257))


def encode_jpeg(
    image: NDArray[np.uint8], *, quality: int = 92, subsampling: Subsampling = "4:2:0", optimize: bool = False
) -> bytes:
    """A baseline JPEG of (H, W, 3) uint8 sRGB. optimize: Huffman tables fitted to the picture; smaller, but slower."""
    if optimize:
        factor = 0x111111 if subsampling == "4:4:4" else 0x221111
        options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        return _opencv(".jpg", image, [*options, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor])
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(image), quality, "RGB", subsampling.replace(":", ""), fastdct=False
    )


def encode_png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """A PNG of (H, W, 3) or (H, W), 8 or 16 bits, by dtype.

    Average filter and run lengths: half the time of level 1 alone (benchmarks/results/encode.md).
    """
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG]
    return _opencv(".png", image, [*options, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE])


def _opencv(extension: str, image: NDArray[np.uint8] | NDArray[np.uint16], options: list[int]) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    return cv2.imencode(extension, bgr, options)[1].tobytes()


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that `path` holds all of it or what it held before; folders are made.

    durable: wait until it is on the disk, so that this holds even if the power fails; for what can be made again, no.

    Raises
    ------
    PhotoError
        WRITE_FAILED, naming the path; nothing half-written is left.
    """

    def fill(file: BinaryIO) -> None:
        file.write(data)

    _replace(path, fill, durable=durable)


def copy_untouched(source: Path, target: Path) -> int:
    """Copy a file's bytes unchanged, atomically as write_atomic does; the number of bytes.

    Raises
    ------
    PhotoError
        UNREADABLE if `source` cannot be opened, WRITE_FAILED as write_atomic.
    """
    try:
        opened = source.open("rb")
    except OSError as error:
        raise PhotoError(Code.UNREADABLE, f"{source}: {error.strerror or error}") from None
    with opened as original:

        def fill(file: BinaryIO) -> None:
            shutil.copyfileobj(original, file, 1 << 20)

        _replace(target, fill)
        return original.tell()


def _replace(path: Path, fill: Callable[[BinaryIO], None], *, durable: bool = True) -> None:
    # A short name of its own: the longest allowed file name has no room for a suffix.
    temporary = path.with_name(f".{uuid.uuid4().hex}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                fill(file)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PhotoError(Code.WRITE_FAILED, f"{path}: {error.strerror or error}") from None
