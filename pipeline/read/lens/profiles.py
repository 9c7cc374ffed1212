"""Lenses by name, from the lensfun database (the extra `lens`): what they do at a focal length and an aperture.

A lens counts as known only where the file names it, or the camera has one that cannot be changed: nothing is guessed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.photo import Header
from pipeline.plan import LENS_KNOTS, LENS_REACH, Lens
from pipeline.read.lens.orientation import turned

_WIDTH = 1200
"""Pixels of the virtual picture on which the database's models are sampled."""
_GAIN_COLUMNS, _LARGEST_GAIN = 96, 4.0
_FAR = 1000.0
"""Metres: the distance of what was focused on, where the file does not tell."""
_WORDS = re.compile(r"\d+(?:\.\d+)?|[a-z]+")
_MAKERS = (
    "canon nikon nikkor sony sigma tamron tokina fujifilm fujinon fuji pentax smc panasonic lumix leica olympus zeiss"
)
_FILLERS = frozenset(_MAKERS.split()) | {"mm", "f", "lens", "zuiko", "digital", "m", "af", "s", "zoom"}


def lens_count() -> int:
    """How many lenses the database has; 0 where it is not installed."""
    database = _database()
    return len(database.lenses) if database else 0


def profile(header: Header) -> Lens | None:
    """What the header's lens did to the picture, upright; None where it is not known. The zoom of the result is 1."""
    camera, lens = _found(header.make, header.model, header.lens, header.focal_length or 0.0)
    if lens is None or not header.focal_length:
        return None
    width, height = (header.width, header.height) if header.orientation < 5 else (header.height, header.width)
    found = _sampled(lens, camera.crop_factor, header.focal_length, header.f_number, (width, height))
    return turned(found, header.orientation, (width, height))


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        return import_module("lensfunpy")
    except ImportError:
        return None


@lru_cache(maxsize=1)
def _database() -> Any:
    library = _library()
    return library and library.Database()


@lru_cache(maxsize=64)
def _found(make: str, model: str, name: str, focal: float) -> tuple[Any, Any]:
    """The database's camera and lens, None where one is not certain."""
    database = _database()
    cameras = database.find_cameras(make, model) if database and make and model else []
    if not cameras:
        return None, None
    camera = cameras[0]
    lenses = [x for x in database.find_lenses(camera) if _is_rectilinear(x)]
    if name:
        lenses = _named(lenses, name)
    elif camera.mount[:1].islower():  # a mount of its own: the lens cannot be changed, but converters exist
        lenses = [x for x in lenses if " with " not in x.model]
    else:
        lenses = []
    lenses = [x for x in lenses if 0.98 * x.min_focal <= focal <= 1.02 * x.max_focal]
    names = {x.model for x in lenses}
    return (camera, lenses[0]) if len(names) == 1 else (camera, None)


def _is_rectilinear(lens: Any) -> bool:
    return lens.type.name == "RECTILINEAR"


def _named(lenses: list[Any], name: str) -> list[Any]:
    """The lenses whose names have the same words; else those whose names have all of its words and more."""
    wanted = _words(name)
    if not any(word[0].isdigit() for word in wanted):
        return []
    same = [x for x in lenses if _words(x.model) == wanted]
    return same or [x for x in lenses if wanted < _words(x.model)]


def _words(name: str) -> frozenset[str]:
    words = _WORDS.findall(name.casefold())
    plain = (f"{float(word):g}" if word[0].isdigit() else word for word in words)
    return frozenset(plain) - _FILLERS


def _sampled(lens: Any, crop: float, focal: float, aperture: float | None, size: tuple[int, int]) -> Lens:
    width, height = _virtual(size, _WIDTH)
    flags = _library().ModifyFlags
    modifier = _library().Modifier(lens, crop, width, height)
    options: Any = {"scale": 1.0, "pixel_format": np.float32}
    modifier.initialize(focal, aperture or 0.0, _FAR, flags=flags.DISTORTION | flags.TCA, **options)
    radius = float(np.hypot(width - 1, height - 1)) / 2
    count = int(LENS_REACH * radius) + 6
    middle = (width - 1) / 2, (height - 1) / 2
    # A row from the middle of the frame outwards, beyond its corners: all models are radial.
    row = modifier.apply_subpixel_geometry_distortion(*middle, count, 1)
    plain = modifier.apply_geometry_distortion(*middle, count, 1)
    at = np.linspace(0, LENS_REACH, LENS_KNOTS) * radius
    if row is not None:
        radial = np.stack([_scale(row[0, :, c, 0] - middle[0], at) for c in range(3)])
    elif plain is not None:
        radial = _scale(plain[0, :, 0] - middle[0], at)[None]
    else:
        radial = np.ones((1, LENS_KNOTS))
    if len(radial) == 3 and np.ptp(radial, axis=0).max() < 1e-6:
        radial = radial[:1]
    long = max(size)
    centre = size[0] / long / 2, size[1] / long / 2
    gain = None if not aperture else _gain(lens, crop, focal, aperture, size)
    return Lens(f"lensfun: {lens.model}", centre, float(np.hypot(*centre)), radial, gain=gain)


def _scale(found: NDArray[np.float32], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances found at 0, 1, 2 ... pixels as factors of those at `at`."""
    distances = np.arange(1, len(found), dtype=np.float64)
    factors = found[1:].astype(np.float64) / distances
    # lensfun computes in single precision and with approximate roots: its factors are noisy by 2e-5.
    line = np.convolve(factors, np.full(9, 1 / 9), mode="valid")
    return np.interp(at, distances[4:-4], line)


def _gain(lens: Any, crop: float, focal: float, aperture: float, size: tuple[int, int]) -> NDArray[np.float16] | None:
    width, height = _virtual(size, _GAIN_COLUMNS)
    modifier = _library().Modifier(lens, crop, width, height)
    options: Any = {"scale": 1.0, "pixel_format": np.float32}
    modifier.initialize(focal, aperture, _FAR, flags=_library().ModifyFlags.VIGNETTING, **options)
    light = np.ones((height, width, 3), np.float32)
    if not modifier.apply_color_modification(light):
        return None
    gain = np.clip(light[..., :1], 1 / _LARGEST_GAIN, _LARGEST_GAIN)
    return None if np.abs(gain - 1).max() < 0.01 else gain.astype(np.float16)


def _virtual(size: tuple[int, int], long: int) -> tuple[int, int]:
    scale = long / max(size)
    return max(2, round(size[0] * scale)), max(2, round(size[1] * scale))
