"""Where a bracketed set of a room shows the outside: glass that is burnt in the middle exposure, not in a darker one.

Whether something is burnt, and whether a darker exposure has a view there, is measured. Whether it is a window says the
network, which looks at every exposure that shows the room at all: panes that the merge shows well do not look like
windows any more, burnt ones do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.merge.order import log_radiance
from pipeline.photo import Image
from pipeline.see.nets import MASKS, Network

Field = NDArray[np.floating[Any]]
_DIMMEST, _BRIGHTEST = 0.12, 0.6
_BURNT = 250
_BRIGHTER = (0.6, 1.4)
"""EV above the room's walls between which something in a window comes to be outside."""
_SMALLEST = 0.0015
_PLAIN = (0.08, 0.2)
"""Local contrast (EV) between which glass comes to show a view: frosted panes and closed blinds have none."""
_LIKELY = (0.25, 0.5)
"""Prior from which a pane belongs to a window, and from which there is one (Canny's hysteresis)."""
_FEATHER = 0.008


def window_prior(exposures: Sequence[NDArray[np.uint8]], eyes: Network) -> NDArray[np.float32]:
    """(h, w) float32 0..1: the likeliest that any exposure (h, w, 3) makes it that there is glass."""
    means = [float(e[::8, ::8].mean()) / 255 for e in exposures]
    shown = [e for e, mean in zip(exposures, means, strict=True) if _DIMMEST < mean < _BRIGHTEST]
    found = [eyes(e.astype(np.float32) / np.float32(255)).masks[MASKS.index("window")] for e in shown or exposures[-1:]]
    size = (exposures[0].shape[1], exposures[0].shape[0])
    return np.asarray(cv2.resize(np.max(found, axis=0), size, interpolation=cv2.INTER_LINEAR))


def view_of(
    exposures: Sequence[NDArray[np.uint8]], exposure_values: Sequence[float], reference: int, prior: Field
) -> NDArray[np.float32]:
    """(h, w) float32 0..1: where aligned exposures (h, w, 3), darkest first, show a view through glass.

    prior: (h, w) 0..1, as `window_prior`.
    """
    nothing = np.zeros(prior.shape, np.float32)
    burnt = exposures[reference].max(axis=2) >= _BURNT
    recovered = burnt & (exposures[0].max(axis=2) < _BURNT)
    inside = (prior < 0.3) & ~burnt
    if np.mean(recovered) < _SMALLEST or np.mean(inside) < 0.05:
        return nothing
    radiance = log_radiance(exposures, exposure_values)
    wall = float(np.median(radiance[inside]))
    contrast = _local_contrast(radiance)
    near = np.ones((2 * round(0.01 * max(prior.shape)) + 1,) * 2, np.uint8)
    count, labels = cv2.connectedComponents(cv2.dilate((prior > _LIKELY[0]).astype(np.uint8), near))
    mask = nothing
    for k in range(1, count):
        window = (labels == k) & (prior > _LIKELY[0])
        if np.mean(window & recovered & (prior > _LIKELY[1])) >= _SMALLEST:
            seen = window & (radiance > wall + _BRIGHTER[1])
            mask = mask + window * np.float32(_ramp(np.median(contrast[seen]), _PLAIN) if seen.any() else 0)
    sigma = _FEATHER * max(prior.shape)
    outside = _ramp(cv2.GaussianBlur(radiance, (0, 0), sigma) - wall, _BRIGHTER).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(mask * outside, (0, 0), sigma), np.float32)


def _local_contrast(radiance: Field) -> Any:
    """Deviation of log2 luminance (EV) from its surroundings, averaged there."""
    sigma = 0.01 * max(radiance.shape)
    deviation = np.abs(radiance - cv2.GaussianBlur(radiance, (0, 0), sigma))
    return cv2.GaussianBlur(deviation, (0, 0), sigma)


def _ramp(x: Any, ends: tuple[float, float]) -> Any:
    t = np.clip((x - ends[0]) / (ends[1] - ends[0]), 0, 1)
    return t * t * (3 - 2 * t)


def eight_bits(image: Image) -> NDArray[np.uint8]:
    """An exposure of 8 or 16 bits as the network and the radiance want it."""
    return np.asarray(image if image.dtype == np.uint8 else cv2.convertScaleAbs(image, alpha=1 / 257), np.uint8)
