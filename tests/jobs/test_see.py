"""`sunroom see`: JSON and masks of every photo, and a reason for those that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from typer.testing import CliRunner

from jobs.cli import app
from pipeline.see.nets import PLACES, ROOMS, SHIPPED


def _run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    return done.exit_code, done.stdout, done.stderr


def test_every_photo_gets_json_and_masks_of_the_proxys_size(samples: Path, tmp_path: Path) -> None:
    code, out, _ = _run("see", samples, tmp_path)

    assert code == 0
    assert out.count("\n") == 2
    for name, size in (("garden_room/garden_room_02", (752, 500)), ("tower_front/tower_front", (1460, 1096))):
        found = json.loads((tmp_path / f"{name}.json").read_text())
        assert found["scene"] in PLACES
        assert found["room"] in {*ROOMS, *PLACES}
        assert {"pitch_deg", "roll_deg", "confidence", "focal_mm", "focal_confidence"} == set(found["tilt"])
        for part in ("sky", "windows"):
            assert 0 <= found[part]["confidence"] <= 1
            mask = cv2.imread(str(tmp_path / f"{name}.{part}.png"), cv2.IMREAD_UNCHANGED)
            assert mask.dtype == np.uint8
            assert mask.shape == size[::-1]
            assert (
                np.mean(mask > 127) == found[part]["fraction"]
                or abs(np.mean(mask > 127) - found[part]["fraction"]) < 1e-3
            )


def test_the_sample_front_is_an_exterior_with_a_sky(samples: Path, tmp_path: Path) -> None:
    _run("see", samples / "tower_front", tmp_path)

    found = json.loads((tmp_path / "tower_front.json").read_text())

    assert found["scene"] == "exterior"
    assert found["sky"]["fraction"] > 0.2


def test_json_lists_what_was_written(photo: Any, tmp_path: Path) -> None:
    photo("in/house/a.jpg")

    code, out, _ = _run("see", tmp_path / "in", tmp_path / "out", "--json")

    (entry,) = json.loads(out)
    assert code == 0
    assert (entry["listing"], entry["name"]) == ("house", "a")
    written = json.loads((tmp_path / "out/house/a.json").read_text())
    assert {k: entry[k] for k in written} == written


def test_a_broken_photo_is_named_and_the_others_are_seen(photo: Any, tmp_path: Path) -> None:
    photo("in/good.jpg")
    (tmp_path / "in/broken.jpg").write_bytes(photo("in/whole.jpg", seed=1).read_bytes()[:4000])

    code, out, err = _run("see", tmp_path / "in", tmp_path / "out")

    assert code == 3
    assert "broken" in out
    assert "TRUNCATED" in out
    assert err == ""
    assert (tmp_path / "out/good.json").is_file()
    assert not (tmp_path / "out/broken.json").exists()


def test_a_destination_that_cannot_be_is_one_line(photo: Any, tmp_path: Path) -> None:
    photo("in/a.jpg")
    (tmp_path / "out").write_text("a file")

    code, _, err = _run("see", tmp_path / "in", tmp_path / "out")

    assert code == 2
    assert err.startswith("sunroom: ")
    assert "out" in err


def test_weights_that_are_not_there_are_one_line(photo: Any, tmp_path: Path) -> None:
    photo("in/a.jpg")

    for verb in ("see", "edit"):
        code, _, err = _run(verb, tmp_path / "in", tmp_path / "out", "--set", "see.weights=no-such.onnx")
        assert code == 2
        assert err.startswith("sunroom: see.weights: ")
        assert "no-such" in err
        assert err.count("\n") == 1


def test_other_weights_may_be_given(photo: Any, tmp_path: Path) -> None:
    photo("in/a.jpg")
    for name in ("see.onnx", "see.json"):
        (tmp_path / name).write_bytes((SHIPPED.parent / name).read_bytes())

    code, _, _ = _run("see", tmp_path / "in", tmp_path / "out", "--set", f"see.weights={tmp_path / 'see.onnx'}")

    assert code == 0
    assert (tmp_path / "out/a.json").is_file()
