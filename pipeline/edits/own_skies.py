"""The user's own photos of skies: which one a listing gets, and where in the frame it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.codes import Code, PhotoError, SettingsError
from pipeline.edits.gaps import steps
from pipeline.read.color import LUMA, from_linear, to_linear
from pipeline.read.metadata.header import read_header
from pipeline.read.scan import PICTURES, RAWS
from pipeline.reduce import reduced
from pipeline.render.assets import picture_of

Field = NDArray[np.floating[Any]]
_GAIN = (0.6, 1.6)
"""Times linear light: a sky photo is made darker or brighter within these bounds only."""
_SMALL = 96
_LEAST_SIDE = 1000
"""Pixels of a sky photo's long side: a smaller one would be seen enlarged."""
_LOOKED_AT, _EDGE = 192, 0.06
"""Long side at which a photo is looked at, and the gradient of its luma, per pixel, that clouds rarely have there."""
_EDGES, _EDGES_OF_A_QUARTER, _GREEN, _GREENISH = 0.1, 0.2, 0.1, 0.02
"""Largest shares of edges in a sky and in a quarter of its height (103 skies: .05 and .08; 95 of 100 other photos have
more), and of green."""


@dataclass(frozen=True, slots=True, eq=False)
class Own:
    """A photo of a sky in a frame: fields of plan.Layer."""

    asset: str
    digest: str
    placement: NDArray[np.float64]
    gain: float
    shown: NDArray[np.float32]


def noted(folder: str) -> dict[str, str]:
    """Name and SHA-256 of each picture in a folder, in order of name. Files with endings of no picture do not count.

    Raises SettingsError where there is none, or one cannot be read, is too small to be shown, or is not all sky.
    """
    path = Path(folder)
    if not path.is_dir():
        raise SettingsError(f"sky.folder: {folder} is no folder")
    try:
        files = [f for f in sorted(path.iterdir()) if f.suffix[1:].lower() in PICTURES | RAWS and f.name[0] != "."]
        found = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
        for name, digest in found.items():
            picture = picture_of(path / name, digest, reduce=8)
            width, height = _size_of(path / name)
            if max(width, height) < _LEAST_SIDE:
                small = f"{path / name} is {width} x {height} pixels, too small for a sky"
                raise SettingsError(f"sky.folder: {small}: at least {_LEAST_SIDE} on its long side are needed")
            if not _is_sky(picture):
                more = f"{path / name} shows other things than sky"
                raise SettingsError(f"sky.folder: {more}: keep photos there that are sky from edge to edge")
    except OSError as error:
        raise SettingsError(f"sky.folder: {error.filename or folder}: {error.strerror or error}") from None
    except PhotoError as error:
        raise SettingsError(f"sky.folder: {error.message}") from None
    if not found:
        raise SettingsError(f"sky.folder: there is no picture in {folder}")
    return found


def _is_sky(picture: NDArray[np.integer[Any]]) -> bool:
    """Whether a picture (h, w, 3) of any integer type is soft and nowhere green, as skies are.

    The network that sees fronts is no help: skies alone it takes for no photos.
    """
    x = reduced(picture, _LOOKED_AT).astype(np.float32) / np.float32(np.iinfo(picture.dtype).max)
    edges = steps(x) > _EDGE
    quarters = [float(part.mean()) for part in np.array_split(edges, 4)]
    green = float(np.mean(x[..., 1] > np.maximum(x[..., 0], x[..., 2]) + _GREENISH))
    return float(edges.mean()) <= _EDGES and max(quarters) <= _EDGES_OF_A_QUARTER and green <= _GREEN


def chosen(photos: Mapping[str, str], listing: str) -> str:
    """The name of one of the photos, the same for all of a listing."""
    return list(photos)[int.from_bytes(hashlib.sha256(listing.encode()).digest()[1:5]) % len(photos)]


def in_frame(photo: Path, digest: str, size: tuple[int, int], visible: Field, brightness: float) -> Own:
    """A photo of a sky over a frame: as wide as that or wider, its lower edge where the lowest sky is seen.

    digest: its SHA-256. size: (width, height) of the frame in any unit. visible: (h, w) where the sky will be seen, of
    any size. brightness: level of its median luma there, approached as far as the bounds of the gain allow. Raises
    PhotoError: SKY_UNREADABLE.
    """
    whole = _size_of(photo)
    reduce = next((r for r in (8, 4, 2) if max(whole) // r >= 4 * _SMALL), 1)
    picture = picture_of(photo, digest, reduce=reduce)
    small = reduced(picture, 4 * _SMALL).astype(np.float32) / np.float32(np.iinfo(picture.dtype).max)
    placement = _placement(whole, size, visible)
    shown = _seen(small, placement, size)
    where = cv2.resize(visible.astype(np.float32), shown.shape[1::-1], interpolation=cv2.INTER_AREA) > 0.5
    light = to_linear(shown)
    luminance = light @ LUMA
    middle = float(np.median(luminance[where] if where.any() else luminance))
    wanted = float(to_linear(np.array([brightness], np.float32))[0])
    gain = float(np.clip(wanted / max(middle, 1e-3), *_GAIN))
    lit = from_linear(np.clip(light * np.float32(gain), 0, 1)).astype(np.float32)
    return Own(str(photo), digest, placement, round(gain, 4), lit)


def _size_of(photo: Path) -> tuple[int, int]:
    try:
        header = read_header(photo)
    except (OSError, PhotoError) as error:
        raise PhotoError(Code.SKY_UNREADABLE, str(error)) from None
    return header.width, header.height


def _placement(photo: tuple[int, int], frame: tuple[int, int], visible: Field) -> NDArray[np.float64]:
    """(3, 3) frame coordinates to the photo's, both divided by their long sides: covering all sky, centred across."""
    long, own = max(frame), max(photo)
    rows = np.nonzero((visible > 0.5).any(axis=1))[0]
    low = (rows[-1] + 1) / visible.shape[0] if rows.size else 1.0
    width, depth = frame[0] / long, low * frame[1] / long
    scale = max(width / (photo[0] / own), depth / (photo[1] / own))
    left = (photo[0] / own - width / scale) / 2
    top = photo[1] / own - depth / scale
    return np.array([[1 / scale, 0, left], [0, 1 / scale, top], [0, 0, 1]])


def _seen(small: NDArray[np.float32], placement: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
    """The photo over the frame, (rows, columns, 3), at a small size."""
    width, height = _SMALL, max(8, round(_SMALL * size[1] / size[0]))
    to_frame = np.diag([1 / width * size[0] / max(size), 1 / height * size[1] / max(size), 1.0])
    to_small = np.diag([float(max(small.shape)), float(max(small.shape)), 1.0])
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(half) @ to_small @ placement @ to_frame @ half
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpPerspective(small, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
