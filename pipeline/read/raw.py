"""RAW to pixels, so that the exposures of one set keep their ratios: one white balance, one curve, no guessing.

LibRaw demosaics (AHD) to linear light in sRGB primaries; 65535 is the saturation of the sensor in its weakest channel.
One monotone base curve, the same for all frames of a set, then gives the brightness that the camera showed.

A frame that stands alone has no darker one to show what it burnt, but its channels saturate one after the other: what
the last of them saw is rebuilt without colour (LibRaw's blend) and rolled off into white.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import Any, cast

import cv2
import numpy as np
import rawpy
import simplejpeg
from numpy.typing import NDArray

from pipeline.codes import Code, PhotoError
from pipeline.photo import Header, Image
from pipeline.read.color import LUMA, from_linear, to_linear
from pipeline.read.metadata.header import libraw_reason, raw_crop

KNOTS = np.arange(-12.0, 1.0)
"""Where a base curve is given: log2 of linear light, 0 being saturation of the sensor."""
_BLEND = 2
_PILE, _PILED, _STOPS = 0.98, 0.0005, 0.85
"""Share of the highest count that is saturated as well, of the sensor that proves that it is saturation, and of the
level that the file names below which no sensor stops."""
_WORTH = 0.002
"""Share of burnt pixels that is worth rebuilding."""
_SHOULDER = 0.4
_PREVIEW_SIDE = 256
_STRIP_ROWS = 256
# Linear light as the sensor saw it. LibRaw would otherwise take white from the brightest pixel of each frame
# (adjust_maximum_thr), and break the ratios within a set.
_LINEAR: dict[str, Any] = {
    "gamma": (1, 1),
    "output_bps": 16,
    "no_auto_bright": True,
    "adjust_maximum_thr": 0,
    "user_flip": 0,
}


@dataclass(frozen=True, slots=True)
class RawSettings:
    """How all frames of one set are developed.

    white_balance: multipliers of R, G, B, second G. curve: sRGB-encoded output 0..1 at KNOTS, increasing.
    rebuilt: None, or how highlights are rebuilt.
    """

    white_balance: tuple[float, float, float, float]
    curve: tuple[float, ...]
    rebuilt: Rebuilt | None = None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Highlights beyond the saturation of the weakest channel.

    saturation: the highest count above black. reach: what 65535 stands for then; white: what is shown as white; both
    over the saturation of the weakest channel.
    """

    saturation: int
    reach: float
    white: float


def raw_settings(reference: Header, *, alone: bool = False) -> RawSettings:
    """The settings of a set, read from its middle frame: as-shot white balance, curve fitted to its embedded preview.

    Where the file has no preview, the curve is a generic one (base_curve). alone: it is no set but one frame, whose
    highlights are rebuilt where enough of it is burnt.

    Raises
    ------
    PhotoError
        As decode_linear.
    """
    with _opened(reference) as raw:
        preview = _preview(raw)
        balance = _white_balance(raw, preview)
        rebuilt = _rebuilt(raw, balance) if alone else None
    draft = RawSettings(balance, tuple(base_curve().tolist()))
    if preview is None and rebuilt is None:
        return draft
    linear = decode_linear(reference, draft, half=True)
    burnt = np.mean(linear[::2, ::2].max(axis=2) == 65535)
    if preview is not None:
        shown, small = _small(to_linear(preview)), _small(linear.astype(np.float32) / np.float32(65535))
        draft = replace(draft, curve=tuple(fit_curve(small @ LUMA, shown @ LUMA).tolist()))
    return replace(draft, rebuilt=rebuilt if burnt > _WORTH else None)


