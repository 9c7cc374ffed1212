"""The ledger keeps the latest result of every shot under its recipe."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jobs.edit import Job, begin_again
from jobs.ledger import Ledger
from pipeline.codes import Code, PhotoError, SettingsError
from pipeline.photo import Result
from tests.jobs.leftovers import leave, new_task

_FORMER = """
create table photos (shot varchar(20) not null, recipe varchar(16) not null, listing text not null, name text not null,
    status varchar(16) not null, code varchar(32) not null, result text not null, primary key (shot, recipe));
create table runs (run varchar(32) not null, recipe varchar(16) not null, source text not null, form text not null,
    seconds float not null, primary key (run));
create table files (folder varchar(1024) not null, path varchar(1024) not null, primary key (folder, path));
"""


def _result(shot: str, **fields: object) -> Result:
    return Result(shot, "Höhenweg 3", "IMG_0042", ("/a.jpg", "/b.jpg"), "delivered", **fields)  # pyright: ignore[reportArgumentType]


def test_results_survive_closing_and_the_latest_counts(tmp_path: Path) -> None:
    first = _result("a", qc={"structure": 0.97}, warnings=("ICC_INVALID",), outputs={"full": "delivered/x.jpg"})
    with Ledger.at(tmp_path / "l.sqlite") as ledger:
        ledger.record(_result("a", strength=0.2), "r1")
        ledger.record(first, "r1")
        ledger.record(_result("b"), "r2")

    with Ledger.at(tmp_path / "l.sqlite") as ledger:
        assert ledger.results("r1") == {"a": first}
        assert set(ledger.results("r2")) == {"b"}


def test_former_recipes_and_vanished_sources_are_forgotten(tmp_path: Path) -> None:
    with Ledger.at(tmp_path / "l.sqlite") as ledger:
        for shot, recipe in [("a", "new"), ("gone", "new"), ("a", "old")]:
            ledger.record(_result(shot), recipe)
        ledger.keep_only(["a", "not yet made"], "new")

        assert set(ledger.results("new")) == {"a"}
        assert ledger.results("old") == {}


def test_the_last_run_tells_recipe_and_source_and_times_add_up(tmp_path: Path) -> None:
    with Ledger.at(tmp_path / "l.sqlite") as ledger:
        assert ledger.last() is None
        for run, seconds in [("20260101T000000-a", 3.0), ("20260101T000001-b", 4.5)]:
            ledger.begin(run, recipe="r", source=f"/photos/{run}", form="name: x")
            ledger.end(run, seconds)

        assert ledger.last() == ("r", "/photos/20260101T000001-b")
        assert ledger.seconds("r") == 7.5
        assert ledger.seconds("other") == 0


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "l.sqlite").write_bytes(b"not a database, but long enough to look like one" * 40)

    with pytest.raises(SettingsError, match="sqlite"):
        Ledger.at(tmp_path / "l.sqlite")


def test_files_are_noted_per_destination_until_they_are_replaced(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'l.sqlite'}"
    with Ledger(url, folder="/a") as ledger, Ledger(url, folder="/b") as other:
        ledger.add_files(["delivered/1.jpg", "delivered/2.jpg"])
        ledger.add_files(["delivered/2.jpg", "delivered/3.jpg"])
        other.add_files(["delivered/1.jpg"])
        assert ledger.files() == {"delivered/1.jpg", "delivered/2.jpg", "delivered/3.jpg"}

        ledger.set_files(["delivered/4.jpg"])
        assert ledger.files() == {"delivered/4.jpg"}
        assert other.files() == {"delivered/1.jpg"}


def test_destinations_in_one_database_know_nothing_of_each_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'l.sqlite'}"
    with Ledger(url, folder="/a") as ledger, Ledger(url, folder="/b") as other:
        ledger.begin("20260101T000000-a", recipe="r", source="/photos", form="")
        ledger.end("20260101T000000-a", 3.0)
        ledger.record(_result("1"), "r")
        assert other.last() is None
        assert other.seconds("r") == 0
        assert other.results("r") == {}

        other.record(_result("1", strength=0.5), "r")
        other.keep_only([], "other")
        assert ledger.results("r") == {"1": _result("1")}
        assert ledger.last() == ("r", "/photos")


def test_with_a_ledger_of_the_former_form_results_stand_by_their_records(job: Job) -> None:
    path = job.destination / "ledger.sqlite"
    task = new_task("a")
    leave(task, job)
    with closing(sqlite3.connect(path)) as former:
        former.executescript(_FORMER)
        former.execute("insert into photos values ('a', 'r', 'villa', 'a', 'delivered', '', '{}')")
        former.execute("insert into runs values ('20250101T000000-a', 'r', '/in', '', 1.0)")
        former.execute("insert into files values ('', 'delivered/villa/old.jpg')")
        former.commit()

    for _ in range(2):
        with Ledger.at(path) as ledger:
            assert ledger.files() >= {"delivered/villa/old.jpg"}
            assert set(begin_again([task], ledger, job)) == {"a"}


@pytest.mark.parametrize(
    "url",
    ["postgresql://user:secret@127.0.0.1:1/x", "sqlite://user:secret@/x.sqlite", "nosuch://u:secret@h/x", "secret"],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Ledger(url)
    assert "secret" not in str(caught.value)


def test_a_ledger_that_can_no_longer_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger.at(path) as ledger:
        ledger.record(_result("a"), "recipe")
        with sqlite3.connect(path) as other:
            other.execute("drop table photos")
        with pytest.raises(PhotoError, match=re.escape(str(path))) as caught:
            ledger.record(_result("b"), "recipe")
        assert caught.value.code is Code.WRITE_FAILED
