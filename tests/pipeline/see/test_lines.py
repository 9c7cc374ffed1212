"""How a camera was held, on drawn walls whose verticals are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recipe import Geometry
from pipeline.see.lines import WIDE_FOCAL, camera, tilt_of
from pipeline.see.segments import segments


def walls(pitch: float, roll: float, focal: float = WIDE_FOCAL, *, size: tuple[int, int] = (900, 600), seed: int = 0):
    """Upright boards of random grey around a camera so held, seen in its picture (h, w, 3) float32 0..1."""
    rng = np.random.default_rng(seed)
    width, height = size
    k = np.array([[focal * max(size), 0, width / 2], [0, focal * max(size), height / 2], [0, 0, 1]])
    picture = np.full((height, width, 3), 127, np.uint8)
    held = camera(pitch, roll)
    for angle in np.linspace(-50, 50, 14) + rng.uniform(-2, 2, 14):
        a, half = np.radians(angle), np.radians(1.8)
        corners = [
            (np.sin(x) * 5, y, np.cos(x) * 5) for x, y in ((a - half, -3), (a + half, -3), (a + half, 3), (a - half, 3))
        ]
        points = np.array(corners) @ held.T
        if np.any(points[:, 2] < 0.3):
            continue
        image = points @ k.T
        image = image[:, :2] / image[:, 2:]
        cv2.fillPoly(picture, [np.round(image * 16).astype(np.int32)], [int(rng.integers(0, 256))] * 3, cv2.LINE_AA, 4)
    return np.clip(picture / 255 + rng.normal(0, 0.01, picture.shape), 0, 1).astype(np.float32)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.floats(-9, 9), st.floats(-5, 5), st.sampled_from([14 / 36, 24 / 36, 1.0]))
def test_pitch_and_roll_of_drawn_walls_are_found(pitch: float, roll: float, focal: float):
    found = tilt_of(walls(pitch, roll, focal), focal)

    # The longer the lens, the less verticals meet.
    assert found.pitch == pytest.approx(pitch, abs=0.3 if focal < 1 else 0.8)
    assert found.roll == pytest.approx(roll, abs=0.15)
    assert found.confidence > 0.8
    assert found.focal_confidence == 1


def test_verticals_that_meet_above_are_a_camera_that_looks_up():
    picture = np.full((600, 900, 3), 100, np.uint8)
    for bottom, top in ((100, 140), (300, 313), (600, 587), (800, 760)):
        cv2.line(picture, (bottom, 599), (top, 0), (230, 230, 230), 6, cv2.LINE_AA)

    assert tilt_of(picture / np.float32(255)).pitch > 2


def test_walls_that_lean_right_are_a_camera_turned_counter_clockwise():
    """Turning the camera clockwise turns what it sees the other way."""
    picture = np.full((600, 900, 3), 100, np.uint8)
    for x in (150, 400, 700):
        cv2.line(picture, (x, 599), (x + 40, 0), (230, 230, 230), 6, cv2.LINE_AA)

    assert tilt_of(picture / np.float32(255)).roll == pytest.approx(-3.8, abs=0.3)


@pytest.mark.parametrize("picture", [np.full((300, 400, 3), 0.5, np.float32), np.zeros((1, 1, 3), np.float32)])
def test_without_lines_there_is_no_confidence(picture: np.ndarray):
    assert tilt_of(picture).confidence == 0


def test_noise_alone_is_not_trusted():
    noise = np.random.default_rng(0).random((600, 900, 3), np.float32)

    assert tilt_of(noise).confidence < 0.5


def test_the_edge_of_a_black_border_is_no_line_of_the_scene():
    turned = cv2.warpAffine(walls(0, 0), cv2.getRotationMatrix2D((450, 300), 6, 0.7), (900, 600))
    found = segments(turned)
    lines = found.where(found.upright)

    # Boards lean by 6 degrees; the border's sides do, too, but its corners lie elsewhere: nothing runs along them.
    corners = cv2.transform(
        np.array([[[0.0, 0], [900, 0], [900, 600], [0, 600]]]), cv2.getRotationMatrix2D((450, 300), 6, 0.7)
    )[0]
    for a, b in ((corners[0], corners[3]), (corners[1], corners[2])):
        along = (b - a) / np.linalg.norm(b - a)
        away = (lines.middle * 900 + (450, 300) - a) @ np.array([-along[1], along[0]])
        assert np.abs(away).min() > 3


def test_a_small_picture_tells_about_what_a_large_one_does():
    large, small = tilt_of(walls(5, -2, size=(1500, 1000))), tilt_of(walls(5, -2, size=(450, 300)))

    assert small.pitch == pytest.approx(large.pitch, abs=0.4)
    assert small.roll == pytest.approx(large.roll, abs=0.3)


@pytest.mark.parametrize(("bend", "trusted"), [(0.0, True), (0.08, False)])
def test_verticals_that_a_lens_bends_are_not_trusted(bend: float, trusted: bool):
    """Without its top, so that the two halves of the rest bend unlike."""
    picture = walls(4, 0, size=(900, 900))
    y, x = (np.mgrid[0:900, 0:900].astype(np.float32) - 449.5) / 450
    scale = 1 + bend * (x * x + y * y)
    bent = cv2.remap(picture, 449.5 + 450 * x * scale, 449.5 + 450 * y * scale, cv2.INTER_CUBIC)[180:]

    assert (tilt_of(np.ascontiguousarray(bent), WIDE_FOCAL).confidence > 0.8) == trusted


@pytest.mark.slow
def test_small_pictures_tell_what_large_ones_do(data: Path):
    """Those of 240 pixels that are accepted, of listing photos; curtains mislead in one bedroom at every size."""
    files = [p for p in sorted((data / "photos").glob("listing_*_house*.jpg")) if "house503" not in p.name]
    apart: list[float] = []
    for path in files:
        photo = cv2.imread(str(path)).astype(np.float32) / 255
        large, small = (
            tilt_of(cv2.resize(photo, None, fx=f, fy=f, interpolation=cv2.INTER_AREA), WIDE_FOCAL)
            for f in (1.0, 240 / max(photo.shape[:2]))
        )
        if min(large.confidence, small.confidence) >= Geometry().confidence:
            apart.append(max(abs(large.pitch - small.pitch), abs(large.roll - small.roll)))

    assert len(apart) >= 3
    assert max(apart) < 1
