"""Whether a sky is dull: overcast, hazy white or burnt out, as opposed to blue, lit by a low sun, or dark.

What speaks for a sky is its colour, and a small part of it in blue is enough; so does paler blue between clouds. A cast
of the whole photo looks like one; so the sky is judged twice, as shot and with the white balance corrected, and the two
are averaged.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.reduce import reduced
from pipeline.see.scene import Seen

Field = NDArray[np.floating[Any]]
_LONG_SIDE = 512
_CERTAIN, _LEAST = 0.9, 20
_LIVELIEST = 90
"""Percentile of chroma by which a sky is judged."""
_DULL, _GOOD = 10.2, 13.2
"""CIELAB chroma of certainly dull and certainly good skies (labels: benchmarks/quality/sky_labels.json)."""
_EVEN, _BROKEN = 10.0, 11.0
"""Range of CIELAB b* from blue to cloud of a sky that is all of one kind, and of one that certainly is not."""
_SMOOTH = 2.0
_DARK, _SAID = 50.0, 0.5
"""CIELAB lightness of the darkest sky that may be an overcast day's, unless the file says so surely that it is day."""


def dullness(shot: Field, balanced: Field, seen: Seen) -> float:
    """How dull the sky of a photo is, 0..1; 0 where there is none, or at dusk or night.

    shot, balanced: the proxy (h, w, 3) float32 0..1, sRGB-encoded, before and after its white balance.
    """
    if max(seen.dusk, seen.night) >= 0.5:
        return 0.0
    found = [_looks(picture, seen.sky) for picture in (shot, balanced)]
    if seen.daylight < _SAID and any(lightness < _DARK for _, _, lightness in found):
        return 0.0
    chroma, uneven = (float(np.mean([look[i] for look in found])) for i in (0, 1))
    pale = (_GOOD - chroma) / (_GOOD - _DULL)
    closed = (_BROKEN - uneven) / (_BROKEN - _EVEN)
    return min(max(min(pale, closed), 0.0), 1.0)


def _looks(picture: Field, sky: Field) -> tuple[float, float, float]:
    """CIELAB chroma of a sky's liveliest tenth, its range of b*, and its median L*; all 0 without a certain sky."""
    small = reduced(picture.astype(np.float32), _LONG_SIDE)
    certain = cv2.resize(sky, small.shape[1::-1], interpolation=cv2.INTER_AREA) > _CERTAIN
    if int(certain.sum()) < _LEAST:
        return 0.0, 0.0, 0.0
    lab: Any = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    inside = lab[certain]
    chroma = np.percentile(np.hypot(inside[:, 1], inside[:, 2]), _LIVELIEST)
    blue, cloud = np.percentile(cv2.GaussianBlur(lab[..., 2], (0, 0), _SMOOTH)[certain], (5, 95))
    return float(chroma), float(cloud - blue), float(np.median(inside[:, 0]))
