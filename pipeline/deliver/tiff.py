"""TIFF files with their metadata, written so that an EXIF block keeps its place (TIFF 6.0, and its supplement 2)."""

from __future__ import annotations

import struct
import zlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.read.metadata.tiff import Entry, open_block

_ROWS = 64
_KEPT_OUT = frozenset({254, 255, 258, 259, 262, 273, 277, 278, 279, 284, 317, 513, 514, 530, 531, 532})
"""Tags of an EXIF block's first directory that tell how pixels are stored: those of this file replace them."""


def encode_tiff(
    image: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    compression: Literal["deflate", "none"] = "deflate",
    exif: bytes = b"",
    xmp: bytes = b"",
    iptc: bytes = b"",
    photoshop: bytes = b"",
    icc: bytes = b"",
) -> bytes:
    """A TIFF of (H, W, 3), 8 or 16 bits by dtype, in strips of 64 rows, Deflate with horizontal prediction.

    An EXIF block stands at byte 0 as it is, so that every offset in it, maker notes' too, stays valid; only its link
    to the first directory is changed. The file has the block's byte order.

    Raises
    ------
    ValueError
        If the file would pass the 4 GiB of classic TIFF.
    """
    block = open_block(exif)
    sound = block is not None and not block.big
    order = block.order if block and sound else "<"
    start = exif if sound else (b"II*\0" + bytes(4))
    first = block.directory(block.first) if block and sound else None
    strips = _strips(image, order, compression)
    offsets, at = list[int](), len(start) + len(start) % 2
    for strip in strips:
        offsets.append(at)
        at += len(strip) + len(strip) % 2
    height, width = image.shape[:2]
    tags: dict[int, tuple[int, int, bytes]] = {
        e.tag: (e.kind, e.count, _stored(e, exif)) for e in (first.entries if first else ()) if e.tag not in _KEPT_OUT
    }
    shorts = {258: [image.dtype.itemsize * 8] * 3, 259: [8 if compression == "deflate" else 1], 262: [2], 277: [3]}
    shorts |= {284: [1], 317: [2 if compression == "deflate" else 1]}
    longs = {254: [0], 256: [width], 257: [height], 273: offsets, 278: [_ROWS], 279: [len(s) for s in strips]}
    values: dict[int, tuple[int, int, bytes]] = {}
    values |= {tag: (3, len(v), struct.pack(f"{order}{len(v)}H", *v)) for tag, v in shorts.items()}
    values |= {tag: (4, len(v), struct.pack(f"{order}{len(v)}I", *v)) for tag, v in longs.items()}
    for tag, kind, data in ((700, 1, xmp), (33723, 7, iptc), (34377, 7, photoshop), (34675, 7, icc)):
        if data:
            values[tag] = (kind, len(data), data)
    pieces = [start[:4] + struct.pack(order + "I", at) + start[8:], b"\0" * (len(start) % 2)]
    for strip in strips:
        pieces += [strip, b"\0" * (len(strip) % 2)]
    pieces += _directory(order, at, tags, values)
    if at + sum(len(v[2]) + 13 for v in values.values()) >= 1 << 32:
        raise ValueError("a TIFF holds at most 4 GiB")
    return b"".join(pieces)


def _strips(image: NDArray[np.uint8] | NDArray[np.uint16], order: str, compression: str) -> list[bytes]:
    strips: list[bytes] = []
    for top in range(0, image.shape[0], _ROWS):
        rows = image[top : top + _ROWS]
        if compression == "deflate":
            rows = rows.copy()
            rows[:, 1:] -= image[top : top + _ROWS, :-1]
        data = rows.astype(np.dtype(f"{order}u{rows.dtype.itemsize}"), copy=False).tobytes()
        if compression == "deflate":
            # Differences of photos hold few repeats but runs: half the time of a full search, no larger.
            pack = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
            data = pack.compress(data) + pack.flush()
        strips.append(data)
    return strips


def _stored(entry: Entry, exif: bytes) -> bytes:
    """What stands in the entry's last four bytes: the value, or its offset, which stays valid."""
    return exif[entry.position + 8 : entry.position + 12]


def _directory(
    order: str, at: int, kept: dict[int, tuple[int, int, bytes]], values: dict[int, tuple[int, int, bytes]]
) -> list[bytes]:
    """The directory at `at`: entries whose value field is given, and values that are placed behind it."""
    tags = sorted(kept.keys() | values.keys())
    behind = at + 2 + 12 * len(tags) + 4
    table, data = struct.pack(order + "H", len(tags)), b""
    for tag in tags:
        if tag not in values:
            kind, count, field = kept[tag]
        else:
            kind, count, field = values[tag]
            if len(field) > 4:
                data += field + bytes(len(field) % 2)
                field = struct.pack(order + "I", behind + len(data) - len(field) - len(field) % 2)
        table += struct.pack(order + "HHI", tag, kind, count) + field.ljust(4, b"\0")
    return [table + bytes(4), data]
