"""Violet fringes go, violet things stay, and nothing else changes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.merge.fringes import without_fringes
from pipeline.merge.tiles import run_here

HEIGHT, WIDTH = 800, 1800
EDGE = 900
DARK, BURNT = (60, 58, 55), (253, 253, 253)
VIOLET = (105, 70, 190)


def frame(color: tuple[int, int, int] = VIOLET, *, width: int = 3, bright: tuple[int, int, int] = BURNT) -> np.ndarray:
    """A dark wall, then `width` columns of a colour, then a bright sky: (h, w, 3) uint8."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = DARK
    picture[:, EDGE - width : EDGE] = color
    picture[:, EDGE:] = bright
    return picture


def cleaned(picture: np.ndarray, strength: float = 1.0) -> np.ndarray:
    return without_fringes(picture, strength, run_here())


def chroma(picture: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(float)
    return np.hypot(lab[..., 1] - 128, lab[..., 2] - 128)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_violet_line_along_a_burnt_edge_loses_its_colour_and_nothing_else_changes(width: int):
    picture = frame(width=width)

    after = cleaned(picture)

    line = np.s_[:, EDGE - width : EDGE]
    assert chroma(after[line]).max() < 0.3 * chroma(picture[line]).min()
    np.testing.assert_array_equal(after[..., 1], picture[..., 1])
    after[line] = picture[line]
    np.testing.assert_array_equal(after, picture)


@pytest.mark.parametrize(
    "picture",
    [
        frame(width=40),  # a violet curtain beside the window
        frame((60, 90, 200)),  # blue sky between leaves
        frame((230, 80, 150)),  # a pink label
        frame(bright=(120, 118, 121)),  # violet beside nothing bright
        frame(DARK),
        np.full((300, 400, 3), 255, np.uint8),
    ],
    ids=["curtain", "sky", "label", "dim", "clean", "white"],
)
def test_pictures_without_fringes_stay_themselves(picture: np.ndarray):
    assert cleaned(picture) is picture


def test_16_bits_are_cleaned_like_8():
    picture = frame()

    deep = cleaned(picture.astype(np.uint16) * 257)

    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - cleaned(picture)).max() < 0.51


def test_strength_is_a_share_and_0_leaves_the_picture():
    picture = frame()
    line = np.s_[:, EDGE - 3 : EDGE, 2]

    half, whole = cleaned(picture, 0.5)[line].astype(float), cleaned(picture)[line]

    assert np.abs(half - (picture[line].astype(float) + whole) / 2).max() <= 1
    assert cleaned(picture, 0.0) is picture


def test_in_place_writes_into_the_picture_what_a_copy_would_hold():
    picture = frame()
    expected = cleaned(picture)

    assert expected is not picture
    assert without_fringes(picture, 1.0, run_here(), in_place=True) is picture
    np.testing.assert_array_equal(picture, expected)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_any_picture_keeps_its_green_and_only_ever_loses_violet(seed: int):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    picture = cv2.resize(small, (600, 400), interpolation=cv2.INTER_NEAREST)

    after = cleaned(picture).astype(int)

    np.testing.assert_array_equal(after[..., 1], picture[..., 1])
    changed = (after != picture).any(-1)
    assert (after[changed][:, 2] >= after[changed][:, 1]).all()
    assert (after <= picture).all()
