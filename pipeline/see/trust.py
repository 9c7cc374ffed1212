"""How much a mask of the network is to be trusted: the probability that it is right, from what one glance shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.see.nets import MASKS, PLACES, Answers

_LEAST = 0.002
"""Share of the frame below which nothing was found."""
_AT_HOME = {"sky": ("exterior", "aerial"), "window": ("interior",)}
"""Places where a mask is to be expected."""
FEATURES = 7


def features(answers: Answers, mask: str) -> NDArray[np.float64]:
    """(7,) numbers by which the trust in the mask of that name ("sky", "window") is judged, the first of which is 1.

    What was missed leaves traces, too: an exterior without a sky, or with an unsure one, is suspect.
    """
    p = answers.masks[MASKS.index(mask)].astype(np.float64)
    home = [PLACES.index(name) for name in _AT_HOME[mask]]
    away = [k for k in range(len(PLACES)) if k not in home]
    expected = float(np.clip(answers.place[home].max() - answers.place[away].max(), -6, 6)) / 4
    area, unsure = float(np.mean(p > 0.5)), float(np.mean((p > 0.1) & (p < 0.9)))
    inside = float(p[p > 0.5].mean()) if area > 0 else 0.5
    found = float(area > _LEAST)
    return np.array(
        [
            1.0,
            expected,
            found * expected,
            found * np.log(max(area, _LEAST) / 0.1),
            np.log((unsure + 0.003) / (area + 0.01)),
            found * (inside - 0.95) * 10,
            1 - found,
        ]
    )


def trust(answers: Answers, mask: str, weights: Any) -> float:
    """The probability, 0..1, that the mask is right: it overlaps the true one well, or there is nothing to find."""
    return float(1 / (1 + np.exp(-float(features(answers, mask) @ np.asarray(weights)))))
