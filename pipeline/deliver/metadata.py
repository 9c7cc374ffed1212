"""Metadata of a delivered picture: the source's own bytes, save for what no longer holds.

From JPEG to JPEG every APPn and COM segment is kept byte for byte and in order. Declared changes, and no others:

- EXIF, patched in place and never grown (maker notes point into it): Orientation is 1; ImageWidth, ImageLength,
  PixelXDimension and PixelYDimension hold the delivered size where they exist; the link to the thumbnail's directory is
  0 and the thumbnail's bytes are zeros, since it shows the picture before the edit.
- XMP: one inserted description with the software and IPTC's Digital Source Type (and what a sidecar says); orientation
  and sizes as in EXIF; announcements of gain maps and motion pictures are removed.
- ICC: a profile that is not sRGB is replaced by sRGB, as the pixels were.
- Left out, since they describe or sign other pixels: thumbnails of JFIF and Photoshop, the multi-picture index with all
  that follows the picture, gain maps, C2PA manifests, Adobe's marker of a colour transform.

PNG and TIFF carry the same EXIF, XMP, IPTC and ICC in their own places. Photos from TIFF and RAW carry an EXIF built
from their directories (pipeline/read/metadata/block.py).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from pipeline.codes import Code
from pipeline.deliver import xmp
from pipeline.deliver.exif import patched
from pipeline.deliver.icc import SRGB
from pipeline.deliver.tiff import encode_tiff
from pipeline.photo import Image
from pipeline.read.color import is_srgb
from pipeline.read.icc import BadProfile
from pipeline.read.metadata import containers
from pipeline.read.metadata.block import LIMIT
from pipeline.read.metadata.containers import Segment
from pipeline.read.metadata.embedded import Metadata
from pipeline.read.metadata.tiff import EXIF_IFD, INTEROP_IFD, open_block

_SEGMENT = 65533
"""Longest payload of a JPEG segment."""
_LONGEST_XMP = _SEGMENT - len(containers.XMP_HEAD)
_THUMBNAILS = (0x0409, 0x040C)


@dataclass(frozen=True, slots=True)
class Tags:
    """Metadata ready to be written around a picture of a known size; b"" where there is none.

    icc is b"" only where the source is an untagged JPEG, which means sRGB as well. warnings: names of codes. dropped:
    what was left out, in words.
    """

    exif: bytes = b""
    xmp: bytes = b""
    extended_xmp: bytes = b""
    photoshop: bytes = b""
    iptc: bytes = b""
    icc: bytes = b""
    warnings: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def prepare(metadata: Metadata, *, width: int, height: int, source_type: str, container: str = "jpeg") -> Tags:
    """The declared changes made, for a picture of this size in pixels.

    source_type: IPTC's (xmp.py). container: jpeg, png or tiff; a JPEG holds at most 64 kB of EXIF, and longer XMP
    in two parts.
    """
    exif = patched(metadata.exif, width=width, height=height)
    lost = container == "jpeg" and len(exif) > LIMIT
    change = xmp.Change(source_type, width, height, metadata.sidecar)
    packets = _packets(metadata, change, container)
    if packets is None:  # broken; what was done to the picture must still be said
        packets, lost = (xmp.fresh(change), b""), True
    photoshop, had_thumbnail = _without_thumbnail(metadata.photoshop)
    kinds = {s.kind for s in metadata.segments}
    kinds |= {"gain_map"} if b"hdr-gain-map" in metadata.xmp else set()
    dropped = [*metadata.dropped, *(name for kind, name in _DROPPED.items() if kind in kinds)]
    return Tags(
        exif=b"" if len(exif) > LIMIT and container == "jpeg" else exif,
        xmp=packets[0],
        extended_xmp=packets[1],
        photoshop=photoshop,
        iptc=metadata.iptc,
        icc=_profile(metadata),
        warnings=tuple(dict.fromkeys((*metadata.warnings, *([Code.METADATA_LOST.name] if lost else [])))),
        dropped=tuple(dropped + (["Photoshop thumbnail"] if had_thumbnail else [])),
    )


def _packets(metadata: Metadata, change: xmp.Change, container: str) -> tuple[bytes, bytes] | None:
    """XMP and extended XMP for a container; None where the source's cannot be used."""
    packet, extended = xmp.changed(metadata.xmp, change), metadata.extended_xmp
    if packet is None:
        return None
    if container != "jpeg":
        whole = xmp.merged(packet, extended) if extended else packet
        return (whole, b"") if whole else None
    packet = xmp.shrunk(packet, _LONGEST_XMP)
    if len(packet) <= _LONGEST_XMP:
        return packet, extended
    whole = xmp.merged(metadata.xmp, extended) if extended else metadata.xmp
    return xmp.split(whole, change) if whole else None


