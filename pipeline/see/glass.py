"""Where there is glass: what the network says of every exposure that shows the room, and of the windows from nearer.

Panes that the merge shows well do not look like windows any more, burnt ones do. What only a bright exposure makes look
like a window may be the image of one in a glossy floor, a television or a mirror.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.see.nets import MASKS, Network
from pipeline.see.reflections import mirrored_above

Field = NDArray[np.floating[Any]]
_DIMMEST, _BRIGHTEST = 0.12, 0.6
LIKELY = (0.2, 0.5)
"""Prior from which a pane belongs to a window, and from which there is one (Canny's hysteresis)."""
_NEARER, _NEAR_ENOUGH = 0.3, 0.75
"""Margin of a nearer look, of the windows' width and height; share of the frame from which there is none."""
_APART = 0.01
"""Half of the width, over the long side, of the narrowest pane that is judged by itself."""
_SURE = 0.5
"""Share of a pane that the darkest exposure must show as glass."""
_BESIDE = 0.08
"""Over the long side: how near to such a pane one must be that it does not."""
_MIRRORED = 0.55
"""Likeness from which what lies below a window is its image."""


def window_prior(exposures: Sequence[NDArray[np.uint8]], eyes: Network) -> NDArray[np.float32]:
    """(h, w) float32 0..1: how likely aligned exposures (h, w, 3), darkest first, make it that there is glass."""
    means = [float(e[::8, ::8].mean()) / 255 for e in exposures]
    shown = [e for e, mean in zip(exposures, means, strict=True) if _DIMMEST < mean < _BRIGHTEST] or exposures[-1:]
    found = [_glass(e, eyes) for e in shown]
    if (box := _around(np.max(found, axis=0))) is not None:
        for prior, exposure in zip(found, shown, strict=True):
            np.maximum(prior[box], _glass(exposure[box], eyes), out=prior[box])
    likely = np.max(found, axis=0)
    if len(shown) == 1:
        return likely
    # Of a room in the dark the network may see no window at all: the next exposure tells then.
    trusted = (_trusted(likely, glass, exposure) for glass, exposure in zip(found[:2], shown[:2], strict=True))
    return np.where(next((t for t in trusted if t.any()), False), likely, 0)


def _glass(exposure: NDArray[np.uint8], eyes: Network) -> NDArray[np.float32]:
    mask = eyes(exposure.astype(np.float32) / np.float32(255)).masks[MASKS.index("window")]
    return np.asarray(cv2.resize(mask, exposure.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def _around(likely: Field) -> tuple[slice, slice] | None:
    """The windows with some of the room about them; None where there are none, or they fill the frame."""
    there = likely > LIKELY[1]
    if not there.any():
        return None
    box: list[slice] = []
    for axis, size in enumerate(likely.shape):
        along = np.flatnonzero(there.any(axis=1 - axis))
        more = round(_NEARER * (along[-1] - along[0] + 1))
        box.append(slice(max(int(along[0]) - more, 0), min(int(along[-1]) + more + 1, size)))
    area = (box[0].stop - box[0].start) * (box[1].stop - box[1].start)
    return (box[0], box[1]) if area < _NEAR_ENOUGH * likely.size else None


def panes_of(likely: Field) -> list[NDArray[np.bool_]]:
    """Masks (h, w) of what hangs together, muntins apart."""
    near = np.ones((2 * round(0.01 * max(likely.shape)) + 1,) * 2, np.uint8)
    there = likely > LIKELY[0]
    count, labels = cv2.connectedComponents(cv2.dilate(there.astype(np.uint8), near))
    return [(labels == k) & there for k in range(1, count)]


def _trusted(likely: Field, darkest: Field, exposure: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Panes that the darkest exposure shows too, and those beside them that are no image of what is above them."""
    long = max(likely.shape)
    apart = np.ones((2 * round(_APART * long) + 1,) * 2, np.uint8)
    count, cores = cv2.connectedComponents(
        cv2.morphologyEx((likely > LIKELY[1]).astype(np.uint8), cv2.MORPH_OPEN, apart)
    )
    panes = [cores == k for k in range(1, count)]
    sure = [pane for pane in panes if np.mean(darkest[pane] > LIKELY[0]) > _SURE]
    if not sure:
        return np.zeros(likely.shape, bool)
    away = cv2.distanceTransform((~np.any(sure, axis=0)).astype(np.uint8), cv2.DIST_L2, 3)
    luminance = np.log2(cv2.cvtColor(exposure, cv2.COLOR_RGB2GRAY).astype(np.float32) + 4)

    def trusted(pane: NDArray[np.bool_]) -> bool:
        least = float(away[pane].min())
        return least == 0 or (least < _BESIDE * long and mirrored_above(luminance, pane) < _MIRRORED)

    # What is too thin to be a pane of its own goes with the nearest.
    outside = (cores == 0).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_CCOMP)
    return np.isin(nearest, [nearest[pane][0] for pane in panes if trusted(pane)])
