"""One glance: day and night, photos and what is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.see.scene import Seen, look
from tests.rooms import encode, radiance


def test_a_street_at_night_is_night():
    street = np.full((200, 300, 3), 0.03, np.float32)
    street[120:160, 100:200] = 0.6
    assert look(street).night == 1.0


def test_dark_trees_before_a_bright_sky_are_not(data: Path):
    trees = cv2.imread(str(data / "photos/sky_e630201f0bf9f2919480574c6b7f7356.jpg"))
    small = cv2.resize(trees, (900, 675), interpolation=cv2.INTER_AREA)[..., ::-1]

    seen = look(np.power(small.astype(np.float32) / 255, np.float32(1.6)))

    assert seen.light == "day"
    assert seen.night == 0.0


@pytest.mark.parametrize("ev", [-1.0, 0.0, 1.0])
def test_rooms_are_not(ev: float):
    assert look(encode(radiance(window=2.0) * 2.0**ev)).night < 0.05


def test_an_underexposed_room_is_not_night():
    assert look(encode(radiance(window=2.0) * 0.25)).night < 0.5


@pytest.mark.parametrize(
    ("other", "flat", "photo"),
    [(0.99, 0.0, False), (0.85, 0.5, False), (0.9, 0.1, True), (0.5, 0.9, True), (0.02, 0.5, True)],
)
def test_only_what_surely_is_no_photo_is_taken_for_none(other: float, flat: float, photo: bool):
    assert Seen(places=(1 - other, 0.0, 0.0, other), flat=flat).is_photo == photo


def test_a_white_margin_is_no_sky_and_keeps_the_picture_upright():
    front = cv2.imread(str(Path(__file__).parents[3] / "samples/tower_front/tower_front.jpg"))
    small = cv2.resize(front, (600, round(600 * front.shape[0] / front.shape[1])), interpolation=cv2.INTER_AREA)
    margin = 40
    page = cv2.copyMakeBorder(small, margin, margin, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))

    seen = look(page[..., ::-1].astype(np.float32) / 255)

    assert seen.sky_fraction > 0.05
    assert seen.sky[:margin].max() == 0
    assert seen.sky[-margin:].max() == 0
    assert seen.tilt.confidence == 0


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 255])
def test_a_margin_on_all_sides_hides_neither_place_nor_sky(level: int):
    front = cv2.imread(str(Path(__file__).parents[3] / "samples/tower_front/tower_front.jpg"))
    small = cv2.resize(front, (600, 450), interpolation=cv2.INTER_AREA)
    page = cv2.copyMakeBorder(small, 24, 24, 24, 24, cv2.BORDER_CONSTANT, value=(level,) * 3)

    seen = look(page[..., ::-1].astype(np.float32) / 255)

    assert seen.place == "exterior"
    assert seen.is_photo
    assert seen.sky_fraction > 0.15
    assert seen.sky[:24].max() == seen.windows[:, :24].max() == 0
    assert seen.sky.shape == seen.burnt.shape == (498, 648)


@pytest.mark.parametrize(("twilight", "least", "most"), [(0.15, 0.0, 0.0), (0.3, 0.4, 0.6), (0.5, 1.0, 1.0)])
def test_what_may_be_dusk_counts_as_dusk_below_even_odds(twilight: float, least: float, most: float):
    assert least <= Seen(twilight=twilight).dusk <= most


def test_what_cannot_be_excluded_to_be_dusk_stays_dim():
    assert not Seen(twilight=0.02).stays_dim
    assert Seen(twilight=0.1).stays_dim
    assert Seen(night=0.6).stays_dim


def test_a_lit_facade_at_night_is_no_room_to_be_lit():
    """The network takes this one for a room rather than for a front."""
    files = Path(__file__).parents[3] / "jobs" / "train" / "free" / "rooms" / "val" / "exterior_night"
    picture = cv2.imread(str(files / "gcompris_ndp-background.jpg"))[..., ::-1].astype(np.float32) / 255

    seen = look(picture)

    assert seen.place == "interior"
    assert seen.may_be_dusk


def test_a_dark_room_is_not_taken_for_a_night(data: Path):
    """A bedroom by day with windows in the back: dark, and to be lit."""
    picture = cv2.imread(str(data / "rooms/val/bedroom/h431_bedroom.jpg"))[..., ::-1].astype(np.float32) / 255

    assert np.median(picture) < 0.3
    assert look(picture).place == "interior"
    assert not look(picture).stays_dim
