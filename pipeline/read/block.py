"""EXIF blocks as bytes: the raw entries of TIFF directories, and a new block built from those of a TIFF or RAW file.

An EXIF block is a small TIFF structure. Maker notes often point into it by absolute offsets (EXIF 2.32, 4.6.3), so a
block that exists is never rearranged, and one that is built keeps the maker note at the offset it had in its file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

LIMIT = 65533 - 6
"""Longest block a JPEG segment holds."""
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one value of each TIFF type."""
EXIF_IFD, GPS_IFD, INTEROP_IFD, MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C
_LONGEST = 1 << 20
_SHORTENED = 1024

DESCRIPTIVE = frozenset(
    {0x010D, 0x010E, 0x010F, 0x0110, 0x0112, 0x011A, 0x011B, 0x011D, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C}
    | {0x4746, 0x4749, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0xC614, 0xC615, 0xC62F, 0xC630}
)
"""Tags of a first directory that describe the photo, not the storage of its pixels: title, camera, orientation,
resolution, software, date, artist, rating, copyright, the XP texts of Windows, and DNG's camera, serial and lens."""
_EXPOSURE = frozenset(
    {0x829A, 0x829D, 0x8822, 0x8827, 0x8830, 0x8831, 0x8832, 0x9003, 0x9004, *range(0x9201, 0x920B), 0x9290, 0x9291}
)
"""Exposure and date as TIFF/EP keeps them, in the first directory."""
_SELF_CONTAINED = (b"Nikon\0\x02", b"FUJIFILM", b"OLYMPUS\0", b"OM SYSTEM\0", b"Apple iOS\0", b"PENTAX \0")
"""Maker notes whose offsets count from their own start: they may move."""

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


def open_block(block: bytes | bytearray) -> Structure | None:
    """The structure of an EXIF block in memory; None if it is no TIFF structure."""
    return open_structure(lambda offset, length: bytes(block[offset : offset + length]))


def extract_block(source: Structure) -> tuple[bytes, tuple[str, ...]]:
    """An EXIF block of what describes the photo in a TIFF or TIFF-based RAW file, and what found no place.

    ColorSpace becomes sRGB, as the pixels do. The block is at most LIMIT bytes; b"" if there is nothing to tell.
    """
    first = source.directory(source.first)
    exif = source.directory(source.number(first.get(EXIF_IFD)))
    interop = source.directory(source.number(exif.get(INTEROP_IFD)))
    gps = source.directory(source.number(first.get(GPS_IFD)))
    note = exif.get(MAKER_NOTE)
    pointers = (EXIF_IFD, GPS_IFD, INTEROP_IFD, MAKER_NOTE)
    plain = [e for e in exif.entries if e.tag not in pointers]
    srgb = struct.pack(source.order + "H", 1)
    plain = [replace(e, kind=3, count=1, value=srgb) if e.tag == 0xA001 else e for e in plain]
    head = [e for e in first.entries if e.tag in DESCRIPTIVE]
    known = {e.tag for e in plain}
    plain += [e for e in first.entries if e.tag in _EXPOSURE - known]
    return build_block(source.order, head, exif=plain, gps=gps.entries, interop=interop.entries, note=note)


def build_block(
    order: str,
    first: Iterable[Entry],
    *,
    exif: Iterable[Entry] = (),
    gps: Iterable[Entry] = (),
    interop: Iterable[Entry] = (),
    note: Entry | None = None,
) -> tuple[bytes, tuple[str, ...]]:
    """An EXIF block of these entries, and the names of what found no place in LIMIT bytes.

    order: "<" or ">", the byte order of the values. note: the maker note; it keeps its offset unless its kind may move.
    """
    groups = [_classic(g) for g in (first, exif, gps, interop)]
    if not any(groups) and note is None:
        return b"", ()
    candidates: list[Entry | None] = [note, None] if note else [None]
    if note and note.value.startswith(_SELF_CONTAINED):
        candidates.insert(1, replace(note, offset=-1))
    for candidate in candidates:
        block = _lay_out(order, groups, candidate)
        if len(block) <= LIMIT:
            return block, ("maker notes",) if note and candidate is None else ()
    small = [[e for e in g if len(e.value) <= _SHORTENED] for g in groups]
    block = _lay_out(order, small, None)
    return (block, ("long EXIF values",)) if len(block) <= LIMIT else (b"", ("EXIF",))


