"""Masks of the network at the size of a proxy."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.see.nets import PLACES, Answers

Field = NDArray[np.floating[Any]]


def sky_of(answers: Answers, places: Any) -> NDArray[np.float32]:
    """The sky mask (h, w), at the network's size; none in rooms, given the probabilities of PLACES.

    A view through a window is no sky to replace, and rooms have none of their own.
    """
    outside = places[PLACES.index("exterior")] + places[PLACES.index("aerial")]
    return answers.masks[0] if outside >= 0.5 else np.zeros_like(answers.masks[0])


def enlarged(mask: Field, proxy: Field) -> NDArray[np.float32]:
    """A mask of the network at the size of the proxy (h, w, 3), its edge drawn to the proxy's own edges.

    Guided filter (He et al., 2013) on the proxy's luma over about two pixels of the mask.
    """
    size = (proxy.shape[1], proxy.shape[0])
    p: Any = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    guide: Any = cv2.cvtColor(proxy.astype(np.float32, copy=False), cv2.COLOR_RGB2GRAY)
    radius = max(1, round(2 * proxy.shape[1] / mask.shape[1]))
    return np.clip(guided(guide, p, radius, 1e-3), 0, 1).astype(np.float32)


def guided(guide: Field, p: Field, radius: int, eps: float) -> Any:
    """The mask p (h, w) with its edges drawn to those of `guide` (h, w) 0..1, over squares of 2 * radius + 1 pixels.

    Guided filter (He et al., 2013), not clipped.
    """

    def mean(x: Any) -> Any:
        return cv2.boxFilter(x, -1, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    m, n = mean(guide), mean(p)
    a = (mean(guide * p) - m * n) / (mean(guide * guide) - m * m + eps)
    return mean(a) * guide + mean(n - a * m)
