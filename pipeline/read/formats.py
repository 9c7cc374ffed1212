"""JPEG, PNG, TIFF and WebP as they are stored, and the profile to read them by; decode.py makes upright sRGB of it."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from math import ceil
from typing import Any, cast

import cv2
import numpy as np
import simplejpeg
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pil

from pipeline.codes import Code, PhotoError
from pipeline.photo import Header
from pipeline.read import color, icc
from pipeline.read.metadata import exif
from pipeline.read.raw import upright

Stored = NDArray[np.uint8] | NDArray[np.uint16]
"""Pixels as the file stores them: (H, W) or (H, W, 3), not yet upright, in the file's own colour space."""

# The size of every file is checked against its header before decoding, by our own limit.
Pil.MAX_IMAGE_PIXELS = None

_TIFFFILE_COMPRESSIONS = (1, 8, 32946)  # none and deflate: the others need a package that we do not ship
_SRGB_TOP = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


@dataclass(frozen=True, slots=True)
class Profile:
    """The colour profile that decode() uses for a file: None is sRGB; broken: one is embedded, but of no use."""

    data: bytes | None
    broken: bool = False


def stored_size(header: Header, reduce: int) -> tuple[int, int]:
    """Height and width of the stored picture divided by `reduce`, rounded up."""
    height, width = header.height, header.width
    if header.orientation >= 5:
        height, width = width, height
    return ceil(height / reduce), ceil(width / reduce)


def profile_of(info: dict[Any, Any], data: bytes, space: str) -> Profile:
    """The profile among Pillow's `info`, checked for pictures in `space`; Adobe RGB where only EXIF tells.

    data: the file, or its first bytes.
    """
    embedded = info.get("icc_profile")
    if not embedded:
        block = info.get("exif", b"")
        if space == "RGB" and isinstance(block, bytes) and b"R03" in block and data[:2] == b"\xff\xd8":
            directories = exif.read_directories(io.BytesIO(block.removeprefix(b"Exif\0\0")))
            if exif.text(directories.interop, 1) == "R03":
                return Profile(icc.ADOBE_RGB)
        return Profile(None)
    try:
        # A grey picture may carry the RGB profile of the working space.
        wanted = "RGB" if space == "GRAY" and icc.profile_space(embedded) == "RGB" else space
        color.check_profile(embedded, wanted)
    except icc.BadProfile:
        return Profile(None, broken=True)
    return Profile(embedded)


def space_of(mode: str, data: bytes) -> str:
    """The colour space that a profile must have, by Pillow's mode; a PNG's own colour type where Pillow widens grey."""
    if data[:4] == b"\x89PNG":
        return "GRAY" if data[25] in (0, 4) else "RGB"
    return {"CMYK": "CMYK", "1": "GRAY", "L": "GRAY", "LA": "GRAY", "I;16": "GRAY", "I;16B": "GRAY"}.get(mode, "RGB")


# JPEG


def _jpeg(header: Header, data: bytes, reduce: int) -> tuple[Stored, Profile]:
    try:
        with Pil.open(io.BytesIO(data), formats=("JPEG", "MPO")) as picture:
            mode, info, progressive = picture.mode, dict(picture.info), "progressive" in picture.info
    except Exception:  # broken metadata; the decoder judges the rest
        mode, info, progressive = "RGB", {}, False
    if mode == "CMYK":
        return _pillow(header, data, reduce)
    profile = profile_of(info, data, space_of(mode, data))
    try:
        return _turbo(data, mode, header, reduce), profile
    except ValueError as error:
        reason = str(error)
    if "remature end" in reason:
        # Some writers leave out the end marker only: all pixels are there.
        if not progressive and "of JPEG file" in reason:
            try:
                return _turbo(data + b"\xff\xd9", mode, header, reduce), profile
            except ValueError:
                pass
        raise PhotoError(Code.TRUNCATED, f"{header.path}: the JPEG ends early ({reason})")
    if re.search("Corrupt JPEG data: .*(RST|Huffman|marker 0xd)", reason) and not _only_padded(data):
        raise PhotoError(Code.UNREADABLE, f"{header.path}: damaged JPEG data ({reason})")
    # What remains are oddities outside the pixels (a bad ICC marker, an odd Adobe marker).
    return _pillow(header, data, reduce)


