"""What a photo says of itself, carried from its file to what is delivered: EXIF, XMP, IPTC, ICC, and a sidecar."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pipeline.codes import Code, PhotoError
from pipeline.read.metadata import block, containers, tiff
from pipeline.read.metadata.ciff import read_ciff
from pipeline.read.metadata.containers import Segment
from pipeline.read.metadata.header import read_header
from pipeline.read.metadata.sidecar import Sidecar, find_sidecar, read_sidecar

_XMP, _IPTC, _PHOTOSHOP, _ICC = 700, 33723, 34377, 34675


@dataclass(frozen=True, slots=True)
class Metadata:
    """Metadata as bytes of its source; b"" or () where there is none. `Metadata()` is a photo that says nothing.

    exif is a TIFF structure without a container's head: the source's own bytes from JPEG, PNG and WebP; built from the
    directories of TIFF and RAW.
    """

    format: str = ""
    """jpeg, png, tiff, webp or raw."""
    segments: tuple[Segment, ...] = ()
    """Of a JPEG: all APPn and COM segments in order."""
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    """Of a PNG: (type, content) of the chunks that hold metadata, in order."""
    exif: bytes = b""
    xmp: bytes = b""
    extended_xmp: bytes = b""
    photoshop: bytes = b""
    """Image resources ("8BIM"), the IPTC among them."""
    iptc: bytes = b""
    """IPTC-IIM records."""
    icc: bytes = b""
    sidecar: Sidecar | None = None
    warnings: tuple[str, ...] = ()
    """Names of codes: METADATA_LOST where something was broken and had to be left behind."""
    dropped: tuple[str, ...] = ()
    """What found no place, in words: "maker notes"."""


def read_metadata(path: str | Path, format: str) -> Metadata:
    """The metadata of a photo file, and of the XMP sidecar beside it; no pixel is decoded.

    Parameters
    ----------
    path : file to read
    format : jpeg, png, tiff, webp or raw, as in Header.format

    Returns
    -------
    Metadata; broken parts are left out with the warning METADATA_LOST.

    Raises
    ------
    PhotoError
        EMPTY_FILE, or UNREADABLE if the file cannot be read or does not begin as `format` does.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise PhotoError(Code.EMPTY_FILE, f"{path}: the file is empty")
            file.seek(0)
            found = _READERS[format](file, path)
    except OSError as error:
        raise PhotoError(Code.UNREADABLE, f"{path}: {error.strerror or error}") from None
    found = replace(found, format=format, iptc=found.iptc or containers.iptc_of(found.photoshop))
    beside = find_sidecar(path)
    if beside is None:
        return found
    sidecar = read_sidecar(beside)
    return replace(found, sidecar=sidecar) if sidecar else _warn(found)


def _warn(found: Metadata) -> Metadata:
    return replace(found, warnings=tuple(dict.fromkeys((*found.warnings, Code.METADATA_LOST.name))))


def _check_head(ok: bool, path: Path, name: str) -> None:
    if not ok:
        raise PhotoError(Code.UNREADABLE, f"{path}: the file does not begin as {name} does")


def _jpeg(file: BinaryIO, path: Path) -> Metadata:
    _check_head(file.read(2) == b"\xff\xd8", path, "a JPEG")
    file.seek(0)
    return _from_segments(*containers.jpeg_segments(file))


def _from_segments(segments: tuple[Segment, ...], whole: bool) -> Metadata:
    def first(kind: str, skip: int) -> bytes:
        return next((s.payload[skip:] for s in segments if s.kind == kind), b"")

    heads = len(containers.PHOTOSHOP_HEAD)
    extended = containers.joined_xmp(segments)
    found = Metadata(
        segments=segments,
        exif=first("exif", 6),
        xmp=first("xmp", len(containers.XMP_HEAD)),
        extended_xmp=extended,
        photoshop=b"".join(s.payload[heads:] for s in segments if s.kind == "photoshop"),
        icc=containers.joined_icc(segments),
    )
    incomplete = not extended and any(s.kind == "extended_xmp" for s in segments)
    return found if whole and not incomplete else _warn(found)


def _png(file: BinaryIO, path: Path) -> Metadata:
    _check_head(file.read(8) == b"\x89PNG\r\n\x1a\n", path, "a PNG")
    chunks, whole = containers.png_chunks(file)
    found = Metadata(chunks=chunks, exif=next((c for k, c in chunks if k == b"eXIf"), b""))
    for kind, content in chunks:
        if kind == b"iCCP" and not found.icc:
            found = replace(found, icc=containers.png_text(kind, content)[1])
        if kind in (b"iTXt", b"zTXt", b"tEXt"):
            found = _png_profile(found, *containers.png_text(kind, content))
    return found if whole else _warn(found)


