"""Provenance: for each delivered pixel, the exposure it was captured in and what was done to it.

A plane is (H, W) uint8. The low four bits number the exposure of the largest weight, counted from the darkest as in
Shot.sources (15: none). The high four bits are flags.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.codes import Code, PhotoError

Plane = NDArray[np.uint8]
NONE = 15
"""Exposure number of a pixel that no exposure gave."""
_ROWS = 1024


ADJUSTED, COMPOSITED, GENERATED, OBSCURED = 16, 32, 64, 128
"""Flags: tone or detail was changed (what is shown was captured); pasted from elsewhere (a sky, another exposure's
window); synthesised by a model; blurred for privacy."""
FLAGS = {"adjusted": ADJUSTED, "composited": COMPOSITED, "generated": GENERATED, "obscured": OBSCURED}


def new_plane(height: int, width: int, *, exposure: int = 0, flags: int = 0) -> Plane:
    """A plane of one exposure (0-14, or NONE) and the same flags everywhere."""
    if not 0 <= exposure <= NONE:
        raise ValueError(f"exposure {exposure}: expected 0 to {NONE}")
    return np.full((height, width), exposure | flags, np.uint8)


def shares(plane: Plane) -> dict[str, float]:
    """Shares of the area, 0..1.

    `captured_0`, `captured_1`, ...: pixels an exposure gave and that are neither pasted nor generated (adjusted and
    obscured ones count); `adjusted`, `composited`, `generated`, `obscured`: pixels with the flag.
    """
    counts = _histogram(plane)
    total = float(max(1, plane.size))
    values = np.arange(256)
    made = values & (COMPOSITED | GENERATED) != 0
    found: dict[str, float] = {}
    for exposure in range(NONE):
        captured = int(counts[(values & 15 == exposure) & ~made].sum())
        if captured:
            found[f"captured_{exposure}"] = captured / total
    return found | {name: int(counts[values & flag != 0].sum()) / total for name, flag in FLAGS.items()}


def _histogram(plane: Plane) -> NDArray[np.int64]:
    # Strips of under 2^24 pixels, which OpenCV counts exactly in float32.
    rows = max(1, min(_ROWS, (1 << 23) // max(1, plane.shape[1])))
    counts = np.zeros(256, np.int64)
    for top in range(0, plane.shape[0], rows):
        strip = np.ascontiguousarray(plane[top : top + rows])
        counts += cv2.calcHist([strip], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return counts


def halve(plane: Plane) -> Plane:
    """Half size, rounded up: the upper left exposure of each 2 x 2 pixels, all of their flags. No flag is lost."""
    even = np.pad(plane, ((0, plane.shape[0] % 2), (0, plane.shape[1] % 2)), mode="edge")
    a, b, c, d = even[::2, ::2], even[::2, 1::2], even[1::2, ::2], even[1::2, 1::2]
    return (a & np.uint8(15)) | ((a | b | c | d) & np.uint8(240))


def encode(plane: Plane, *, full: bool = False) -> bytes:
    """A grey PNG, lossless, of half size as kept in the plan, or of full size."""
    small = np.ascontiguousarray(plane if full else halve(plane))
    return cv2.imencode(".png", small, [cv2.IMWRITE_PNG_COMPRESSION, 4])[1].tobytes()


def decode(data: bytes, *, name: str = "provenance") -> Plane:
    """The plane of an encoded PNG, at the size it has there.

    Raises
    ------
    PhotoError
        UNREADABLE if `data` is no grey 8-bit PNG; the message begins with `name`.
    """
    try:
        plane = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        plane = None
    if plane is None or plane.ndim != 2 or plane.dtype != np.uint8:
        raise PhotoError(Code.UNREADABLE, f"{name}: not a provenance plane")
    return plane.astype(np.uint8, copy=False)
