"""One job: every photo of SOURCE delivered to DEST or quarantined with a reason, whatever happens on the way.

Resume is arithmetic: manifest minus ledger. A result counts as long as its files are still there, so deleting a
delivered picture has just that picture made again; failures that may pass (`retryable`) are tried again by every run.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from cluster.session import session
from cluster.settings import Settings, cpus_here
from jobs.departed import departed, intact, kept, pictures
from jobs.destination import (
    check_destination,
    check_source,
    clear_parts,
    clear_quarantine,
    make_destination,
    only_writer,
    quarantine,
    stands,
)
from jobs.interrupt import Stop, ending, watched
from jobs.ledger import Ledger
from jobs.outputs import (
    check_unique,
    done_records,
    drop_records,
    files_of,
    is_planned,
    numbered,
    remove_stale,
    to_be_made,
    with_warnings_of,
)
from jobs.progress import Silence, Watcher, photos
from jobs.summary import summarise, write_json
from pipeline.codes import Code, Failure, PhotoError, SettingsError
from pipeline.deliver.gallery import write_report
from pipeline.develop import prepared
from pipeline.photo import Result, Shot
from pipeline.read.copies import digest_of_ends
from pipeline.read.groups import write as write_groups
from pipeline.read.shots import Found, find_shots, shot_id
from pipeline.recipe import Recipe
from pipeline.stream import Pool, Task, alone, predicted_seconds, stream


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be edited, how, and where it goes.

    listing_depth: how many levels of folders below SOURCE make a listing. groups: a corrected groups.yaml. update: go
    on although DEST was made with another recipe or from another SOURCE. prune: remove the pictures of photos that are
    no longer in SOURCE.
    """

    source: Path
    destination: Path
    recipe: Recipe
    listing_depth: int = 1
    groups: Path | None = None
    update: bool = False
    prune: bool = False


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
    started = time.monotonic()
    check_source(job.source)
    job = replace(job, recipe=prepared(job.recipe))
    check_destination(job.destination, job.source, may_lie_inside=not settings.database)
    job = replace(job, destination=job.destination.absolute())
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    fingerprint = job.recipe.fingerprint()
    with ExitStack() as held:
        # A DEST that is there is held, and its owner known, before SOURCE is read; a new one is made only afterwards.
        ledger = _opened(job, settings, held) if _was_used(job) else None
        watcher.note(f"reading {job.source}")
        found = survey(job.source, job.recipe, listing_depth=job.listing_depth, groups=job.groups)
        tasks = _tasks(found, job)
        check_unique(tasks, job.recipe)
        refused = [Result.quarantined(f.shot, f.failure) for f in found.failures]
        ledger = ledger or _opened(job, settings, held)
        ledger.begin(run, recipe=fingerprint, source=str(job.source.resolve()), form=job.recipe.to_yaml())
        _write_groups(found, job)
        for result in refused:
            quarantine(result, job.destination)
        known = begin_again(tasks, ledger, job)
        if known:
            watcher.note(f"{len(known)} of {photos(len(tasks))} already done")
        rest = [t for t in tasks if t.shot.id not in known]
        with closing(_developed(rest, job, settings, watcher, stop)) as results:
            for result in results:
                ledger.record(result, fingerprint)
                known[result.id] = result
        ledger.end(run, time.monotonic() - started)
        all_results = [known[t.shot.id] for t in tasks] + refused
        summary = summarise(all_results, job.recipe, run=run, seconds=ledger.seconds(fingerprint))
        write_json(job.destination / "summary.json", summary)
        if stay := leave_only(all_results, ledger, job):
            watcher.note(f"kept {photos(stay, 'delivered')} no longer in SOURCE (--prune removes them)")
        write_report(job.destination, summary, {t.shot.id: t.shot for t in tasks}, threads=cpus_here())
    return summary


def begin_again(tasks: Sequence[Task], ledger: Ledger, job: Job) -> dict[str, Result]:
    """Results that stand: from the ledger, and from records that workers wrote before a driver died.

    What was made so far is noted in the ledger's files, and all that does not stand is forgotten before work on it
    begins: half-way its old record would name files that may be another photo's by then.
    """
    recipe, destination = job.recipe.fingerprint(), job.destination
    recorded, noted = ledger.results(recipe), done_records(destination)
    ledger.add_files({path for _, result in noted.values() for path in files_of(result)})
    known: dict[str, Result] = {}
    for task in tasks:
        shot = task.shot.id
        candidates = [recorded.get(shot), *(r for made_by, r in [noted.get(shot, ("", None))] if made_by == recipe)]
        for result in candidates:
            if result and is_planned(result, task, job.recipe) and stands(result, destination):
                known[shot] = with_warnings_of(result, task.shot)
                ledger.record(known[shot], recipe)
                break
    ledger.keep_only(known, recipe)
    drop_records(set(noted) - set(known) - set(_departed(noted, job, {t.shot.id for t in tasks})), destination)
    ledger.add_files(to_be_made([t for t in tasks if t.shot.id not in known], job.recipe, destination))
    return known


