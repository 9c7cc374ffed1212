"""What a file says of itself before its pixels are decoded: kind by content, upright size, exposure, camera."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import rawpy

from pipeline.codes import Code, PhotoError
from pipeline.photo import Header
from pipeline.read.metadata import exif
from pipeline.read.metadata.containers import XMP_HEAD

Frame = tuple[int, int, int]
"""Stored width and height in pixels, bits per channel."""
_CFA, _LINEAR_RAW = 32803, 34892
_RAW_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
_OTHER_KINDS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"P5\n": "PGM",
    b"P6\n": "PPM",
    b"8BPS": "Photoshop PSD",
    b"%PDF": "PDF",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
}
_COMPRESSIONS = {1: "uncompressed", 6: "JPEG", 7: "lossless JPEG", 9: "VC-5", 34892: "lossy JPEG", 52546: "JPEG XL"}
_FLASH_FIRED = re.compile(rb"exif:Fired(?:\s*=\s*[\"']|\s*>\s*)True", re.IGNORECASE)
_FLIPS = (1, 2, 4, 3, 5, 8, 6, 7)
"""EXIF orientation of LibRaw's flip, a bit field: 1 mirrors columns, 2 mirrors rows, 4 transposes."""


def read_header(path: Path, relative: str = "") -> Header:
    """The header of a photo file; no pixel is decoded.

    The kind follows from the content, not from the name. Broken EXIF leaves its fields None.

    Raises
    ------
    PhotoError
        EMPTY_FILE, UNREADABLE, UNSUPPORTED_FORMAT, RAW_UNSUPPORTED (naming camera and compression), or TRUNCATED where
        the header alone shows it.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            if size == 0:
                raise PhotoError(Code.EMPTY_FILE, f"{path}: the file is empty")
            file.seek(0)
            header = Header(str(path.absolute()), relative or path.name, size, kind_of(file.read(64), path), 0, 0)
            return _READERS[header.format](file, header, path)
    except OSError as error:
        raise PhotoError(Code.UNREADABLE, f"{path}: {error.strerror or error}") from None


def kind_of(head: bytes, path: Path) -> str:
    """jpeg, png, tiff, webp or raw by the first 64 bytes; a "tiff" may turn out to be a RAW file.

    Raises
    ------
    PhotoError
        UNSUPPORTED_FORMAT for everything else, naming the format where it is known.
    """
    if head[:2] == b"\xff\xd8":
        return "jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(_RAW_MAGIC) or head[6:14] in (b"HEAPCCDR", b"HEAPJPGM") or head[4:12] == b"ftypcrx ":
        return "raw"
    if head[:4] == b"II*\0" and head[8:10] == b"CR":  # CR2: a TIFF without a CFA tag
        return "raw"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    name = next((name for magic, name in _OTHER_KINDS.items() if head.startswith(magic)), "an unknown format")
    if head[4:8] == b"ftyp":
        name = {b"heic": "HEIC", b"avif": "AVIF", b"mif1": "HEIF or AVIF"}.get(head[8:12], "an ISO media file")
    raise PhotoError(Code.UNSUPPORTED_FORMAT, f"{path}: {name} is not supported")


def _finish(header: Header, frame: Frame, orientation: int, fields: dict[str, Any], path: Path) -> Header:
    width, height, depth = frame
    if width <= 0 or height <= 0:
        raise PhotoError(Code.UNREADABLE, f"{path}: the header gives a size of {width} x {height} pixels")
    if orientation >= 5:
        width, height = height, width
    return replace(header, width=width, height=height, depth=depth, orientation=orientation, **fields)


def _exif_block(data: bytes) -> exif.Directories:
    return exif.read_directories(io.BytesIO(data))


def _jpeg(file: BinaryIO, header: Header, path: Path) -> Header:
    frame, directories = read_jpeg(file, path)
    return _finish(header, frame, exif.orientation(directories), exif.describe(directories), path)


def read_jpeg(file: BinaryIO, path: Path, start: int = 0) -> tuple[Frame, exif.Directories]:
    """Frame and EXIF of the JPEG stream at byte `start`.

    Raises
    ------
    PhotoError
        UNREADABLE, TRUNCATED, or UNSUPPORTED_FORMAT (lossless, hierarchical, 12 bits).
    """
    directories, flash = exif.Directories(), False
    file.seek(start + 2)
    while len(head := file.read(4)) == 4:
        marker, length = head[1], int.from_bytes(head[2:], "big")
        if head[:2] == b"\xff\xff":  # fill bytes before a marker
            file.seek(-3, io.SEEK_CUR)
            continue
        if head[0] != 0xFF or length < 2:
            raise PhotoError(Code.UNREADABLE, f"{path}: the JPEG header is broken before the picture starts")
        data = file.read(length - 2)
        if len(data) < length - 2:
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if flash:  # what EXIF says, even that none fired, counts more
                directories.exif.setdefault(exif.FLASH, (1,))
            return _jpeg_frame(marker, data, path), directories
        if marker == 0xE1 and data[:6] == b"Exif\0\0" and not directories.main:
            directories = _exif_block(data[6:])
        if marker == 0xE1 and data.startswith(XMP_HEAD):
            flash = flash or _FLASH_FIRED.search(data) is not None
        if marker in (0xD9, 0xDA):
            raise PhotoError(Code.UNREADABLE, f"{path}: the JPEG has no frame header")
    raise PhotoError(Code.TRUNCATED, f"{path}: the JPEG ends inside its header")


def _jpeg_frame(marker: int, data: bytes, path: Path) -> Frame:
    if len(data) < 6:
        raise PhotoError(Code.UNREADABLE, f"{path}: the JPEG frame header is broken")
    depth, height, width = struct.unpack(">BHH", data[:5])
    if marker not in (0xC0, 0xC1, 0xC2, 0xC9, 0xCA) or depth != 8:
        kind = "lossless or hierarchical" if marker not in (0xC0, 0xC1, 0xC2, 0xC9, 0xCA) else f"{depth}-bit"
        raise PhotoError(Code.UNSUPPORTED_FORMAT, f"{path}: {kind} JPEG is not supported")
    return width, height, depth


def _png(file: BinaryIO, header: Header, path: Path) -> Header:
    file.seek(8)
    head = file.read(25)
    if len(head) < 25:
        raise PhotoError(Code.TRUNCATED, f"{path}: the PNG ends inside its header")
    if head[4:8] != b"IHDR":
        raise PhotoError(Code.UNREADABLE, f"{path}: the PNG has no header chunk")
    width, height, bits = struct.unpack(">IIB", head[8:17])
    directories = exif.Directories()
    while len(chunk := file.read(8)) == 8 and chunk[4:] != b"IEND":
        length = int.from_bytes(chunk[:4], "big")
        if chunk[4:] == b"eXIf" and length < 1 << 24:
            directories = _exif_block(file.read(length))
            break
        file.seek(length + 4, io.SEEK_CUR)
    frame = (width, height, 16 if bits == 16 else 8)
    return _finish(header, frame, exif.orientation(directories), exif.describe(directories), path)


def _webp(file: BinaryIO, header: Header, path: Path) -> Header:
    file.seek(12)
    frame, directories = (0, 0, 8), exif.Directories()
    while len(chunk := file.read(8)) == 8:
        length = int.from_bytes(chunk[4:], "little")
        data = file.read(min(length, 1 << 24)) if chunk[:4] == b"EXIF" else file.read(min(length, 10))
        if chunk[:4] == b"EXIF":
            directories = _exif_block(data.removeprefix(b"Exif\0\0"))
        elif chunk[:4] in (b"VP8X", b"VP8 ", b"VP8L") and not frame[0] and len(data) == 10:
            frame = (*_webp_size(chunk[:4], data), 8)
        file.seek(length - len(data) + length % 2, io.SEEK_CUR)
    if not frame[0]:
        raise PhotoError(Code.TRUNCATED, f"{path}: the WebP ends inside its header")
    return _finish(header, frame, exif.orientation(directories), exif.describe(directories), path)


def _webp_size(chunk: bytes, data: bytes) -> tuple[int, int]:
    if chunk == b"VP8X":
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF


def _tiff(file: BinaryIO, header: Header, path: Path) -> Header:
    directories = exif.read_directories(file)
    if not directories.main or not directories.first:
        raise PhotoError(Code.TRUNCATED, f"{path}: the TIFF has no readable directory")
    _check_strips(directories, header.bytes, path)
    if _is_raw(directories):
        return _raw(file, replace(header, format="raw"), path)
    first = directories.first
    depth = int(max(exif.numbers(first, 258) or (1,)))
    frame = (int(exif.number(first, 256) or 0), int(exif.number(first, 257) or 0), 16 if depth == 16 else 8)
    return _finish(header, frame, exif.orientation(directories), exif.describe(directories), path)


def _is_raw(directories: exif.Directories) -> bool:
    if 50706 in directories.first:  # DNGVersion
        return True
    return any(exif.number(tags, 262) in (_CFA, _LINEAR_RAW) for tags in directories.all)


def _check_strips(directories: exif.Directories, size: int, path: Path) -> None:
    for tags in directories.all:
        for at, length in ((273, 279), (324, 325)):
            ends = (int(a) + int(b) for a, b in zip(exif.numbers(tags, at), exif.numbers(tags, length), strict=False))
            if max(ends, default=0) > size:
                raise PhotoError(Code.TRUNCATED, f"{path}: pixel data beyond the end of the file")


def _raw(file: BinaryIO, header: Header, path: Path) -> Header:
    if _raw_end(file, header.bytes) > header.bytes:
        raise PhotoError(Code.TRUNCATED, f"{path}: the RAW file ends early")
    directories = _raw_exif(file, path)
    fields = exif.describe(directories)
    try:
        with rawpy.RawPy() as raw:
            raw.open_file(str(path))
            sizes, other, lens = raw.sizes, raw.other, raw.lens
    except rawpy.LibRawError as error:
        code = Code.TRUNCATED if isinstance(error, rawpy.LibRawIOError) else Code.RAW_UNSUPPORTED
        raise PhotoError(code, f"{path}: {_describe_raw(directories, fields, error)}") from None
    found: dict[str, Any] = {"exposure_time": other.shutter_speed, "f_number": other.aperture, "iso": other.iso_speed}
    found |= {"focal_length": other.focal_length, "lens": lens.model}
    if other.timestamp.year > 1970:
        found["captured"] = other.timestamp
    fields = {k: v for k, v in found.items() if v} | fields
    _, _, width, height = raw_crop(sizes)
    return _finish(header, (width, height, 16), _FLIPS[sizes.flip & 7], fields, path)


def raw_crop(sizes: rawpy.ImageSizes) -> tuple[int, int, int, int]:
    """Left, top, width, height of the picture the camera meant, inside LibRaw's picture, before orientation."""
    left, top = sizes.crop_left_margin - sizes.left_margin, sizes.crop_top_margin - sizes.top_margin
    width, height = sizes.crop_width, sizes.crop_height
    plain = (sizes.iwidth, sizes.iheight) == (sizes.width, sizes.height)
    inside = left >= 0 and top >= 0 and left + width <= sizes.iwidth and top + height <= sizes.iheight
    # A crop of less than half of the sensor is a digital zoom or a broken tag.
    if plain and inside and 2 * width >= sizes.iwidth and 2 * height >= sizes.iheight:
        return left, top, width, height
    return 0, 0, sizes.iwidth, sizes.iheight


