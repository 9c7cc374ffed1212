"""What a layer would leave behind is told before it is rendered."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.plan import Layer
from pipeline.render.remnants import remnants, small_matte

SIZE = (300, 480)
OLD, FRONT = 0.9, 0.3


def layer(inside: np.ndarray, band: np.ndarray) -> Layer:
    """Over a grey sky and a dark front, where the matte is `inside`, and colours tell in the band (h, w)."""
    old, front = (np.full((*SIZE, 3), level, np.float16) for level in (OLD, FRONT))
    fields = (inside, band, inside)
    return Layer("sky", *(np.asarray(f, np.float16) for f in fields), old, front, old)


def street() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A sky above a front that begins at row 150, and its true marks: inside and band."""
    picture = np.full((*SIZE, 3), OLD, np.float32)
    picture[150:] = FRONT
    inside, band = np.zeros(SIZE), np.zeros(SIZE)
    inside[:147], band[:154] = 1, 1
    return picture, inside, band


NONE = np.zeros((30, 48), np.float32)


def test_a_clean_outline_leaves_nothing():
    picture, inside, band = street()

    left = remnants(small_matte(layer(inside, band), picture), NONE)

    assert left.ghosts == 0
    assert left.scraps == 0


@pytest.mark.parametrize("level", [0.65, 0.75])
def test_a_burnt_chimney_would_become_a_ghost(level: float):
    picture, inside, band = street()
    picture[100:150, 200:260] = level
    inside[95:150, 195:265] = 1

    assert remnants(small_matte(layer(inside, band), picture), NONE).ghosts > 0.5


def test_crowns_of_trees_may_be_half_transparent():
    picture, inside, band = street()
    picture[100:150, 200:260] = 0.7
    inside[95:150, 195:265] = 1
    crowns = NONE.copy()
    crowns[9:16, 19:28] = 1

    assert remnants(small_matte(layer(inside, band), picture), crowns).ghosts < 0.1


def test_sky_that_the_matte_does_not_reach_would_stay_in_scraps():
    picture, inside, band = street()
    inside[:, 100:180] = 0
    band[:, 100:180] = 0

    assert remnants(small_matte(layer(inside, band), picture), NONE).scraps > 0.2


def test_a_layer_that_is_nowhere_leaves_nothing():
    picture, inside, band = street()

    assert remnants(small_matte(layer(0 * inside, 0 * band), picture), NONE).ghosts == 0
