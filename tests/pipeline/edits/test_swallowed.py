"""Things as pale as the sky show themselves by straight edges and texture; clouds and wires do not count."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.edits.swallowed import largest_face, straight_edges

SIZE = (300, 480)
ALL, NO_TREES = np.ones(SIZE, np.float32), np.zeros(SIZE, bool)
CHIMNEY = np.s_[100:200, 200:240]


def sky(noise: float = 0.004) -> np.ndarray:
    """(300, 480, 3) float32: an overcast sky with soft clouds."""
    rng = np.random.default_rng(0)
    clouds = cv2.GaussianBlur(rng.normal(0, 1, SIZE), (0, 0), 14)
    out = 0.8 + 0.03 * clouds[..., None] / clouds.std() + rng.normal(0, noise, (*SIZE, 3))
    return out.astype(np.float32)


def blurred(picture: np.ndarray) -> np.ndarray:
    """As lenses draw edges."""
    return cv2.GaussianBlur(picture, (0, 0), 0.7)


def test_clouds_have_no_straight_edges_and_no_texture() -> None:
    assert straight_edges(blurred(sky()), ALL) == 0
    assert largest_face(sky(), ALL, NO_TREES) == 0


@pytest.mark.parametrize("tint", [(0.05, 0.05, 0.05), (-0.05, -0.05, -0.06), (0.0, 0.05, -0.02)])
def test_a_pale_chimney_within_the_new_sky_has_edges(tint: tuple[float, float, float]) -> None:
    picture = sky()
    picture[CHIMNEY] += tint

    assert straight_edges(blurred(picture), ALL) > 100


def test_a_chimney_that_is_left_standing_counts_for_nothing() -> None:
    picture, share = sky(), ALL.copy()
    picture[CHIMNEY] -= 0.2
    share[CHIMNEY] = 0

    assert straight_edges(blurred(picture), share) == 0


@pytest.mark.parametrize("row", [60, 150])
def test_wires_and_the_picture_s_own_border_count_for_nothing(row: int) -> None:
    picture = sky()
    picture[row : row + 2] -= 0.3
    picture[:4], picture[:, :4] = 1, 1

    assert straight_edges(blurred(picture), ALL) < 20


def test_a_face_with_fine_courses_within_the_new_sky_is_seen() -> None:
    picture = sky()
    picture[CHIMNEY][::4] -= 0.1

    assert largest_face(blurred(picture), ALL, NO_TREES) > 1000


def test_twigs_in_crowns_are_no_face() -> None:
    picture, trees = sky(), NO_TREES.copy()
    picture[CHIMNEY][::4] -= 0.1
    trees[90:210, 190:250] = True

    assert largest_face(blurred(picture), ALL, trees) == 0


def test_a_layer_that_is_nowhere_swallows_nothing() -> None:
    assert straight_edges(sky(), 0 * ALL) == 0
    assert largest_face(sky(), 0 * ALL, NO_TREES) == 0
