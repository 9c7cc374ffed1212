"""Which files of a listing are exposures of one view: facts first, pictures where the facts do not decide.

1. Files that can never be one set are kept apart: another folder, camera, size or focal length; flash.
2. Automatic bracketing is known by its facts: frames at most 2 s apart whose exposure values run through one uniform
   ladder, once or several times in the same order. No picture is looked at.
3. Everything else is compared as small pictures (views.py), near in time where times are known, else all with all.
   Frames of one view are then split into sets where an exposure comes again or a pause stands out, by the cheapest
   partition (ladder.cost), or without times, where names do not tell the order, by the camera's place. Exposure
   values come from EXIF or, without it, are measured.
4. A set below MIN_CONFIDENCE is taken apart and its files are flagged AMBIGUOUS: a wrong merge is worse than none.
5. What stands beside a set and is of its view goes to its left_out (fired with flash), or stays apart and is flagged
   AMBIGUOUS with the set (turned by 90 degrees: an orientation tag was lost).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, product

import numpy as np

from pipeline.codes import Code
from pipeline.photo import Header
from pipeline.read import ladder
from pipeline.read.alike import Look, Pictures, exif_values, same_lens
from pipeline.read.scan import home_folder
from pipeline.read.views import agreement, turned

MIN_CONFIDENCE = 0.5
_BESIDE = 60.0
"""Seconds between a set and a frame beside it."""
_FLASH_SCORE = 0.45
_MIDDLE_LEVEL = 118.0


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one shot, darkest first, and why they are one.

    exposure_values are relative to the reference: the middle exposure; of an even number the one of the two middle
    exposures whose mean luma is nearer to middle grey (118), where it can be looked at, else the darker.
    """

    files: tuple[Header, ...]
    exposure_values: tuple[float, ...] = (0.0,)
    reference: int = 0
    confidence: float = 1.0
    reason: str = "single exposure"
    warnings: tuple[str, ...] = ()
    left_out: tuple[Header, ...] = ()


def group(headers: Sequence[Header], look: Look) -> list[Group]:
    """The groups of a listing's files; every file is in exactly one group's files or left_out.

    The result does not depend on the order of `headers`.
    """
    found: list[Group] = []
    ambient = [h for h in headers if not h.flash]
    flash = [h for h in headers if h.flash]
    for batch in _batches(ambient):
        found += _group_batch(batch, look)
    found = _flag_turned(_attach_flash(found, flash, look), look)
    return sorted(
        found, key=lambda g: next((ladder.seconds(f), ladder.natural(f.relative)) for f in ladder.in_order(g.files))
    )


def _batches(headers: Sequence[Header]) -> list[list[Header]]:
    """Files that may belong together by folder, camera, size and kind of time stamp, in order of capture."""

    def key(h: Header) -> tuple[str, ...]:
        facts = (h.make, h.model, h.serial, h.width, h.height, h.captured is None)
        return (home_folder(h.relative), *map(str, facts))

    return [ladder.in_order(list(batch)) for _, batch in groupby(sorted(headers, key=key), key=key)]


def _group_batch(batch: list[Header], look: Look) -> list[Group]:
    found: list[Group] = []
    rest: list[Header] = []
    runs = _runs(batch)
    for before, run, after in zip([[], *runs], runs, [*runs[1:], []], strict=False):
        sets = _burst(run) if _apart(before, run) and _apart(run, after) else None
        if sets is None:
            rest += run
        else:
            found += [_finish(files, exif_values(files), look, decided="known by their facts") for files in sets]
    if len(rest) < 2:
        return found + [Group((h,)) for h in rest]
    pictures = Pictures(rest, look)
    return found + [g for part in pictures.sets() for g in _judge(pictures, part, look)]


def _runs(batch: list[Header]) -> list[list[Header]]:
    """Split where the pause exceeds automatic bracketing's, or focal length or aperture changes."""
    runs = [batch[:1]]
    for before, after in pairwise(batch):
        pause = ladder.gap(before, after)
        close = pause is not None and pause <= ladder.BURST_GAP
        if close and same_lens(before, after) and before.f_number == after.f_number:
            runs[-1].append(after)
        else:
            runs.append([after])
    return runs


