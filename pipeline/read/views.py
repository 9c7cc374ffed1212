"""A look at a picture small enough to compare many: do two exposures show one view, and how far apart are they in EV?

A view is the picture at 128 px on its long side. Two views are compared by the normalised correlation of their
luminance gradients over the pixels that are exposed in both, at the best shift within 6 % of the long side (Padfield,
"Masked object registration in the Fourier domain", 2012). Gradients are divided by their local strength, so neither
exposure nor tone curve matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import cv2
import numpy as np
import rawpy
from numpy.typing import NDArray

from pipeline.photo import Header, Image
from pipeline.read.color import to_linear
from pipeline.read.decode import decode
from pipeline.read.raw import upright

LONG_SIDE = 128
_SHIFT = 8
_DARK, _BRIGHT = 5, 250
"""Luma outside carries no detail: noise below, clipping above."""
_TELLING, _GREY, _COLOURED = 0.1, 2, 12
"""Share of the frame that must be exposed to tell whether a picture has colours; range of the channels there, in its
most coloured hundredth, up to which it has none, and from which it has."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A small picture prepared for comparison.

    luma: (h, w) uint8, sRGB-encoded. spectra: (4, H, W) complex64, transforms of the normalised gradient's two parts,
    of the mask of exposed pixels, and of the gradient's energy. level: mean luma, 0..255. coloured: whether it has
    colours at all; None where that does not show.
    """

    luma: NDArray[np.uint8]
    spectra: NDArray[np.complex64]
    level: float
    coloured: bool | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two views agree: correlation -1..1, share of the frame exposed in both, shift (x, y) in look pixels."""

    score: float
    overlap: float
    shift: tuple[int, int] = (0, 0)

    @property
    def same(self) -> bool:
        """The two certainly show one view."""
        return (self.score >= 0.55 and self.overlap >= 0.025) or (self.score >= 0.45 and self.overlap >= 0.3)

    @property
    def different(self) -> bool:
        """The two certainly show different views; neither same nor different means that they cannot be compared."""
        return self.score <= 0.40 and self.overlap >= 0.10


def look(header: Header) -> View:
    """The small view of a photo, from the preview inside a RAW file, else from a reduced decode.

    Raises
    ------
    PhotoError
        What decode raises.
    """
    size = (header.width, header.height)
    preview = _preview(header) if header.format == "raw" else None
    if preview is not None:
        return view_of(preview, size)
    reduce = next((r for r in (8, 4, 2) if max(size) >= 2 * LONG_SIDE * r), 1)
    # The caller's limit on pixels was checked when the header was read.
    return view_of(decode(header, reduce=reduce, max_megapixels=inf), size)


def _preview(header: Header) -> Image | None:
    """The JPEG inside a RAW file, upright and reduced; None where it is missing, tiny, or of another shape."""
    try:
        with rawpy.RawPy() as raw:
            raw.open_file(header.path)
            thumb = raw.extract_thumb()
    except rawpy.LibRawError:
        return None
    if thumb.format != rawpy.ThumbFormat.JPEG:
        return None
    data = np.frombuffer(thumb.data, np.uint8)
    flags = cv2.IMREAD_REDUCED_COLOR_8 if len(data) > 1 << 19 else cv2.IMREAD_REDUCED_COLOR_2
    bgr = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None or max(bgr.shape) < LONG_SIDE:
        return None
    image = upright(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8), header.orientation)
    stretch = image.shape[1] * header.height / (image.shape[0] * header.width)
    return image if abs(stretch - 1) <= 0.02 else None


def view_of(image: Image, size: tuple[int, int] | None = None) -> View:
    """The view of an upright picture, (H, W, 3) uint8 or uint16 RGB; `size` is the full (width, height)."""
    width, height = size or (image.shape[1], image.shape[0])
    scale = LONG_SIDE / max(width, height)
    shape = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
    if small.dtype == np.uint16:
        small = (small >> 8).astype(np.uint8)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return View(luma.astype(np.uint8), _spectra(luma.astype(np.float32)), float(luma.mean()), _coloured(small, luma))


