"""Thin cloud: a share of the sky, uneven, never the same twice, closing up towards the horizon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.edits.veil import brightness, veil


def upward(rows: int = 60, columns: int = 90, *, low: float = 3.0, high: float = 50.0) -> np.ndarray:
    """Directions (rows, columns, 3) from `high` degrees above the horizon down to `low`, 60 degrees wide."""
    up = np.radians(np.linspace(high, low, rows))[:, None]
    side = np.radians(np.linspace(-30, 30, columns))[None]
    return np.stack([np.cos(up) * np.sin(side), np.cos(up) * np.cos(side), np.sin(up) + 0 * side], -1)


@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.5))
@settings(max_examples=20, deadline=None)
def test_a_veil_is_a_share_and_grows_with_its_thickness(seed: int, thickness: float):
    found = veil(upward(), 0.012, thickness, seed)

    assert found.min() >= 0
    assert found.max() <= 1
    thicker = veil(upward(), 0.012, min(0.9, 1.5 * thickness), seed)
    assert (thicker >= found).all()


def test_cloud_closes_up_towards_the_horizon():
    found = np.mean([veil(upward(), 0.012, 0.1, seed) for seed in range(20)], axis=0)

    assert found[-10:].mean() > 1.3 * found[:10].mean()


def test_the_same_seed_gives_the_same_cloud_and_another_another():
    first, again, other = (veil(upward(), 0.012, 0.1, seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first[:40].ravel(), other[:40].ravel())[0, 1]) < 0.95


def test_cloud_is_uneven_overhead_and_smooth_from_pixel_to_pixel():
    found = veil(upward(low=20), 0.012, 0.1, 3)

    assert found.std() > 0.01
    assert np.abs(np.diff(found, axis=0)).max() < 0.15
    assert np.abs(np.diff(found, axis=1)).max() < 0.15


def test_nothing_is_uneven_on_the_horizon_where_all_cloud_is_seen_from_the_side():
    level = upward(rows=2, low=0.0, high=0.0)

    assert np.ptp(veil(level, 0.012, 0.1, 4)) == pytest.approx(0, abs=1e-9)


def test_cloud_is_brightest_towards_the_sun():
    rays = upward()
    sun = rays[10, 45]

    shine = brightness(rays, sun)

    assert np.unravel_index(int(np.argmax(shine)), shine.shape) == (10, 45)
    assert shine.min() > 0.7
