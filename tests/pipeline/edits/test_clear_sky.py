"""The clear sky: its colours, and how a camera sees it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.edits.clear_sky import radiance
from pipeline.edits.sky import Day, clear_sky
from pipeline.see.lines import Tilt

SUN = np.array([np.sin(2.0) * 0.74, np.cos(2.0) * 0.74, 0.67])
ALL = np.ones((48, 72), np.float32)


def upwards(*degrees: float) -> np.ndarray:
    e = np.radians(degrees)
    return np.stack([np.zeros_like(e), np.cos(e), np.sin(e)], axis=-1)


def test_a_clear_sky_is_blue_above_and_pales_towards_the_horizon():
    light = radiance(upwards(60, 30, 10, 1), SUN)
    luminance = light @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(luminance) > 0)
    assert light[0, 2] > 1.5 * light[0, 1] > 1.5 * light[0, 0]
    blueness = light[:, 2] / light[:, 0]
    assert np.all(np.diff(blueness) < 0)


def test_below_the_horizon_is_its_colour():
    below, at = radiance(upwards(-30, 0), SUN)
    np.testing.assert_allclose(below, at, rtol=1e-6)


def test_haze_pales_the_sky():
    high, low = (radiance(upwards(50, 5), SUN, haze) for haze in (0.5, 4.0))
    change = (low[:, 2] / low[:, 0]) / (high[:, 2] / high[:, 0])
    assert np.all((change > 0.7) & (change < 0.97))


@pytest.mark.parametrize("brightness", [0.55, 0.7])
def test_its_middle_is_as_bright_as_asked(brightness: float):
    sky = clear_sky(Tilt(), (1500, 1000), np.vstack([ALL[:20], 0 * ALL[20:]]), brightness, Day())
    luma = sky @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    assert np.median(luma[: int(sky.shape[0] * 20 / 48)]) == pytest.approx(brightness, abs=0.03)


def test_the_sun_on_the_other_side_mirrors_the_sky():
    left, right = (clear_sky(Tilt(), (1500, 1000), ALL, 0.7, Day(side, veil=0.0)) for side in (-1, 1))
    np.testing.assert_allclose(left, right[:, ::-1], atol=2e-3)
    assert np.abs(left - right).max() > 0.005


def test_a_camera_that_looks_up_sees_deeper_blue_and_a_rolled_one_a_slanting_horizon():
    level = clear_sky(Tilt(confidence=1.0), (1500, 1000), ALL, 0.7, Day(veil=0.0))
    rolled = clear_sky(Tilt(roll=8.0, confidence=1.0), (1500, 1000), ALL, 0.7, Day(veil=0.0))
    blue = rolled[..., 2] - rolled[..., 0]
    # Turned clockwise, the camera sees its right side lower: nearer to the horizon's other side.
    row = rolled.shape[0] // 3
    assert abs(blue[row, -8:].mean() - blue[row, :8].mean()) > 0.01
    assert level[:4].mean(axis=(0, 1))[2] > level[:4].mean(axis=(0, 1))[0] + 0.1


def test_a_thumbnail_has_a_sky_too():
    sky = clear_sky(Tilt(), (3, 2), np.ones((2, 3), np.float32), 0.7, Day())
    assert np.isfinite(sky).all()
    assert 0 <= sky.min() <= sky.max() <= 1
