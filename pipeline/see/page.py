"""Pages with a photo on them, as a phone's screen shows: pictures of pictures, not to be edited."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
_APART, _SPECKS = 0.03, 0.01
"""Difference from the page's colour up to which a pixel is of it; share of a line that may differ on the bare page."""
_BARE, _PHOTO, _ACROSS, _SMEARED = 0.08, 0.12, 0.8, 0.009
"""Least share of bare lines; of lines in one photo; least share of its first and last line that is not page; share of
the lines over which JPEG smears that edge."""

_THING = 0.05
"""Share of a line from which something stands there; less is the smear of JPEG."""


def is_page(picture: Field) -> bool:
    """Whether (h, w, 3) 0..1 is a plain page with a photo across it, from side to side, and text or buttons beside it.

    A photo in a plain frame is none, with a caption or a stamp below it neither.
    """
    turned = picture.swapaxes(0, 1)
    return any(_page(lines) for lines in (picture, picture[::-1], turned, turned[::-1]))


def _page(lines: Field) -> bool:
    if _other(lines[:1], ground := np.median(lines[0], axis=0))[0] > _SPECKS:
        return False
    other = _other(lines, ground)
    if np.mean(other <= _SPECKS) < _BARE:
        return False
    photos, things, smeared = 0, 0, 1 + round(_SMEARED * len(lines))
    for is_bare, run in itertools.groupby(other, key=lambda share: bool(share <= _SPECKS)):
        shares = list(run)
        if is_bare:
            continue
        ends = max(shares[:smeared]), max(shares[-smeared:])
        if len(shares) > _PHOTO * len(lines) and min(ends) >= _ACROSS:
            photos += 1
        elif max(shares) > _THING:
            things += 1
    return photos > 0 and things > 1


def _other(lines: Field, ground: Field) -> Any:
    """The share (n,) of each of the lines (n, m, 3) that is not of the page's colour."""
    return (np.abs(lines - ground).max(axis=2) > _APART).mean(axis=1)
