"""Colour: sRGB transfer curves, and embedded ICC profiles to sRGB.

8-bit pictures go through LittleCMS (relative colorimetric, black point compensation). As bound by Pillow it knows
8 bits only, so 16-bit pictures use the profile's own curves and matrix in float32 (ICC.1:2022, 8.3 and F.3), and a
lattice sampled through LittleCMS where a profile has tables instead.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageCms

from pipeline.photo import Image
from pipeline.read import icc
from pipeline.read.icc import BadProfile, profile_space

_STRIP = 1 << 20
"""Pixels per strip: what a conversion needs beside its input and output."""
_LATTICE = 33
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of R, G, B: luminance of linear light, luma of encoded values (ITU-R BT.709)."""


def to_linear(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear light 0..1 of sRGB-encoded values 0..1 (IEC 61966-2-1), any shape; negative input counts as 0."""
    x = np.maximum(np.asarray(x, np.float32), np.float32(0))
    return np.where(x <= 0.04045, x / np.float32(12.92), np.power((x + np.float32(0.055)) / np.float32(1.055), 2.4))


def from_linear(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """sRGB-encoded values 0..1 of linear light 0..1 (IEC 61966-2-1), any shape; negative input counts as 0."""
    x = np.maximum(np.asarray(x, np.float32), np.float32(0))
    power = np.float32(1.055) * np.power(x, np.float32(1 / 2.4)) - np.float32(0.055)
    return np.where(x <= 0.0031308, x * np.float32(12.92), power)


def check_profile(profile: bytes, space: str) -> None:
    """Raise BadProfile unless `profile` is sound and describes pictures of `space` (RGB, GRAY or CMYK)."""
    if profile_space(profile) != space:
        raise BadProfile(f"a profile for {profile_space(profile)} on a picture in {space}")
    if space == "GRAY":
        icc.curve(profile, "k", 2)
    else:
        _transform(profile, space)


@lru_cache(maxsize=16)
def is_srgb(profile: bytes) -> bool:
    """Whether an RGB profile leaves sRGB values as they are, to 2 levels of 255. Raises BadProfile.

    There are dozens of sRGB profiles; names and bytes differ, so colours decide.
    """
    check_profile(profile, "RGB")
    grid = _lattice(9)
    return int(np.abs(_convert_8bit(grid, profile).astype(np.int16) - grid).max()) <= 2


def to_srgb(image: Image, profile: bytes, *, out: Image | None = None) -> Image:
    """sRGB picture of an RGB picture in the space of an ICC profile.

    Parameters
    ----------
    image : (H, W, 3) uint8 or uint16
    profile : ICC profile of an RGB space
    out : where to write, of the same shape and dtype; `image` itself is allowed. A new array by default.

    Returns
    -------
    (H, W, 3) of the dtype of `image`. Colours outside sRGB are clipped per channel.

    Raises
    ------
    BadProfile
        If the profile is broken or not for RGB.
    """
    check_profile(profile, "RGB")
    out = np.empty_like(image) if out is None else out
    matrix = _curves_and_matrix(profile) if image.dtype == np.uint16 else None
    rows = max(1, _STRIP // max(1, image.shape[1]))
    for top in range(0, image.shape[0], rows):
        strip = image[top : top + rows]
        if image.dtype == np.uint8:
            out[top : top + rows] = _convert_8bit(cast(NDArray[np.uint8], strip), profile)
        elif matrix is not None:
            out[top : top + rows] = _convert_matrix(cast(NDArray[np.uint16], strip), *matrix)
        else:
            out[top : top + rows] = convert_lattice(cast(NDArray[np.uint16], strip), profile)
    return out


def gray_to_srgb(image: NDArray[np.uint8] | NDArray[np.uint16], profile: bytes) -> Image:
    """sRGB-encoded grey (H, W), dtype kept, of a grey picture with a grey ICC profile. Raises BadProfile."""
    check_profile(profile, "GRAY")
    top = np.iinfo(image.dtype).max
    curve = icc.curve(profile, "k", top + 1)
    table = np.rint(from_linear(np.clip(curve, 0, 1)) * np.float32(top)).astype(image.dtype)
    return cast(Image, table[image])


def pil_to_srgb(image: Pil.Image, profile: bytes | None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB of a CMYK or Lab picture of Pillow; CMYK without a profile by Pillow's plain formula.

    Raises BadProfile.
    """
    if image.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        transform = ImageCms.buildTransform(lab, _srgb(), "LAB", "RGB")
        return np.asarray(ImageCms.applyTransform(image, transform))
    if profile is None:
        return np.asarray(image.convert("RGB"))
    check_profile(profile, "CMYK")
    return np.asarray(ImageCms.applyTransform(image, _transform(profile, "CMYK")))


# LittleCMS


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=8)
def _transform(profile: bytes, space: str) -> ImageCms.ImageCmsTransform:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        return ImageCms.buildTransform(source, _srgb(), space, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, flags)
    except (OSError, ValueError, ImageCms.PyCMSError) as error:
        raise BadProfile(f"LittleCMS: {error}") from None


