"""One job: every photo of SOURCE delivered to DEST or quarantined with a reason, whatever happens on the way.

Resume is arithmetic: manifest minus ledger. A result counts as long as its files are still there, so deleting a
delivered picture has just that picture made again; failures that may pass (`retryable`) are tried again by every run.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.session import session
from cluster.settings import Settings, cpus_here
from jobs.destination import (
    check_source,
    clear_quarantine,
    done_record,
    only_writer,
    prepare_destination,
    quarantine,
    stands,
    withdraw,
)
from jobs.interrupt import Stop, watched
from jobs.ledger import Ledger
from jobs.progress import Silence, Watcher
from jobs.summary import summarise, write_json
from pipeline.codes import SettingsError
from pipeline.deliver.gallery import write_report
from pipeline.photo import Result
from pipeline.read.groups import write as write_groups
from pipeline.read.shots import Found, find_shots
from pipeline.recipe import Recipe
from pipeline.stream import Pool, Task, alone, predicted_seconds, stream


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be edited, how, and where it goes.

    listing_depth: how many levels of folders below SOURCE make a listing. groups: a corrected groups.yaml. update: go
    on although DEST was made with another recipe or from another SOURCE.
    """

    source: Path
    destination: Path
    recipe: Recipe
    listing_depth: int = 1
    groups: Path | None = None
    update: bool = False


def edit(job: Job, settings: Settings, watcher: Watcher | None = None, stop: Stop | None = None) -> dict[str, Any]:
    """Run a job, or what is left of it, and return its summary; see the module's docstring for what it does again.

    Raises
    ------
    Interrupted
        Soon after `stop` is requested; Ray is stopped, and what is done stays done.
    SettingsError
        If SOURCE holds no photos, or DEST cannot be written, is in use, or belongs to another recipe or SOURCE.
    """
    watcher, stop = watcher or Silence(), stop or Stop()
    job = replace(job, destination=job.destination.absolute())
    started = time.monotonic()
    check_source(job.source)
    prepare_destination(job.destination, job.source, may_lie_inside=not settings.database)
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    fingerprint = job.recipe.fingerprint()
    url = settings.database or f"sqlite:///{job.destination / 'ledger.sqlite'}"
    with only_writer(job.destination), Ledger(url) as ledger:
        _check_owner(ledger, job)
        watcher.note(f"reading {job.source}")
        found = survey(job.source, job.recipe, listing_depth=job.listing_depth, groups=job.groups)
        tasks = numbered(found)
        refused = [Result.quarantined(f.shot, f.failure) for f in found.failures]
        ledger.begin(run, recipe=fingerprint, source=str(job.source.resolve()), form=job.recipe.to_yaml())
        ledger.keep_only((t.shot.id for t in tasks), fingerprint)
        write_groups(job.destination / "groups.yaml", found.shots, job.source)
        for result in refused:
            quarantine(result, job.destination)
        known = _known(tasks, ledger, fingerprint, job.destination)
        if known:
            watcher.note(f"{len(known)} of {len(tasks)} photos are already done")
        for result in _developed([t for t in tasks if t.shot.id not in known], job, settings, watcher, stop):
            ledger.record(result, fingerprint)
            known[result.id] = result
        ledger.end(run, time.monotonic() - started)
        results = [known[t.shot.id] for t in tasks] + refused
        clear_quarantine(results, job.destination)
        summary = summarise(results, job.recipe, run=run, seconds=ledger.seconds(fingerprint))
        write_json(job.destination / "summary.json", summary)
        write_report(job.destination, summary, {t.shot.id: t.shot for t in tasks}, threads=cpus_here())
    return summary


def _known(tasks: Sequence[Task], ledger: Ledger, recipe: str, destination: Path) -> dict[str, Result]:
    """Results that stand: from the ledger, and from records that workers wrote before a driver died."""
    known = {i: r for i, r in ledger.results(recipe).items() if stands(r, destination)}
    for task in tasks:
        if task.shot.id not in known and (result := done_record(task.shot.id, recipe, destination)):
            ledger.record(result, recipe)
            known[result.id] = result
    return known


def survey(source: Path, recipe: Recipe, *, listing_depth: int = 1, groups: Path | None = None) -> Found:
    """The photos of SOURCE, grouped; raises SettingsError if there is none."""
    check_source(source)
    found = find_shots(
        source,
        listing_depth=listing_depth,
        raw_jpeg=recipe.read.raw_jpeg,
        groups=groups,
        max_megapixels=recipe.read.max_megapixels,
    )
    if not found.shots and not found.failures:
        others = f" (ignored: {len(found.ignored)}, the first {': '.join(found.ignored[0])})" if found.ignored else ""
        raise SettingsError(f"SOURCE {source}: no photos found{others}")
    return found


def numbered(found: Found) -> list[Task]:
    """The shots with their numbers within their listings, from 1, in the order of the manifest."""
    seen: Counter[str] = Counter()
    tasks: list[Task] = []
    for shot in found.shots:
        seen[shot.listing] += 1
        tasks.append(Task(shot, seen[shot.listing]))
    return tasks


def _developed(tasks: Sequence[Task], job: Job, settings: Settings, watcher: Watcher, stop: Stop) -> Iterator[Result]:
    """Each task's result exactly once, as it comes."""
    if not tasks:
        return
    work = {t.shot.id: predicted_seconds(t.shot) for t in tasks}
    watcher.start(len(tasks), sum(work.values()))
    try:
        with stop.deferred(), session(settings):
            for result in watched(_rounds(tasks, job, settings, watcher), stop):
                withdraw(result, job.destination)
                if result.status != "delivered":
                    quarantine(result, job.destination)
                watcher.advance(result, work[result.id])
                yield result
    finally:
        watcher.stop()


def _rounds(tasks: Sequence[Task], job: Job, settings: Settings, watcher: Watcher) -> Iterator[Result]:
    """Stream all; stream what a dying worker took with it one by one; then what is still missing each in a process."""
    pool = Pool.connected(len(tasks), workers=settings.workers, least=settings.min_workers, patience=settings.patience)
    rest = {t.shot.id: t for t in tasks}
    for again in (False, True):
        for result in stream(list(rest.values()), job.recipe, job.destination, pool, one_per_block=again):
            if rest.pop(result.id, None):
                yield result
        if not rest:
            return
        watcher.note(f"{len(rest)} photos were lost with their workers and are run again")
    yield from alone(list(rest.values()), job.recipe, job.destination, pool)


def _check_owner(ledger: Ledger, job: Job) -> None:
    last = ledger.last()
    if last is None or job.update:
        return
    recipe, source = last
    if recipe != job.recipe.fingerprint():
        raise SettingsError(
            f"DEST {job.destination}: was made with other settings; pass --update to edit it anew with these, "
            "or give another DEST"
        )
    if source != str(job.source.resolve()):
        raise SettingsError(
            f"DEST {job.destination}: was made from {source}; pass --update to go on from {job.source}, "
            "or give another DEST"
        )
