"""What one glance at the proxy tells the edits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.reduce import reduced

Field = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the edits may know besides the proxy.

    night: 0..1, how much of the picture lies in darkness that is meant to stay (dusk, a street at night).
    """

    night: float = 0.0


def look(proxy: Field) -> Seen:
    """One glance at (h, w, 3) float32 0..1, sRGB-encoded."""
    small = reduced(proxy.astype(np.float32), 512)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    # Much black and little light: dark trees before a day's sky are no night.
    black = min(max((float(np.mean(luma < 0.12)) - 0.1) / 0.25, 0.0), 1.0)
    dim = min(max((0.66 - float(np.percentile(luma, 75))) / 0.1, 0.0), 1.0)
    return Seen(night=black * dim)
