"""Photos, disks and workers that vanish while a job runs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

import jobs.edit
from cluster.settings import Settings
from jobs.destination import stands
from jobs.edit import Job, survey, unless_changed
from jobs.interrupt import Interrupted, Stop, ending
from jobs.outputs import numbered
from jobs.progress import Silence
from pipeline.codes import Code, Failure, PhotoError
from pipeline.photo import Result
from tests.jobs.leftovers import new_task


@pytest.mark.parametrize("change", ["none", "gone", "other", errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOTCONN])
def test_a_photo_that_vanished_under_the_work_is_tried_again_by_the_next_run(
    photo: Any, job: Job, change: str | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = photo("in/villa/a.jpg")
    (task,) = numbered(survey(job.source, job.recipe), job.recipe)
    broken = Result.quarantined(task.shot, Failure.of(PhotoError(Code.UNREADABLE, f"{path}: cannot be decoded")))
    if change == "gone":
        path.unlink()
    elif change == "other":
        photo("in/villa/a.jpg", seed=1)
    elif isinstance(change, int):
        stale(monkeypatch, path, change)

    result = unless_changed(broken, task.shot, job.source)

    assert result.status == "quarantined"
    assert result.code == (Code.UNREADABLE if change == "none" else Code.SOURCE_CHANGED).name
    assert str(path) in result.failure["message"]
    assert stands(result, job.destination) is (change == "none")


def stale(monkeypatch: pytest.MonkeyPatch, below: Path, error: int) -> None:
    """Let every stat of a path there fail, as on a network disk whose server went away."""
    real = os.stat

    def stat(path: Any, *rest: Any, **options: Any) -> os.stat_result:
        if isinstance(path, str | Path) and Path(path).is_relative_to(below):
            raise OSError(error, os.strerror(error), str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "stat", stat)


@pytest.mark.parametrize("stopped", [False, True])
def test_photos_that_a_stop_took_are_not_called_lost(job: Job, monkeypatch: pytest.MonkeyPatch, stopped: bool) -> None:
    stop = Stop()
    notes = _notes_of_a_job_that_loses_its_photo(
        job, monkeypatch, stop, at_loss=lambda: setattr(stop, "requested", stopped)
    )

    assert bool(notes) is not stopped
    if stopped:
        with pytest.raises(Interrupted):
            stop.check()


def test_a_second_job_with_the_same_stop_has_all_its_rounds(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()
    for _ in range(2):
        assert _notes_of_a_job_that_loses_its_photo(job, monkeypatch, stop)


def test_a_failed_job_whose_thread_lives_on_begins_no_round(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    with ending() as ended:
        assert not ended.is_set()
    assert _notes_of_a_job_that_loses_its_photo(job, monkeypatch, Stop(), ended=ended) == []


def _notes_of_a_job_that_loses_its_photo(
    job: Job, monkeypatch: pytest.MonkeyPatch, stop: Stop, *, at_loss: Any = None, ended: Event | None = None
) -> list[str]:
    notes: list[str] = []
    watcher = Silence()
    monkeypatch.setattr(watcher, "note", notes.append)

    def ends_early(*_: object, **__: object) -> Iterator[Result]:
        if at_loss:
            at_loss()
        return iter(())

    monkeypatch.setattr(jobs.edit, "stream", ends_early)
    monkeypatch.setattr(jobs.edit, "alone", ends_early)
    monkeypatch.setattr(jobs.edit, "Pool", SimpleNamespace(connected=ends_early))
    rounds: Any = jobs.edit._rounds  # pyright: ignore[reportPrivateUsage]
    with ending() as here:
        assert list(rounds([new_task("a")], job, Settings(), watcher, stop, ended=ended or here)) == []
    return notes
