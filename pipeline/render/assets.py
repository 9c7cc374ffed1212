"""Pictures that plans name: read again, known by their digest, and brought to the size at which they are shown."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.codes import Code, PhotoError
from pipeline.photo import Image
from pipeline.plan import Layer, Warp
from pipeline.read.color import from_linear, to_linear
from pipeline.read.decode import decode
from pipeline.read.metadata.header import read_header

Matrix = NDArray[np.float64]


def asset_of(layer: Layer, warp: Warp | None, long: int) -> tuple[Image, Matrix] | None:
    """The picture that a layer shows, with its gain, and (3, 3) output pixels to its pixels, centres at +0.5.

    long: long side of the output in pixels. None where the layer names no picture. A much larger one is averaged, so
    that sampling does not alias. Raises PhotoError.
    """
    if not layer.asset or layer.placement is None:
        return None
    picture: Any = picture_of(Path(layer.asset), layer.digest)
    placement = layer.placement @ (np.eye(3) if warp is None else warp.homography)
    own = max(picture.shape[:2])
    shrink = own * float(np.hypot(placement[0, 0], placement[1, 0])) / long
    if shrink > 1:
        size = (max(1, round(picture.shape[1] / shrink)), max(1, round(picture.shape[0] / shrink)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    scale = np.diag([float(max(picture.shape[:2]))] * 2 + [1.0])
    return _lit(picture, layer.gain), scale @ placement @ np.diag([1 / long, 1 / long, 1.0])


def picture_of(path: Path, digest: str, *, reduce: int = 1) -> Image:
    """The picture at `path`, decoded at 1 / `reduce` of its size.

    Raises PhotoError: SKY_UNREADABLE where it is not the one with that SHA-256, or is none.
    """
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise PhotoError(Code.SKY_UNREADABLE, f"{path}: is not the picture that it was when the job began")
        return decode(read_header(path), reduce=reduce)
    except OSError as error:
        raise PhotoError(Code.SKY_UNREADABLE, f"{path}: {error.strerror or error}") from None
    except PhotoError as error:
        raise PhotoError(Code.SKY_UNREADABLE, error.message) from None


def _lit(picture: Image, gain: float) -> Image:
    """Times `gain` in linear light."""
    top = np.iinfo(picture.dtype).max
    levels = np.arange(top + 1, dtype=np.float32) / np.float32(top)
    table = from_linear(np.clip(to_linear(levels) * np.float32(gain), 0, 1))
    lit: Any = np.take(np.rint(table * top).astype(picture.dtype), picture)
    return lit
