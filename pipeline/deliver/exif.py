"""EXIF blocks changed in place for a delivered picture: same length, so that maker notes' offsets stay valid."""

from __future__ import annotations

import struct

from pipeline.read.metadata.tiff import EXIF_IFD, GPS_IFD, SIZES, Directory, Structure, open_block

_ORIENTATION = 0x0112
_ACROSS, _DOWN = (0x0100, 0xA002), (0x0101, 0xA003)


def patched(exif: bytes, *, width: int, height: int) -> bytes:
    """An EXIF block for an upright picture of this size, changed in place: same length, every offset still valid.

    Bytes that are no EXIF come back as they are: no reader will find an orientation in them either.
    """
    out = bytearray(exif)
    structure = open_block(exif)
    if structure is None or structure.big:
        return exif
    first = structure.directory(structure.first)
    inner = structure.directory(structure.number(first.get(EXIF_IFD)))
    for directory in (first, inner):
        for tags, number in (((_ORIENTATION,), 1), (_ACROSS, width), (_DOWN, height)):
            for tag in tags:
                _put(out, structure, directory, tag, number)
    if first.link:
        _blank_thumbnail(out, structure, (first, inner))
        out[first.link_position : first.link_position + 4] = bytes(4)
    return bytes(out)


def _put(out: bytearray, structure: Structure, directory: Directory, tag: int, number: int) -> None:
    for entry in directory.entries:
        code = {1: "B", 3: "H", 4: "I"}.get(entry.kind)
        if entry.tag != tag or code is None or entry.count != 1:
            continue
        if number < 256 ** SIZES[entry.kind]:
            struct.pack_into(structure.order + code, out, entry.offset, number)


def _blank_thumbnail(out: bytearray, structure: Structure, directories: tuple[Directory, Directory]) -> None:
    """Zeros over the thumbnail's JPEG, unless a broken pointer leads into something else."""
    thumbnail = structure.directory(directories[0].link)
    start, length = structure.number(thumbnail.get(0x0201)), structure.number(thumbnail.get(0x0202))
    if not 0 < start < start + length <= len(out) or not out.startswith(b"\xff\xd8", start):
        return
    gps = structure.directory(structure.number(directories[0].get(GPS_IFD)))
    entries = [e for d in (*directories, gps, thumbnail) for e in d.entries]
    spans = [(e.offset, e.offset + len(e.value)) for e in entries] + [(e.position, e.position + 12) for e in entries]
    if all(end <= start or begin >= start + length for begin, end in spans):
        out[start : start + length] = bytes(length)
