"""Photos that have left SOURCE: their pictures stay until --prune, and nothing takes their place."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import jobs.edit
from jobs.edit import Job, begin_again, leave_only, survey
from jobs.ledger import Ledger
from pipeline.codes import Code
from pipeline.recipe import Recipe
from pipeline.stream import Task, lost
from tests.jobs.leftovers import WEB, expected, files, leave, new_task, run
from tests.jobs.test_vanishing import stale


def _tasks(job: Job) -> list[Task]:
    """As the job itself names and numbers the photos that are in SOURCE now."""
    return jobs.edit._tasks(survey(job.source, job.recipe), job)  # pyright: ignore[reportPrivateUsage]


def _kept(tasks: list[Task], job: Job, ledger: Ledger) -> int:
    """The number of photos that a run says it keeps."""
    known = begin_again(tasks, ledger, job)
    results = [known.get(t.shot.id) or leave(t, job, ledger) for t in tasks]
    return leave_only(results, ledger, job)


def _names(tasks: list[Task]) -> dict[str, str]:
    """Name of each photo by that of its file."""
    return {Path(t.shot.sources[0]).name: t.shot.name for t in tasks}


@pytest.fixture
def two(photo: Any, job: Job, ledger: Ledger) -> list[Task]:
    """Two photos that were delivered: a and b."""
    for seed, name in enumerate("ab"):
        photo(f"in/villa/{name}.jpg", seed=seed)
    tasks = _tasks(job)
    run(tasks, job, ledger)
    return tasks


@pytest.mark.parametrize("recipe", [Recipe(), WEB], ids=["as before", "other recipe"])
def test_pictures_of_archived_photos_stay_until_a_run_prunes(
    job: Job, ledger: Ledger, two: list[Task], recipe: Recipe
) -> None:
    (job.source / "villa/a.jpg").unlink()
    later = replace(job, recipe=recipe)

    for _ in range(2):
        present = _tasks(later)
        assert _kept(present, later, ledger) == 1

    assert files(job) == expected(two[:1], job.recipe) | expected(present, recipe)
    pruning = replace(later, prune=True)
    assert _kept(_tasks(pruning), pruning, ledger) == 0
    assert files(job) == expected(present, recipe)


def test_an_archived_photo_that_comes_back_is_not_made_again(job: Job, ledger: Ledger, two: list[Task]) -> None:
    (job.source / "villa/a.jpg").rename(job.source / "archive")
    run(_tasks(job), job, ledger)
    (job.source / "archive").rename(job.source / "villa/a.jpg")

    assert run(_tasks(job), job, ledger) == set()


def test_the_old_picture_of_a_photo_that_joined_a_set_goes(job: Job, ledger: Ledger, two: list[Task]) -> None:
    alone, other = two
    sources = (*alone.shot.sources, *other.shot.sources)
    merged = Task(replace(alone.shot, id="a+b", sources=sources, exposure_values=(0.0, 1.0)), 1)

    run([merged], job, ledger)

    assert files(job) == expected([merged], job.recipe)


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOTCONN, errno.EHOSTDOWN])
def test_a_stale_disk_ends_no_job_and_takes_no_picture(
    job: Job, ledger: Ledger, two: list[Task], error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(job)
    stale(monkeypatch, job.source, error)

    assert begin_again([], ledger, job) == {}
    assert leave_only([], ledger, job) == 2
    assert files(job) == before


@pytest.mark.parametrize("linked", ["photo", "listing", "source"])
def test_a_linked_photo_that_changed_in_place_has_not_departed(
    photo: Any, tmp_path: Path, job: Job, ledger: Ledger, linked: str
) -> None:
    photo("archive/villa/a.jpg")
    if linked == "source":
        job.source.symlink_to(tmp_path / "archive")
    elif linked == "listing":
        job.source.mkdir()
        (job.source / "villa").symlink_to(tmp_path / "archive/villa")
    else:
        (job.source / "villa").mkdir(parents=True)
        (job.source / "villa/a.jpg").symlink_to(tmp_path / "archive/villa/a.jpg")
    run(_tasks(job), job, ledger)
    photo("archive/villa/a.jpg", seed=1)
    if linked == "source":
        job = replace(job, source=tmp_path / "archive")

    after = _tasks(job)

    assert _names(after) == {"a.jpg": "a"}
    assert _kept(after, job, ledger) == 0
    assert files(job) == expected(after, job.recipe)


def test_photos_of_a_renamed_source_have_not_departed(job: Job, ledger: Ledger, two: list[Task]) -> None:
    job.source.rename(job.source.with_name("moved"))
    job = replace(job, source=job.source.with_name("moved"), recipe=WEB)
    tasks = _tasks(job)
    assert _names(tasks) == {"a.jpg": "a", "b.jpg": "b"}
    begin_again(tasks, ledger, job)

    assert leave_only([lost(t.shot, Code.SSIM_LOW, "too much") for t in tasks], ledger, job) == 0
    assert files(job) == set()


def test_a_newcomer_does_not_take_the_place_of_an_archived_photo(
    photo: Any, job: Job, ledger: Ledger, two: list[Task]
) -> None:
    (job.source / "villa/a.jpg").unlink()
    photo("in/villa/A.PNG", seed=2)
    photo("in/villa/a-png.jpg", seed=3)

    after = _tasks(job)
    assert _names(after) == {"A.PNG": "A-2", "a-png.jpg": "a-png", "b.jpg": "b"}
    assert run(after, job, ledger) == {t.shot.id for t in after if t.shot.name != "b"}
    assert run(_tasks(job), job, ledger) == set()
    assert files(job) == expected([*after, two[0]], job.recipe)
    assert (job.destination / "delivered/villa/a.jpg").read_text() == str(job.source / "villa/a.jpg")

    pruning = replace(job, prune=True)
    pruned = _tasks(pruning)
    assert _names(pruned)["A.PNG"] == "A"
    run(pruned, pruning, ledger)
    assert run(_tasks(job), job, ledger) == set()
    assert files(job) == expected(pruned, job.recipe)


def test_an_archived_photo_keeps_its_number_on_the_web(photo: Any, job: Job, ledger: Ledger) -> None:
    job = replace(job, recipe=WEB)
    for seed, name in enumerate("abc"):
        photo(f"in/villa/{name}.jpg", seed=seed)
    before = _tasks(job)
    run(before, job, ledger)
    (job.source / "villa/b.jpg").unlink()

    assert run(_tasks(job), job, ledger) == set()
    assert [t.sequence for t in _tasks(job)] == [1, 3]
    assert files(job) == expected(before, job.recipe)


def test_an_archived_photo_without_its_picture_is_forgotten(
    photo: Any, job: Job, ledger: Ledger, two: list[Task]
) -> None:
    (job.source / "villa/a.jpg").unlink()
    (job.destination / "delivered/villa/a.jpg").unlink()
    photo("in/villa/a.png", seed=2)

    after = _tasks(job)

    assert _names(after)["a.png"] == "a"
    assert _kept(after, job, ledger) == 0
    assert files(job) == expected(after, job.recipe)


def test_a_retouched_picture_of_an_archived_photo_stays_and_is_not_counted(
    photo: Any, job: Job, ledger: Ledger, two: list[Task]
) -> None:
    (job.source / "villa/a.jpg").unlink()
    (job.destination / "delivered/villa/a.jpg").write_text("by the user's own hand")

    assert _kept(_tasks(job), job, ledger) == 0
    assert (job.destination / "delivered/villa/a.jpg").read_text() == "by the user's own hand"


def test_a_pruning_run_that_is_interrupted_leaves_no_newcomer_under_an_archived_record(
    photo: Any, job: Job, ledger: Ledger, two: list[Task]
) -> None:
    (job.source / "villa/a.jpg").unlink()
    photo("in/villa/a.png", seed=2)
    pruning = replace(job, prune=True)
    tasks = _tasks(pruning)
    begin_again(tasks, ledger, pruning)
    leave(tasks[0], pruning)

    after = _tasks(job)

    assert run(after, job, ledger) == set()
    assert files(job) == expected(after, job.recipe)


def test_a_removed_listing_stays(job: Job, ledger: Ledger, two: list[Task]) -> None:
    before = files(job)
    shutil.rmtree(job.source / "villa")
    other = [new_task("c", listing="flat")]
    run(other, job, ledger)

    assert files(job) == before | expected(other, job.recipe)
