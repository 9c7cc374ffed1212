"""The merge of a shot: which exposures enter it, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.codes import Code
from pipeline.merge.align import Alignment, align
from pipeline.merge.refine import refine
from pipeline.photo import Image, Shot
from pipeline.plan import Merge


def aligned_merge(proxies: Sequence[Image], shot: Shot, *, move: bool, detail: float) -> tuple[Merge, list[str]]:
    """Align the proxies of a shot; frames that cannot be aligned are left out. The merge, and warning codes."""
    if len(proxies) == 1:
        return Merge.single(), []
    still = Alignment(np.eye(3), 1.0, True)
    found = align(proxies, shot.exposure_values, shot.reference) if move else [still] * len(proxies)
    merge = Merge(
        np.stack([a.transform for a in found]),
        shot.exposure_values,
        tuple(a.ok for a in found),
        shot.reference,
        detail,
    )
    return merge, [] if all(merge.used) else [Code.ALIGN_FAILED.name]


def refined_merge(merge: Merge, exposures: Sequence[Image]) -> Merge:
    """The merge with its transforms refined on full-resolution patches."""
    if sum(merge.used) == 1 or np.array_equal(merge.transforms, np.broadcast_to(np.eye(3), merge.transforms.shape)):
        return merge
    used = [i for i, u in enumerate(merge.used) if u]
    known = [Alignment(merge.transforms[i], 1.0, True) for i in used]
    values = [merge.exposure_values[i] for i in used]
    better = refine(known, [exposures[i] for i in used], used.index(merge.reference), values, merge.lens)
    transforms = merge.transforms.copy()
    for i, alignment in zip(used, better, strict=True):
        transforms[i] = alignment.transform
    return replace(merge, transforms=transforms)
