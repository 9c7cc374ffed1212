"""Tags of TIFF directories (EXIF blocks, TIFF and TIFF-based RAW files), read without trusting them.

Every offset, count and type is checked; what is broken is left out, what is sound is kept. Nothing here raises on bad
bytes, because a picture must not fail for its metadata.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import SEEK_END
from math import isfinite
from typing import Any, BinaryIO

Value = tuple[float, ...] | tuple[int, ...] | bytes | str
Tags = dict[int, Value]

_FORMATS = {
    **{1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"},
    **{13: "I", 16: "Q", 17: "q", 18: "Q"},
}
_MAX_VALUE = 1 << 20
_MAX_DIRECTORIES = 16
_SUB_DIRECTORIES, _EXIF, _INTEROP = 330, 34665, 40965


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
    reader = _Reader.open(file, start)
    if reader is None:
        return result
    offset, seen = reader.first, set[int]()
    while offset and offset not in seen and len(seen) < _MAX_DIRECTORIES:
        seen.add(offset)
        tags, offset = reader.directory(offset)
        result.main.append(tags)
        for child in numbers(tags, _SUB_DIRECTORIES)[:8]:
            if int(child) not in seen:
                seen.add(int(child))
                result.sub.append(reader.directory(int(child))[0])
        if not result.exif and (pointer := number(tags, _EXIF)):
            result.exif = reader.directory(int(pointer))[0]
    if pointer := number(result.exif, _INTEROP):
        result.interop = reader.directory(int(pointer))[0]
    return result


@dataclass
class _Reader:
    file: BinaryIO
    start: int
    order: str
    big: bool
    first: int
    size: int

    @classmethod
    def open(cls, file: BinaryIO, start: int) -> _Reader | None:
        size = file.seek(0, SEEK_END) - start
        file.seek(start)
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 8:
            return None
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        if big and len(head) < 16:
            return None
        first = struct.unpack(order + "Q", head[8:16])[0] if big else struct.unpack(order + "I", head[4:8])[0]
        return cls(file, start, order, big, first, size)

    def at(self, offset: int, count: int) -> bytes:
        if offset < 0 or offset + count > self.size:
            return b""
        self.file.seek(self.start + offset)
        return self.file.read(count)

    def directory(self, offset: int) -> tuple[Tags, int]:
        """The tags of the directory at `offset` and the offset of the next one (0: none)."""
        count_size, entry_size, word = (8, 20, "Q") if self.big else (2, 12, "I")
        head = self.at(offset, count_size)
        if len(head) < count_size:
            return {}, 0
        count = min(struct.unpack(self.order + ("Q" if self.big else "H"), head)[0], 4096)
        table = self.at(offset + count_size, count * entry_size)
        tags: Tags = {}
        for i in range(len(table) // entry_size):
            entry = table[i * entry_size : (i + 1) * entry_size]
            tag, kind = struct.unpack(self.order + "HH", entry[:4])
            value = self.value(kind, struct.unpack(self.order + word, entry[4 : entry_size // 2 + 2])[0], entry)
            if value is not None and tag not in tags:
                tags[tag] = value
        tail = self.at(offset + count_size + count * entry_size, struct.calcsize(word))
        following = struct.unpack(self.order + word, tail)[0] if len(tail) == struct.calcsize(word) else 0
        return tags, following

    def value(self, kind: int, count: int, entry: bytes) -> Value | None:
        code = _FORMATS.get(kind)
        if code is None or count == 0:
            return None
        length = struct.calcsize("=" + code) * count
        if length > _MAX_VALUE:
            return None
        data = entry[12:20] if self.big else entry[8:12]
        if length > len(data):
            data = self.at(struct.unpack(self.order + ("Q" if self.big else "I"), data)[0], length)
        data = data[:length]
        if len(data) < length:
            return None
        if code == "s":
            return data.split(b"\0")[0].decode("utf-8", "replace").strip() if kind == 2 else data
        values = struct.unpack(self.order + str(count * len(code)) + code[0], data)
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
        "captured": _captured(exif) or _captured(first),
        "make": text(first, 271),
        "model": text(first, 272) or text(first, 50708),
        "serial": text(exif, 42033) or text(first, 50735),
        "lens": text(exif, 42036),
        "flash": bool(int(number(exif, 37385) or 0) & 1),
    }
    return {k: v for k, v in found.items() if v}


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
