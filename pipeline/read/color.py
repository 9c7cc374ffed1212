"""Colour: sRGB transfer curves, and embedded ICC profiles to sRGB.

8-bit pictures go through LittleCMS (relative colorimetric, black point compensation). As bound by Pillow it knows
8 bits only, so 16-bit pictures use the profile's own curves and matrix in float32 (ICC.1:2022, 8.3 and F.3), and a
lattice sampled through LittleCMS where a profile has tables instead.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageCms

from pipeline.photo import Image

_STRIP = 1 << 20
"""Pixels per strip: what a conversion needs beside its input and output."""
_LATTICE = 33


class BadProfile(ValueError):
    """The ICC profile is broken, or does not describe pictures of this kind."""


def to_linear(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear light 0..1 of sRGB-encoded values 0..1 (IEC 61966-2-1), any shape; negative input counts as 0."""
    x = np.maximum(np.asarray(x, np.float32), np.float32(0))
    return np.where(x <= 0.04045, x / np.float32(12.92), np.power((x + np.float32(0.055)) / np.float32(1.055), 2.4))


def from_linear(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """sRGB-encoded values 0..1 of linear light 0..1 (IEC 61966-2-1), any shape; negative input counts as 0."""
    x = np.maximum(np.asarray(x, np.float32), np.float32(0))
    power = np.float32(1.055) * np.power(x, np.float32(1 / 2.4)) - np.float32(0.055)
    return np.where(x <= 0.0031308, x * np.float32(12.92), power)


def profile_space(profile: bytes) -> str:
    """The data colour space of an ICC profile: RGB, GRAY, CMYK, ... Raises BadProfile if this is no profile."""
    if len(profile) < 132 or profile[36:40] != b"acsp":
        raise BadProfile("not an ICC profile")
    return profile[16:20].decode("latin-1").strip()


def check_profile(profile: bytes, space: str) -> None:
    """Raise BadProfile unless `profile` is sound and describes pictures of `space` (RGB, GRAY or CMYK)."""
    if profile_space(profile) != space:
        raise BadProfile(f"a profile for {profile_space(profile)} on a picture in {space}")
    if space == "GRAY":
        _gray_curve(profile)
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
    matrix = matrix_profile(profile) if image.dtype == np.uint16 else None
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
    curve = _sample(_gray_curve(profile), top + 1)
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

Curve = tuple[str, tuple[float, ...]]
"""("table", samples 0..1 evenly spaced), or ("para", g a b c d e f) of ICC parametricCurveType 4."""


@lru_cache(maxsize=8)
def matrix_profile(profile: bytes) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Curves (3, 65536), input to linear 0..1, and the (3, 3) matrix from linear to linear sRGB; None with tables.

    Raises BadProfile.
    """
    tags = _tags(profile)
    if b"A2B0" in tags or b"A2B1" in tags:
        return None
    curves = np.stack([_sample(_curve(_tag(tags, name)), 65536) for name in (b"rTRC", b"gTRC", b"bTRC")])
    matrix = np.linalg.inv(_colorants(_tags(_srgb().tobytes()))) @ _colorants(tags)
    return curves, matrix.astype(np.float32)


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


def _tags(profile: bytes) -> dict[bytes, bytes]:
    profile_space(profile)
    count = int.from_bytes(profile[128:132], "big")
    tags: dict[bytes, bytes] = {}
    for i in range(min(count, 100)):
        entry = profile[132 + 12 * i : 144 + 12 * i]
        if len(entry) == 12:
            start, length = struct.unpack(">II", entry[4:])
            tags[entry[:4]] = profile[start : start + length]
    return tags


def _tag(tags: dict[bytes, bytes], name: bytes) -> bytes:
    if name not in tags:
        raise BadProfile(f"no tag {name.decode()}")
    return tags[name]


def _colorants(tags: dict[bytes, bytes]) -> NDArray[np.float64]:
    columns = [_tag(tags, name) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    if any(len(c) < 20 for c in columns):
        raise BadProfile("a colorant is cut off")
    return np.array([struct.unpack(">3i", c[8:20]) for c in columns], np.float64).T / 65536


@lru_cache(maxsize=8)
def _gray_curve(profile: bytes) -> Curve:
    return _curve(_tag(_tags(profile), b"kTRC"))


def _curve(data: bytes) -> Curve:
    try:
        if data[:4] == b"curv":
            count = int.from_bytes(data[8:12], "big")
            values = struct.unpack(f">{count}H", data[12 : 12 + 2 * count])
            if count < 2:
                return "para", (values[0] / 256 if values else 1.0, 1, 0, 0, 0, 0, 0)
            return "table", tuple(v / 65535 for v in values)
        if data[:4] == b"para":
            kind = int.from_bytes(data[8:10], "big")
            size = (1, 3, 4, 5, 7)[kind]
            return "para", _parametric(kind, [v / 65536 for v in struct.unpack(f">{size}i", data[12 : 12 + 4 * size])])
    except (struct.error, IndexError) as error:
        raise BadProfile(f"broken tone curve: {error}") from None
    raise BadProfile("unknown kind of tone curve")


def _parametric(kind: int, p: list[float]) -> tuple[float, ...]:
    """Any parametricCurveType as type 4: (a x + b)^g + e from d on, c x + f below."""
    if kind == 0:
        return (p[0], 1, 0, 0, 0, 0, 0)
    g, a, b = p[:3]
    if kind in (1, 2):
        offset = p[3] if kind == 2 else 0.0
        return (g, a, b, 0, -b / a if a else 0.0, offset, offset)
    return (*p, 0, 0) if kind == 3 else tuple(p)


def _sample(curve: Curve, n: int) -> NDArray[np.float32]:
    """The curve at n even inputs 0..1."""
    kind, values = curve
    x = np.linspace(0, 1, n)
    if kind == "table":
        return np.interp(x, np.linspace(0, 1, len(values)), values).astype(np.float32)
    g, a, b, c, d, e, f = values
    return np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f).astype(np.float32)


def write_matrix_profile(colorants: NDArray[np.float64], gamma: float) -> bytes:
    """A minimal ICC profile (v2, RGB display) of D50-adapted colorants (columns R, G, B) and one gamma."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"rTRC", b"gTRC", b"bTRC")
    points = [*colorants.T, np.array([0.9642, 1.0, 0.8249])]
    bodies = [b"XYZ " + bytes(4) + struct.pack(">3i", *np.rint(p * 65536).astype(int)) for p in points] + [curve] * 3
    offset, table, data = 132 + 12 * len(names), b"", b""
    for name, body in zip(names, bodies, strict=True):
        table += name + struct.pack(">II", offset + len(data), len(body))
        data += body
    head = struct.pack(">I4sI4s4s4s", offset + len(data), b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head = head.ljust(36, b"\0") + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(names)) + table + data


ADOBE_RGB = write_matrix_profile(
    np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]), 563 / 256
)
"""Adobe RGB (1998): cameras mark it in EXIF (interoperability R03) without embedding a profile."""
