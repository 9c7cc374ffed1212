"""Which results of earlier runs stand when the manifest has changed, and which files are taken away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jobs.edit
from cluster.settings import Settings
from jobs.destination import stands
from jobs.edit import Job, begin_again, leave_only, numbered, survey, unless_changed
from jobs.interrupt import Interrupted, Stop
from jobs.ledger import Ledger
from jobs.outputs import check_unique, planned, remove_stale
from jobs.progress import Silence
from pipeline.codes import Code, Failure, PhotoError, SettingsError
from pipeline.deliver.outcome import digest_of
from pipeline.deliver.profiles import deliver
from pipeline.photo import Result, Shot
from pipeline.read.metadata.embedded import Metadata
from pipeline.recipe import Recipe
from pipeline.stream import Task, lost

WEB = Recipe.load("default", {"deliver.web.enabled": "true"})


def _task(name: str, sequence: int = 1, *, listing: str = "villa", identity: str = "") -> Task:
    shot = Shot(identity or name, listing, name, (f"/in/{listing}/{name}.jpg",), (0.0,), 0, 600, 400)
    return Task(shot, sequence)


def _deliver(task: Task, job: Job, ledger: Ledger | None = None) -> Result:
    """What a worker leaves of a photo: pictures, plan and record; and its row, if the driver lived to write it."""
    shot, paths = task.shot, planned(task, job.recipe)
    files = {**paths, "plan": f"plans/{shot.id}.plan"}
    for path in files.values():
        (job.destination / path).parent.mkdir(parents=True, exist_ok=True)
        (job.destination / path).write_text(shot.sources[0])
    digests = {profile: digest_of(job.destination / path) for profile, path in paths.items()}
    result = Result(
        shot.id,
        shot.listing,
        shot.name,
        shot.sources,
        "delivered",
        output=paths["full"],
        outputs=paths,
        digests=digests,
    )
    values = {"recipe": job.recipe.fingerprint(), "result": result.to_dict()}
    (job.destination / "plans" / f"{shot.id}.json").write_text(json.dumps(values))
    if ledger:
        ledger.record(result, job.recipe.fingerprint())
    return result


def _run(tasks: list[Task], job: Job, ledger: Ledger) -> set[str]:
    """One run to its end; the ids of the photos that were made anew."""
    known = begin_again(tasks, ledger, job)
    made = {t.shot.id: _deliver(t, job, ledger) for t in tasks if t.shot.id not in known}
    leave_only([{**known, **made}[t.shot.id] for t in tasks], ledger, job)
    return set(made)


def _files(job: Job) -> set[str]:
    found = (p for folder in ("delivered", "web", "plans") for p in (job.destination / folder).rglob("*"))
    return {p.relative_to(job.destination).as_posix() for p in found if p.is_file()}


def _expected(tasks: list[Task], recipe: Recipe) -> set[str]:
    plans = {f"plans/{t.shot.id}.{ending}" for t in tasks for ending in ("plan", "json")}
    return plans | {p for t in tasks for p in planned(t, recipe).values()}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "out").mkdir()
    return Job(tmp_path / "in", tmp_path / "out", Recipe())


@pytest.fixture
def ledger(job: Job) -> Iterator[Ledger]:
    with Ledger.at(job.destination / "ledger.sqlite") as opened:
        yield opened


def test_a_photo_whose_name_a_new_one_takes_is_made_again_under_its_own(photo: Any, job: Job, ledger: Ledger) -> None:
    photo("in/villa/camera B/IMG_0001.jpg")
    before = numbered(survey(job.source, job.recipe))
    _run(before, job, ledger)
    photo("in/villa/camera A/IMG_0001.jpg", seed=1)
    after = numbered(survey(job.source, job.recipe))

    made = _run(after, job, ledger)

    assert len(after) == 2
    assert made == {t.shot.id for t in after}
    assert _files(job) == _expected(after, job.recipe)
    for task in after:
        assert (job.destination / planned(task, job.recipe)["full"]).read_text() == task.shot.sources[0]
    assert _run(after, job, ledger) == set()


@pytest.mark.parametrize(
    ("recipe", "change", "stays"),
    [
        (Recipe(), {}, True),
        (Recipe(), {"name": "b"}, False),
        (Recipe(), {"listing": "flat"}, False),
        (Recipe(), {"sequence": 2}, True),
        (WEB, {}, True),
        (WEB, {"sequence": 2}, False),
        (
            Recipe.load("default", {"deliver.web.enabled": "true", "deliver.web.name": "'{name}'"}),
            {"sequence": 2},
            True,
        ),
    ],
)
def test_a_result_stands_only_as_this_manifest_would_give_it(
    job: Job, ledger: Ledger, recipe: Recipe, change: dict[str, Any], stays: bool
) -> None:
    job = replace(job, recipe=recipe)
    values: dict[str, Any] = {"name": "a", "identity": "1", **change}
    for recorded in (ledger, None):  # in the ledger, or in a worker's record alone
        ledger.keep_only([], "")
        _deliver(_task("a", identity="1"), job, recorded)
        assert set(begin_again([_task(**values)], ledger, job)) == ({"1"} if stays else set())


def test_a_failure_stands_only_under_its_name(job: Job, ledger: Ledger) -> None:
    ledger.record(lost(_task("a", identity="1").shot, Code.TRUNCATED, "ends early"), job.recipe.fingerprint())
    assert set(begin_again([_task("a", identity="1")], ledger, job)) == {"1"}
    assert begin_again([_task("b", identity="1")], ledger, job) == {}


def test_a_result_that_does_not_stand_is_forgotten_before_another_takes_its_file(job: Job, ledger: Ledger) -> None:
    job = replace(job, recipe=WEB, prune=True)
    _run([_task("b", 1)], job, ledger)
    both = [_task("a", 1), _task("b", 2)]
    begin_again(both, ledger, job)
    _deliver(both[0], job, ledger)  # ... and then the run is interrupted, and a is deleted

    assert _run([_task("b", 1)], job, ledger) == {"b"}
    assert (job.destination / planned(_task("b", 1), WEB)["web"]).read_text() == "/in/villa/b.jpg"
    assert _files(job) == _expected([_task("b", 1)], WEB)


@pytest.mark.parametrize(
    ("recipe", "tasks"),
    [
        (WEB, [_task("a", 1)]),
        (WEB, [_task("a", 1), _task("c", 2, identity="b")]),
        (WEB, []),
        (WEB, [_task("a", 1, listing="flat"), _task("b", 1)]),
        (Recipe(), [_task("a", 1), _task("b", 2)]),
        (Recipe.load("default", {"deliver.format": "png"}), [_task("a", 1), _task("b", 2)]),
    ],
    ids=["deleted", "renamed", "all deleted", "moved", "web off", "other format"],
)
@pytest.mark.parametrize("interrupted", [False, True])
def test_after_a_run_that_prunes_only_what_it_names_is_left_of_earlier_ones(
    job: Job, ledger: Ledger, recipe: Recipe, tasks: list[Task], interrupted: bool
) -> None:
    _run([_task("a", 1), _task("b", 2)], replace(job, recipe=WEB), ledger)
    foreign = {"delivered/villa/mine.jpg", "delivered/villa/a.tif", "web/notes.txt", "plans/x.json"}
    for path in foreign:
        (job.destination / path).write_text("{}")
    job = replace(job, recipe=recipe, prune=True)
    if interrupted:
        known = begin_again(tasks, ledger, job)
        for task in [t for t in tasks if t.shot.id not in known][:1]:
            _deliver(task, job)

    _run(tasks, job, ledger)

    assert _files(job) == _expected(tasks, recipe) | foreign


def _shoot(job: Job, *names: str) -> list[Task]:
    tasks = [
        Task(replace(t.shot, sources=(str(job.source / t.shot.listing / f"{t.shot.name}.jpg"),)), t.sequence)
        for t in (_task(name, i) for i, name in enumerate(names, start=1))
    ]
    for task in tasks:
        Path(task.shot.sources[0]).parent.mkdir(parents=True, exist_ok=True)
        Path(task.shot.sources[0]).write_text(task.shot.name)
    return tasks


@pytest.mark.parametrize("recipe", [Recipe(), WEB], ids=["as before", "other recipe"])
def test_pictures_of_archived_photos_stay_until_a_run_prunes(job: Job, ledger: Ledger, recipe: Recipe) -> None:
    archived, present = _shoot(job, "a", "b")
    _run([archived, present], job, ledger)
    Path(archived.shot.sources[0]).unlink()
    later = replace(job, recipe=recipe)

    _run([present], later, ledger)
    _run([present], later, ledger)

    assert _files(job) == _expected([archived], job.recipe) | _expected([present], recipe)
    _run([present], replace(later, prune=True), ledger)
    assert _files(job) == _expected([present], recipe)


def test_an_archived_photo_that_comes_back_is_not_made_again(job: Job, ledger: Ledger) -> None:
    both = _shoot(job, "a", "b")
    _run(both, job, ledger)
    Path(both[0].shot.sources[0]).unlink()
    _run(both[1:], job, ledger)

    assert _run(_shoot(job, "a", "b"), job, ledger) == set()


def test_the_old_picture_of_a_photo_that_joined_a_set_goes(job: Job, ledger: Ledger) -> None:
    alone, other = _shoot(job, "a", "b")
    _run([alone, other], job, ledger)
    sources = (*alone.shot.sources, *other.shot.sources)
    merged = Task(replace(alone.shot, id="a+b", sources=sources, exposure_values=(0.0, 1.0)), 1)

    _run([merged], job, ledger)

    assert _files(job) == _expected([merged], job.recipe)


def test_pictures_of_a_photo_that_failed_half_way_are_taken_away(job: Job, ledger: Ledger) -> None:
    task = _task("a")
    begin_again([task], ledger, job)
    (job.destination / "delivered" / "villa").mkdir(parents=True)
    (job.destination / planned(task, job.recipe)["full"]).write_text("the web picture could not be written")

    leave_only([lost(task.shot, Code.WRITE_FAILED, "failed")], ledger, job)

    assert not (job.destination / "delivered").exists()


def test_nothing_outside_the_folders_of_results_is_removed(tmp_path: Path) -> None:
    for path in ("keep.jpg", "out/summary.json", "out/delivered/a.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")

    outside = ["delivered/../../keep.jpg", str(tmp_path / "keep.jpg"), "summary.json", "delivered", ""]
    remove_stale([*outside, "delivered/a.jpg", "delivered/gone/b.jpg"], [], tmp_path / "out")

    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {"keep.jpg", "summary.json"}


def test_the_planned_paths_are_those_that_are_written(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    for listing, name in [("", "a"), ("villa", "IMG 1.b"), ("street/5", "x")]:
        task = _task(name, 7, listing=listing)
        written = deliver(
            picture,
            Metadata(),
            WEB.deliver,
            merged=False,
            listing=listing,
            name=name,
            sequence=7,
            destination=tmp_path,
        )
        assert {k: d.path for k, d in written.items()} == planned(task, WEB)


def test_two_photos_for_one_file_are_refused_and_named() -> None:
    check_unique([_task("a", 1), _task("b", 2), _task("a", 1, listing="flat")], WEB)
    with pytest.raises(SettingsError, match=r"villa/A\.jpg and /in/villa/a\.jpg would both"):
        check_unique([_task("A", 1), _task("a", 2)], Recipe())
    with pytest.raises(SettingsError, match=r"deliver\.web\.name"):
        check_unique([_task("A", 1), _task("B", 1)], WEB)


@pytest.mark.parametrize("change", ["none", "gone", "other"])
def test_a_photo_that_vanished_under_the_work_is_tried_again_by_the_next_run(photo: Any, job: Job, change: str) -> None:
    path = photo("in/villa/a.jpg")
    (task,) = numbered(survey(job.source, job.recipe))
    broken = Result.quarantined(task.shot, Failure.of(PhotoError(Code.UNREADABLE, f"{path}: cannot be decoded")))
    if change == "gone":
        path.unlink()
    elif change == "other":
        photo("in/villa/a.jpg", seed=1)

    result = unless_changed(broken, task.shot, job.source)

    assert result.status == "quarantined"
    assert result.code == (Code.UNREADABLE if change == "none" else Code.SOURCE_CHANGED).name
    assert str(path) in result.failure["message"]
    assert stands(result, job.destination) is (change == "none")


@pytest.mark.parametrize("stopped", [False, True])
def test_photos_that_a_stop_took_are_not_called_lost(job: Job, monkeypatch: pytest.MonkeyPatch, stopped: bool) -> None:
    notes: list[str] = []
    stop, watcher = Stop(), Silence()
    monkeypatch.setattr(watcher, "note", notes.append)

    def ends_early(*_: object, **__: object) -> Iterator[Result]:
        stop.requested = stopped
        return iter(())

    monkeypatch.setattr(jobs.edit, "stream", ends_early)
    monkeypatch.setattr(jobs.edit, "alone", ends_early)
    monkeypatch.setattr(jobs.edit, "Pool", SimpleNamespace(connected=ends_early))

    rounds: Any = jobs.edit._rounds  # pyright: ignore[reportPrivateUsage]
    assert list(rounds([_task("a")], job, Settings(), watcher, stop)) == []
    assert bool(notes) is not stopped
    if stopped:
        with pytest.raises(Interrupted):
            stop.check()
