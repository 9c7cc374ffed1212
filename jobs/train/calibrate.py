"""Calibration: from the network's answers on pictures it never saw to probabilities that mean what they say.

Temperatures for place, room and light (Guo et al., On calibration of modern neural networks, 2017), and a logistic
regression for the trust in a sky mask (Platt, 1999), with a ridge, since the pictures kept aside are few.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.train.layout import Labelled
from pipeline.see import sky
from pipeline.see.nets import PLACES, ROOMS, Answers

Vector = NDArray[np.floating[Any]]
_RIGHT_OVERLAP, _FALSE_AREA = 0.8, 0.02
_FEWEST = 30
"""Pictures kept aside below which nothing can be calibrated."""
UNKNOWN: dict[str, Any] = {"place": 1.0, "room": 1.0, "sky": [0.0] * 7}
"""The calibration of a network of which nothing is known: every sky is trusted half."""


def calibrated(pictures: list[Labelled], answers: list[Answers]) -> dict[str, Any]:
    """Temperatures, and the weights of pipeline.see.sky.trust."""
    place = [(a.place, PLACES.index(p.place)) for p, a in zip(pictures, answers, strict=True)]
    room = [(a.room, ROOMS.index(p.room)) for p, a in zip(pictures, answers, strict=True) if p.room]
    known = [(p, a) for p, a in zip(pictures, answers, strict=True) if p.sky is not None or p.place == "interior"]
    if len(known) < _FEWEST:
        return UNKNOWN
    right = np.array([_is_right(p, a) for p, a in known])
    return {
        "place": temperature(place),
        "room": temperature(room),
        "sky": [round(float(w), 4) for w in logistic(np.stack([sky.features(a) for _, a in known]), right)],
    }


def overlap(found: Any, true: Any) -> float:
    """Intersection over union of two masks at 0.5; 1 where both are empty."""
    f, t = found > 0.5, true > 0.5
    union = np.count_nonzero(f | t)
    return np.count_nonzero(f & t) / union if union else 1.0


def _is_right(picture: Labelled, answers: Answers) -> float:
    import cv2

    found = answers.masks[0]
    if picture.sky is None or float(np.mean(picture.sky > 127)) < 0.01:
        return float(np.mean(found > 0.5) <= _FALSE_AREA)
    h, w = picture.sky.shape
    return float(overlap(cv2.resize(found, (w, h)), picture.sky / 255) >= _RIGHT_OVERLAP)


def temperature(labelled: list[tuple[Vector, int]]) -> float:
    """The divisor of the logits under which the labels are most likely; 1 where there are too few to tell."""
    if len(labelled) < _FEWEST:
        return 1.0
    logits, labels = np.stack([v for v, _ in labelled]), np.array([k for _, k in labelled])

    def loss(t: float) -> float:
        z = logits / t
        z = z - z.max(1, keepdims=True)
        return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), labels]))

    return round(float(min(np.geomspace(0.3, 4, 131), key=loss)), 3)


def logistic(x: Vector, y: Vector, ridge: float = 1.0) -> NDArray[np.float64]:
    """Weights (k,) of a logistic regression of y (n,) in 0..1 on x (n, k), the first of which is 1; Newton's method."""
    weights = np.zeros(x.shape[1])
    penalty = np.diag([0.0, *[ridge] * (x.shape[1] - 1)])
    for _ in range(60):
        p = 1 / (1 + np.exp(-(x @ weights)))
        slope = x.T @ (y - p) - penalty @ weights
        curve = (x * (p * (1 - p) + 1e-6)[:, None]).T @ x + penalty
        weights = weights + np.clip(np.linalg.solve(curve, slope), -2, 2)
    return weights