def _apart(run: Sequence[Header], after: Sequence[Header]) -> bool:
    """A pause twice that of bracketing lies between two runs: hand-set series jitter about its limit."""
    pause = ladder.gap(run[-1], after[0]) if run and after else None
    return pause is None or pause > 2 * ladder.BURST_GAP or not same_lens(run[-1], after[0])


def _burst(run: list[Header]) -> list[list[Header]] | None:
    """The sets of a run of automatic bracketing, or None where the facts do not decide."""
    if any(h.exposure_value is None for h in run):
        return None
    length = ladder.repeats(exif_values(run))
    if length is None:
        values = exif_values(run)
        step = ladder.step(values)
        # Frames within one second have no order of capture without sub-seconds; one ladder needs none.
        whole = 3 <= len(run) <= ladder.MAX_EXPOSURES and step is not None and step >= 0.6 and ladder.distinct(values)
        return [run] if whole else None
    return [run[i : i + length] for i in range(0, len(run), length)]


def _judge(pictures: Pictures, part: Sequence[int], look: Look) -> list[Group]:
    files = [pictures.files[k] for k in part]
    if len(part) == 1:
        return [Group((files[0],))]
    values, measured = pictures.values(part)
    links = pictures.links(part, values)
    unsure = sum(1 for link in links if link is None or not link.same)
    weakest = min((link.score for link in links if link is not None and link.same), default=0.0)
    confidence = ladder.certainty(values, files) * 0.8**unsure
    confidence *= 0.6 + 0.4 * float(np.clip((weakest - 0.4) / 0.4, 0, 1))
    words = f"their pictures agree (weakest {weakest:.2f})" + (f", {unsure} not comparable" if unsure else "")
    if not pictures.guessed.isdisjoint(part):
        confidence *= MIN_CONFIDENCE
        words += ", but exposures come again and neither names nor pictures tell the sets"
    whole = _finish(files, values, look, decided=words, confidence=confidence, measured=measured)
    if confidence >= MIN_CONFIDENCE:
        return [whole]
    reason = f"kept apart, uncertain ({confidence:.2f}): {whole.reason}"
    return [Group((h,), confidence=confidence, reason=reason, warnings=(Code.AMBIGUOUS.name,)) for h in files]


def given_group(files: Sequence[Header], left_out: Sequence[Header], look: Look, *, reason: str) -> Group:
    """The group of files that a person put together, in order of capture; only their exposure is found out."""
    values = exif_values(files)
    if any(h.exposure_value is None for h in files) and len({(h.width, h.height) for h in files}) == 1:
        values, _ = Pictures(files, look, among_all=True).values(range(len(files)))
    made = _finish(files, values, look, decided="", confidence=1.0)
    spare = f"; of {len(files)} the {len(made.files)} that cover the range are used" if made.left_out else ""
    return replace(made, reason=reason + spare, left_out=(*made.left_out, *left_out))


def _finish(
    files: Sequence[Header],
    values: Sequence[float],
    look: Look,
    *,
    decided: str,
    confidence: float | None = None,
    measured: bool = False,
) -> Group:
    """The group of files (in order of capture) with their exposure values."""
    order = sorted(range(len(files)), key=lambda n: (values[n], n))
    kept = [order[n] for n in ladder.spread_evenly([values[n] for n in order])]
    spare = [files[n] for n in order if n not in kept]
    middle = middle_exposure([files[n] for n in kept], look)
    base = values[kept[middle]]
    reason = f"{ladder.describe(values, files, base, measured=measured)}; {decided}"
    if spare:
        reason += f"; {len(kept)} that cover the range are used, left out: {', '.join(h.relative for h in spare)}"
    return Group(
        files=tuple(files[n] for n in kept),
        exposure_values=tuple(round(values[n] - base, 4) for n in kept),
        reference=middle,
        confidence=round(ladder.certainty(values, files) if confidence is None else confidence, 3),
        reason=reason,
        left_out=tuple(spare),
    )


def middle_exposure(files: Sequence[Header], look: Look) -> int:
    """Index of the reference among files from darkest to brightest (see Group)."""
    high = len(files) // 2
    if len(files) % 2:
        return high
    pair = files[high - 1 : high + 1]
    views = look(pair)
    levels = [abs(v.level - _MIDDLE_LEVEL) if (v := views.get(h.relative)) else None for h in pair]
    if levels[0] is None or levels[1] is None:
        return high - 1
    return high if levels[1] < levels[0] else high - 1


