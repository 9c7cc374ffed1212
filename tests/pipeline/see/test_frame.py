"""Plain frames around pictures are told from skies."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.see.frame import frame_of


def street(height: int = 90, width: int = 120, seed: int = 1) -> np.ndarray:
    """A busy picture (h, w, 3) float32 below a white sky with a gable in it."""
    x = np.random.default_rng(seed).uniform(0, 0.8, (height, width, 3)).astype(np.float32)
    roof = height // 3 + np.abs(np.arange(width) - width // 2) // 3
    x[np.arange(height)[:, None] < roof] = 1.0
    return x


def framed(picture: np.ndarray, sides: tuple[int, int, int, int], level: float) -> np.ndarray:
    top, bottom, left, right = sides
    return np.pad(picture, ((top, bottom), (left, right), (0, 0)), constant_values=level)


@given(st.tuples(*[st.integers(0, 12)] * 4), st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_frame_is_found_on_each_side_that_has_one(sides: tuple[int, int, int, int], level: float, seed: int):
    picture = np.random.default_rng(seed).uniform(0, 1, (90, 120, 3)).astype(np.float32)
    picture[:, :, 0] = np.where(np.abs(picture[:, :, 0] - level) < 0.1, (level + 0.5) % 1, picture[:, :, 0])

    assert frame_of(framed(picture, sides, level)) == sides


def test_a_burnt_sky_is_no_frame():
    assert frame_of(street()) == (0, 0, 0, 0)


def test_a_burnt_sky_that_ends_at_a_level_roof_beside_a_tree_is_no_frame():
    picture = street()
    picture[:30] = 1.0
    picture[10:30, :20] = 0.2

    assert frame_of(picture) == (0, 0, 0, 0)


def test_a_picture_of_one_colour_has_no_frame():
    assert frame_of(np.ones((40, 60, 3), np.float32)) == (0, 0, 0, 0)


def test_where_a_burnt_sky_hides_the_end_of_a_frame_it_is_as_wide_as_elsewhere():
    picture = np.random.default_rng(1).uniform(0.1, 0.6, (90, 120, 3)).astype(np.float32)
    picture[:40] = 1.0
    assert frame_of(framed(picture, (8, 8, 8, 8), 1.0)) == (8, 8, 8, 8)


def test_between_bars_at_two_sides_a_burnt_sky_is_no_frame():
    picture = np.random.default_rng(1).uniform(0.1, 0.6, (90, 120, 3)).astype(np.float32)
    picture[:40] = 1.0
    assert frame_of(framed(picture, (0, 0, 8, 8), 1.0))[0] == 0
