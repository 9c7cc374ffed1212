"""Lens corrections that a DNG brings along: its opcode lists (DNG 1.7.1, chapter 7), as a Lens.

WarpRectilinear and WarpRectilinear2 bend, FixVignetteRadial and GainMap brighten. What a list asks for besides is not
about lenses, and is left to the decoder.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
from numpy.typing import NDArray

from pipeline.photo import Header
from pipeline.plan import LENS_KNOTS, LENS_REACH, Lens
from pipeline.read.lens.orientation import turned
from pipeline.read.metadata import exif
from pipeline.read.metadata.header import raw_crop

_LISTS = (51008, 51009, 51022)
_WARP, _VIGNETTE, _GAIN_MAP, _WARP_2 = 1, 3, 9, 14
_CFA_PATTERN, _LINEAR_RAW = 33422, 34892
_COLUMNS, _LARGEST = 96, 8.0
_MOST = 64
"""Opcodes of one list; more is no list."""
_STRONGEST, _OFF_CENTRE, _DECENTRED = (0.4, 1.8), (0.2, 0.8), 0.1
"""Bounds of what a lens can do inside of the frame; beyond them a list is broken."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the delivered picture (left, top, width, height) lies in the active area (its width and height), pixels."""

    active: tuple[int, int]
    crop: tuple[int, int, int, int]

    def grid(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Columns and rows in the active area of the places where gains are sampled, over the delivered picture."""
        left, top, width, height = self.crop
        scale = _COLUMNS / max(width, height)
        columns, rows = max(2, round(width * scale)), max(2, round(height * scale))
        x = left + (np.arange(columns) + 0.5) * width / columns
        y = top + (np.arange(rows) + 0.5) * height / rows
        return x, y[:, None]


def embedded(header: Header) -> Lens | None:
    """The corrections in a DNG, upright; None where there are none, or they are broken. The zoom of the result is 1."""
    try:
        with Path(header.path).open("rb") as file:
            tags = _raw_tags(exif.read_directories(file))
        if not any(isinstance(tags.get(t), bytes) for t in _LISTS):
            return None
        with rawpy.RawPy() as raw:
            raw.open_file(header.path)
            sizes = raw.sizes
        frame = Frame((sizes.width, sizes.height), raw_crop(sizes))
        found = _lens(tags, frame)
    except (OSError, struct.error, ValueError, rawpy.LibRawError):
        return None
    return None if found is None else turned(found, header.orientation, frame.crop[2:])


def is_developed(header: Header) -> bool:
    """Whether the file is a picture that some program or camera made, and may have corrected: all but mosaics."""
    if header.format != "raw":
        return True
    try:
        with Path(header.path).open("rb") as file:
            return exif.number(_raw_tags(exif.read_directories(file)), 262) == _LINEAR_RAW
    except OSError:
        return False


def _raw_tags(directories: exif.Directories) -> exif.Tags:
    """The directory of the mosaic or linear picture: the largest that is no preview."""
    pictures = [t for t in directories.all if exif.number(t, 262) in (32803, _LINEAR_RAW)]
    return max(pictures, key=lambda t: (exif.number(t, 256) or 0) * (exif.number(t, 257) or 0), default={})


def _lens(tags: exif.Tags, frame: Frame) -> Lens | None:
    width, height = frame.crop[2:]
    long = max(width, height)
    lens = Lens("DNG", (width / long / 2, height / long / 2), 1.0, np.ones((1, LENS_KNOTS)))
    gain = np.ones((*np.broadcast_shapes(*(g.shape for g in frame.grid())), 3))
    for kind, data in _opcodes(tags):
        if kind in (_WARP, _WARP_2):
            if lens.bends:
                return None  # no camera bends twice, and two maps are not one table
            lens = _warp(kind, data, frame, lens)
        elif kind == _VIGNETTE:
            gain *= _radial_gain(data, frame)[..., None]
        elif kind == _GAIN_MAP:
            _multiply(gain, data, frame, tags)
    if not np.all((gain >= 1 / _LARGEST) & (gain <= _LARGEST)):
        return None
    if np.abs(gain - 1).max() > 0.005:
        lens = replace(lens, gain=gain.astype(np.float16))
    return lens if lens.bends or lens.gain is not None else None


def _opcodes(tags: exif.Tags) -> Iterator[tuple[int, bytes]]:
    for tag in _LISTS:
        data = tags.get(tag)
        if not isinstance(data, bytes) or len(data) < 4:
            continue
        at, count = 4, struct.unpack_from(">I", data)[0]
        for _ in range(min(count, _MOST)):
            kind, _, _, length = struct.unpack_from(">IIII", data, at)
            if at + 16 + length > len(data):
                raise ValueError("an opcode reaches beyond its list")
            yield kind, data[at + 16 : at + 16 + length]
            at += 16 + length


def _warp(kind: int, data: bytes, frame: Frame, lens: Lens) -> Lens:
    planes = struct.unpack_from(">I", data)[0]
    if not 1 <= planes <= 4:
        raise ValueError("a warp without planes")
    terms = 6 if kind == _WARP else 19
    values = struct.unpack_from(f">{planes * terms + 2}d", data, 4)
    rows = np.array(values[:-2]).reshape(planes, terms)
    centre, radius = _place(frame, values[-2:])
    far = np.linspace(0, LENS_REACH, LENS_KNOTS)
    if kind == _WARP:
        powers = far[None] ** np.array([0, 2, 4, 6])[:, None]
        radial, sideways = rows[:, :4] @ powers, rows[:, 4:6]
    else:
        powers = far[None] ** np.arange(15)[:, None]
        radial, sideways = rows[:, :15] @ powers, rows[:, 15:17]
        if struct.unpack_from(">I", data, 4 + 8 * len(values))[0]:
            radial = 1 / radial
    if planes not in (1, 3):
        radial, sideways = radial[:1], sideways[:1]
    middle = sideways[len(sideways) // 2]
    inside = radial[:, far <= 1]
    sound = np.all((inside > _STRONGEST[0]) & (inside < _STRONGEST[1])) and np.all(np.abs(middle) < _DECENTRED)
    if not sound or not all(_OFF_CENTRE[0] < c < _OFF_CENTRE[1] for c in values[-2:]):
        raise ValueError("no lens warps like that")
    return replace(lens, centre=centre, radius=radius, radial=radial, tangential=(float(middle[0]), float(middle[1])))


def _place(frame: Frame, centre: Sequence[float]) -> tuple[tuple[float, float], float]:
    """Centre and radius (to the farthest corner of the active area) in the delivered picture, over its long side."""
    (wide, high), (left, top, width, height) = frame.active, frame.crop
    long = max(width, height)
    x, y = centre[0] * wide, centre[1] * high
    radius = float(np.hypot(max(x, wide - x), max(y, high - y)))
    return ((x - left) / long, (y - top) / long), radius / long


def _radial_gain(data: bytes, frame: Frame) -> NDArray[np.float64]:
    *k, cx, cy = struct.unpack_from(">7d", data)
    x, y = frame.grid()
    wide, high = frame.active
    x0, y0 = cx * wide, cy * high
    square = ((x - x0) ** 2 + (y - y0) ** 2) / (max(x0, wide - x0) ** 2 + max(y0, high - y0) ** 2)
    return np.asarray(np.polynomial.polynomial.polyval(square, [1.0, *k]), np.float64)


def _multiply(gain: NDArray[np.float64], data: bytes, frame: Frame, tags: exif.Tags) -> None:
    """A GainMap into `gain` (h, w, 3): on a mosaic, the map of one of its four places goes to that place's colour."""
    top, left, _, _, plane, planes, down, across, rows, columns = struct.unpack_from(">10I", data)
    spacing_v, spacing_h, origin_v, origin_h = struct.unpack_from(">4d", data, 40)
    channels = struct.unpack_from(">I", data, 72)[0]
    if not (0 < rows <= 4096 and 0 < columns <= 4096 and 0 < channels <= 4):
        raise ValueError("a gain map without a size")
    values = np.frombuffer(data, ">f4", rows * columns * channels, 76).reshape(rows, columns, channels)
    x, y = frame.grid()
    at_v = (y[:, 0] / frame.active[1] - origin_v) / (spacing_v or 1)
    at_h = (x / frame.active[0] - origin_h) / (spacing_h or 1)
    mosaic = tags.get(_CFA_PATTERN)
    for channel in range(channels):
        map_ = _bilinear(values[..., channel].astype(np.float64), at_v, at_h)
        if (down, across) == (2, 2) and isinstance(mosaic, bytes | tuple) and len(mosaic) == 4:
            colour = int(mosaic[2 * (top % 2) + left % 2])
            # Both greens have a map each, of which every one counts half.
            share = 0.5 if colour == 1 else 1.0
            gain[..., min(colour, 2)] *= map_**share
        else:
            last = plane + channel + 1 if channel < channels - 1 else plane + planes
            gain[..., plane + channel : min(last, 3)] *= map_[..., None]


def _bilinear(values: NDArray[np.float64], at_v: Any, at_h: Any) -> NDArray[np.float64]:
    """(len(at_v), len(at_h)) samples of a grid, clamped to its border."""
    by_row = np.stack([np.interp(at_h, np.arange(values.shape[1]), row) for row in values])
    return np.stack([np.interp(at_v, np.arange(values.shape[0]), column) for column in by_row.T], axis=1)
