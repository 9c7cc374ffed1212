"""Calibration: from the network's answers on pictures it never saw to probabilities that mean what they say.

Temperatures for place, room and light (Guo et al., On calibration of modern neural networks, 2017), and a logistic
regression for the trust in a sky mask (Platt, 1999), with a ridge, since the pictures kept aside are few.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.train.layout import Labelled
from pipeline.see.masks import sky_of
from pipeline.see.nets import MASKS, PLACES, ROOMS, Answers
from pipeline.see.scene import softmax
from pipeline.see.trust import FEATURES, features

Vector = NDArray[np.floating[Any]]
_RIGHT = {"sky": (0.8, 0.02), "window": (0.5, 0.01)}
"""Overlap from which a mask is right, and false area up to which it is where there is nothing to find."""
_FEWEST = 20
"""Pictures kept aside below which nothing can be calibrated."""
UNKNOWN: dict[str, Any] = {"place": 1.0, "room": 1.0, "sky": [0.0] * FEATURES, "windows": [0.0] * FEATURES}
"""The calibration of a network of which nothing is known: every sky is trusted half."""


def calibrated(pictures: list[Labelled], answers: list[Answers]) -> dict[str, Any]:
    """Temperatures, and the weights of pipeline.see.trust."""
    pairs = list(zip(pictures, answers, strict=True))
    place = [(a.place, PLACES.index(p.place)) for p, a in pairs]
    room = [(a.room, ROOMS.index(p.room)) for p, a in pairs if p.room]
    found = {"place": temperature(place), "room": temperature(room)}
    skies = [
        (a, is_right(sky_of(a, softmax(a.place / found["place"])), p.sky, "sky"))
        for p, a in pairs
        if p.sky is not None or p.place == "interior"
    ]
    windows = [
        (a, is_right(a.masks[MASKS.index("window")], p.window, "window"))
        for p, a in pairs
        if p.window is not None or p.windowless
    ]
    return found | {"sky": _trust(skies, "sky"), "windows": _trust(windows, "window")}


def _trust(known: list[tuple[Answers, bool]], mask: str) -> list[float]:
    """Weights of the trust in a mask, from answers and whether they were right."""
    if len(known) < _FEWEST:
        return [0.0] * FEATURES
    x, y = np.stack([features(a, mask) for a, _ in known]), np.array([float(right) for _, right in known])
    return [round(float(w), 4) for w in logistic(x, y)]


def is_right(found: Any, true: Any, mask: str) -> bool:
    """Whether a found mask (h, w) 0..1 is right, given the true one (h, w) 0..255 of any size (None: empty)."""
    least, most = _RIGHT[mask]
    if true is None or float(np.mean(true > 127)) < 0.01:
        return bool(np.mean(found > 0.5) <= most)
    return overlap(cv2.resize(found, true.shape[::-1]), true / 255) >= least


def overlap(found: Any, true: Any) -> float:
    """Intersection over union of two masks at 0.5; 1 where both are empty."""
    f, t = found > 0.5, true > 0.5
    union = np.count_nonzero(f | t)
    return np.count_nonzero(f & t) / union if union else 1.0


def temperature(labelled: list[tuple[Vector, int]]) -> float:
    """The divisor of the logits under which the labels are most likely; 1 where there are too few to tell."""
    if len(labelled) < _FEWEST:
        return 1.0
    logits, labels = np.stack([v for v, _ in labelled]), np.array([k for _, k in labelled])

    def loss(t: float) -> float:
        z = logits / t
        z = z - z.max(1, keepdims=True)
        return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), labels]))

    return round(float(min(np.geomspace(0.1, 4, 151), key=loss)), 3)


def logistic(x: Vector, y: Vector, ridge: float = 0.3) -> NDArray[np.float64]:
    """Weights (k,) of a logistic regression of y (n,) in 0..1 on x (n, k), the first of which is 1; Newton's method."""
    weights = np.zeros(x.shape[1])
    penalty = np.diag([0.0, *[ridge] * (x.shape[1] - 1)])
    for _ in range(60):
        p = 1 / (1 + np.exp(-(x @ weights)))
        slope = x.T @ (y - p) - penalty @ weights
        curve = (x * (p * (1 - p) + 1e-6)[:, None]).T @ x + penalty
        weights = weights + np.clip(np.linalg.solve(curve, slope), -2, 2)
    return weights