def _turbo(data: bytes, mode: str, header: Header, reduce: int) -> Stored:
    fast = reduce > 1
    height, width = stored_size(header, reduce) if fast else (0, 0)
    pixels = simplejpeg.decode_jpeg(
        data,
        "GRAY" if mode == "L" else "RGB",
        fastdct=fast,
        fastupsample=fast,
        min_height=height,
        min_width=width,
        min_factor=reduce,
        strict=True,
    )
    return pixels[..., 0] if mode == "L" else pixels


def _only_padded(data: bytes) -> bool:
    """Whether the bytes before the last end marker are filling (zeros or ones), which some cameras write."""
    end = data.rfind(b"\xff\xd9")
    return end > 16 and data[end - 16 : end] in (bytes(16), b"\xff" * 16)


# PNG


def _png(header: Header, data: bytes, reduce: int) -> tuple[Stored, Profile]:
    _check_chunks(header, data)
    if header.depth == 8:
        return _pillow(header, data, reduce)
    try:
        with Pil.open(io.BytesIO(data), formats=("PNG",)) as picture:
            info = dict(picture.info)
    except Exception as error:
        raise PhotoError(Code.UNREADABLE, f"{header.path}: broken PNG ({error})") from None
    pixels, space = _cv2(header, data), space_of("", data)
    if space == "GRAY" and pixels.ndim == 3:  # OpenCV widens grey with alpha
        pixels = cast(Stored, np.ascontiguousarray(pixels[..., 0]))
    return pixels, profile_of(info, data, space)