def _convert_8bit(strip: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    picture = Pil.fromarray(np.ascontiguousarray(strip))
    ImageCms.applyTransform(picture, _transform(profile, "RGB"), inPlace=True)
    return np.asarray(picture)


def _lattice(n: int) -> NDArray[np.uint8]:
    """All n^3 colours on an even grid, as a (n, n * n, 3) picture; red varies slowest."""
    steps = np.linspace(0, 255, n)
    return np.rint(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)).astype(np.uint8).reshape(n, n * n, 3)


@lru_cache(maxsize=4)
def _lattice_table(profile: bytes) -> NDArray[np.float32]:
    return _convert_8bit(_lattice(_LATTICE), profile).astype(np.float32).reshape(-1, 3) * np.float32(257)


def convert_lattice(strip: NDArray[np.uint16], profile: bytes) -> NDArray[np.uint16]:
    """(H, W, 3) uint16 sRGB by trilinear interpolation of 33^3 colours converted by LittleCMS: profiles with tables."""
    table = _lattice_table(profile)
    place = strip.astype(np.float32) * np.float32((_LATTICE - 1) / 65535)
    base = np.minimum(place.astype(np.int32), _LATTICE - 2)
    part = place - base
    index = (base[..., 0] * _LATTICE + base[..., 1]) * _LATTICE + base[..., 2]
    result = np.zeros(strip.shape, np.float32)
    for corner in range(8):
        r, g, b = corner >> 2, corner >> 1 & 1, corner & 1
        weight = np.ones(strip.shape[:2], np.float32)
        for channel, bit in enumerate((r, g, b)):
            weight *= part[..., channel] if bit else 1 - part[..., channel]
        result += table[index + (r * _LATTICE + g) * _LATTICE + b] * weight[..., None]
    return np.rint(result).astype(np.uint16)


# Curves and matrix


@lru_cache(maxsize=8)
def _curves_and_matrix(profile: bytes) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Curves (3, 65536), input to linear 0..1, and the (3, 3) matrix from linear to linear sRGB; None with tables."""
    if icc.has_tables(profile):
        return None
    matrix = np.linalg.inv(icc.colorants(_srgb().tobytes())) @ icc.colorants(profile)
    return np.stack([icc.curve(profile, channel, 65536) for channel in "rgb"]), matrix.astype(np.float32)


def _convert_matrix(
    strip: NDArray[np.uint16], curves: NDArray[np.float32], matrix: NDArray[np.float32]
) -> NDArray[np.uint16]:
    linear = np.empty(strip.shape, np.float32)
    for channel in range(3):
        linear[..., channel] = curves[channel][strip[..., channel]]
    linear = np.clip(cv2.transform(linear, matrix), 0, 1)
    # On a square-root axis the sRGB curve has slopes near 1 everywhere: 65536 steps are enough.
    index = np.rint(np.sqrt(linear) * np.float32(65535)).astype(np.uint16)
    return _encode_table()[index]


@lru_cache(maxsize=1)
def _encode_table() -> NDArray[np.uint16]:
    root = np.arange(65536, dtype=np.float64) / 65535
    linear = root * root
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 65535).astype(np.uint16)
