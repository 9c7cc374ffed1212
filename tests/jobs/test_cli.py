"""Verbs, messages and exit codes that need no Ray."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from jobs.cli import app
from pipeline.recipe import Recipe


def _run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    return done.exit_code, done.stdout, done.stderr


def test_help_names_every_verb_and_the_exit_codes() -> None:
    code, out, _ = _run("--help")

    assert code == 0
    for word in ("edit", "plan", "qc", "doctor", "recipe", "130"):
        assert word in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--set", "light.strength=2"], "light.strength"),
        (["--set", "light.colour=1"], "light.colour"),
        (["--set", "light.strength"], "--set light.strength: expected panel.option=value"),
        (["--set", "strength=1"], "strength"),
        (["--recipe", "no-such-recipe"], "no-such-recipe"),
        (["--engine", "diffusion"], "not built yet"),
        (["--engine", "magic"], "--engine magic"),
        (["--groups", "no-such-groups.yaml"], "no-such-groups.yaml"),
    ],
)
def test_wrong_settings_leave_with_2_and_one_line_that_names_them(
    photo: Any, tmp_path: Path, arguments: list[str], named: str
) -> None:
    photo("in/a.jpg")

    code, out, err = _run("edit", tmp_path / "in", tmp_path / "out", *arguments)

    assert code == 2
    assert out == ""
    assert err.startswith("sunroom: ")
    assert named in err
    assert "Traceback" not in err
    assert not (tmp_path / "out" / "summary.json").exists()


@pytest.mark.parametrize(
    "arguments", [["edit"], ["edit", "a", "b", "--workers", "0"], ["no-such-verb"], ["plan", "--x"]]
)
def test_wrong_usage_leaves_with_2(arguments: list[str]) -> None:
    assert _run(*arguments)[0] == 2


def test_a_source_without_photos_leaves_with_2(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no photos here")

    code, _, err = _run("edit", tmp_path / "in", tmp_path / "out")

    assert code == 2
    assert "no photos found" in err
    assert "notes.txt" in err
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_plan_shows_groups_reasons_and_time_and_writes_nothing(photo: Any, tmp_path: Path) -> None:
    photo("in/villa/a.jpg")
    photo("in/villa/b.jpg", seed=1)
    (tmp_path / "in" / "villa" / "broken.jpg").write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))

    code, out, _ = _run("plan", tmp_path / "in", "--json")
    found = json.loads(out)
    table = _run("plan", tmp_path / "in")[1]

    assert code == 0
    assert found["counts"]["shots"] == 3
    assert found["counts"]["unreadable"] == 1
    assert {p["name"] for p in found["photos"]} == {"a", "b"}
    assert all(p["confidence"] > 0 and p["seconds"] > 0 and p["files"] for p in found["photos"])
    assert found["failures"][0]["code"] == "EMPTY_FILE"
    assert "villa" in table
    assert "EMPTY_FILE" in table
    assert sorted(tmp_path.rglob("*")) == before


def test_plan_refuses_a_folder_of_skies_that_edit_would_refuse(photo: Any, tmp_path: Path) -> None:
    photo("in/villa/a.jpg")

    code, _, err = _run("plan", tmp_path / "in", "-r", "listing", "--set", f"sky.folder={tmp_path / 'none'}")

    assert code == 2
    assert "sky.folder" in err
    assert "none is no folder" in err


def test_the_printed_recipe_is_one_that_can_be_passed_back(tmp_path: Path) -> None:
    code, out, _ = _run("recipe", "default", "--set", "light.strength=0.5")
    (tmp_path / "mine.yaml").write_text(out)

    assert code == 0
    assert Recipe.load(tmp_path / "mine.yaml") == Recipe.load("default", {"light.strength": "0.5"})
    assert yaml.safe_load(out)["light"]["strength"] == 0.5


def test_the_recipe_schema_describes_the_bounds() -> None:
    code, out, _ = _run("recipe", "--schema")

    assert code == 0
    assert json.loads(out)["$defs"]["Light"]["properties"]["strength"]["maximum"] == 1
    assert "default" in _run("recipe", "--list")[1].split()


@pytest.mark.slow
def test_qc_passes_a_gentle_edit_and_fails_a_damaged_one(samples: Path, tmp_path: Path) -> None:
    before = samples / "tower_front" / "tower_front.jpg"
    picture = Image.open(before)
    picture.point(lambda v: min(255, round(v * 1.1))).save(tmp_path / "gentle.png")
    picture.filter(ImageFilter.GaussianBlur(4)).save(tmp_path / "damaged.png")

    gentle, out, _ = _run("qc", before, tmp_path / "gentle.png", "--json")
    damaged, told, _ = _run("qc", before, tmp_path / "damaged.png")

    assert (gentle, json.loads(out)["passed"]) == (0, True)
    assert damaged == 3
    assert "SSIM_LOW" in told


def test_qc_lists_what_only_one_folder_has_and_refuses_two_of_a_name(photo: Any, tmp_path: Path) -> None:
    for path in ("before/a.jpg", "before/b.jpg", "after/a.jpg", "after/c.jpg"):
        photo(path)
    code, out, _ = _run("qc", tmp_path / "before", tmp_path / "after", "--json")
    assert code == 0
    assert [Path(p).name for p in json.loads(out)["unmatched"]] == ["b.jpg", "c.jpg"]
    assert "not compared" in _run("qc", tmp_path / "before", tmp_path / "after")[1]
    (tmp_path / "before/a.png").write_bytes((tmp_path / "before/a.jpg").read_bytes())
    assert _run("qc", tmp_path / "before", tmp_path / "after")[0] == 2


def test_qc_pairs_folders_by_name_and_names_what_cannot_be_compared(photo: Any, tmp_path: Path) -> None:
    for folder in ("before", "after"):
        photo(f"{folder}/villa/a.jpg")
    photo("before/villa/b.jpg", seed=1)
    photo("after/villa/b.jpg", seed=1, size=(300, 200))
    photo("before/only here.jpg", seed=2)

    code, out, _ = _run("qc", tmp_path / "before", tmp_path / "after", "--json")

    assert code == 3
    assert [(p["passed"], p["codes"]) for p in json.loads(out)["photos"]] == [(True, []), (False, ["SIZE_MISMATCH"])]
    assert _run("qc", tmp_path / "before", tmp_path / "nowhere")[0] == 2
    assert _run("qc", tmp_path / "before", tmp_path / "after" / "villa" / "a.jpg")[0] == 2
