"""Which gaps in crowns and buildings show sky."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.edits.gaps import recesses
from pipeline.edits.matte import border_of

SKY, LEAVES = (0.80, 0.81, 0.82), (0.10, 0.16, 0.07)


def crown(gap: tuple[float, float, float], *, leaves: float = 1.0, beside: int = 0) -> np.ndarray:
    """Share of sky (320, 480) that is found where a crown below an even sky has a gap of one colour.

    leaves: what the network takes the crown for. beside: pixels by which the gap goes on out of the crown.
    """
    picture = np.full((320, 480, 3), SKY, np.float32)
    picture[150:] = LEAVES
    picture[196:203, 60 : 70 + beside] = gap
    picture += np.random.default_rng(0).normal(0, 0.004, picture.shape).astype(np.float32)
    sky = np.zeros((320, 480), np.float32)
    sky[:150] = 1
    sky[196:203, 60 : 70 + beside] = 0.02
    green = np.zeros((320, 480), np.float32)
    green[150:, :90] = leaves
    border = border_of(np.clip(picture, 0, 1), cv2.GaussianBlur(sky, (0, 0), 1), green)
    assert border is not None
    return np.asarray(cv2.resize(border.inside * border.band, (480, 320)))


@pytest.mark.parametrize("gap", [SKY, (0.87, 0.87, 0.88)], ids=["as the sky", "brighter"])
def test_sky_shows_through_a_gap_deep_in_a_crown(gap: tuple[float, float, float]) -> None:
    assert crown(gap)[198:201, 63:67].min() == 1


@pytest.mark.parametrize(
    ("gap", "leaves", "beside"),
    [((0.8, 0.7, 0.5), 1.0, 0), (SKY, 0.0, 0), (SKY, 1.0, 60)],
    ids=["of another colour", "in a wall", "going on beside it, as a wall does"],
)
def test_other_pale_things_stay(gap: tuple[float, float, float], leaves: float, beside: int) -> None:
    assert crown(gap, leaves=leaves, beside=beside)[160:, :].max() == 0


def facade(colour: tuple[float, float, float], top: int, size: tuple[int, int]) -> float:
    """Share of a pale thing (width, height) in a front, `top` pixels below an even sky, that is taken for sky."""
    width, height = size
    picture = np.full((320, 480, 3), SKY, np.float32)
    picture[150:] = (0.45, 0.25, 0.2)
    thing = np.s_[150 + top : 150 + top + height, 200 : 200 + width]
    picture[thing] = colour
    picture += np.random.default_rng(0).normal(0, 0.004, picture.shape).astype(np.float32)
    sky = np.zeros((320, 480), np.float32)
    sky[:150] = 1
    border = border_of(np.clip(picture, 0, 1), cv2.GaussianBlur(sky, (0, 0), 1), np.zeros((320, 480), np.float32))
    assert border is not None
    found = np.asarray(cv2.resize(border.inside * border.band, (480, 320)))
    return float(found[thing][3:-3, 3:-3].mean())


def test_sky_shows_through_an_opening_below_the_roof() -> None:
    assert facade(SKY, 8, (14, 12)) == 1


@pytest.mark.parametrize(
    ("colour", "top", "size"),
    [(SKY, 90, (14, 12)), (SKY, 8, (120, 12)), ((0.88, 0.81, 0.74), 8, (14, 12)), (SKY, 8, (70, 60))],
    ids=["far below", "a board along the eaves", "of another colour", "as large as a wall"],
)
def test_other_pale_things_of_a_front_stay(colour: tuple[float, float, float], top: int, size: tuple[int, int]) -> None:
    assert facade(colour, top, size) == 0


def test_an_opening_is_told_by_the_colour_of_the_one_beside_it() -> None:
    """The sky pales away from where it is open: the second of two openings differs too much from that alone."""
    picture = np.full((320, 480, 3), LEAVES, np.float32)
    picture[:60] = SKY
    for top, paler in ((75, 0.009), (90, 0.015)):
        picture[top : top + 12, 100:112] = np.array(SKY) + paler
    picture += np.random.default_rng(0).normal(0, 0.003, picture.shape).astype(np.float32)
    sky, green = (np.zeros((320, 480), np.float32) for _ in range(2))
    sky[:60] = 1
    green[60:] = 1

    border = border_of(np.clip(picture, 0, 1), cv2.GaussianBlur(sky, (0, 0), 1), green)

    assert border is not None
    assert (border.inside * border.band)[93:99, 103:109].min() == 1


@pytest.mark.parametrize(
    ("behind", "reached"),
    [((0.34, 0.32, 0.33), False), ((0.16, 0.22, 0.10), True), ((0.42, 0.30, 0.16), True), ((0.05, 0.05, 0.06), True)],
    ids=["a wall", "green leaves", "autumn", "against the light"],
)
def test_pale_things_far_below_the_sky_may_be_sky_among_leaves_alone(
    behind: tuple[float, float, float], reached: bool
) -> None:
    """The network takes grey walls for crowns: a white rail before one keeps its bytes."""
    picture = np.full((480, 768, 3), SKY, np.float32)
    picture[200:] = behind
    rail = np.s_[214:216, 200:500]
    picture[rail] = SKY
    sky, green = np.zeros((480, 768), np.float32), np.zeros((480, 768), np.float32)
    sky[:200], green[200:] = 1, 0.9

    border = border_of(picture, cv2.GaussianBlur(sky, (0, 0), 1), green)

    assert border is not None
    assert border.band[rail].any() == reached
    assert border.band[200:204].all()


def recess(width: int, depth: int, shade: float, *, burnt: bool = True) -> float:
    """How much is found of a corner of the sky, so wide and deep, between walls and a part of the sky found before."""
    apart, step = np.full((200, 300), 0.3, np.float32), np.full((200, 300), 0.005, np.float32)
    found = np.zeros((200, 300), np.uint8)
    apart[:80], found[:80] = 0.005, 1
    apart[80 : 80 + depth, 100 : 100 + width] = shade
    new = recesses(apart, step, found, burnt=burnt)
    assert not np.any(new & found)
    return float(new[80 : 80 + depth, 100 : 100 + width].mean())


def test_a_corner_of_the_sky_that_edges_shut_in_is_sky() -> None:
    assert recess(20, 10, 0.01) > 0.8
    assert recess(30, 50, 0.01, burnt=False) > 0.8


@pytest.mark.parametrize(
    ("width", "depth", "shade"),
    [(20, 10, 0.1), (20, 60, 0.01), (200, 10, 0.01), (4, 10, 0.01)],
    ids=["another colour", "goes on", "large", "narrow"],
)
def test_other_bright_things_beside_the_sky_are_none(width: int, depth: int, shade: float) -> None:
    assert recess(width, depth, shade) < 0.15
