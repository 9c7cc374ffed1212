"""Plain frames around pictures: a white or black margin is no sky, however much it looks like one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
_PLAIN, _RINGING = 0.012, 0.06
"""Range of a plain line's values at most, and of one beside the picture in a JPEG."""
_STEP, _ACROSS = 0.05, 0.9
"""By how much the picture differs from its frame, along which share of the side: skies do not end so."""
_WIDEST, _SPECKS = 0.3, 0.02
"""Share of the picture that a frame takes at most; share of a line that may differ from it in a frame."""


def frame_of(picture: Field) -> tuple[int, int, int, int]:
    """Pixels of plain frame at the top, bottom, left and right of a picture (h, w, 3) 0..1; 0 where there is none."""
    turned = picture.swapaxes(0, 1)
    top, bottom, left, right = (_depth(lines) for lines in (picture, picture[::-1], turned, turned[::-1]))
    return top, bottom, left, right


def _depth(lines: Field) -> int:
    """How many of the first lines (n, m, 3) are a frame."""
    if float(np.ptp(lines[0], axis=0).max()) > _PLAIN:
        return 0
    apart = np.abs(lines - np.median(lines[0], axis=0)).max(axis=2)
    inner = apart > _RINGING
    ahead, across = np.flatnonzero(inner.mean(axis=1) > _SPECKS), np.flatnonzero(inner.mean(axis=0) > _SPECKS)
    if not len(ahead) or not len(across) or ahead[0] > _WIDEST * len(lines):
        return 0
    depth = int(ahead[0])
    # The next line may be mixed with the frame; and there may be frame at its ends.
    beyond = apart[min(depth + 1, len(lines) - 1), across[0] : across[-1] + 1]
    return depth if float(np.mean(beyond > _STEP)) >= _ACROSS else 0
