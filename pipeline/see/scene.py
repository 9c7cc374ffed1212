"""What one glance at the proxy tells the edits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Seen:
    """What the edits may know besides the proxy.

    radiance: (h, w) float32, log2 of the scene's luminance (EV, any zero point), from the exposures where there are
    several, else from the proxy. exposures: how many entered the merge. iso: of the reference, None if unknown.
    """

    radiance: NDArray[np.floating[Any]]
    exposures: int = 1
    iso: float | None = None
