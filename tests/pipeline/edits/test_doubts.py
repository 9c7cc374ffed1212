"""What speaks against a border of the sky: walls and roofs as pale as it; wires and clouds do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.edits.doubts import Doubts, doubts_of
from pipeline.edits.gaps import steps
from pipeline.edits.sky import _MOST

SHAPE = (320, 480)
SKY = np.s_[:200]


def picture(grade: float = 0.0) -> np.ndarray:
    """(320, 480, 3) float32: a grey sky that brightens downwards by `grade` over brown ground."""
    out = np.full((*SHAPE, 3), (0.4, 0.3, 0.25), np.float32)
    out[SKY] = (0.78, 0.79, 0.80)
    out[SKY] += grade * np.linspace(0, 1, 200, dtype=np.float32)[:, None, None]
    return out + np.random.default_rng(0).normal(0, 0.003, out.shape).astype(np.float32)


def doubts(x: np.ndarray, found: np.ndarray, *, p: float = 0.95, beyond: np.ndarray | None = None) -> Doubts:
    old = np.full_like(x, (0.78, 0.79, 0.80))
    nothing = np.zeros(SHAPE, np.float32)
    probability = np.where(found > 0, p, 0).astype(np.float32)
    return doubts_of(
        x,
        probability,
        nothing,
        found=found,
        old=old,
        apart=np.linalg.norm(x - old, axis=2).astype(np.float32),
        beyond=np.zeros(SHAPE, np.uint8) if beyond is None else beyond,
    )


def sky() -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    found[SKY] = 1
    return found


@pytest.mark.parametrize("grade", [0.0, 0.18])
def test_wires_part_no_sky(grade: float) -> None:
    """Not even where it brightens so much that its ends have other colours."""
    x, found = picture(grade), sky()
    for row in (40, 80, 120, 160):
        x[row : row + 3], found[row - 1 : row + 4] = 0.1, 0

    said = doubts(x, found, p=0.8)

    assert said.parted < _MOST["parted"]
    assert said.unlike < _MOST["unlike"]


@pytest.mark.parametrize(("tint", "doubtful"), [((0.0, 0.0, 0.0), False), ((0.07, 0.05, 0.0), True)])
def test_a_chimney_before_the_sky_has_a_colour_of_its_own(tint: tuple[float, float, float], doubtful: bool) -> None:
    x, found = picture(), sky()
    x[100:160, 200:240] += tint
    x[98:160, 197:200] = x[98:160, 240:243] = x[97:100, 197:243] = 0.2
    found[:200] = np.where(x[:200].min(axis=2) < 0.5, 0, 1)
    found[160:200, 190:250] = 0

    assert (doubts(x, found).parted > _MOST["parted"]) == doubtful


def test_a_part_that_the_network_hardly_sees_must_be_whole() -> None:
    """A roof in the sun is like the sky in places."""
    x, found, beyond = picture(), sky(), np.zeros(SHAPE, np.uint8)
    x[120:160, 300:340] += (0.02, 0.02, 0.0)
    beyond[120:160, 300:340] = np.random.default_rng(1).random((40, 40)) < 0.66
    beyond[138:142, 300:340] = 1

    assert doubts(x, found, beyond=beyond).unlike == 1
    beyond[120:160, 300:340] = 1
    assert doubts(x, found, beyond=beyond).unlike == 0


def test_sky_that_was_not_found_is_noticed() -> None:
    x, found = picture(), sky()
    assert doubts(x, found).elsewhere == 0

    found[100:140, 100:140] = 0

    assert doubts(x, found).elsewhere > _MOST["elsewhere"]


def test_an_edge_ends_the_sky_and_its_lack_is_said() -> None:
    x, found = picture(), sky()
    assert doubts(x, found).open == 0

    found[150:] = 0

    assert doubts(x, found).open == pytest.approx(1)
    assert steps(x)[150].max() < 0.03


def test_a_border_through_a_face_as_pale_as_the_sky_shows_no_edge() -> None:
    """Even where the face is a little darker farther on."""
    x, found = picture(), sky()
    shade = np.clip(np.linspace(-0.5, 1, 60), 0, 1)[:, None]
    x[60:200, 200:260] -= 0.1 * shade
    found[60:200, 230:260] = 0

    assert doubts(x, found).edgeless > _MOST["edgeless"]

    x[60:200, 230:260] = 0.3
    assert doubts(x, found).edgeless == 0


def test_rents_in_clouds_are_another_colour() -> None:
    x, found = picture(), sky()
    cv2.circle(x, (240, 100), 60, (0.55, 0.62, 0.80), -1)

    assert doubts(x, found).mottled > _MOST["mottled"] - 0.03
    assert doubts(picture(), found).mottled == 0
