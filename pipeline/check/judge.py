"""The verdict on a result: figures against the recipe's limits, and a picture of the worst place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.check.metrics import Figures, Place
from pipeline.codes import Code, PhotoError
from pipeline.photo import Image
from pipeline.recipe import Check


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a result is within the limits; codes and reasons name every limit it broke, worst first."""

    passed: bool
    codes: tuple[Code, ...]
    reasons: tuple[str, ...]
    place: Place | None = None
    """Where the first broken limit is broken most, in pixels of the result."""

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "passed": self.passed,
            "codes": [c.name for c in self.codes],
            "reasons": list(self.reasons),
            "place": list(self.place) if self.place else None,
        }


def judge(figures: Figures, limits: Check) -> Verdict:
    """Compare the worst blocks of `figures` with `limits`."""
    broken: list[tuple[float, Code, str, Place]] = []
    if figures.structure_worst < limits.structure:
        reason = f"structure {figures.structure_worst:.3f} is below check.structure={limits.structure:g}"
        excess = (1 - figures.structure_worst) / max(1 - limits.structure, 1e-6)
        broken.append((excess, Code.SSIM_LOW, reason, figures.structure_place))
    if figures.edges_worst < limits.edges:
        reason = f"edges {figures.edges_worst:.3f} are below check.edges={limits.edges:g}"
        excess = (1 - figures.edges_worst) / max(1 - limits.edges, 1e-6)
        broken.append((excess, Code.EDGE_LOSS, reason, figures.edges_place))
    if figures.colour_worst > limits.colour:
        reason = f"colour drift {figures.colour_worst:.2f} is above check.colour={limits.colour:g}"
        broken.append((figures.colour_worst / limits.colour, Code.COLOR_DRIFT, reason, figures.colour_place))
    broken.sort(key=lambda b: -b[0])
    reasons = tuple(f"{reason} near x={p[0]}..{p[2]}, y={p[1]}..{p[3]}" for _, _, reason, p in broken)
    return Verdict(not broken, tuple(b[1] for b in broken), reasons, broken[0][3] if broken else None)


def worst_crop(
    source: Image, result: Image, figures: Figures, *, limits: Check | None = None, least: int = 320
) -> Image:
    """Source and result side by side at 100 % around the worst place, with a grey line between them.

    The place is that of the limit broken most (limits default to `Check()`), else of the lowest structure. The crop has
    at least `least` pixels a side where the picture has them. Raises PhotoError(SIZE_MISMATCH) if the sizes differ.
    """
    if source.shape != result.shape:
        raise PhotoError(Code.SIZE_MISMATCH, f"source is {source.shape[:2]}, result is {result.shape[:2]}: cannot crop")
    place = judge(figures, limits or Check()).place or figures.structure_place
    height, width = result.shape[:2]
    columns = _span(place[0], place[2], width, least)
    rows = _span(place[1], place[3], height, least)
    if source.dtype != result.dtype:
        source = (
            (source >> 8).astype(np.uint8) if source.dtype == np.uint16 else source.astype(np.uint16) * np.uint16(257)
        )
    left, right = source[rows, columns], result[rows, columns]
    line = np.full((left.shape[0], 4, 3), 128 if result.dtype == np.uint8 else 128 * 257, result.dtype)
    return np.concatenate([left, line, right], axis=1)  # pyright: ignore[reportReturnType]


def _span(low: int, high: int, size: int, least: int) -> slice:
    """At least `least` pixels around low..high inside 0..size, at most 4 times as many."""
    length = min(size, max(least, min(high - low, 4 * least)))
    start = min(max((low + high - length) // 2, 0), size - length)
    return slice(start, start + length)
