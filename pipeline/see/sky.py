"""The sky of a proxy: where it is, and how much that is to be trusted."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.see.nets import Answers

Field = NDArray[np.floating[Any]]
_LEAST = 0.002
"""Share of the frame below which nothing was found."""


def features(answers: Answers) -> NDArray[np.float64]:
    """What the trust in a sky mask is judged by: (7,) numbers of one glance.

    A sky that was missed leaves traces, too: an exterior without sky, or with an unsure one, is suspect.
    """
    p = answers.masks[0].astype(np.float64)
    outside = float(answers.place[1:3].max() - max(answers.place[0], answers.place[3]))
    area = float(np.mean(p > 0.5))
    unsure = float(np.mean((p > 0.1) & (p < 0.9)))
    inside = float(p[p > 0.5].mean()) if area > 0 else 0.5
    found = float(area > _LEAST)
    return np.array(
        [
            1.0,
            np.clip(outside, -6, 6) / 4,
            found * np.clip(outside, -6, 6) / 4,
            found * np.log(max(area, _LEAST) / 0.1),
            np.log((unsure + 0.003) / (area + 0.01)),
            found * (inside - 0.95) * 10,
            1 - found,
        ]
    )


def trust(answers: Answers, weights: Field) -> float:
    """The probability, 0..1, that the sky mask is right (it overlaps the true one by 0.8, or there is none)."""
    return float(1 / (1 + np.exp(-float(features(answers) @ weights))))


def enlarged(mask: Field, proxy: Field) -> NDArray[np.float32]:
    """A mask of the network at the size of the proxy (h, w, 3), its edge drawn to the proxy's own edges.

    Guided filter (He et al., 2013) on the proxy's luma over about one pixel of the mask.
    """
    size = (proxy.shape[1], proxy.shape[0])
    p: Any = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    guide: Any = cv2.cvtColor(proxy.astype(np.float32, copy=False), cv2.COLOR_RGB2GRAY)
    radius = max(1, round(proxy.shape[1] / mask.shape[1]))

    def mean(x: Any) -> Any:
        return cv2.boxFilter(x, -1, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    m, n = mean(guide), mean(p)
    a = (mean(guide * p) - m * n) / (mean(guide * guide) - m * m + 1e-3)
    return np.clip(mean(a) * guide + mean(n - a * m), 0, 1).astype(np.float32)
