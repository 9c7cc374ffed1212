"""What the tags of TIFF directories say, as numbers and text: of EXIF blocks, TIFF and TIFF-based RAW files.

tiff.py finds the entries and checks them; a value is here only if it is sound.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import hypot, isfinite
from typing import Any, BinaryIO

from pipeline.read.metadata.tiff import EXIF_IFD, FORMATS, INTEROP_IFD, Directory, Entry, open_file

Value = tuple[float, ...] | tuple[int, ...] | bytes | str
Tags = dict[int, Value]
FLASH = 37385

_UNITS = {2: 25.4, 3: 10.0, 4: 1.0}
"""Millimetres of a FocalPlaneResolutionUnit."""
_SENSORS = (53.4, 43.8, 36.0, 27.9, 23.6, 22.4, 17.3, 13.2)
"""Long sides, mm, of the sensors of cameras with large ones: medium format, full frame, APS-H, APS-C, 4/3", 1"."""
_SUB_DIRECTORIES = 330
_MAX_DIRECTORIES = 16


@dataclass
class Directories:
    """The directories of one TIFF structure: the chain from the first, sub-directories, the EXIF directory."""

    main: list[Tags] = field(default_factory=list[Tags])
    sub: list[Tags] = field(default_factory=list[Tags])
    exif: Tags = field(default_factory=dict[int, Value])
    interop: Tags = field(default_factory=dict[int, Value])

    @property
    def first(self) -> Tags:
        """The first directory, empty where there is none."""
        return self.main[0] if self.main else {}

    @property
    def all(self) -> list[Tags]:
        """Main chain and sub-directories: those that can hold pictures."""
        return self.main + self.sub


def read_directories(file: BinaryIO, start: int = 0) -> Directories:
    """All directories of the TIFF structure at byte `start` of an open file (classic or BigTIFF, either byte order).

    Offsets inside are relative to `start`. Broken directories end early; the result may be empty.
    """
    result = Directories()
    structure = open_file(file, start)
    if structure is None:
        return result

    def tags_at(offset: float | None) -> Tags:
        return _values(structure.directory(int(offset or 0)), structure.order)

    offset, seen = structure.first, set[int]()
    while offset and offset not in seen and len(seen) < _MAX_DIRECTORIES:
        seen.add(offset)
        directory = structure.directory(offset)
        tags, offset = _values(directory, structure.order), directory.link
        result.main.append(tags)
        for child in (int(n) for n in numbers(tags, _SUB_DIRECTORIES)[:8] if isfinite(n)):
            if child not in seen:
                seen.add(child)
                result.sub.append(tags_at(child))
        if not result.exif:
            result.exif = tags_at(number(tags, EXIF_IFD))
    result.interop = tags_at(number(result.exif, INTEROP_IFD))
    return result


def _values(directory: Directory, order: str) -> Tags:
    """The value of each tag, the first where one stands twice."""
    return {e.tag: _value(e, order) for e in reversed(directory.entries)}


def _value(entry: Entry, order: str) -> Value:
    """Text of ASCII, bytes of UNDEFINED, else numbers; a fraction with denominator 0 is nan."""
    code = FORMATS[entry.kind]
    if code == "s":
        return entry.value.split(b"\0")[0].decode("utf-8", "replace").strip() if entry.kind == 2 else entry.value
    values = struct.unpack(order + str(entry.count * len(code)) + code[0], entry.value)
    if len(code) == 2:
        return tuple(float(a) / b if b else float("nan") for a, b in zip(values[::2], values[1::2], strict=True))
    return values


def numbers(tags: Tags, tag: int) -> tuple[float, ...]:
    """The numbers of a tag; empty where it is missing or not numeric."""
    value = tags.get(tag, ())
    return value if isinstance(value, tuple) else ()


def number(tags: Tags, tag: int) -> float | None:
    """The first number of a tag, None where it is missing, not numeric or not finite."""
    values = numbers(tags, tag)
    return values[0] if values and isfinite(values[0]) else None


def text(tags: Tags, tag: int) -> str:
    """The text of a tag, "" where it is missing or no text."""
    value = tags.get(tag, "")
    return value if isinstance(value, str) else ""


def orientation(directories: Directories) -> int:
    """EXIF orientation 1-8; 1 where missing or out of range."""
    value = number(directories.first, 274)
    return int(value) if value is not None and 1 <= value <= 8 else 1


def describe(directories: Directories) -> dict[str, Any]:
    """The photographic fields of photo.Header, as keyword arguments; unknown ones are left out."""
    first, exif = directories.first, directories.exif
    found: dict[str, Any] = {
        "exposure_time": _positive(exif, 33434) or _positive(first, 33434) or _apex_time(exif),
        "f_number": _positive(exif, 33437) or _positive(first, 33437) or _apex_aperture(exif),
        "iso": _iso(exif) or _iso(first),
        "focal_length": _positive(exif, 37386) or _positive(first, 37386),
        "focal_35mm": _positive(exif, 41989) or _on_full_frame(exif),
        "captured": _captured(exif) or _captured(first),
        "make": text(first, 271),
        "model": text(first, 272) or text(first, 50708),
        "serial": text(exif, 42033) or text(first, 50735),
        "lens": text(exif, 42036),
        "flash": bool(int(number(exif, FLASH) or 0) & 1),
    }
    return {k: v for k, v in found.items() if v}


def _on_full_frame(tags: Tags) -> float | None:
    """The focal length that gives the same view on 36 x 24 mm, from the sensor's size; None where that is doubtful.

    Cameras tell pixels per length on the sensor. Programs that resize a picture leave that and change its pixels, after
    which the two make a sensor that no camera has.
    """
    focal, density = _positive(tags, 37386), _positive(tags, 41486)
    sides = _positive(tags, 40962), _positive(tags, 40963)
    if focal is None or density is None or sides[0] is None or sides[1] is None:
        return None
    pixel = _UNITS.get(int(number(tags, 41488) or 2), 0.0) / density
    long = max(sides[0], sides[1]) * pixel
    if not any(0.97 * size < long < 1.03 * size for size in _SENSORS):
        return None
    return focal * hypot(36, 24) / hypot(sides[0] * pixel, sides[1] * pixel)


def _positive(tags: Tags, tag: int) -> float | None:
    value = number(tags, tag)
    return float(value) if value is not None and 0 < value < 1e6 else None


def _iso(tags: Tags) -> float | None:
    # 65535 in the 16-bit tag means "see the 32-bit tags of EXIF 2.3".
    value = _positive(tags, 34855)
    if value is None or value >= 65535:
        return next((v for tag in (34867, 34866, 34865) if (v := _positive(tags, tag))), None)
    return value


def _apex_time(tags: Tags) -> float | None:
    value = number(tags, 37377)
    return 2.0**-value if value is not None and abs(value) < 30 else None


def _apex_aperture(tags: Tags) -> float | None:
    value = number(tags, 37378)
    return 2.0 ** (value / 2) if value is not None and 0 < value < 20 else None


def _captured(tags: Tags) -> datetime | None:
    for tag, sub in ((36867, 37521), (36868, 37522)):
        try:
            moment = datetime.strptime(text(tags, tag)[:19], "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        digits = text(tags, sub)
        fraction = float("0." + digits) if digits.isascii() and digits.isdigit() else 0.0
        return moment + timedelta(seconds=fraction)
    return None
