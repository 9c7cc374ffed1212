"""Focal lengths from vanishing points, on drawn rooms whose camera is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.see.lines import WIDE_FOCAL, camera, tilt_of

LONG = 1200


def room(focal: float, *, yaw: float, pitch: float = 0.0, walls: int = 2, seed: int = 0):
    """Two walls that meet in a corner, with boards along and across: (h, w, 3) float32 0..1; `walls` 1: one of them."""
    rng = np.random.default_rng(seed)
    k = np.array([[focal * LONG, 0, LONG / 2], [0, focal * LONG, LONG / 3], [0, 0, 1]])
    a = np.radians(yaw)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    picture = np.full((LONG * 2 // 3, LONG, 3), 127, np.uint8)

    def board(corners: list[tuple[float, float, float]]) -> None:
        points = np.array(corners) @ turn.T @ camera(pitch, 0).T
        if np.any(points[:, 2] < 0.2):
            return
        image = points @ k.T
        image = np.clip(image[:, :2] / image[:, 2:], -9 * LONG, 9 * LONG)
        shade = [int(rng.integers(30, 226))] * 3
        cv2.fillPoly(picture, [np.round(image * 16).astype(np.int32)], shade, cv2.LINE_AA, 4)

    for top in np.arange(-2.0, 1.6, 0.7):
        for along in np.arange(-6.0, 3.5, 1.1):
            y0, y1, s0, s1 = top + 0.1, top + 0.5, along, along + rng.uniform(0.5, 1.0)
            board([(s0, y0, 4), (s1, y0, 4), (s1, y1, 4), (s0, y1, 4)])
            if walls == 2:
                board([(3.6, y0, s0), (3.6, y0, s1), (3.6, y1, s1), (3.6, y1, s0)])
    return np.clip(picture / 255 + rng.normal(0, 0.01, picture.shape), 0, 1).astype(np.float32)


@pytest.mark.parametrize("focal", [0.5, 0.65, 0.9])
@pytest.mark.parametrize("pitch", [-7.0, 0.0, 5.0])
def test_a_corner_tells_the_focal_length_and_with_it_the_pitch(focal: float, pitch: float):
    found = tilt_of(room(focal, yaw=-45, pitch=pitch))

    assert found.focal_confidence == 0.9
    assert found.focal == pytest.approx(focal, rel=0.08)
    assert found.pitch == pytest.approx(pitch, abs=0.9)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(focal=st.floats(0.4, 1.5), yaw=st.floats(-88, -2), pitch=st.floats(-8, 8))
def test_a_focal_length_that_is_told_is_right_within_a_tenth(focal: float, yaw: float, pitch: float):
    found = tilt_of(room(focal, yaw=yaw, pitch=pitch))

    assert found.focal == pytest.approx(focal if found.focal_confidence > 0.5 else WIDE_FOCAL, rel=0.1)


@pytest.mark.parametrize("yaw", [0.0, -2.0])
def test_a_wall_seen_straight_on_does_not_tell_it(yaw: float):
    found = tilt_of(room(0.55, yaw=yaw, walls=1))

    assert found.focal_confidence == 0.4
    assert found.focal == WIDE_FOCAL


def test_noise_does_not_tell_it():
    noise = np.random.default_rng(0).random((800, 1200, 3)).astype(np.float32)

    assert tilt_of(noise).focal_confidence == 0.4


def test_the_files_own_focal_length_comes_first():
    found = tilt_of(room(0.6, yaw=-45), 0.9)

    assert (found.focal, found.focal_confidence) == (0.9, 1.0)
