"""The horizon of pictures from the air."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.see.horizon import horizon_roll


def sky_above(roll: float, *, level: float = 0.4, size: tuple[int, int] = (400, 600)) -> np.ndarray:
    """A soft-edged sky seen by a camera turned clockwise by `roll` degrees: the horizon rises to the right."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    line = level * size[0] - np.tan(np.radians(roll)) * (x - size[1] / 2)
    return np.clip((line - y) / 4 + 0.5, 0, 1).astype(np.float32)


@given(st.floats(-6, 6), st.floats(0.3, 0.7))
def test_the_roll_of_a_drawn_horizon_is_found(roll: float, level: float):
    found, confidence = horizon_roll(sky_above(roll, level=level))

    assert found == pytest.approx(roll, abs=0.05)
    assert confidence > 0.9


def test_towers_before_it_do_not_matter():
    sky = sky_above(2.0)
    for x in (60, 200, 340, 480):
        sky[60:, x : x + 20] = 0

    found, confidence = horizon_roll(sky)

    assert found == pytest.approx(2.0, abs=0.1)
    assert confidence > 0.5


@pytest.mark.parametrize("kind", ["none", "all", "mountains", "half", "tiny"])
def test_what_is_no_horizon_is_not_trusted(kind: str):
    sky = sky_above(0)
    x = np.arange(600)
    made = {
        "none": 0 * sky,
        "all": 0 * sky + 1,
        "mountains": (np.mgrid[:400, :600][0] < 150 + 60 * np.sin(x / 40)).astype(np.float32),
        "half": np.where(x < 250, sky, 0).astype(np.float32),
        "tiny": sky[:8, :8],
    }[kind]

    assert horizon_roll(made) == (0, 0)
