"""Plain frames around pictures: a white or black margin is no sky, however much it looks like one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
_PLAIN, _RINGING = 0.05, 0.06
"""Range of a plain line's values at most, and of one beside the picture in a JPEG."""
_STEP, _ACROSS = 0.05, 0.9
"""By how much the picture differs from its frame, along which share of the side: skies do not end so."""
_ALIKE = 0.03
"""Difference of two sides' colours up to which they are of one frame."""
_WIDEST, _SPECKS = 0.3, 0.02
"""Share of the picture that a frame takes at most; share of a line that may differ from it in a frame."""


def frame_of(picture: Field) -> tuple[int, int, int, int]:
    """Pixels of plain frame at the top, bottom, left and right of a picture (h, w, 3) 0..1; 0 where there is none.

    A burnt sky does not show where a white frame ends above it: it is as wide as other sides' of that colour.
    """
    turned = picture.swapaxes(0, 1)
    sides = [picture, picture[::-1], turned, turned[::-1]]
    found = [_depth(lines) for lines in sides]
    depths = [depth if ends else 0 for depth, ends in found]
    for k, (depth, ends) in enumerate(found):
        # Only a frame that goes around has one on the other side and beside: bars at two sides leave the sky between.
        around = [j for j, (_, there) in enumerate(found) if there and _alike(sides[j], sides[k])]
        if not ends and k ^ 1 in around and len(around) > 1 and depth >= found[k ^ 1][0]:
            depths[k] = found[k ^ 1][0]
    top, bottom, left, right = depths
    return top, bottom, left, right


def _alike(one: Field, other: Field) -> bool:
    return float(np.abs(_colour(one) - _colour(other)).max()) < _ALIKE


def _colour(lines: Field) -> Any:
    return np.median(lines[0], axis=0)


def _depth(lines: Field) -> tuple[int, bool]:
    """How many of the first lines (n, m, 3) are plain, and whether the picture shows that a frame ends there."""
    if float(np.ptp(lines[0], axis=0).max()) > _PLAIN:
        return 0, False
    apart = np.abs(lines - _colour(lines)).max(axis=2)
    inner = apart > _RINGING
    ahead, across = np.flatnonzero(inner.mean(axis=1) > _SPECKS), np.flatnonzero(inner.mean(axis=0) > _SPECKS)
    if not len(ahead) or not len(across):
        return 0, False
    depth = int(ahead[0])
    # The next line may be mixed with the frame; and there may be frame at its ends.
    beyond = apart[min(depth + 1, len(lines) - 1), across[0] : across[-1] + 1]
    return depth, depth <= _WIDEST * len(lines) and float(np.mean(beyond > _STEP)) >= _ACROSS
