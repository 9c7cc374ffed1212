"""The ledger keeps the latest result of every shot under its recipe."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from jobs.ledger import Ledger
from pipeline.codes import Code, PhotoError, SettingsError
from pipeline.photo import Result


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
    with Ledger.at(tmp_path / "l.sqlite") as ledger:
        ledger.add_files("a", ["delivered/1.jpg", "delivered/2.jpg"])
        ledger.add_files("a", ["delivered/2.jpg", "delivered/3.jpg"])
        ledger.add_files("b", ["delivered/1.jpg"])
        assert ledger.files("a") == {"delivered/1.jpg", "delivered/2.jpg", "delivered/3.jpg"}

        ledger.set_files("a", ["delivered/4.jpg"])
        assert ledger.files("a") == {"delivered/4.jpg"}
        assert ledger.files("b") == {"delivered/1.jpg"}


def test_a_ledger_that_can_no_longer_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger.at(path) as ledger:
        ledger.record(_result("a"), "recipe")
        with sqlite3.connect(path) as other:
            other.execute("drop table photos")
        with pytest.raises(PhotoError, match=re.escape(str(path))) as caught:
            ledger.record(_result("b"), "recipe")
        assert caught.value.code is Code.WRITE_FAILED
