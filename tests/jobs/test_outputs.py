"""Which results of earlier runs stand when the manifest has changed, and which files are taken away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.edit import Job, begin_again, leave_only, survey
from jobs.ledger import Ledger
from jobs.outputs import check_unique, is_planned, numbered, planned, remove_stale
from pipeline.codes import Code, SettingsError
from pipeline.deliver.profiles import deliver
from pipeline.deliver.xmp import EDITED
from pipeline.read.metadata.embedded import Metadata
from pipeline.recipe import Recipe
from pipeline.stream import Task, lost
from tests.jobs.leftovers import WEB, expected, files, leave, new_task, run


def test_a_photo_whose_name_a_new_one_takes_is_made_again_under_its_own(photo: Any, job: Job, ledger: Ledger) -> None:
    photo("in/villa/camera B/IMG_0001.jpg")
    before = numbered(survey(job.source, job.recipe), job.recipe)
    run(before, job, ledger)
    photo("in/villa/camera A/IMG_0001.jpg", seed=1)
    after = numbered(survey(job.source, job.recipe), job.recipe)

    made = run(after, job, ledger)

    assert len(after) == 2
    assert made == {t.shot.id for t in after}
    assert files(job) == expected(after, job.recipe)
    for task in after:
        assert (job.destination / planned(task, job.recipe)["full"]).read_text() == task.shot.sources[0]
    assert run(after, job, ledger) == set()


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
        leave(new_task("a", identity="1"), job, recorded)
        assert set(begin_again([new_task(**values)], ledger, job)) == ({"1"} if stays else set())


def test_a_failure_stands_only_under_its_name(job: Job, ledger: Ledger) -> None:
    ledger.record(lost(new_task("a", identity="1").shot, Code.TRUNCATED, "ends early"), job.recipe.fingerprint())
    assert set(begin_again([new_task("a", identity="1")], ledger, job)) == {"1"}
    assert begin_again([new_task("b", identity="1")], ledger, job) == {}


def test_a_result_that_does_not_stand_is_forgotten_before_another_takes_its_file(job: Job, ledger: Ledger) -> None:
    job = replace(job, recipe=WEB, prune=True)
    run([new_task("b", 1)], job, ledger)
    both = [new_task("a", 1), new_task("b", 2)]
    begin_again(both, ledger, job)
    leave(both[0], job, ledger)  # ... and then the run is interrupted, and a is deleted

    assert run([new_task("b", 1)], job, ledger) == {"b"}
    assert (job.destination / planned(new_task("b", 1), WEB)["web"]).read_text() == "/in/villa/b.jpg"
    assert files(job) == expected([new_task("b", 1)], WEB)


@pytest.mark.parametrize(
    ("recipe", "tasks"),
    [
        (WEB, [new_task("a", 1)]),
        (WEB, [new_task("a", 1), new_task("c", 2, identity="b")]),
        (WEB, []),
        (WEB, [new_task("a", 1, listing="flat"), new_task("b", 1)]),
        (Recipe(), [new_task("a", 1), new_task("b", 2)]),
        (Recipe.load("default", {"deliver.format": "png"}), [new_task("a", 1), new_task("b", 2)]),
    ],
    ids=["deleted", "renamed", "all deleted", "moved", "web off", "other format"],
)
@pytest.mark.parametrize("interrupted", [False, True])
def test_after_a_run_that_prunes_only_what_it_names_is_left_of_earlier_ones(
    job: Job, ledger: Ledger, recipe: Recipe, tasks: list[Task], interrupted: bool
) -> None:
    run([new_task("a", 1), new_task("b", 2)], replace(job, recipe=WEB), ledger)
    foreign = {"delivered/villa/mine.jpg", "delivered/villa/a.tif", "web/notes.txt", "plans/x.json"}
    for path in foreign:
        (job.destination / path).write_text("{}")
    job = replace(job, recipe=recipe, prune=True)
    if interrupted:
        known = begin_again(tasks, ledger, job)
        for task in [t for t in tasks if t.shot.id not in known][:1]:
            leave(task, job)

    run(tasks, job, ledger)

    assert files(job) == expected(tasks, recipe) | foreign


def test_pictures_of_a_photo_that_failed_half_way_are_taken_away(job: Job, ledger: Ledger) -> None:
    task = new_task("a")
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
        task = new_task(name, 7, listing=listing)
        written = deliver(
            picture,
            Metadata(),
            WEB.deliver,
            source_type=EDITED,
            listing=listing,
            name=name,
            sequence=7,
            destination=tmp_path,
        )
        assert {k: d.path for k, d in written.items()} == planned(task, WEB)


def test_two_photos_for_one_file_are_refused_and_named() -> None:
    check_unique([new_task("a", 1), new_task("b", 2), new_task("a", 1, listing="flat")], WEB)
    with pytest.raises(SettingsError, match=r"villa/A\.jpg and /in/villa/a\.jpg would both"):
        check_unique([new_task("A", 1), new_task("a", 2)], Recipe())
    with pytest.raises(SettingsError, match=r"deliver\.web\.name"):
        check_unique([new_task("A", 1), new_task("B", 1)], WEB)


def test_a_result_that_stands_warns_of_what_the_grouping_says_now(job: Job, ledger: Ledger) -> None:
    task = new_task("a")
    result = replace(leave(task, job), warnings=("FLASH_FRAME", "ALIGN_FAILED"))
    ledger.record(result, job.recipe.fingerprint())
    assert begin_again([task], ledger, job)["a"].warnings == ("ALIGN_FAILED",)
    flagged = replace(task, shot=replace(task.shot, warnings=("AMBIGUOUS",)))
    assert begin_again([flagged], ledger, job)["a"].warnings == ("AMBIGUOUS", "ALIGN_FAILED")


def test_a_photo_whose_plan_is_gone_is_made_again(job: Job, ledger: Ledger) -> None:
    run([new_task("a"), new_task("b")], job, ledger)
    (job.destination / "plans" / "a.plan").unlink()
    assert run([new_task("a"), new_task("b")], job, ledger) == {"a"}


LISTING = Recipe.load("listing")


def test_a_photo_is_never_written_where_another_has_its_picture_as_captured(photo: Any, job: Job) -> None:
    job = replace(job, recipe=LISTING)
    for name in ("a", "a_unaltered", "A_Unaltered_unaltered"):
        photo(f"in/villa/{name}.jpg", seed=len(name))

    tasks = numbered(survey(job.source, job.recipe), job.recipe)

    check_unique(tasks, job.recipe)
    assert {t.shot.name for t in tasks} == {"a", "a_unaltered-jpg", "A_Unaltered_unaltered-jpg"}
    as_png = Recipe.load("listing", {"deliver.format": "png"})
    assert {t.shot.name for t in numbered(survey(job.source, as_png), as_png)} == {t.shot.name for t in tasks}
    plain = numbered(survey(job.source, Recipe()), Recipe())
    assert {t.shot.name for t in plain} == {"a", "a_unaltered", "A_Unaltered_unaltered"}


def test_a_result_stands_with_and_without_a_picture_as_captured(job: Job, ledger: Ledger, photo: Any) -> None:
    job = replace(job, recipe=LISTING)
    photo("in/villa/a.jpg")
    tasks = numbered(survey(job.source, job.recipe), job.recipe)
    run(tasks, job, ledger)
    (result,) = ledger.results(LISTING.fingerprint()).values()
    assert is_planned(result, tasks[0], LISTING)
    without = {k: p for k, p in result.outputs.items() if k != "unaltered"}
    assert is_planned(replace(result, outputs=without), tasks[0], LISTING)
    assert not is_planned(replace(result, outputs=planned(tasks[0], LISTING)), tasks[0], Recipe())
