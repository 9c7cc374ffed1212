"""EXIF blocks built from the directories of a TIFF or RAW file, or from single entries.

An EXIF block is a small TIFF structure. Maker notes often point into it by absolute offsets (EXIF 2.32, 4.6.3), so a
block that exists is never rearranged, and one that is built keeps the maker note at the offset it had in its file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace

from pipeline.read.metadata.tiff import EXIF_IFD, GPS_IFD, INTEROP_IFD, MAKER_NOTE, Entry, Structure

LIMIT = 65533 - 6
"""Longest block a JPEG segment holds."""
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
