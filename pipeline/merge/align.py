"""Where each exposure of a bracket lies on the reference, found on proxies.

A pair is aligned in three steps: phase correlation for the shift, then a homography by Gauss-Newton on the locally
normalised logarithm of the green channel over pixels well exposed in both (the inverse compositional form of
Lucas-Kanade, Baker and Matthews, IJCV 2004, with robust weights), and SIFT with MAGSAC as another start where that
fails. Local normalisation makes the signal the same for any exposure; the criterion is that of ECC (Evangelidis and
Psarakis, PAMI 2008), on sparse points, and with both exposures' masks. Exposures far apart are joined through ones
between them. Nothing is believed that does not make the two pictures agree better than leaving them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.codes import Code, PhotoError
from pipeline.merge.register import (
    Pair,
    motion_of,
    pair_of,
    polish,
    shift_of,
    to_index,
    to_normalised,
)
from pipeline.photo import Image
from pipeline.reduce import reduced

_LINK = 3.0
"""EV that one link of the chain spans where the set allows."""
_COARSE, _FINE = 480, 1152
"""Long sides, in pixels, at which a pair is aligned."""
_SETTLED = 0.05
"""Mean motion, in pixels of the level, below which a polish has nothing left to do."""
_STILL = 0.1
"""Mean motion, in proxy pixels, below which a frame has not moved."""
_AGREE = 0.5
"""Correlation that an alignment must reach to be believed."""
_ALIKE = 100
"""Pixels that count as one independent sample of a correlation."""
_CERTAIN = 2.0
"""How many standard deviations a correlation must be from none."""
_DOUBT = 2.1
"""Expected error, in proxy pixels over the frame, above which a motion is not believed (it is about three times the
error that known warps show)."""
_SURE, _DIM = 0.8, 0.6
"""Correlations below which another way down, and SIFT, are asked for a second opinion."""
_WIDE = 3.0
"""Expected size, in pixels at the edge, of motions other than the shift, while they are searched for."""
_GAIN = 0.003
"""How much the correlation must rise against identity for a motion to be believed."""
_FAR = 0.12
"""Motion of a corner, relative to the long side, that no bracket of one view has."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Where an exposure lies.

    transform, (3, 3) float64 with a last element of 1, maps (x, y) of the reference to (x, y) of this exposure, both
    divided by the long side of the frame, pixel centres at +0.5. It is exactly the identity for a frame that has not
    moved. confidence is the correlation of the two pictures' local structure after alignment, 0..1 (the least along
    the chain). Where ok is False the transform must not be used, and the frame is best left out (Code.ALIGN_FAILED).
    """

    transform: NDArray[np.float64]
    confidence: float
    ok: bool

    @property
    def still(self) -> bool:
        """Whether the frame needs no resampling at all."""
        return bool(np.array_equal(self.transform, np.eye(3)))


def pixel_matrix(transform: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The transform for pictures of shape (h, w, ...) in OpenCV's coordinates (pixels, centres at integers).

    Use with cv2.warpPerspective and WARP_INVERSE_MAP: it maps the reference's pixels to those of the exposure.
    """
    return to_index(transform, max(shape[:2]))


def warp_to_reference(image: Image, alignment: Alignment) -> Image:
    """An exposure (h, w, 3) resampled (bilinear, border replicated) onto the reference; the same array if still."""
    if alignment.still:
        return image
    h, w = image.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = pixel_matrix(alignment.transform, image.shape)
    return cv2.warpPerspective(image, matrix, (w, h), flags=flags, borderMode=cv2.BORDER_REPLICATE)  # pyright: ignore[reportReturnType]


def align(proxies: Sequence[Image], exposure_values: Sequence[float], reference: int) -> list[Alignment]:
    """Align the exposures of one shot with the reference.

    proxies: (h, w, 3) RGB, all of one size, at best 1-1.6 MP; exposure_values in EV, one per proxy. Frames are taken
    in order of their distance in EV from the reference, each joined to the aligned frame nearest the reference that is
    at most 3 EV away (else to the nearest), and links are composed. Raises PhotoError(SIZE_MISMATCH).
    """
    for k, proxy in enumerate(proxies):
        if proxy.shape != proxies[reference].shape:
            message = f"exposure {k} is {proxy.shape[1]}x{proxy.shape[0]}, the reference is"
            message += f" {proxies[reference].shape[1]}x{proxies[reference].shape[0]}"
            raise PhotoError(Code.SIZE_MISMATCH, message)
    frames = [reduced(green_of(proxy), _FINE) for proxy in proxies]
    found: dict[int, Alignment] = {reference: Alignment(np.eye(3), 1.0, True)}
    order = sorted(range(len(proxies)), key=lambda k: abs(exposure_values[k] - exposure_values[reference]))
    for k in order:
        if k in found:
            continue
        best = Alignment(np.eye(3), 0.0, False)
        for anchor in anchors(k, found, exposure_values, reference):
            link = _pair(frames[anchor], frames[k])
            confidence = min(link.confidence, found[anchor].confidence)
            if link.ok or confidence > best.confidence:
                transform = _snap(link.transform @ found[anchor].transform, max(frames[k].shape))
                best = Alignment(transform, confidence, link.ok)
            if link.ok:
                break
        found[k] = best
    return [found[k] for k in range(len(proxies))]


