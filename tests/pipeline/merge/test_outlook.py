"""The view as one exposure would show it: what is dark stays dark, what is burnt white, and colours keep their hue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.merge.outlook import lift_for, lifted, outlook_of
from pipeline.plan import Outlook
from tests.rooms import encode

STEPS = [0.0, 2.0, 4.0]


def shots(scene: np.ndarray) -> list[np.ndarray]:
    """Exposures of a scene (h, w, 3), linear in units of the darkest one's white."""
    return [np.round(255 * encode(scene * 2.0**step)).astype(np.uint8) for step in STEPS]


def shown(scene: np.ndarray, **curve: object) -> tuple[np.ndarray, list[np.ndarray]]:
    return outlook_of(shots(scene), STEPS, Outlook(np.ones((1, 1), np.float16), **curve))  # pyright: ignore


@given(st.floats(0.02, 0.9), st.floats(0.1, 0.8))
def test_the_lift_shows_light_as_wanted_and_keeps_white(light: float, wanted: float):
    lift = lift_for(light, wanted)

    if lift > 0:
        level, slope = lifted(np.array([light, 1.0], np.float32), lift)
        assert level[0] == pytest.approx(wanted, rel=1e-3)
        assert level[1] == pytest.approx(1)
        assert np.all(slope > 0)


@given(st.floats(0.7, 40))
def test_what_is_brighter_stays_brighter(lift: float):
    level, _ = lifted(np.linspace(0.001, 1, 200, dtype=np.float32), lift)

    assert np.all(np.diff(level) > 0)


def test_what_is_burnt_in_every_exposure_stays_white():
    levels, shares = shown(np.full((20, 30, 3), 3.0), lift=8.0)

    assert np.all(levels >= 254)
    assert all(not np.any(share) for share in shares)


def test_noise_among_burnt_pixels_leaves_no_specks():
    noisy = np.full((40, 40, 3), 3.0)
    noisy[20, 20] = 0.9

    levels, _ = shown(noisy, lift=8.0)

    assert levels[20, 20].min() > 225


def test_a_blue_sky_stays_blue_and_a_roof_before_it_dark():
    scene = np.full((40, 60, 3), [0.3, 0.45, 0.8])
    scene[20:] = 0.02

    levels, _ = shown(scene, lift=6.0)

    sky, roof = levels[5, 5], levels[35, 5]
    assert sky.max() < 255
    assert sky[2] - sky[0] > 40
    assert sky.mean() - roof.mean() > 80


def test_fine_detail_comes_from_exposures_that_show_it():
    _, shares = shown(np.full((10, 10, 3), 0.05), lift=4.0)

    assert np.argmax([share.mean() for share in shares]) > 0
    assert 0.5 < sum(share.mean() for share in shares) < 2


def test_gains_change_the_colour_of_light():
    grey = np.full((10, 10, 3), 0.1)

    plain, warm = (shown(grey, gains=gains)[0][5, 5] for gains in ((1.0, 1.0, 1.0), (1.0, 1.0, 0.8)))

    assert np.ptp(plain) < 3
    assert warm[0] - warm[2] > 5
