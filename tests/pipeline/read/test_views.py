"""Small views: real exposures of one view agree, other views do not, and exposure ratios can be measured."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.photo import Image
from pipeline.read.decode import decode
from pipeline.read.metadata.header import read_header
from pipeline.read.views import View, agreement, look, stops_between, view_of


def picture(seed: int = 0) -> Image:
    """Linear-light boxes, sRGB-like encoded, 240 x 160."""
    rng = np.random.default_rng(seed)
    linear = np.full((160, 240, 3), 0.1, np.float32)
    for _ in range(60):
        x, y = rng.integers(0, 220), rng.integers(0, 140)
        linear[y : y + int(rng.integers(10, 60)), x : x + int(rng.integers(10, 60))] = 2.0 ** rng.uniform(-5, -1)
    return (linear ** (1 / 2.2) * 255).astype(np.uint8)


def real(data: Path, name: str) -> list[View]:
    """The views of a real set, darkest first."""
    return [look(read_header(p)) for p in sorted((data / "brackets" / name).glob("[0-9]*.*"))]


@pytest.mark.parametrize("name", ["building_facade", "library_hall", "street_night_rotated", "memorial_church"])
def test_neighbouring_exposures_agree_and_grow_brighter(data: Path, name: str) -> None:
    views = real(data, name)
    for a, b in pairwise(views):
        found = agreement(a, b)
        assert found.same
        assert stops_between(a, b, found.shift) > 0.25


def test_measured_stops_follow_the_camera(data: Path) -> None:
    views = real(data, "red_chair_window")[3:9]
    steps = [stops_between(a, b) for a, b in pairwise(views)]
    assert all(0.6 < step < 1.8 for step in steps)


def test_overlapping_photos_from_another_place_do_not_agree(data: Path) -> None:
    a, b, c = (look(read_header(data / "photos" / f"ext_castle_{n}.jpg")) for n in (7100, 7102, 7110))
    assert agreement(a, b).different
    assert agreement(b, c).different


@settings(max_examples=20, deadline=None)
@given(st.integers(-6, 6), st.integers(-6, 6), st.floats(-2, 0.5))
def test_a_shift_is_found_whatever_the_exposure(dx: int, dy: int, stops: float) -> None:
    first = picture()
    move = np.array([[1, 0, dx * 240 / 128], [0, 1, dy * 240 / 128]], np.float32)
    darker = (np.clip((first / 255.0) ** 2.2 * 2**stops, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    second = cv2.warpAffine(darker, move, (240, 160), borderMode=cv2.BORDER_REFLECT).astype(np.uint8)
    found = agreement(view_of(first), view_of(second))
    assert found.same
    assert abs(found.shift[0] + dx) <= 1
    assert abs(found.shift[1] + dy) <= 1
    assert stops_between(view_of(first), view_of(second), found.shift) == pytest.approx(stops, abs=0.2)


def test_pictures_without_detail_cannot_be_compared() -> None:
    found = agreement(view_of(np.zeros((40, 60, 3), np.uint8)), view_of(picture()))
    assert not found.same
    assert not found.different


def test_agreement_does_not_depend_on_bit_depth() -> None:
    first = picture()
    assert agreement(view_of(first), view_of(first.astype(np.uint16) * 257)).score == pytest.approx(1, abs=1e-3)


def test_a_raw_file_is_looked_at_by_its_preview(data: Path) -> None:
    header = read_header(data / "ingest" / "canon_d30.crw")
    found = agreement(look(header), view_of(decode(header, reduce=8), (header.width, header.height)))
    assert found.same
    assert found.shift == (0, 0)


@pytest.mark.parametrize("name", ["red_chair_window", "building_facade", "living_room2"])
def test_a_black_and_white_picture_is_no_exposure_of_a_set_in_colour(data: Path, name: str) -> None:
    files = sorted((data / "brackets" / name).glob("*.jpg"))
    bgr = [cv2.imread(str(files[len(files) // 2 + k]), cv2.IMREAD_COLOR) for k in (-1, 0)]
    dark, bright = (view_of(cv2.cvtColor(b, cv2.COLOR_BGR2RGB).astype(np.uint8)) for b in bgr)
    grey = view_of(cv2.cvtColor(cv2.cvtColor(bgr[0], cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2RGB).astype(np.uint8))

    assert agreement(dark, bright).same
    assert agreement(grey, grey).same
    assert agreement(grey, bright).different