def _raw_exif(file: BinaryIO, path: Path) -> exif.Directories:
    """EXIF of a RAW file: TIFF directories, the JPEG inside a RAF, the CMT boxes of a CR3; empty where unreachable."""
    file.seek(0)
    head = file.read(1 << 16)
    if head.startswith(b"FUJIFILMCCD-RAW"):
        start = int.from_bytes(head[84:88], "big")
        try:
            return read_jpeg(file, path, start)[1]
        except PhotoError:
            return exif.Directories()
    if head[4:8] == b"ftyp":
        boxes = {n: head[i + 4 :] for n in (b"CMT1", b"CMT2") if (i := head.find(n)) >= 0}
        result = _exif_block(boxes.get(b"CMT1", b""))
        result.exif = _exif_block(boxes.get(b"CMT2", b"")).first
        return result
    return exif.read_directories(file)


def _raw_end(file: BinaryIO, size: int) -> int:
    """Where the pixels of a RAF, CR3 or CRW file end by its own account; LibRaw fills what is missing with zeros."""
    file.seek(0)
    head = file.read(112)
    if head.startswith(b"FUJIFILMCCD-RAW") and len(head) == 112:
        return max(sum(struct.unpack(">II", head[at : at + 8])) for at in (84, 92, 100))
    at = 0
    while head[4:8] == b"ftyp" and at + 16 <= size:
        file.seek(at)
        length, _, large = struct.unpack(">I4sQ", file.read(16))
        length = large if length == 1 else length or size - at
        at += max(length, 8)
    if head[6:10] == b"HEAP" and size >= 32:  # CIFF: the directory lies at the end, found by the last four bytes
        file.seek(size - 4)
        at = int.from_bytes(head[2:6], "little") + int.from_bytes(file.read(4), "little")
        file.seek(min(at, size))
        at += 6 + 10 * int.from_bytes(file.read(2), "little")
    return at


def _describe_raw(directories: exif.Directories, fields: dict[str, Any], error: Exception) -> str:
    camera = " ".join(filter(None, (fields.get("make", ""), fields.get("model", "")))) or "unknown camera"
    frames = [t for t in directories.all if exif.number(t, 262) in (_CFA, _LINEAR_RAW)]
    code = int(exif.number(frames[0], 259) or 0) if frames else 0
    compression = f"compression {code} ({_COMPRESSIONS.get(code, 'unknown')})" if code else "unknown compression"
    return f"RAW of {camera}, {compression}: {libraw_reason(error)}"


def libraw_reason(error: Exception) -> str:
    """What LibRaw said, which rawpy hands on as bytes."""
    return error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)


_READERS = {"jpeg": _jpeg, "png": _png, "webp": _webp, "tiff": _tiff, "raw": _raw}
