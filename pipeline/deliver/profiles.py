"""The delivered files of one render: the full picture, and a smaller one for the web.

DEST/delivered/<listing>/<name>.<jpg|png|tif> and DEST/web/<listing>/<pattern>.jpg.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil

from pipeline.codes import Code, PhotoError, SettingsError
from pipeline.deliver.encode import encode_jpeg, encode_png, to_depth, write_atomic
from pipeline.deliver.lean import diets
from pipeline.deliver.metadata import into_jpeg, into_png, into_tiff, prepare
from pipeline.deliver.xmp import Change
from pipeline.photo import Image
from pipeline.read.metadata.embedded import Metadata
from pipeline.recipe import Deliver, Web

EXTENSIONS = {"jpeg": "jpg", "png": "png", "tiff": "tif"}
UNALTERED = "_unaltered"
"""Added to the name of a picture's twin that shows only what was captured."""
_SHARPEN_SIGMA = 0.7
"""Pixels: about the blur that a reduction leaves."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One file: path relative to DEST (POSIX), size in bytes and pixels, JPEG quality (None for PNG and TIFF).

    warnings: names of codes (METADATA_LOST, MLS_BYTES). dropped: metadata left out by design, in words.
    """

    path: str
    bytes: int
    width: int
    height: int
    quality: int | None = None
    warnings: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def deliver(
    image: Image,
    metadata: Metadata,
    settings: Deliver,
    *,
    source_type: str,
    listing: str,
    name: str,
    sequence: int,
    destination: Path,
    suffix: str = "",
) -> dict[str, Delivered]:
    """Write what `settings` ask for, by profile: "full", and "web" if it is enabled.

    Parameters
    ----------
    image : (H, W, 3) uint8 or uint16, sRGB-encoded, upright: the one render
    metadata : of the source, or of a bracket's middle exposure
    settings : the recipe's deliver panel
    source_type : IPTC's digital source type, a URI (xmp.py)
    listing, name : sub-folder and stem of the files
    sequence : number of the photo in its listing, for the web name
    destination : the job's DEST
    suffix : added to the names of the files

    Raises
    ------
    PhotoError
        WRITE_FAILED, naming the path.
    SettingsError
        If the web name's pattern has unknown fields.
    """
    stems = {"full": _stem(destination / "delivered", listing, name + suffix)}
    if settings.web.enabled:
        pattern = web_name(settings.web.name, listing=listing, name=name, sequence=sequence)
        stems["web"] = _stem(destination / "web", listing, pattern + suffix)
    made: dict[str, Delivered] = {}
    for profile, stem in stems.items():
        write = write_full if profile == "full" else write_web
        written = write(stem, image, metadata, settings, source_type=source_type)
        made[profile] = replace(written, path=Path(written.path).relative_to(destination).as_posix())
    return made


def write_full(stem: Path, image: Image, metadata: Metadata, settings: Deliver, *, source_type: str) -> Delivered:
    """The picture at its own size, in the format asked for; `stem` is the path without extension."""
    height, width = image.shape[:2]
    tags = prepare(metadata, width=width, height=height, source_type=source_type, container=settings.format)
    path = stem.with_name(f"{stem.name}.{EXTENSIONS[settings.format]}")
    quality = None
    if settings.format == "jpeg":
        quality = settings.quality
        eight = cast(NDArray[np.uint8], to_depth(image, 8))
        data = into_jpeg(encode_jpeg(eight, quality=quality, subsampling=settings.subsampling), metadata, tags)
    elif settings.format == "png":
        data = into_png(encode_png(to_depth(image, settings.depth)), metadata, tags)
    else:
        data = into_tiff(to_depth(image, settings.depth), tags)
    write_atomic(path, data)
    return Delivered(path.as_posix(), len(data), width, height, quality, tags.warnings, tags.dropped)


