"""One glance: day and night."""

from __future__ import annotations

import numpy as np
import pytest
from rooms import encode, radiance

from pipeline.see.scene import look


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
