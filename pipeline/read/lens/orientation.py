"""Lenses of pictures that were turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.plan import Lens


def turned(lens: Lens, orientation: int, frame: Sequence[float]) -> Lens:
    """The lens of a picture that was turned as EXIF orientation 1-8 says; frame: (width, height) before, any unit."""
    long = max(frame)
    (width, height), (x, y), (a, b) = (frame[0] / long, frame[1] / long), lens.centre, lens.tangential
    gain = lens.gain
    if orientation >= 5:
        (width, height), (x, y), (a, b) = (height, width), (y, x), (b, a)
        gain = None if gain is None else gain.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        x, b = width - x, -b
        gain = None if gain is None else gain[:, ::-1]
    if orientation in (3, 4, 7, 8):
        y, a = height - y, -a
        gain = None if gain is None else gain[::-1]
    kept = None if gain is None else np.ascontiguousarray(gain)
    return replace(lens, centre=(x, y), tangential=(a, b), gain=kept)