def _attach_flash(groups: list[Group], flash: Sequence[Header], look: Look) -> list[Group]:
    """Flash frames go to the left_out of the set of ambient exposures they belong to; others stay single shots."""
    alone: list[Group] = []
    joined: dict[int, list[Header]] = {}
    for header in ladder.in_order(flash):
        host = _ambient_host(header, groups, look)
        if host is None:
            alone.append(Group((header,), reason="single exposure, fired with flash"))
        else:
            joined.setdefault(host, []).append(header)
    for index, frames in joined.items():
        g = groups[index]
        names = ", ".join(h.relative for h in frames)
        groups[index] = replace(
            g,
            reason=f"{g.reason}; fired with flash, left out: {names}",
            warnings=(*g.warnings, Code.FLASH_FRAME.name),
            left_out=(*g.left_out, *frames),
        )
    return groups + alone


def _ambient_host(header: Header, groups: Sequence[Group], look: Look) -> int | None:
    best: tuple[float, int] | None = None
    for index, g in enumerate(groups):
        near = min(g.files, key=lambda h: abs(ladder.seconds(h) - ladder.seconds(header)))
        apart = abs(ladder.seconds(near) - ladder.seconds(header))
        if len(g.files) < 2 or header.captured is None or near.captured is None or apart > _BESIDE:
            continue
        if len(_batches([header, near])) > 1 or not same_lens(header, near):
            continue
        views = look([header, *g.files])
        own = views.get(header.relative)
        scores = [agreement(own, v).score for h in g.files if own is not None and (v := views.get(h.relative))]
        if max(scores, default=0.0) >= _FLASH_SCORE and (best is None or apart < best[0]):
            best = (apart, index)
    return best[1] if best else None


def _flag_turned(groups: list[Group], look: Look) -> list[Group]:
    """Groups of one view at right angles: a frame whose orientation tag was lost must not leave its set silently."""
    by_shape: dict[tuple[str, int, int], list[int]] = {}
    for index, g in enumerate(groups):
        by_shape.setdefault((home_folder(g.files[0].relative), g.files[0].width, g.files[0].height), []).append(index)
    found = list(groups)
    for (folder, width, height), upright in by_shape.items():
        across = by_shape.get((folder, height, width), []) if width < height else []
        for pair in product(upright, across):
            a, b = (groups[k] for k in pair)
            score = _turned_score(a, b, look) if _may_be_turned(a, b) else None
            if score is not None:
                for k, other in zip(pair, (b, a), strict=True):
                    found[k] = _beside_turned(found[k], other.files[other.reference], 1 - score)
    return found


def _may_be_turned(a: Group, b: Group) -> bool:
    """By their facts two groups may be one set of which some frames lie on their side."""
    pairs = list(product(a.files, b.files))
    if len(pairs) < 2 or not all(same_lens(x, y) for x, y in pairs):
        return False
    values = [(x.exposure_value, y.exposure_value) for x, y in pairs]
    if any(x is not None and y is not None and abs(x - y) < ladder.DISTINCT for x, y in values):
        return False
    timed = [g.files[0].captured is not None for g in (a, b)]
    near = min(abs(ladder.seconds(x) - ladder.seconds(y)) for x, y in pairs) <= _BESIDE
    return near if all(timed) else any(timed)


def _turned_score(a: Group, b: Group, look: Look) -> float | None:
    """How well the two most alike exposures agree when one is turned by 90 degrees; None if not certainly."""
    views = look([*a.files, *b.files])
    pairs = [
        (views[x.relative], views[y.relative])
        for x, y in product(a.files, b.files)
        if {x.relative, y.relative} <= views.keys()
    ]
    if not pairs:
        return None
    one, other = min(pairs, key=lambda p: abs(p[0].level - p[1].level))
    found = max((agreement(one, turned(other, quarters)) for quarters in (1, 3)), key=lambda f: f.score)
    return found.score if found.same else None


def _beside_turned(g: Group, other: Header, confidence: float) -> Group:
    words = f"the same view turned by 90 degrees beside {other.relative}: kept apart, correct the orientation tag"
    return replace(
        g,
        confidence=g.confidence if len(g.files) > 1 else round(min(g.confidence, confidence), 3),
        reason=f"{g.reason}; {words}",
        warnings=tuple(dict.fromkeys((*g.warnings, Code.AMBIGUOUS.name))),
    )