_DROPPED = {
    "jfxx": "JFIF thumbnail",
    "mpf": "multi-picture index",
    "gain_map": "gain map",
    "jumbf": "C2PA or JPEG XT boxes",
}


def _profile(metadata: Metadata) -> bytes:
    tagged = bool(metadata.icc) or any(s.kind == "icc" for s in metadata.segments)
    if not tagged and metadata.format in ("jpeg", "") and not _means_adobe_rgb(metadata.exif):
        return b""
    try:
        return metadata.icc if metadata.icc and is_srgb(metadata.icc) else SRGB
    except BadProfile:
        return SRGB


def _means_adobe_rgb(exif: bytes) -> bool:
    """Whether EXIF alone says that the source was Adobe RGB (DCF 2.0); then sRGB must be said aloud."""
    structure = open_block(exif)
    if structure is None:
        return False
    inner = structure.directory(structure.number(structure.directory(structure.first).get(EXIF_IFD)))
    interop = structure.directory(structure.number(inner.get(INTEROP_IFD)))
    return interop.bytes_of(1).startswith(b"R03") or structure.number(inner.get(0xA001)) == 2


def _without_thumbnail(photoshop: bytes) -> tuple[bytes, bool]:
    resources = containers.photoshop_resources(photoshop)
    kept = b"".join(whole for number, whole, _ in resources if number not in _THUMBNAILS)
    had = any(number in _THUMBNAILS for number, _, _ in resources)
    rest = photoshop[sum(len(whole) for _, whole, _ in resources) :]
    return (kept + rest, True) if had else (photoshop, False)


# JPEG


def into_jpeg(jpeg: bytes, metadata: Metadata, tags: Tags, *, lean: bool = False) -> bytes:
    """An encoded JPEG with its metadata: the source's segments in their order, those that changed in their place.

    lean: without APPn segments of unknown makers (some phones write 150 kB of them).
    """
    segments = _segments(metadata, tags, lean)
    start = 2
    if segments:
        # The encoder's own JFIF segment: the source's stands instead, or EXIF, which wants to be first.
        start = 4 + int.from_bytes(jpeg[4:6], "big") if jpeg[2:4] == b"\xff\xe0" else 2
    if segments and metadata.format != "jpeg" and start > 2:
        segments.insert(0, Segment(0xE0, jpeg[6:start]))
    head = b"".join(bytes((0xFF, s.marker)) + struct.pack(">H", len(s.payload) + 2) + s.payload for s in segments)
    return jpeg[:2] + head + jpeg[start:]


def _segments(metadata: Metadata, tags: Tags, lean: bool) -> list[Segment]:
    """The source's segments; those of a kind that changes all stand where the first of them stood."""
    groups = _groups(metadata, tags)
    missing = [kind for kind in groups if all(s.kind != kind for s in metadata.segments)]
    out: list[Segment] = []
    for segment in metadata.segments:
        kind = segment.kind
        if kind in groups:
            out += groups.pop(kind)
        elif kind == "jfif":
            out.append(Segment(segment.marker, segment.payload[:12].ljust(12, b"\0") + b"\0\0"))
        elif kind == "adobe":  # 1: YCbCr, as we write it
            out += [segment] if len(segment.payload) == 12 and segment.payload[11] == 1 else []
        elif kind == "other" and not (lean and 0xE3 <= segment.marker <= 0xEF):
            out.append(segment)
    place = max((i + 1 for i, s in enumerate(out) if s.kind in ("jfif", "exif")), default=0)
    return out[:place] + [s for kind in missing for s in groups[kind]] + out[place:]