def leave_only(results: Sequence[Result], ledger: Ledger, job: Job) -> int:
    """Take away what runs of this DEST left and `results` no longer name: pictures, plans, records, failures.

    Pictures of photos that have left SOURCE stay, unless the job prunes. Returns how many photos those are.
    """
    destination = job.destination
    noted = done_records(destination)
    gone = kept(_departed(noted, job, {result.id for result in results}), results, destination)
    stay = {path for result in gone.values() for path in files_of(result)}
    made = ledger.files() | {p for _, r in noted.values() for p in files_of(r)}
    remove_stale(made - stay, results, destination)
    ledger.set_files({path for result in results for path in files_of(result)} | stay)
    clear_quarantine(results, destination)
    clear_parts(destination)
    return intact(gone.values(), destination)


def _tasks(found: Found, job: Job) -> list[Task]:
    """The shots as tasks, clear of what photos that have left SOURCE keep in DEST."""
    gone = _departed(done_records(job.destination), job, {shot.id for shot in found.shots})
    return numbered(found, job.recipe, taken=pictures(gone.values(), job.destination))


def _departed(noted: Mapping[str, tuple[str, Result]], job: Job, present: Collection[str]) -> dict[str, Result]:
    """Results whose photos have left SOURCE, and that are to stay: none where the job prunes."""
    return {} if job.prune else departed(noted, job.source, present)


def _write_groups(found: Found, job: Job) -> None:
    path = job.destination / "groups.yaml"
    try:
        write_groups(path, found.shots, job.source, ignored=found.ignored)
    except OSError as error:
        raise PhotoError(Code.WRITE_FAILED, f"{path}: {error.strerror or error}") from None


def _was_used(job: Job) -> bool:
    """Whether DEST may hold pictures of an earlier run; inside SOURCE only a ledger tells them from photos."""
    inside = job.source.resolve() in job.destination.resolve().parents
    return job.destination.is_dir() and (inside or (job.destination / "ledger.sqlite").exists())


def _opened(job: Job, settings: Settings, held: ExitStack) -> Ledger:
    """Hold DEST, made if absent, and open its ledger; both until `held` is closed."""
    make_destination(job.destination)
    held.enter_context(only_writer(job.destination))
    if settings.database:
        ledger = held.enter_context(Ledger(settings.database, folder=str(job.destination.resolve())))
    else:
        ledger = held.enter_context(Ledger.at(job.destination / "ledger.sqlite"))
    _check_owner(ledger, job)
    return ledger


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


def _developed(tasks: Sequence[Task], job: Job, settings: Settings, watcher: Watcher, stop: Stop) -> Generator[Result]:
    """Each task's result exactly once, as it comes."""
    if not tasks:
        return
    shots = {t.shot.id: t.shot for t in tasks}
    work = {i: predicted_seconds(shot) for i, shot in shots.items()}
    watcher.start(len(tasks), sum(work.values()))
    try:
        with stop.deferred(), session(settings), ending() as ended:
            for made in watched(_rounds(tasks, job, settings, watcher, stop, ended=ended), stop):
                result = unless_changed(made, shots[made.id], job.source)
                if result.status != "delivered":
                    quarantine(result, job.destination)
                watcher.advance(result, work[result.id])
                yield result
    finally:
        watcher.stop()


def unless_changed(result: Result, shot: Shot, source: Path) -> Result:
    """The result; but where files that could not be read are no longer those that were found, a failure that says so.

    It is one that the next run tries again: the disk of the photos may be there once more.
    """
    if result.failure.get("stage") != "read" or result.code == Code.SOURCE_CHANGED.name:
        return result
    missing = [f for f in shot.sources if not os.path.isfile(f)]  # noqa: PTH113 - False, too, where the disk is stale
    if not missing and result.id == _id_now(shot, source):
        return result
    what = f"{missing[0]}: vanished" if missing else f"{shot.sources[shot.reference]}: changed, or a file of its set,"
    return Result.quarantined(
        shot, Failure.of(PhotoError(Code.SOURCE_CHANGED, f"{what} while the job ran")), stages=result.stages
    )


def _id_now(shot: Shot, source: Path) -> str:
    """What the shot's id would be with its files as they are now; "" where the disk does not answer."""
    root = source.absolute()
    try:
        files = [
            (Path(f).relative_to(root).as_posix(), Path(f).stat().st_size, digest_of_ends(f)) for f in shot.sources
        ]
    except OSError:
        return ""
    return shot_id(shot.listing, files)


def _rounds(
    tasks: Sequence[Task], job: Job, settings: Settings, watcher: Watcher, stop: Stop, *, ended: Event
) -> Iterator[Result]:
    """Stream all; stream what a dying worker took with it one by one; then what is still missing each in a process."""
    pool = Pool.connected(len(tasks), workers=settings.workers, least=settings.min_workers, patience=settings.patience)
    rest = {t.shot.id: t for t in tasks}
    for again in (False, True):
        for result in stream(list(rest.values()), job.recipe, job.destination, pool, one_per_block=again):
            if rest.pop(result.id, None):
                yield result
        if not rest or stop.requested or ended.is_set():  # then the stream has ended early
            return
        watcher.note(f"{photos(len(rest))} lost with a worker: run again")
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