def _check_chunks(header: Header, data: bytes) -> None:
    at, view = 8, memoryview(data)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end, kind = at + 8 + length, data[at + 4 : at + 8]
        if kind == b"IDAT" and zlib.crc32(view[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            code = Code.TRUNCATED if end + 4 > len(data) else Code.UNREADABLE
            raise PhotoError(code, f"{header.path}: the PNG ends early or is damaged (checksum)")
        if kind == b"IEND":
            return
        at = end + 4
    raise PhotoError(Code.TRUNCATED, f"{header.path}: the PNG ends before its last chunk")


def _cv2(header: Header, data: bytes, *, alpha: int = 2) -> Stored:
    """16-bit PNG or TIFF by OpenCV: RGB or grey; over white if `alpha` (ExtraSamples) is 1, premultiplied, or 2."""
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise PhotoError(Code.UNREADABLE, f"{header.path}: cannot be decoded ({error})") from None
    if pixels is None:
        raise PhotoError(Code.UNREADABLE, f"{header.path}: cannot be decoded")
    if pixels.ndim == 2 or pixels.dtype != np.uint16:
        return pixels
    if pixels.shape[2] == 4:
        colours = pixels[..., :3]
        pixels = _over_white(colours, pixels[..., 3], premultiplied=alpha == 1) if alpha else colours
    return cast(Stored, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def _over_white(pixels: Stored, alpha: Stored, *, premultiplied: bool = False) -> Stored:
    """Colours laid over white; `pixels` is (H, W) or (H, W, 3), alpha (H, W)."""
    top = _SRGB_TOP[pixels.dtype]
    if int(alpha.min()) == top:
        return pixels
    share = alpha.astype(np.float32) / np.float32(top)
    share = share if pixels.ndim == 2 else share[..., None]
    result = pixels + (1 - share) * top if premultiplied else pixels * share + (1 - share) * top
    return cast(Stored, np.rint(np.clip(result, 0, top)).astype(pixels.dtype))


# TIFF


def _tiff(header: Header, data: bytes, reduce: int) -> tuple[Stored, Profile]:
    first = exif.read_directories(io.BytesIO(data)).first
    depths, layout = set(exif.numbers(first, 258)), exif.number(first, 262)
    compression = exif.number(first, 259) or 1
    unsigned = set(exif.numbers(first, 339)) <= {1}
    if layout in (1, 2) and unsigned and depths in ({8}, {16}) and compression in _TIFFFILE_COMPRESSIONS:
        pixels = _tifffile(header, data)
    elif layout in (1, 2) and unsigned and depths == {16}:
        pixels = _as_stored(_cv2(header, data, alpha=int(exif.number(first, 338) or 0)), header)
    elif max(depths, default=1) <= 8:
        return _pillow(header, data, reduce)
    else:
        kind = f"{max(depths):g} bits, photometric {layout or 0:g}, sample format {exif.number(first, 339) or 1:g}"
        raise PhotoError(Code.UNSUPPORTED_FORMAT, f"{header.path}: this kind of TIFF is not supported ({kind})")
    icc = first.get(34675)
    return pixels, profile_of({"icc_profile": icc}, data, "GRAY" if pixels.ndim == 2 else "RGB")


def _tifffile(header: Header, data: bytes) -> Stored:
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = cast(tifffile.TiffPage, file.pages[0])
            pixels, extra = page.asarray(), [int(e) for e in page.extrasamples]
            separate = page.planarconfig == 2 and pixels.ndim == 3
    except MemoryError:
        raise
    except Exception as error:  # tifffile raises anything from KeyError to zlib.error on broken files
        raise PhotoError(Code.UNREADABLE, f"{header.path}: broken TIFF ({error})") from None
    if separate:
        pixels = np.moveaxis(pixels, 0, -1)
    native = cast(Stored, pixels.astype(pixels.dtype.newbyteorder("="), copy=False))
    if native.ndim == 3:
        colours = native.shape[2] - len(extra)
        # Extra samples without a meaning are saved selections, not transparency.
        alpha = native[..., colours] if extra[:1] in ([1], [2]) else None
        native = native[..., 0] if colours == 1 else native[..., :3]
        native = native if alpha is None else _over_white(native, alpha, premultiplied=extra[0] == 1)
    return np.require(native, requirements=("C", "W"))


# Everything else


def _pillow(header: Header, data: bytes, reduce: int) -> tuple[Stored, Profile]:
    """8-bit pictures by Pillow: PNG, WebP, CMYK, Lab, palettes, and JPEG with oddities."""
    try:
        with Pil.open(io.BytesIO(data)) as picture:
            if reduce > 1:
                picture.draft(None, (picture.width // reduce, picture.height // reduce))
            picture.info.pop("xmp", None)  # Pillow would look there for an orientation
            picture.load()
            pixels, profile = _from_pillow(picture, data)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises anything from SyntaxError to struct.error on broken files
        code = Code.TRUNCATED if "truncated" in str(error).lower() else Code.UNREADABLE
        raise PhotoError(code, f"{header.path}: cannot be decoded ({error})") from None
    return _as_stored(pixels, header), profile


def _as_stored(pixels: Stored, header: Header) -> Stored:
    """Pillow and OpenCV turn TIFF, and only TIFF, whatever they are told: back again, so that one place turns."""
    if header.format != "tiff":
        return pixels
    return upright(pixels, {6: 8, 8: 6}.get(header.orientation, header.orientation))


def _from_pillow(picture: Pil.Image, data: bytes) -> tuple[Stored, Profile]:
    info = dict(picture.info)
    if picture.mode == "LAB":
        return color.pil_to_srgb(picture, None).copy(), Profile(None)
    if picture.mode == "CMYK":
        profile = profile_of(info, data, "CMYK")
        return color.pil_to_srgb(picture, profile.data).copy(), Profile(None, broken=profile.broken)
    if picture.mode == "1":
        picture = picture.convert("L")
    if picture.mode == "LA":
        grey, alpha = (np.asarray(band) for band in picture.split())
        return _over_white(grey.copy(), alpha), profile_of(info, data, "GRAY")
    if picture.mode in ("RGBA", "PA", "La", "RGBa") or "transparency" in info:
        rgba = picture.convert("RGBA")
        pixels = np.asarray(rgba)
        return _over_white(pixels[..., :3].copy(), pixels[..., 3]), profile_of(info, data, "RGB")
    if picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    return np.array(picture), profile_of(info, data, "GRAY" if picture.mode == "L" else "RGB")


READERS = {"jpeg": _jpeg, "png": _png, "tiff": _tiff, "webp": _pillow}
"""By Header.format: (header, the file's bytes, reduce) to stored pixels, perhaps already reduced, and their profile."""
