"""One glance: day and night, photos and what is none."""

from __future__ import annotations

import numpy as np
import pytest
from rooms import encode, radiance

from pipeline.see.scene import Seen, look


def test_a_street_at_night_is_night():
    street = np.full((200, 300, 3), 0.03, np.float32)
    street[120:160, 100:200] = 0.6
    assert look(street).night == 1.0


def test_dark_trees_before_a_bright_sky_are_not():
    front = np.full((200, 300, 3), 0.75, np.float32)
    front[90:] = 0.05
    assert look(front).night == 0.0


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
