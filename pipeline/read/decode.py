"""Any supported file to pixels: upright, RGB, sRGB-encoded, in its own bit depth."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil

from pipeline.codes import Code, PhotoError
from pipeline.photo import Header, Image
from pipeline.read import color, formats, icc
from pipeline.read.lens.falloff import brightened, brightened_picture
from pipeline.read.raw import RawSettings, apply_curve, decode_linear, raw_settings, upright


def decode(
    header: Header,
    *,
    reduce: int = 1,
    raw: RawSettings | None = None,
    gain: NDArray[np.floating[Any]] | None = None,
    max_megapixels: float = 300,
) -> Image:
    """The pixels of a photo.

    Parameters
    ----------
    header : of the file, from read_header
    reduce : 1, 2, 4 or 8. 1 is the accurate decoding (slow-integer DCT, smooth upsampling). More gives
        ceil(size / reduce) by fast means (scaled DCT, RAW at half size, area average), for proxies.
    raw : how RAW files are developed; from raw_settings of the set's middle frame. By default from the file itself.
    gain : (h, w, 1 or 3) over the frame, by which linear light is multiplied
    max_megapixels : larger pictures are refused before decoding

    Returns
    -------
    (H, W, 3) uint8, or uint16 for RAW, 16-bit PNG and 16-bit TIFF. RGB, sRGB-encoded, upright, contiguous, writable.
    Transparent pixels are laid over white. A broken or mismatching profile counts as sRGB (see decode_warnings).

    Raises
    ------
    PhotoError
        TOO_MANY_PIXELS, TRUNCATED, UNREADABLE, UNSUPPORTED_FORMAT, RAW_UNSUPPORTED, SOURCE_CHANGED or OOM.
    """
    if header.width * header.height > max_megapixels * 1e6:
        size = f"{header.width} x {header.height} pixels"
        raise PhotoError(Code.TOO_MANY_PIXELS, f"{header.path}: {size}, more than {max_megapixels:g} megapixels")
    try:
        if header.format == "raw":
            raw = raw or raw_settings(header)
            linear = decode_linear(header, raw, half=reduce > 1)
            image = apply_curve(linear if gain is None else brightened(linear, gain), raw)
            return _shrink(image, (ceil(header.height / reduce), ceil(header.width / reduce)))
        picture = _decode_picture(header, reduce)
        return picture if gain is None else brightened_picture(picture, gain)
    except MemoryError:
        raise PhotoError(Code.OOM, f"{header.path}: not enough memory to decode the picture") from None


def decode_warnings(header: Header) -> tuple[Code, ...]:
    """What decode() passes over without failing: ICC_INVALID where the embedded profile is broken or does not fit."""
    if header.format == "raw":
        return ()
    try:
        with Path(header.path).open("rb") as file, Pil.open(file) as picture:
            file.seek(0)
            head = file.read(64)
            broken = formats.profile_of(picture.info, head, formats.space_of(picture.mode, head)).broken
            return (Code.ICC_INVALID,) if broken else ()
    except Exception:  # what cannot be opened is for decode() to say
        return ()


def _decode_picture(header: Header, reduce: int) -> Image:
    try:
        data = Path(header.path).read_bytes()
    except OSError as error:
        raise PhotoError(Code.UNREADABLE, f"{header.path}: {error.strerror or error}") from None
    pixels, profile = formats.READERS[header.format](header, data, reduce)
    del data  # up to the size of the picture, and no longer needed
    if pixels.shape[:2] not in {formats.stored_size(header, r) for r in (1, reduce)}:
        raise PhotoError(Code.SOURCE_CHANGED, f"{header.path}: the size differs from that of the header read before")
    pixels = _shrink(pixels, formats.stored_size(header, reduce))
    return upright(_to_srgb(pixels, profile), header.orientation)


def _shrink(image: Image, size: tuple[int, int]) -> Image:
    if image.shape[:2] == size:
        return image
    return cast(Image, cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA))


def _to_srgb(pixels: formats.Stored, profile: formats.Profile) -> Image:
    if pixels.ndim == 2:
        if profile.data is not None and icc.profile_space(profile.data) == "GRAY":
            pixels = color.gray_to_srgb(pixels, profile.data)
            profile = formats.Profile(None)
        pixels = cast(Image, cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))
    if profile.data is None or color.is_srgb(profile.data):
        return pixels
    return color.to_srgb(pixels, profile.data, out=pixels)
