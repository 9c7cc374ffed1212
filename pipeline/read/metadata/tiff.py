"""The structure of TIFF: the one reader of its head and directories, which EXIF blocks, TIFF and most RAW files share.

Every offset, count and type is checked; what is broken is left out, what is sound is kept. Nothing here raises on bad
bytes, because a picture must not fail for its metadata. Source: TIFF 6.0, BigTIFF, EXIF 2.32.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import SEEK_END
from typing import BinaryIO

FORMATS = {
    **{1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"},
    **{13: "I", 16: "Q", 17: "q", 18: "Q"},
}
"""How struct reads one value of each TIFF type."""
SIZES = {kind: struct.calcsize("=" + code) for kind, code in FORMATS.items()}
"""Bytes of one value of each TIFF type."""
EXIF_IFD, GPS_IFD, INTEROP_IFD, MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C
_LONGEST = 1 << 20

Read = Callable[[int, int], bytes]
"""Bytes at (offset, length); fewer where the file ends."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: `position` of its 12 (BigTIFF: 20) bytes, `offset` of its `value`, all from the start of the TIFF."""

    tag: int
    kind: int
    count: int
    value: bytes
    position: int
    offset: int


@dataclass(frozen=True, slots=True)
class Directory:
    """Entries in file order, where the link to the next directory stands, and that link (0: none)."""

    entries: tuple[Entry, ...] = ()
    link_position: int = 0
    link: int = 0

    def get(self, tag: int) -> Entry | None:
        """The first entry of `tag`."""
        return next((e for e in self.entries if e.tag == tag), None)

    def bytes_of(self, tag: int) -> bytes:
        """The raw value of `tag`, b"" where there is none."""
        entry = self.get(tag)
        return entry.value if entry else b""


@dataclass(frozen=True, slots=True)
class Structure:
    """How a TIFF structure is read: byte order (< or >), classic or BigTIFF, and its first directory's offset."""

    read: Read
    order: str
    big: bool
    first: int

    def number(self, entry: Entry | None) -> int:
        """The first value of a SHORT or LONG entry; 0 where it is missing or of another type."""
        code = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(entry.kind) if entry else None
        if entry is None or code is None or len(entry.value) < struct.calcsize("=" + code):
            return 0
        return struct.unpack_from(self.order + code, entry.value)[0]

    def directory(self, offset: int, *, longest: int = _LONGEST) -> Directory:
        """The sound entries of the directory at `offset`; values beyond the file or `longest` bytes are left out."""
        count_size, entry_size, word = (8, 20, "Q") if self.big else (2, 12, "I")
        head = self.read(offset, count_size) if offset else b""
        if len(head) < count_size:
            return Directory()
        count = min(struct.unpack(self.order + ("Q" if self.big else "H"), head)[0], 4096)
        start = offset + count_size
        table = self.read(start, count * entry_size)
        entries = [
            entry
            for i in range(len(table) // entry_size)
            if (entry := self._entry(table[i * entry_size : (i + 1) * entry_size], start + i * entry_size, longest))
        ]
        end = start + count * entry_size
        tail = self.read(end, struct.calcsize("=" + word))
        whole = len(tail) == struct.calcsize("=" + word)
        link = struct.unpack(self.order + word, tail)[0] if whole else 0
        return Directory(tuple(entries), end if whole else 0, link)

    def _entry(self, data: bytes, position: int, longest: int) -> Entry | None:
        tag, kind = struct.unpack_from(self.order + "HH", data)
        word = "Q" if self.big else "I"
        count = struct.unpack_from(self.order + word, data, 4)[0]
        length, inline = SIZES.get(kind, 0) * count, struct.calcsize("=" + word)
        if length == 0 or length > longest:
            return None
        at = 4 + inline
        if length <= inline:
            return Entry(tag, kind, count, data[at : at + length], position, position + at)
        offset = struct.unpack_from(self.order + word, data, at)[0]
        value = self.read(offset, length)
        return Entry(tag, kind, count, value, position, offset) if len(value) == length else None


def open_structure(read: Read) -> Structure | None:
    """The TIFF structure at offset 0 of `read` (classic, BigTIFF, or a RAW variant of TIFF); None if there is none."""
    head = read(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return None
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    if big and len(head) < 16:
        return None
    first = struct.unpack(order + "Q", head[8:16])[0] if big else struct.unpack(order + "I", head[4:8])[0]
    return Structure(read, order, big, first)


def open_file(file: BinaryIO, start: int = 0) -> Structure | None:
    """The TIFF structure at byte `start` of an open file, its offsets counted from there; None if there is none.

    What reaches beyond the end of the file is not read at all.
    """
    size = file.seek(0, SEEK_END) - start

    def read(offset: int, length: int) -> bytes:
        if offset < 0 or offset + length > size:
            return b""
        file.seek(start + offset)
        return file.read(length)

    return open_structure(read)


def open_block(block: bytes | bytearray) -> Structure | None:
    """The structure of an EXIF block in memory; None if it is no TIFF structure."""
    return open_structure(lambda offset, length: bytes(block[offset : offset + length]))