def _png_profile(found: Metadata, keyword: bytes, text: bytes) -> Metadata:
    if keyword == b"XML:com.adobe.xmp":
        return replace(found, xmp=found.xmp or text)
    name = keyword.removeprefix(b"Raw profile type ").lower()
    if name == keyword.lower():
        return found
    data = containers.raw_profile(text)
    if name in (b"exif", b"app1") and data[:6] == b"Exif\0\0":
        return replace(found, exif=found.exif or data[6:])
    if name == b"xmp":
        return replace(found, xmp=found.xmp or data)
    if name in (b"iptc", b"8bim"):
        data = data.removeprefix(containers.PHOTOSHOP_HEAD)
        is_resources = data[:4] == b"8BIM"
        return replace(found, photoshop=data) if is_resources else replace(found, iptc=found.iptc or data)
    return found


def _webp(file: BinaryIO, path: Path) -> Metadata:
    head = file.read(12)
    _check_head(head[:4] == b"RIFF" and head[8:] == b"WEBP", path, "a WebP file")
    chunks, whole = containers.webp_chunks(file)
    found = Metadata(
        exif=chunks.get(b"EXIF", b"").removeprefix(b"Exif\0\0"),
        xmp=chunks.get(b"XMP ", b""),
        icc=chunks.get(b"ICCP", b""),
    )
    return found if whole else _warn(found)


def _structure(file: BinaryIO, path: Path) -> tiff.Structure:
    found = tiff.open_file(file)
    if found is None:
        raise PhotoError(Code.UNREADABLE, f"{path}: the file does not begin as a TIFF or a known RAW file does")
    return found


def _tiff(file: BinaryIO, path: Path) -> Metadata:
    structure = _structure(file, path)
    first = structure.directory(structure.first, longest=1 << 26)
    exif, dropped = block.extract_block(structure)
    found = Metadata(
        exif=exif,
        xmp=first.bytes_of(_XMP),
        photoshop=first.bytes_of(_PHOTOSHOP),
        iptc=first.bytes_of(_IPTC),
        icc=first.bytes_of(_ICC),
        dropped=dropped,
    )
    return found if first.entries else _warn(found)


def _raw(file: BinaryIO, path: Path) -> Metadata:
    head = file.read(1 << 16)
    if head.startswith(b"FUJIFILMCCD-RAW"):
        file.seek(int.from_bytes(head[84:88], "big"))
        return replace(_from_segments(*containers.jpeg_segments(file)), segments=(), icc=b"")
    if head[4:8] == b"ftyp":
        return _cr3(head)
    if tiff.open_block(head) is None or head[6:14] in (b"HEAPCCDR", b"HEAPJPGM"):
        return _from_header(file, path)
    return replace(_tiff(file, path), icc=b"")


def _cr3(head: bytes) -> Metadata:
    """EXIF of the CMT boxes of a Canon CR3: four small TIFF structures. The maker note's cannot move into one block."""
    parts: dict[bytes, tiff.Structure] = {}
    for name in (b"CMT1", b"CMT2", b"CMT4"):
        at = head.find(name)
        structure = tiff.open_block(head[at + 4 :]) if at >= 0 else None
        if structure:
            parts[name] = structure
    if not parts:
        return _warn(Metadata())
    tags = {name: s.directory(s.first).entries for name, s in parts.items()}
    exif, dropped = block.build_block(
        next(iter(parts.values())).order,
        [e for e in tags.get(b"CMT1", ()) if e.tag in block.DESCRIPTIVE],
        exif=[e for e in tags.get(b"CMT2", ()) if e.tag not in (tiff.MAKER_NOTE, tiff.INTEROP_IFD)],
        gps=tags.get(b"CMT4", ()),
    )
    packet = re.search(rb"<\?xpacket begin.{1,60000}?<\?xpacket end=.{3}\?>", head, re.DOTALL)
    return Metadata(exif=exif, xmp=packet.group() if packet else b"", dropped=(*dropped, "maker notes"))


def _from_header(file: BinaryIO, path: Path) -> Metadata:
    """EXIF written from the few facts of a RAW file that has none in TIFF form (CRW, MRW, X3F)."""
    header, ciff = read_header(path), read_ciff(file)
    first = [(271, header.make or ciff.get("make", "")), (272, header.model or ciff.get("model", ""))]
    first.append((315, ciff.get("owner", "")))
    exif: list[tiff.Entry] = []
    for tag, number in ((33434, header.exposure_time), (33437, header.f_number), (37386, header.focal_length)):
        if number:
            exif.append(block.rational_entry(tag, number))
    if header.iso:
        exif.append(block.short_entry(34855, round(header.iso)))
    if header.captured:
        exif.append(block.text_entry(36867, header.captured.strftime("%Y:%m:%d %H:%M:%S")))
        if header.captured.microsecond:
            exif.append(block.text_entry(37521, f"{header.captured.microsecond:06d}".rstrip("0")))
    texts = ((42033, header.serial or ciff.get("serial", "")), (42036, header.lens))
    exif += [block.text_entry(tag, text) for tag, text in texts if text]
    made, dropped = block.build_block("<", [block.text_entry(tag, text) for tag, text in first if text], exif=exif)
    return Metadata(exif=made, dropped=(*dropped, "maker notes"))


_READERS = {"jpeg": _jpeg, "png": _png, "webp": _webp, "tiff": _tiff, "raw": _raw}