def anchors(k: int, found: dict[int, Alignment], values: Sequence[float], reference: int) -> list[int]:
    """Up to two aligned frames to join frame k to, the better first."""
    ready = [i for i, a in found.items() if a.ok]
    near = sorted(
        (i for i in ready if abs(values[i] - values[k]) <= _LINK), key=lambda i: abs(values[i] - values[reference])
    )
    nearest = sorted(ready, key=lambda i: abs(values[i] - values[k]))
    return list(dict.fromkeys([*near[:1], *nearest]))[:2]


def _snap(transform: NDArray[np.float64], long: int) -> NDArray[np.float64]:
    """The transform with last element 1, or exactly the identity where it moves less than _STILL."""
    transform = transform / transform[2, 2]
    return np.eye(3) if motion_of(transform) * long < _STILL else transform


def green_of(proxy: Image) -> NDArray[np.uint8]:
    """The green channel, 8 bit: sharper and less noisy than red and blue, and clipped where it says so."""
    green = np.ascontiguousarray(proxy[..., 1])
    return (green >> 8).astype(np.uint8) if green.dtype == np.uint16 else green.astype(np.uint8, copy=False)


def _pair(base: NDArray[np.uint8], frame: NDArray[np.uint8]) -> Alignment:
    """The transform between two green channels, checked."""
    long = max(base.shape)
    still = _judged(np.eye(3), pair_of(base, frame, np.eye(3)), 0.0)
    found = _descend(base, frame, None)
    if max(found.confidence, still.confidence) < _SURE:
        again = _judged(*_settle(base, frame, _settle(base, frame, found.transform, calm=_WIDE)[0]))
        found = max(found, again, key=lambda a: a.confidence)
    if max(found.confidence, still.confidence) < _DIM:
        start = _features(base, frame)
        if start is not None:
            found = max(found, _descend(base, frame, start), key=lambda a: a.confidence)
    if found.confidence < still.confidence + _GAIN or motion_of(found.transform) * long < _STILL:
        return still
    return found


def _judged(transform: NDArray[np.float64], pair: Pair, doubt: float) -> Alignment:
    """An alignment, ok where the pictures agree on enough pixels, the motion is small and not in doubt (pixels)."""
    score = pair.correlation
    certain = np.arctanh(min(score, 0.999)) * np.sqrt(pair.support / _ALIKE)
    ok = bool(score >= _AGREE and certain >= _CERTAIN and doubt <= _DOUBT and motion_of(transform) < _FAR)
    return Alignment(transform, float(np.clip(score, 0, 1)), ok)


def _descend(base: NDArray[np.uint8], frame: NDArray[np.uint8], start: NDArray[np.float64] | None) -> Alignment:
    """Coarse to fine from a start; without one, from the better of no motion and the shift of phase correlation."""
    small, small_frame = reduced(base, _COARSE), reduced(frame, _COARSE)
    if start is None:
        still = pair_of(small, small_frame, np.eye(3))
        start = shift_of(still)
        if pair_of(small, small_frame, start).correlation <= still.correlation:
            start = np.eye(3)
    transform, _, _ = _settle(small, small_frame, start, calm=_WIDE)
    return _judged(*_settle(base, frame, transform))


def _settle(
    base: NDArray[np.uint8], frame: NDArray[np.uint8], transform: NDArray[np.float64], calm: float = 0.3
) -> tuple[NDArray[np.float64], Pair, float]:
    """Polish, and make the pair anew (what is well exposed in both has moved), until nothing moves.

    Gives the transform, its pair and its expected error in pixels of this level.
    """
    doubt = 0.0
    for _ in range(3):
        pair = pair_of(base, frame, transform)
        polished, doubt = polish(pair, transform, calm=calm)
        step = motion_of(polished @ np.linalg.inv(transform)) * max(base.shape)
        transform = polished
        if step < _SETTLED:
            return transform, pair, doubt
    return transform, pair_of(base, frame, transform), doubt


def _features(base: NDArray[np.uint8], frame: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """A homography from SIFT matches, or None (SIFT: Lowe 2004; MAGSAC++: Barath et al. 2020)."""
    long = 1024
    finder = cv2.SIFT.create(2000, contrastThreshold=0.02)
    local = cv2.createCLAHE(4.0, (8, 8))
    a, b = (finder.detectAndCompute(local.apply(reduced(g, long)), None) for g in (base, frame))  # pyright: ignore[reportArgumentType,reportCallIssue]
    if len(a[0]) < 12 or len(b[0]) < 12:
        return None
    pairs = [m for m in cv2.BFMatcher(cv2.NORM_L2).knnMatch(a[1], b[1], k=2) if len(m) == 2]
    good = [m for m, second in pairs if m.distance < 0.8 * second.distance]
    if len(good) < 12:
        return None
    source = np.array([a[0][m.queryIdx].pt for m in good])
    target = np.array([b[0][m.trainIdx].pt for m in good])
    matrix, inside = cv2.findHomography(source, target, cv2.USAC_MAGSAC, 1.5, maxIters=5000)
    if matrix is None or int(inside.sum()) < 12:
        return None
    return to_normalised(matrix, min(long, max(base.shape)))
