"""Canon CRW files: who made the photo, from the heap of a CIFF file (Canon's "CIFF specification 1.0", 1997)."""

from __future__ import annotations

import struct
from io import SEEK_END
from typing import BinaryIO

_MAKE_MODEL, _OWNER, _SERIAL = 0x080A, 0x0810, 0x180B
_LONGEST, _DEEPEST = 1 << 16, 4


def read_ciff(file: BinaryIO) -> dict[str, str]:
    """make, model, owner and serial of a CRW file, as far as it has them; {} for any other file."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    head = file.read(14)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or head[6:14] not in (b"HEAPCCDR", b"HEAPJPGM"):
        return {}
    records: dict[int, bytes] = {}
    _heap(file, order, (struct.unpack(order + "I", head[2:6])[0], size), records, 0)
    make, _, model = records.get(_MAKE_MODEL, b"").partition(b"\0")
    serial = records.get(_SERIAL, b"")
    found = {"make": _text(make), "model": _text(model), "owner": _text(records.get(_OWNER, b""))}
    if len(serial) >= 4 and found["model"] == "Canon EOS D30":
        number = struct.unpack(order + "I", serial[:4])[0]
        found["serial"] = f"{number >> 16:04X}-{number & 0xFFFF:05d}"
    return {k: v for k, v in found.items() if v}


def _heap(file: BinaryIO, order: str, span: tuple[int, int], records: dict[int, bytes], depth: int) -> None:
    start, end = span
    if end - start < 6 or depth > _DEEPEST:
        return
    file.seek(end - 4)
    table = start + int.from_bytes(file.read(4), "little" if order == "<" else "big")
    if not start <= table <= end - 6:
        return
    file.seek(table)
    count = struct.unpack(order + "H", file.read(2))[0]
    entries = file.read(min(count, 512) * 10)
    for at in range(0, len(entries) - 9, 10):
        tag, length, offset = struct.unpack_from(order + "HII", entries, at)
        kind, where = tag & 0x3FFF, (start + offset, start + offset + length)
        if tag & 0xC000 == 0x4000:  # the value stands in the entry itself
            records.setdefault(kind, entries[at + 2 : at + 10])
        elif tag & 0x3800 in (0x2800, 0x3000) and where[1] <= end:
            _heap(file, order, where, records, depth + 1)
        elif length <= _LONGEST and where[1] <= end:
            file.seek(where[0])
            records.setdefault(kind, file.read(length))


def _text(value: bytes) -> str:
    return value.split(b"\0")[0].decode("latin-1").strip()