def decode_linear(header: Header, raw: RawSettings, *, half: bool = False) -> NDArray[np.uint16]:
    """Linear light of a RAW file: (H, W, 3) uint16, sRGB primaries, upright, cropped as the camera meant.

    half: half the size (each Bayer cell one pixel), for proxies.

    Raises
    ------
    PhotoError
        RAW_UNSUPPORTED, TRUNCATED, UNREADABLE or OOM.
    """
    with _opened(header) as file:
        left, top, width, height = raw_crop(file.sizes)
        full = file.sizes.iwidth
        image = file.postprocess(
            user_wb=list(raw.white_balance),
            highlight_mode=_BLEND if raw.rebuilt else 0,
            user_sat=raw.rebuilt.saturation if raw.rebuilt else None,
            half_size=half,
            **_LINEAR,
        )
    step = 2 if half and image.shape[1] < full else 1
    rows, columns = slice(top // step, ceil((top + height) / step)), slice(left // step, ceil((left + width) / step))
    return cast(NDArray[np.uint16], upright(image[rows, columns], header.orientation))


def apply_curve(linear: NDArray[np.uint16], raw: RawSettings) -> NDArray[np.uint16]:
    """sRGB-encoded picture of linear light through the base curve, in place: `linear` is overwritten and returned."""
    table = curve_table(raw.curve, raw.rebuilt)
    for top in range(0, linear.shape[0], _STRIP_ROWS):
        linear[top : top + _STRIP_ROWS] = table[linear[top : top + _STRIP_ROWS]]
    return linear


@lru_cache(maxsize=8)
def curve_table(curve: tuple[float, ...], rebuilt: Rebuilt | None = None) -> NDArray[np.uint16]:
    """The base curve as (65536,) uint16: sRGB-encoded output of each linear input; never decreasing.

    Rebuilt highlights are rolled off into white first (Reinhard et al., 2002, the extended operator).
    """
    knots = np.asarray(curve, np.float64)
    linear = np.arange(65536) / 65535
    if rebuilt is not None:
        linear *= rebuilt.reach
        u, most = (np.maximum(x - _SHOULDER, 0) / (1 - _SHOULDER) for x in (linear, np.float64(rebuilt.white)))
        rolled = _SHOULDER + (1 - _SHOULDER) * u * (1 + u / most**2) / (1 + u)
        linear = np.where(linear < _SHOULDER, linear, np.minimum(rolled, 1))
    position = np.log2(np.maximum(linear, 2.0 ** KNOTS[0])) - KNOTS[0]
    output = _monotone_cubic(knots, position)
    toe = linear < 2.0 ** KNOTS[0]
    output[toe] = knots[0] * linear[toe] / 2.0 ** KNOTS[0]
    return np.rint(np.clip(np.maximum.accumulate(output), 0, 1) * 65535).astype(np.uint16)


def base_curve() -> NDArray[np.float64]:
    """A generic base curve at KNOTS: mid-tones one EV up, a soft shoulder to white, slightly deeper shadows."""
    linear: NDArray[np.float64] = np.exp2(KNOTS)
    raised = 2.1 * linear / (1 + 1.1 * linear)
    encoded = from_linear(raised.astype(np.float32)).astype(np.float64)
    return encoded + 0.12 * (encoded**2 * (3 - 2 * encoded) - encoded)


def fit_curve(linear: NDArray[np.float32], shown: NDArray[np.float32]) -> NDArray[np.float64]:
    """The base curve at KNOTS that takes the distribution of `linear` to that of `shown` (both linear luminance 0..1).

    Distributions are compared, not pixels, so crop, rotation and lens correction of the preview do not matter. The
    correction of the generic curve, in EV, is smooth, zero at saturation, and level where no pixels tell (penalised
    least squares on the quantiles).
    """
    quantiles = np.linspace(0.01, 0.99, 99)
    x = np.log2(np.maximum(np.quantile(linear, quantiles), 2.0 ** KNOTS[0]))
    y = np.log2(np.maximum(np.quantile(shown, quantiles), 2.0 ** KNOTS[0]))
    generic = np.log2(to_linear(base_curve().astype(np.float32)).astype(np.float64))
    told = (x > KNOTS[0] + 1) & (x < -0.05) & (y > -9.5) & (y < -0.05)
    n = len(KNOTS)
    weights = np.maximum(0, 1 - np.abs(x[told, None] - KNOTS[None]))
    bends, slopes = np.diff(np.eye(n), 2, axis=0), np.diff(np.eye(n), 1, axis=0)
    white = np.eye(n)[-1:]
    rows = np.vstack([weights, 0.3 * bends, 0.05 * slopes, 3 * white])
    wanted = np.zeros(len(rows))
    wanted[: len(weights)] = (y - np.interp(x, KNOTS, generic))[told]
    correction = np.clip(np.linalg.lstsq(rows, wanted, rcond=None)[0], -4, 4)
    fitted = from_linear(np.exp2(generic + correction).astype(np.float32)).astype(np.float64)
    fitted[-1] = 1
    return np.clip(np.maximum.accumulate(fitted), 0, 1)


def upright(image: Image, orientation: int) -> Image:
    """A contiguous picture turned as EXIF orientation 1-8 says; no copy where there is nothing to do."""
    if orientation >= 5:
        image = cast(Image, cv2.transpose(image))
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    if flip is not None:
        image = cast(Image, cv2.flip(image, flip))
    return cast(Image, np.ascontiguousarray(image))


@contextmanager
def _opened(header: Header) -> Generator[rawpy.RawPy]:
    try:
        with rawpy.imread(header.path) as raw:
            yield raw
    except rawpy.LibRawError as error:
        code: dict[type[Exception], Code]
        code = {rawpy.LibRawIOError: Code.TRUNCATED, rawpy.LibRawFileUnsupportedError: Code.RAW_UNSUPPORTED}
        code |= {rawpy.LibRawNotImplementedError: Code.RAW_UNSUPPORTED, rawpy.LibRawUnsufficientMemoryError: Code.OOM}
        camera = f"{header.make} {header.model}".strip() or "unknown camera"
        message = f"{header.path}: RAW of {camera}: {libraw_reason(error)}"
        raise PhotoError(code.get(type(error), Code.UNREADABLE), message) from None
    except OSError as error:
        raise PhotoError(Code.UNREADABLE, f"{header.path}: {error.strerror or error}") from None


def _rebuilt(raw: rawpy.RawPy, balance: tuple[float, float, float, float]) -> Rebuilt | None:
    """How the highlights of a frame are rebuilt; None where it has no mosaic of counts."""
    counts = raw.raw_image_visible
    black = float(np.mean(raw.black_level_per_channel))
    if counts.ndim != 2 or raw.white_level <= black:
        return None
    top = min(int(counts.max()), raw.white_level)
    own = (top - black) / (raw.white_level - black)
    # A sensor may stop somewhat below the level that the file names; an even red wall is no such stop.
    if own < _STOPS or np.mean(counts[::2, ::2] >= black + _PILE * (top - black)) < _PILED:
        top, own = raw.white_level, 1.0
    red, green, blue = balance[:3]
    least = min(red, green, blue)
    return Rebuilt(round(top - black), own * max(red, green, blue) / least, own * (red + green + blue) / 3 / least)


def _white_balance(raw: rawpy.RawPy, preview: NDArray[np.float32] | None) -> tuple[float, float, float, float]:
    """As shot; where the file does not tell, what made the preview's greys grey; else daylight for this camera."""
    red, green, blue, _ = raw.camera_whitebalance
    if min(red, green, blue) <= 0:
        found = None if preview is None else _balance_of_greys(raw, preview)
        red, green, blue = found or raw.daylight_whitebalance[:3]
    return (red / green, 1.0, blue / green, 1.0) if min(red, green, blue) > 0 else (1.0, 1.0, 1.0, 1.0)


def _balance_of_greys(raw: rawpy.RawPy, preview: NDArray[np.float32]) -> tuple[float, float, float] | None:
    """Multipliers under which the sensor's own colours are grey where the preview is; None if it has too few greys."""
    own = raw.postprocess(
        user_wb=[1.0, 1.0, 1.0, 1.0],
        output_color=rawpy.ColorSpace.raw,
        half_size=True,
        **_LINEAR,
    )
    shown = _small(preview)
    size = (shown.shape[1], shown.shape[0])
    light: NDArray[np.float32] = cv2.resize(own.astype(np.float32) / 65535, size, interpolation=cv2.INTER_AREA)
    grey = (np.ptp(shown, axis=2) < 0.06) & (shown.max(axis=2) < 0.85) & (light.min(axis=2) > 0.002)
    if np.count_nonzero(grey) < 0.002 * grey.size:
        return None
    red, green, blue = np.median(light[grey] / light[grey][:, 1:2], axis=0)
    return float(green / red), 1.0, float(green / blue)


def _preview(raw: rawpy.RawPy) -> NDArray[np.float32] | None:
    """The embedded preview, sRGB-encoded 0..1, None where there is none that can be read."""
    try:
        thumb = raw.extract_thumb()
        if thumb.format == rawpy.ThumbFormat.BITMAP:
            image = np.asarray(thumb.data)
        else:
            image = simplejpeg.decode_jpeg(
                cast(bytes, thumb.data), "rgb", fastdct=True, min_height=_PREVIEW_SIDE, min_factor=8, strict=False
            )
    except (rawpy.LibRawError, ValueError):
        return None
    if image.ndim != 3 or min(image.shape[:2]) < 64:
        return None
    return image.astype(np.float32) / np.float32(255)


def _small(image: NDArray[np.float32]) -> NDArray[np.float32]:
    scale = _PREVIEW_SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cast(NDArray[np.float32], cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _monotone_cubic(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Monotone cubic Hermite interpolation of values at 0, 1, 2 ... (Fritsch & Butland 1984: harmonic-mean slopes)."""
    steps = np.diff(values)
    product = steps[:-1] * steps[1:]
    inner = np.where(product > 0, 2 * product / np.where(product > 0, steps[:-1] + steps[1:], 1), 0)
    slopes = np.concatenate([steps[:1], inner, steps[-1:]])
    i = np.clip(at.astype(int), 0, len(values) - 2)
    t = at - i
    a, b, ma, mb = values[i], values[i + 1], slopes[i], slopes[i + 1]
    return (a * (1 + 2 * t) + ma * t) * (1 - t) ** 2 + (b * (3 - 2 * t) - mb * (1 - t)) * t**2
