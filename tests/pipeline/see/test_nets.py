"""The network that ships: its input, its answers, and what is said of wrong weights."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.codes import SettingsError
from pipeline.see.nets import MASKS, PLACES, ROOMS, SHIPPED, Answers, Network, input_size, joined, pieces, planes


@given(st.integers(1, 20000), st.integers(1, 20000))
def test_the_input_is_of_one_area_and_fits_the_network(width: int, height: int):
    w, h = input_size(width, height)

    assert w % 32 == 0
    assert h % 32 == 0
    assert 0.6 < w * h / (384 * 256) < 1.35
    if 0.3 < width / height < 3.3:
        assert w / h == pytest.approx(width / height, rel=0.25)


def test_planes_hold_the_picture_and_the_height_in_the_frame():
    proxy = np.zeros((512, 768, 3), np.float32)
    proxy[..., 0] = 1

    x = planes(proxy)

    assert x.shape == (1, 4, 256, 384)
    assert np.all(x[0, 0] == 2)
    assert np.all(x[0, 1] == -2)
    assert x[0, 3, 0, 0] == -1
    assert x[0, 3, -1, 0] == 1


@given(st.integers(1, 20000), st.integers(1, 5000))
def test_pieces_of_one_width_cover_the_picture_and_overlap(width: int, height: int):
    spans = pieces(width, height)

    assert spans[0][0] == 0
    assert spans[-1][1] == width
    assert len({right - left for left, right in spans}) == 1
    assert len(spans) <= 16
    if width > 2.4 * height and height >= 30:
        assert all(b[0] < a[1] - (a[1] - a[0]) / 4 for a, b in itertools.pairwise(spans))


@pytest.mark.slow
def test_answers_of_pieces_are_joined_without_a_seam():
    spans = pieces(1500, 300)
    ramp = np.linspace(0, 1, 1500, dtype=np.float32)
    parts = [
        Answers(np.broadcast_to(ramp[a:b], (3, 150, b - a)), *(np.full(k, n, np.float32) for k in (4, 5, 2)))
        for n, (a, b) in enumerate(spans)
    ]

    whole = joined(parts, spans)

    assert whole.masks == pytest.approx(np.broadcast_to(ramp, (3, 150, 1500)), abs=1e-5)
    assert whole.place == pytest.approx(np.full(4, (len(spans) - 1) / 2))


@pytest.mark.parametrize("size", [(2, 3), (100, 100), (1024, 1536), (1536, 1024), (5, 900), (1, 2000)])
def test_any_size_has_an_answer(size: tuple[int, int]):
    answers = Network(SHIPPED)(np.random.default_rng(0).random((*size, 3), np.float32))

    assert answers.masks.shape[0] == len(MASKS)
    assert answers.masks.min() >= 0
    assert answers.masks.max() <= 1
    assert answers.place.shape == (len(PLACES),)
    assert answers.room.shape == (len(ROOMS),)


def test_threads_get_the_answers_that_one_gets():
    network, rng = Network(SHIPPED), np.random.default_rng(1)
    pictures = [rng.random((200, 300, 3), np.float32) for _ in range(8)]
    alone = [network(p).masks for p in pictures]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda p: network(p).masks, pictures))

    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("missing", ["see.onnx", "see.json"])
def test_missing_weights_are_named(tmp_path: Path, missing: str):
    for name in {"see.onnx", "see.json"} - {missing}:
        (tmp_path / name).write_bytes((SHIPPED.parent / name).read_bytes())

    with pytest.raises(SettingsError, match=r"see\.weights.*see"):
        Network(tmp_path / "see.onnx")


def test_a_file_that_is_no_network_is_refused(tmp_path: Path):
    (tmp_path / "see.onnx").write_bytes(b"no network")
    (tmp_path / "see.json").write_text(json.dumps({"calibration": {}}))

    with pytest.raises(SettingsError, match="is not a network"):
        Network(tmp_path / "see.onnx")


def test_what_ships_is_small_and_says_how_it_was_made():
    card = json.loads(SHIPPED.with_suffix(".json").read_text())

    assert SHIPPED.stat().st_size < 8e6
    assert card["record"]["opencv_against_torch"] < 1e-4
    assert card["record"]["command"].startswith("sunroom train see")
    assert SHIPPED.with_suffix(".md").is_file()
