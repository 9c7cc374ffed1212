"""Where metadata lies in JPEG, PNG and WebP files: segments and chunks, read without decoding a pixel.

Sources: ITU-T T.81 annex B and CIPA DC-008 (JPEG), W3C PNG third edition, the WebP container specification. Whatever
is cut off or broken is left out and reported; nothing here raises for bad bytes.
"""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO, NamedTuple

_LONGEST = 1 << 24
"""Bytes of one chunk of metadata, packed or not, beyond which it is not believed."""


class Segment(NamedTuple):
    """An APPn (0xE0-0xEF) or COM (0xFE) segment: marker and payload without the length."""

    marker: int
    payload: bytes

    @property
    def kind(self) -> str:
        """jfif, jfxx, exif, xmp, extended_xmp, icc, mpf, gain_map, adobe, photoshop, jumbf (C2PA, JPEG XT) or other."""
        known = _KINDS.get(self.marker, ())
        return next((kind for head, kind in known if self.payload.startswith(head)), "other")


EXIF_HEAD, XMP_HEAD = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED_HEAD, ICC_HEAD, PHOTOSHOP_HEAD = b"http://ns.adobe.com/xmp/extension/\0", b"ICC_PROFILE\0", b"Photoshop 3.0\0"
_KINDS: dict[int, tuple[tuple[bytes, str], ...]] = {
    0xE0: ((b"JFIF\0", "jfif"), (b"JFXX\0", "jfxx")),
    0xE1: ((EXIF_HEAD, "exif"), (XMP_HEAD, "xmp"), (EXTENDED_HEAD, "extended_xmp")),
    0xE2: ((ICC_HEAD, "icc"), (b"MPF\0", "mpf"), (b"urn:iso:std:iso:ts:21496:-1\0", "gain_map")),
    0xEB: ((b"JP", "jumbf"), (b"HDR_RI", "gain_map")),
    0xED: ((PHOTOSHOP_HEAD, "photoshop"),),
    0xEE: ((b"Adobe", "adobe"),),
}


def jpeg_segments(file: BinaryIO) -> tuple[tuple[Segment, ...], bool]:
    """APPn and COM segments of a JPEG stream up to its scan, in order, and whether all of it could be read."""
    found: list[Segment] = []
    if file.read(2) != b"\xff\xd8":
        return (), False
    while len(head := file.read(2)) == 2:
        if head == b"\xff\xff":  # fill bytes before a marker
            file.seek(-1, io.SEEK_CUR)
            continue
        marker = head[1]
        if head[0] != 0xFF or marker == 0:
            return tuple(found), False
        if marker in (0xDA, 0xD9):
            return tuple(found), marker == 0xDA
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        length = int.from_bytes(file.read(2), "big") - 2
        payload = file.read(max(0, length))
        if length < 0 or len(payload) < length:
            return tuple(found), False
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            found.append(Segment(marker, payload))
    return tuple(found), False


def joined_icc(segments: tuple[Segment, ...]) -> bytes:
    """The ICC profile of a JPEG, its pieces put in the order of their numbers (ICC.1:2022, B.4)."""
    pieces = [s.payload[12:] for s in segments if s.kind == "icc" and len(s.payload) >= 14]
    return b"".join(p[2:] for p in sorted(pieces, key=lambda p: p[0]))


def joined_xmp(segments: tuple[Segment, ...]) -> bytes:
    """The extended XMP of a JPEG, joined by offset (XMP part 3, 1.1.3.1); b"" if a piece is missing."""
    pieces = [s.payload[len(EXTENDED_HEAD) :] for s in segments if s.kind == "extended_xmp"]
    pieces = [p for p in pieces if len(p) >= 40 and p[:32] == pieces[0][:32]]
    whole = b""
    for piece in sorted(pieces, key=lambda p: p[36:40]):
        if int.from_bytes(piece[36:40], "big") != len(whole):
            return b""
        whole += piece[40:]
    return whole if pieces and int.from_bytes(pieces[0][32:36], "big") == len(whole) else b""


def photoshop_resources(data: bytes) -> tuple[tuple[int, bytes, bytes], ...]:
    """Image resources as (id, all bytes of the resource, its content), up to the first broken one."""
    found: list[tuple[int, bytes, bytes]] = []
    at = 0
    while data[at : at + 4] in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR") and len(data) >= at + 12:
        name = 1 + data[at + 6]
        start = at + 6 + name + name % 2 + 4
        length = int.from_bytes(data[start - 4 : start], "big")
        content = data[start : start + length]
        if len(content) < length or start > len(data):
            break
        end = start + length + length % 2
        found.append((int.from_bytes(data[at + 4 : at + 6], "big"), data[at:end], content))
        at = end
    return tuple(found)


def iptc_of(photoshop: bytes) -> bytes:
    """The IPTC-IIM records among Photoshop's resources; b"" where there are none."""
    return next((content for number, _, content in photoshop_resources(photoshop) if number == 0x0404), b"")


def png_chunks(file: BinaryIO) -> tuple[tuple[tuple[bytes, bytes], ...], bool]:
    """Chunks of a PNG that hold metadata, as (type, content) in order, and whether all of them were sound."""
    kept, sound = (b"eXIf", b"iCCP", b"iTXt", b"zTXt", b"tEXt", b"tIME", b"pHYs"), True
    found: list[tuple[bytes, bytes]] = []
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IEND":
            return tuple(found), sound
        if kind not in kept or length > _LONGEST:
            sound = sound and kind not in kept
            file.seek(length + 4, io.SEEK_CUR)
            continue
        content, check = file.read(length), file.read(4)
        if zlib.crc32(kind + content).to_bytes(4, "big") == check:
            found.append((kind, content))
        else:
            sound = False
    return tuple(found), False


def png_text(kind: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Keyword and bytes of a tEXt, zTXt, iTXt or iCCP chunk; (b"", b"") if it is broken."""
    keyword, zero, rest = content.partition(b"\0")
    packed = kind in (b"zTXt", b"iCCP")
    if kind == b"iTXt":
        if len(rest) < 2:
            return b"", b""
        packed = rest[0] == 1
        rest = rest[2:].split(b"\0", 2)[-1]
    elif packed:
        rest = rest[1:]
    if not zero:
        return b"", b""
    return (keyword, inflate(rest)) if packed else (keyword, rest)


def inflate(data: bytes) -> bytes:
    """zlib's inverse; b"" for broken data or more than 16 MiB."""
    unpack = zlib.decompressobj()
    try:
        out = unpack.decompress(data, _LONGEST)
    except zlib.error:
        return b""
    return out if unpack.eof else b""


def raw_profile(text: bytes) -> bytes:
    """Bytes of ImageMagick's "Raw profile type" text: a name, a length, hexadecimal digits."""
    parts = text.split(None, 2)
    try:
        return bytes.fromhex(parts[2].decode("ascii"))
    except (IndexError, ValueError):
        return b""


def webp_chunks(file: BinaryIO) -> tuple[dict[bytes, bytes], bool]:
    """EXIF, XMP and ICCP chunks of a WebP file, and whether all of it could be read."""
    found: dict[bytes, bytes] = {}
    file.seek(12)
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[4:], "little")
        if head[:4] not in (b"EXIF", b"XMP ", b"ICCP") or length > _LONGEST:
            file.seek(length + length % 2, io.SEEK_CUR)
            continue
        content = file.read(length)
        if len(content) < length:
            return found, False
        found.setdefault(head[:4], content)
        file.seek(length % 2, io.SEEK_CUR)
    return found, True