def write_web(stem: Path, image: Image, metadata: Metadata, settings: Deliver, *, source_type: str) -> Delivered:
    """The smaller JPEG; a byte cap counts the metadata too, and those give way where no quality meets it."""
    web = settings.web
    small = sharpened(resized(image, web), web.sharpen if web.long_side < max(image.shape[:2]) else 0.0)
    height, width = small.shape[:2]
    tags = prepare(metadata, width=width, height=height, source_type=source_type)

    def encode(quality: int) -> bytes:
        return encode_jpeg(small, quality=quality, subsampling=settings.subsampling, optimize=True)

    top, floor, cap = web.quality, min(web.quality_floor, web.quality), web.max_bytes or 1 << 62
    first = encode(top)
    change = Change(source_type, width, height, metadata.sidecar)
    whole, *leaner = diets(metadata, tags, change, first)
    diet, (quality, jpeg) = whole, _search(encode, top, floor, cap - whole.bytes, first=first)
    while leaner and len(jpeg) + diet.bytes > cap:
        diet = leaner.pop(0)
        quality, jpeg = _search(encode, top, floor, cap - diet.bytes, first=first)
    over = len(jpeg) + diet.bytes > cap
    warnings = (*tags.warnings, *([Code.MLS_BYTES.name] if over else []))
    path = stem.with_name(f"{stem.name}.jpg")
    data = into_jpeg(jpeg, diet.metadata, diet.tags, lean=diet.lean)
    write_atomic(path, data)
    return Delivered(path.as_posix(), len(data), width, height, quality, warnings, (*tags.dropped, *diet.dropped))


def _search(encode: Callable[[int], bytes], top: int, floor: int, cap: int, *, first: bytes) -> tuple[int, bytes]:
    """The best quality whose file fits `cap`, by bisection; the floor's if none does. first: encode(top)."""
    if len(first) <= cap or top <= floor:
        return top, first
    low, best = floor, encode(floor)
    while top - low > 1 and len(best) <= cap:
        middle = (low + top) // 2
        data = encode(middle)
        if len(data) <= cap:
            low, best = middle, data
        else:
            top = middle
    return low, best


def resized(image: Image, web: Web) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 with at most web.long_side pixels; never enlarged.

    area averages in place (OpenCV); lanczos and cubic are widened to the reduction, so that nothing aliases (Pillow).
    """
    eight = cast(NDArray[np.uint8], to_depth(image, 8))
    height, width = image.shape[:2]
    scale = web.long_side / max(height, width)
    if scale >= 1:
        return eight
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if web.resize_filter == "area":
        return cast(NDArray[np.uint8], cv2.resize(eight, size, interpolation=cv2.INTER_AREA))
    kernel = Pil.Resampling.LANCZOS if web.resize_filter == "lanczos" else Pil.Resampling.BICUBIC
    return np.asarray(Pil.fromarray(np.ascontiguousarray(eight)).resize(size, kernel))


def sharpened(image: NDArray[np.uint8], amount: float) -> NDArray[np.uint8]:
    """The picture with `amount` (0..1) of an unsharp mask on luma added to each channel, so that no colour fringes."""
    if amount == 0:
        return image
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = (luma - cv2.GaussianBlur(luma, (0, 0), _SHARPEN_SIGMA)) * np.float32(1.5 * amount)
    return np.clip(np.rint(image + detail[..., None]), 0, 255).astype(np.uint8)


def web_name(pattern: str, *, listing: str, name: str, sequence: int) -> str:
    """The stem of a web file; separators in the fields become "_".

    Raises
    ------
    SettingsError
        If the pattern is empty or has a field other than listing, name, seq.
    """
    flat = {"listing": listing.strip("/").replace("/", "_") or "photo", "name": name, "seq": sequence}
    try:
        made = pattern.format(**flat)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise SettingsError(f"deliver.web.name: {pattern!r}: {error}; fields are listing, name, seq") from None
    made = made.replace("/", "_").replace("\\", "_").strip(". ")
    if not made:
        raise SettingsError(f"deliver.web.name: {pattern!r} gives an empty name")
    return made


def _stem(root: Path, listing: str, name: str) -> Path:
    path = root / listing / name
    if not path.is_relative_to(root) or ".." in path.relative_to(root).parts:
        raise PhotoError(Code.WRITE_FAILED, f"{path}: lies outside of {root}")
    return path