def _groups(metadata: Metadata, tags: Tags) -> dict[str, list[Segment]]:
    """Segments of the kinds that may change; the source's own where they did not."""
    own = {kind: [s for s in metadata.segments if s.kind == kind] for kind in _CHANGING}
    groups = {
        "exif": [Segment(0xE1, (own["exif"][0].payload[:6] if own["exif"] else b"Exif\0\0") + tags.exif)],
        "xmp": [Segment(0xE1, containers.XMP_HEAD + tags.xmp)] if tags.xmp else [],
        "extended_xmp": _extended_segments(tags.extended_xmp),
        "photoshop": _numbered(0xED, containers.PHOTOSHOP_HEAD, _resources(tags), numbers=False),
        "icc": _numbered(0xE2, containers.ICC_HEAD, tags.icc, numbers=True),
    }
    if not tags.exif:
        groups["exif"] = []
    same = {
        "extended_xmp": tags.extended_xmp == metadata.extended_xmp,
        "photoshop": tags.photoshop == metadata.photoshop,
        "icc": tags.icc == metadata.icc,
    }
    return {kind: own[kind] if same.get(kind) and own[kind] else group for kind, group in groups.items()}


_CHANGING = ("exif", "xmp", "extended_xmp", "photoshop", "icc")


def _resources(tags: Tags) -> bytes:
    """Photoshop's resources, with the IPTC among them."""
    if not tags.iptc or containers.iptc_of(tags.photoshop):
        return tags.photoshop
    size = len(tags.iptc)
    return tags.photoshop + b"8BIM\x04\x04\0\0" + struct.pack(">I", size) + tags.iptc + bytes(size % 2)


def _numbered(marker: int, head: bytes, data: bytes, *, numbers: bool) -> list[Segment]:
    step = _SEGMENT - len(head) - 2 * numbers
    pieces = [data[i : i + step] for i in range(0, len(data), step)]
    return [
        Segment(marker, head + (bytes((i + 1, len(pieces))) if numbers else b"") + piece)
        for i, piece in enumerate(pieces)
    ]


def _extended_segments(extended: bytes) -> list[Segment]:
    step = _SEGMENT - len(containers.EXTENDED_HEAD) - 40
    name = xmp.digest(extended).encode()
    return [
        Segment(0xE1, containers.EXTENDED_HEAD + name + struct.pack(">II", len(extended), i) + extended[i : i + step])
        for i in range(0, len(extended), step)
    ]


# PNG and TIFF


def into_png(png: bytes, metadata: Metadata, tags: Tags) -> bytes:
    """An encoded PNG with its metadata in chunks after the header; from a PNG, its texts, time and resolution too."""
    chunks = [(k, c) for k, c in metadata.chunks if k in (b"tIME", b"pHYs") or _is_plain_text(k, c)]
    chunks += [(b"iCCP", b"sRGB\0\0" + zlib.compress(tags.icc))] if tags.icc else [(b"sRGB", b"\0")]
    chunks += [(b"eXIf", tags.exif)] if open_block(tags.exif) else []
    if tags.xmp:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + tags.xmp))
    if resources := _resources(tags):
        text = b"\niptc\n" + str(len(resources)).rjust(8).encode() + b"\n" + resources.hex().encode() + b"\n"
        chunks.append((b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text)))
    head = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return png[:33] + head + png[33:]


def into_tiff(image: Image, tags: Tags, *, compression: Literal["deflate", "none"] = "deflate") -> bytes:
    """A TIFF with its metadata; the IPTC stands in its own tag, and not a second time among Photoshop's resources."""
    resources = containers.photoshop_resources(tags.photoshop)
    rest = tags.photoshop[sum(len(whole) for _, whole, _ in resources) :]
    photoshop = b"".join(whole for number, whole, _ in resources if number != 0x0404) + rest
    return encode_tiff(
        image,
        compression=compression,
        exif=tags.exif,
        xmp=tags.xmp,
        iptc=tags.iptc,
        photoshop=photoshop if tags.iptc else tags.photoshop,
        icc=tags.icc,
    )


def _is_plain_text(kind: bytes, content: bytes) -> bool:
    if kind not in (b"tEXt", b"zTXt", b"iTXt"):
        return False
    keyword = content.partition(b"\0")[0]
    return keyword != b"XML:com.adobe.xmp" and not keyword.startswith(b"Raw profile type")
