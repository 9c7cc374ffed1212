"""What metadata a file with a byte cap may do without, least wanted first."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.deliver import xmp
from pipeline.deliver.metadata import Tags, into_jpeg
from pipeline.read.metadata.block import build_block
from pipeline.read.metadata.containers import photoshop_resources
from pipeline.read.metadata.embedded import Metadata
from pipeline.read.metadata.sidecar import Sidecar, parse_sidecar
from pipeline.read.metadata.tiff import EXIF_IFD, GPS_IFD, INTEROP_IFD, MAKER_NOTE, Entry, open_block

_POINTERS = (EXIF_IFD, GPS_IFD, INTEROP_IFD, MAKER_NOTE)
_IPTC, _COMMENT = 0x0404, 0xFE
_TEXT = 4096
"""Characters of title and rights: a JPEG segment holds both, however they are escaped."""
_LONGEST = 1024
"""Bytes of an EXIF value; text by people is shorter, previews and tables of makers are longer."""


@dataclass(frozen=True, slots=True)
class Diet:
    """Arguments of into_jpeg, the bytes that they add to a picture, and what they lack, in words."""

    metadata: Metadata
    tags: Tags
    lean: bool
    bytes: int
    dropped: tuple[str, ...] = ()


def diets(metadata: Metadata, tags: Tags, change: xmp.Change, jpeg: bytes) -> list[Diet]:
    """All metadata, then ever less of them; each smaller than the one before.

    1. Without segments of unknown makers.
    2. Of XMP only title, rights, rating, software and digital source type; of Photoshop's resources only the IPTC; no
       comments.
    3. EXIF without maker notes, preview and values of more than 1 KiB.

    metadata, tags: of the source, and prepared for the picture. jpeg: any encoding of the picture without metadata.
    """
    plain = replace(metadata, segments=tuple(s for s in metadata.segments if s.kind != "other"))
    bare = replace(tags, xmp=xmp.fresh(essence(metadata, change)), extended_xmp=b"", photoshop=b"")
    parts = {
        "extended XMP and history": len(bare.xmp) < len(tags.xmp) + len(tags.extended_xmp),
        "Photoshop resources": any(number != _IPTC for number, _, _ in photoshop_resources(tags.photoshop)),
        "comments": any(s.marker == _COMMENT for s in metadata.segments),
    }
    steps = (
        (metadata, tags, True, ["segments of unknown makers"]),
        (plain, bare, True, [name for name, had in parts.items() if had]),
        (plain, replace(bare, exif=essential_exif(tags.exif)), True, ["maker notes and long EXIF values"]),
    )
    found = [Diet(metadata, tags, False, len(into_jpeg(jpeg, metadata, tags)) - len(jpeg))]
    for source, less, lean, names in steps:
        size = len(into_jpeg(jpeg, source, less, lean=lean)) - len(jpeg)
        if size < found[-1].bytes:
            found.append(Diet(source, less, lean, size, (*found[-1].dropped, *names)))
    return found


def essence(metadata: Metadata, change: xmp.Change) -> xmp.Change:
    """The change with title, rating and rights as the source's XMP has them, where no sidecar says otherwise."""
    said = [change.sidecar, *(parse_sidecar(packet) for packet in (metadata.xmp, metadata.extended_xmp))]
    known = [s for s in said if s is not None]
    sidecar = Sidecar(
        next((s.title for s in known if s.title), "")[:_TEXT],
        next((s.rating for s in known if s.rating is not None), None),
        next((s.copyright for s in known if s.copyright), "")[:_TEXT],
    )
    return replace(change, sidecar=sidecar)


def essential_exif(exif: bytes) -> bytes:
    """An EXIF block without maker note, preview and values of more than 1 KiB; as it is where it cannot be read."""
    structure = open_block(exif)
    if structure is None or structure.big:
        return exif

    def short(entries: tuple[Entry, ...]) -> list[Entry]:
        return [e for e in entries if e.tag not in _POINTERS and len(e.value) <= _LONGEST]

    first = structure.directory(structure.first)
    inner = structure.directory(structure.number(first.get(EXIF_IFD)))
    gps = structure.directory(structure.number(first.get(GPS_IFD)))
    interop = structure.directory(structure.number(inner.get(INTEROP_IFD)))
    block, _ = build_block(
        structure.order,
        short(first.entries),
        exif=short(inner.entries),
        gps=short(gps.entries),
        interop=short(interop.entries),
    )
    return block
