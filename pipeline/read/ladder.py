"""Exposure ladders: pure rules on exposure values (EV) and capture times, before any picture is looked at."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from pipeline.photo import Header

MAX_EXPOSURES = 9
DISTINCT = 0.25
"""EV. A third of a stop is the smallest bracketing step; nominal times such as 1/60 are off by up to .08 EV."""
BURST_GAP = 2.0
"""Seconds between the end of a frame and the start of the next, within automatic bracketing."""
MAX_GAP = 300.0
"""Seconds: frames further apart are never one set."""
_STEP_TOLERANCE = 0.2


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that counts: IMG_9 before IMG_10; case-folded, NFC."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", text).casefold())
    return tuple((0, int(p), p) if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts)


def in_order(headers: Sequence[Header]) -> list[Header]:
    """Headers by capture time, then by natural file name; those without a time last."""
    return sorted(headers, key=lambda h: (h.captured is None, seconds(h), natural(h.relative), h.relative))


def seconds(header: Header) -> float:
    """Start of the exposure in seconds of camera time, 0 where unknown."""
    if header.captured is None:
        return 0.0
    return (header.captured.replace(tzinfo=None) - _EPOCH).total_seconds()


_EPOCH = datetime(1970, 1, 1)


def gap(before: Header, after: Header) -> float | None:
    """Seconds from the end of one exposure to the start of the next, at least 0; None where a time is unknown."""
    if before.captured is None or after.captured is None:
        return None
    return max(0.0, seconds(after) - seconds(before) - (before.exposure_time or 0.0))


def gaps(headers: Sequence[Header]) -> list[float]:
    """The known gaps between successive headers."""
    found = (gap(a, b) for a, b in itertools.pairwise(headers))
    return [g for g in found if g is not None]


def distinct(values: Sequence[float]) -> bool:
    """No exposure occurs twice."""
    return bool(np.all(np.diff(np.sort(values)) >= DISTINCT))


def step(values: Sequence[float]) -> float | None:
    """The step of a uniform ladder in EV, or None where the steps differ by more than rounding of nominal values."""
    steps = np.diff(np.sort(values))
    return float(np.mean(steps)) if len(steps) and float(np.ptp(steps)) <= 2 * _STEP_TOLERANCE else None


def repeats(values: Sequence[float]) -> int | None:
    """The length m of the one ladder that these exposures repeat in the same order, None if they do not.

    m is 3-9, the ladder uniform in steps of .6 EV or more: what automatic bracketing fires.
    """
    for m in range(3, min(MAX_EXPOSURES, len(values)) + 1):
        first = values[:m]
        uniform = step(first)
        if len(values) % m or uniform is None or uniform < 0.6 or not distinct(first):
            continue
        if all(abs(v - first[i % m]) < DISTINCT / 2 for i, v in enumerate(values)):
            return m
    return None


def cost(values: Sequence[float], headers: Sequence[Header]) -> float:
    """What it costs to call these frames of one view (in order of capture) one set; a single frame costs 1.

    inf where an exposure occurs twice or a gap exceeds MAX_GAP. Fewer and more regular sets cost less: the cheapest
    partition of a view's frames is chosen.
    """
    n = len(values)
    if n == 1:
        return 1.0
    pauses = gaps(headers)
    longest = max(pauses, default=0.0)
    if not distinct(values) or longest > MAX_GAP:
        return float("inf")
    total = 1.0 + (0.3 if n == 2 else 0.1 if n % 2 == 0 else 0.0) + 0.02 * max(0, n - MAX_EXPOSURES)
    total += 0.0 if step(values) is not None else 0.3
    total += 0.2 if longest > 60 else 0.1 if longest > 15 else 0.0
    total += 0.2 if float(np.ptp(values)) < 0.9 else 0.0
    return total + (1.2 if paused(pauses) else 0.0)


def paused(pauses: Sequence[float]) -> bool:
    """One gap stands out: more than 3 s and 4 times the median of the others."""
    if len(pauses) < 2:
        return False
    *rest, longest = sorted(pauses)
    return longest > 3 and longest > 4 * float(np.median(rest))


def certainty(values: Sequence[float], headers: Sequence[Header]) -> float:
    """How sure the facts alone make a set, 0..1 (pictures come on top)."""
    pauses = gaps(headers)
    longest = max(pauses, default=0.0)
    sure = 0.98 * (0.95 if step(values) is None else 1.0) * (0.9 if len(values) == 2 else 1.0)
    sure *= 0.85 if longest > 60 else 0.95 if longest > 15 else 1.0
    sure *= 0.6 if float(np.ptp(values)) < 0.9 else 1.0
    sure *= 0.7 if paused(pauses) else 1.0
    return sure * (0.95 if len(pauses) < len(headers) - 1 else 1.0)


def spread_evenly(values: Sequence[float], count: int = MAX_EXPOSURES) -> list[int]:
    """Indices of the `count` of the ascending values that cover their range most evenly, both ends included."""
    if len(values) <= count:
        return list(range(len(values)))
    kept = [0]
    for k, target in enumerate(np.linspace(values[0], values[-1], count)[1:-1], start=1):
        free = range(kept[-1] + 1, len(values) - (count - 1 - k))
        kept.append(min(free, key=lambda i: (abs(values[i] - float(target)), i)))
    return [*kept, len(values) - 1]


def describe(values: Sequence[float], headers: Sequence[Header], reference: float, *, measured: bool) -> str:
    """The facts of a set in words: "5 frames in 1.4 s, EV -4..+4 in steps of 2, same camera and focal length"."""
    words = [f"{len(values)} frames"]
    if headers[0].captured is not None and headers[-1].captured is not None:
        span = seconds(headers[-1]) + (headers[-1].exposure_time or 0.0) - seconds(headers[0])
        words[0] += f" in {span:.1f} s"
    ladder = sorted(v - reference for v in values)
    text = f"EV {ladder[0]:+.1f}..{ladder[-1]:+.1f}".replace(".0", "")
    uniform = step(values)
    text += f" in steps of {uniform:.1f}".removesuffix(".0") if uniform is not None else " in uneven steps"
    words.append(text + (", measured on the pictures" if measured else ""))
    if headers[0].model:
        known = headers[0].focal_length is not None
        words.append("same camera and focal length" if known else "same camera")
    return ", ".join(words)