def _classic(entries: Iterable[Entry]) -> list[Entry]:
    """Sorted, one per tag, of the types classic TIFF knows."""
    return sorted({e.tag: e for e in reversed(list(entries)) if e.kind <= 12}.values(), key=lambda e: e.tag)


def _lay_out(order: str, groups: list[list[Entry]], note: Entry | None) -> bytes:
    first, exif, gps, interop = groups
    taken = (note.offset, note.offset + len(note.value)) if note and note.offset >= 8 else (0, 0)
    if taken[1] > LIMIT:
        return bytes(LIMIT + 1)
    cursor = 8

    def place(length: int) -> int:
        nonlocal cursor
        if cursor < taken[1] and cursor + length > taken[0]:
            cursor = taken[1] + taken[1] % 2
        at = cursor
        cursor += length + length % 2
        return at

    tables: list[tuple[int, list[Entry]]] = []
    pointers: dict[int, int] = {}

    def table(entries: list[Entry], pointer: int, extra: int = 0) -> list[Entry]:
        kept = list(entries)
        at = place(2 + 12 * (len(kept) + extra) + 4)
        pointers[pointer] = at
        tables.append((at, kept))
        return kept

    has_exif = bool(exif or interop or note)
    main = table(first, 0, has_exif + bool(gps))
    if has_exif:
        inner = table(exif, EXIF_IFD, bool(interop) + (note is not None))
        if interop:
            table(interop, INTEROP_IFD)
            inner.append(_pointer(order, INTEROP_IFD, pointers[INTEROP_IFD]))
        if note:
            inner.append(note)
        main.append(_pointer(order, EXIF_IFD, pointers[EXIF_IFD]))
    if gps:
        table(gps, GPS_IFD)
        main.append(_pointer(order, GPS_IFD, pointers[GPS_IFD]))

    pieces: dict[int, bytes] = {0: (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", pointers[0])}
    for at, entries in tables:
        data = struct.pack(order + "H", len(entries))
        for e in sorted(entries, key=lambda e: e.tag):
            data += struct.pack(order + "HHI", e.tag, e.kind, e.count)
            if len(e.value) <= 4:
                data += e.value.ljust(4, b"\0")
                continue
            where = e.offset if e is note and taken[1] else place(len(e.value))
            pieces[where] = e.value
            data += struct.pack(order + "I", where)
        pieces[at] = data + bytes(4)
    out = bytearray(max(at + len(data) for at, data in pieces.items()))
    for at, data in pieces.items():
        out[at : at + len(data)] = data
    return bytes(out)


def _pointer(order: str, tag: int, offset: int) -> Entry:
    return Entry(tag, 4, 1, struct.pack(order + "I", offset), 0, 0)


def text_entry(tag: int, text: str) -> Entry:
    """An ASCII entry (UTF-8 where the text needs it)."""
    value = text.encode() + b"\0"
    return Entry(tag, 2, len(value), value, 0, 0)


def rational_entry(tag: int, number: float) -> Entry:
    """A little-endian RATIONAL; times below a second as 1/n, as cameras write them."""
    if 0 < number < 0.3:
        parts = (10, round(10 / number)) if (1 / number) % 1 > 0.05 else (1, round(1 / number))
    else:
        parts = (round(number * 100), 100)
    return Entry(tag, 5, 1, struct.pack("<II", *(min(p, 0xFFFFFFFF) for p in parts)), 0, 0)


def short_entry(tag: int, number: int) -> Entry:
    """A little-endian SHORT."""
    return Entry(tag, 3, 1, struct.pack("<H", min(number, 65535)), 0, 0)
