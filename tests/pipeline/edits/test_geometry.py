"""Straightening: verticals upright, squares square, aspect and size kept, doubts left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codes import Code
from pipeline.edits.geometry import Straightened, plan
from pipeline.plan import Merge, Plan, Warp
from pipeline.recipe import Geometry
from pipeline.render.render import render_source
from pipeline.see.lines import Tilt, camera
from pipeline.see.scene import Seen

SIZE = (1500, 1000)
FRAME = np.array([1.0, 2 / 3])
ALL = Geometry(max_crop=0.5)


def straightened(
    pitch: float, roll: float, panel: Geometry = ALL, *, focal: float = 24 / 36, **seen: object
) -> Straightened:
    return plan(SIZE, Seen(tilt=Tilt(pitch, roll, 0.95), **seen), panel, focal)  # pyright: ignore[reportArgumentType]


def warp_of(found: Straightened) -> Warp:
    (operation,) = found.operations
    assert isinstance(operation, Warp)
    return operation


def seen_at(points: np.ndarray, pitch: float, roll: float, focal: float) -> np.ndarray:
    """World points (n, 3: right, down, forward) in the picture of a camera so held, over the long side."""
    p = points @ camera(pitch, roll).T
    return p[:, :2] / p[:, 2:] * focal + FRAME / 2


def shown_at(warp: Warp, points: np.ndarray) -> np.ndarray:
    """Where source points (n, 2) lie in the output."""
    return cv2.perspectiveTransform(points[None].astype(np.float64), np.linalg.inv(warp.homography))[0]


@settings(max_examples=40, deadline=None)
@given(st.floats(-8, 8), st.floats(-5, 5), st.sampled_from([14 / 36, 18 / 36, 24 / 36]))
def test_verticals_become_upright_and_squares_stay_square(pitch: float, roll: float, focal: float):
    if max(abs(pitch), abs(roll)) < 0.2:
        return
    warp = warp_of(straightened(pitch, roll, focal=focal))
    square = np.array([[-1, -1, 4], [1, -1, 4], [1, 1, 4], [-1, 1, 4.0]]) * (0.5, 0.5, 1)

    top_left, top_right, bottom_right, bottom_left = shown_at(warp, seen_at(square, pitch, roll, focal))

    for top, bottom in ((top_left, bottom_left), (top_right, bottom_right)):
        assert abs(np.degrees(np.arctan2(bottom[0] - top[0], bottom[1] - top[1]))) < 0.01
    width, height = np.linalg.norm(top_right - top_left), np.linalg.norm(bottom_left - top_left)
    assert width / height == pytest.approx(1, abs=0.03)


@settings(max_examples=40, deadline=None)
@given(st.floats(-9, 9), st.floats(-6, 6), st.booleans())
def test_the_output_lies_inside_the_source_and_keeps_its_aspect(pitch: float, roll: float, native: bool):
    found = plan(SIZE, Seen(tilt=Tilt(pitch, roll, 0.95)), ALL, native=native)
    if not found.operations:
        return
    warp = warp_of(found)
    w, h = warp.size
    corners = np.array([[[0, 0], [w, 0], [w, h], [0, h]]])

    source = cv2.perspectiveTransform(corners, warp.homography)[0]

    assert source.min() >= 0
    assert np.all(source.max(axis=0) <= FRAME)
    assert w / h == pytest.approx(1.5)
    assert (w < 1) if native else (w == 1)


@pytest.mark.parametrize(
    ("tilt", "seen", "panel"),
    [
        (Tilt(5, 2, 0.95), {}, Geometry(strength=0)),
        (Tilt(5, 2, 0.3), {}, ALL),
        (Tilt(0.1, -0.1, 0.99), {}, ALL),
        (Tilt(5, 2, 0.95), {"places": (0.0, 0.0, 0.0, 1.0)}, ALL),
    ],
    ids=["strength 0", "unsure", "straight already", "no photo"],
)
def test_left_alone(tilt: Tilt, seen: dict[str, object], panel: Geometry):
    found = plan(SIZE, Seen(tilt=tilt, **seen), panel)  # pyright: ignore[reportArgumentType]

    assert found.operations == ()
    assert found.facts["strength"] == 0


def test_an_unsure_tilt_is_said():
    assert plan(SIZE, Seen(tilt=Tilt(5, 2, 0.3)), ALL).warnings == (Code.NO_LINES,)


def test_a_steep_camera_is_levelled_only():
    found = straightened(-14, 2)

    assert found.facts["pitch_corrected"] == 0
    assert found.facts["roll_corrected"] == 2
    assert found.warnings == (Code.CORRECTION_CLAMPED,)


@pytest.mark.parametrize("aerial", [1.0, 0.1])
def test_what_may_be_from_the_air_is_levelled_only(aerial: float):
    found = straightened(-8, 1.5, places=(0.0, 1 - aerial, aerial, 0.0))

    assert found.facts["pitch_corrected"] == 0
    assert found.facts["roll_corrected"] == 1.5
    assert found.warnings == ()


def test_strength_is_the_share_that_is_corrected():
    found = straightened(4, 1, Geometry(strength=0.5, max_crop=0.5))

    assert found.facts["pitch_corrected"] == 2
    assert found.facts["roll_corrected"] == 0.5


@pytest.mark.parametrize(("pitch", "roll"), [(6, 1), (6, 3), (0, 3), (8, 0)])
def test_a_large_crop_lowers_the_strength_and_is_said(pitch: float, roll: float):
    found = straightened(pitch, roll, Geometry())

    assert found.facts["crop"] == pytest.approx(0.08, abs=0.002)
    assert 0 < found.facts["strength"] < 1
    assert found.warnings == (Code.CROP_EXCESS,)


def test_a_large_crop_levels_first():
    found = straightened(8, 1, Geometry())

    assert found.facts["roll_corrected"] == 1
    assert 0 < found.facts["pitch_corrected"] < 8


def test_a_camera_held_far_askew_is_left_as_it_was():
    found = straightened(4, 6.5)

    assert found.operations == ()
    assert found.warnings == (Code.CORRECTION_CLAMPED,)


def test_a_photo_of_what_is_hard_to_name_is_straightened():
    assert straightened(4, 1, places=(0.3, 0.1, 0.0, 0.6)).facts["pitch_corrected"] == 4


def test_a_drawn_wall_is_upright_in_the_rendered_picture():
    warp = warp_of(straightened(6, 2))
    picture = np.full((1000, 1500, 3), 60, np.uint8)
    edges = seen_at(np.array([[-1, -1.2, 4], [-1, 1.2, 4], [1, 1.2, 4], [1, -1.2, 4.0]]), 6, 2, 24 / 36) * 1500
    cv2.fillPoly(picture, [np.round(edges * 16).astype(np.int32)], (200, 200, 200), cv2.LINE_AA, 4)

    source, _ = render_source(Plan(Merge.single(), (warp,)), [picture])

    assert source.shape == picture.shape
    bright = source[..., 0] > 130
    rows = np.flatnonzero(bright.any(axis=1))[20:-20]
    left, right = bright.argmax(axis=1)[rows], 1499 - bright[:, ::-1].argmax(axis=1)[rows]
    assert np.ptp(left) <= 1
    assert np.ptp(right) <= 1