def _coloured(small: Image, luma: Any) -> bool | None:
    exposed = (luma > _DARK) & (luma < _BRIGHT)
    if exposed.mean() < _TELLING:
        return None
    most = float(np.percentile(np.ptp(small[exposed], axis=1), 99))
    return True if most >= _COLOURED else False if most <= _GREY else None


def turned(view: View, quarters: int) -> View:
    """The view of the picture turned counter-clockwise by `quarters` of a turn."""
    luma = np.ascontiguousarray(np.rot90(view.luma, quarters))
    return View(luma, _spectra(luma.astype(np.float32)), view.level, view.coloured)


def _spectra(luma: NDArray[np.float32]) -> NDArray[np.complex64]:
    exposed = ((luma > _DARK) & (luma < _BRIGHT)).astype(np.uint8)
    mask = cv2.erode(exposed, np.ones((3, 3), np.uint8)).astype(np.float32)
    smooth = cv2.GaussianBlur(luma, (0, 0), 1.0)
    gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3) / 8
    gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3) / 8
    # 1.5 levels: below this local strength a gradient is noise and must not be blown up.
    gain = mask / (np.sqrt(cv2.GaussianBlur(gx * gx + gy * gy, (0, 0), 8)) + 1.5)
    gx, gy = gx * gain, gy * gain
    planes = np.stack([gx, gy, mask, gx * gx + gy * gy]).astype(np.float32)
    height, width = (cv2.getOptimalDFTSize(n + _SHIFT) for n in luma.shape)
    return np.fft.rfft2(planes, (height, width)).astype(np.complex64)


def agreement(a: View, b: View) -> Agreement:
    """Compare two views of pictures of one size; the shift takes b to a.

    A black and white picture is another view than one in colour: it is no exposure of that set.
    """
    if a.coloured is not None and b.coloured is not None and a.coloured != b.coloured:
        return Agreement(0.0, 1.0)
    h, w = a.luma.shape
    A, B = a.spectra, b.spectra.conj()
    products = np.stack([A[0] * B[0] + A[1] * B[1], A[3] * B[2], A[2] * B[3], A[2] * B[2]])
    height, width = (cv2.getOptimalDFTSize(n + _SHIFT) for n in (h, w))
    steps = np.r_[0 : _SHIFT + 1, -_SHIFT:0]
    planes = np.fft.irfft2(products, (height, width))[:, steps][:, :, steps]
    dots, energy_a, energy_b, overlap = planes
    score = dots / np.sqrt(np.maximum(energy_a, 1e-3) * np.maximum(energy_b, 1e-3))
    score = np.where(overlap > 0.02 * h * w, score, -1)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    shift = (int(steps[column]), int(steps[row]))
    return Agreement(float(score[row, column]), max(0.0, float(overlap[row, column]) / (h * w)), shift)


def stops_between(a: View, b: View, shift: tuple[int, int] = (0, 0)) -> float:
    """How much brighter b is than a, in EV: the median ratio of linear luma over pixels unclipped in both.

    The curves of cameras bend it: .7 to 1.6 times the truth per link. Where too few pixels are unclipped in both, the
    ratio of the means is used; it is nearer to 0 than the truth.
    """
    dx, dy = shift
    h, w = a.luma.shape
    left = a.luma[max(0, dy) : h + min(0, dy), max(0, dx) : w + min(0, dx)]
    right = b.luma[max(0, -dy) : h + min(0, -dy), max(0, -dx) : w + min(0, -dx)]
    x, y = (to_linear(part.astype(np.float32) / np.float32(255)) for part in (left, right))
    # Cameras darken shadows beyond sRGB: the brighter the pixels, the truer their ratio.
    for floor in (64, 32, 16):
        usable = (left > floor) & (left < 245) & (right > floor) & (right < 245)
        # Borders and labels do not change with the exposure: they do not count where anything else does.
        changed = usable & (np.abs(left.astype(np.int16) - right) > 1)
        usable = changed if changed.sum() > 0.1 * usable.sum() else usable
        if usable.mean() >= 0.01:
            return float(np.median(np.log2(y[usable] / x[usable])))
    return float(np.log2((y.mean() + 1e-4) / (x.mean() + 1e-4)))
