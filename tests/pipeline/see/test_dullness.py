"""Dull skies and good ones."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.see.dullness import dullness
from pipeline.see.scene import Seen

BLUE, GREY, WHITE, EVENING = (0.35, 0.55, 0.85), (0.72, 0.73, 0.75), (1.0, 1.0, 1.0), (0.85, 0.6, 0.5)


def front(*colours: tuple[float, float, float], cast: tuple[float, float, float] = (1, 1, 1)) -> np.ndarray:
    """A brown house (120, 200, 3) below a sky in stripes of these colours."""
    picture = np.full((120, 200, 3), (0.45, 0.35, 0.28), np.float32)
    for n, colour in enumerate(colours):
        picture[:60, n * 200 // len(colours) : (n + 1) * 200 // len(colours)] = colour
    return picture * np.float32(cast)


def seen(**facts: object) -> Seen:
    mask = np.zeros((120, 200), np.float32)
    mask[:60] = 1
    return Seen(places=(0.0, 1.0, 0.0, 0.0), sky=mask, sky_trust=0.95, **facts)  # pyright: ignore


@pytest.mark.parametrize("colour", [GREY, WHITE])
def test_overcast_and_burnt_skies_are_dull(colour: tuple[float, float, float]) -> None:
    picture = front(colour)
    assert dullness(picture, picture, seen()) == 1.0


@pytest.mark.parametrize("colours", [(BLUE,), (EVENING,), (WHITE, WHITE, WHITE, WHITE, BLUE)])
def test_blue_evening_and_clouds_with_some_blue_are_not(colours: tuple[tuple[float, float, float], ...]) -> None:
    picture = front(*colours)
    assert dullness(picture, picture, seen()) == 0.0


def test_pale_blue_between_clouds_is_no_overcast() -> None:
    pale, cloud, even = (0.70, 0.74, 0.80), (0.93, 0.92, 0.89), (0.70, 0.74, 0.78)

    broken, closed = front(pale, cloud, pale, cloud), front(even)

    assert dullness(broken, broken, seen()) < 0.5
    assert dullness(closed, closed, seen()) > 0.5


def test_a_cast_of_the_whole_photo_makes_no_good_sky() -> None:
    bluish = front(GREY, cast=(0.94, 1.0, 1.08))
    assert dullness(bluish, front(GREY), seen()) > 0.5


@pytest.mark.parametrize("facts", [{"night": 0.8}, {"twilight": 0.9}])
def test_nights_and_dusks_have_no_dull_sky(facts: dict[str, object]) -> None:
    picture = front(GREY)
    assert dullness(picture, picture, seen(**facts)) == 0.0


def test_a_dim_grey_sky_is_dull_where_the_file_says_that_it_is_day() -> None:
    picture = front((0.3, 0.3, 0.3))
    assert dullness(picture, picture, seen(daylight=1.0)) == 1.0
    assert dullness(picture, picture, seen()) == 0.0


def test_a_black_sky_is_the_nights_and_no_sky_is_not_dull() -> None:
    assert dullness(front((0.1, 0.1, 0.1)), front((0.1, 0.1, 0.1)), seen()) == 0.0
    nowhere = Seen(places=(0.0, 1.0, 0.0, 0.0), sky=np.zeros((120, 200), np.float32))
    assert dullness(front(GREY), front(GREY), nowhere) == 0.0
