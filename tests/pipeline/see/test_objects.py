"""Things before a window: smooth and as dark as the room; what is outside is neither."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.see.objects import before

ROOM = -2.0
VIEW = np.s_[40:440, 100:700]
NO_BARS = np.zeros((480, 800), bool)


def looking_out(level: float = 1.5, contrast: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Radiance (EV) of leaves beyond a window, and where that is."""
    rng = np.random.default_rng(0)
    view = np.zeros((480, 800), bool)
    view[VIEW] = True
    leaves = level + cv2.GaussianBlur(rng.normal(0, contrast, view.shape), (0, 0), 1.5)
    return np.where(view, leaves, ROOM), view


def test_a_lamp_before_the_view_is_found_with_its_stand() -> None:
    radiance, view = looking_out()
    lamp = np.zeros(view.shape, np.uint8)
    cv2.ellipse(lamp, (300, 250), (50, 40), 0, 0, 360, 1, -1)
    stand = lamp.copy()
    cv2.line(stand, (300, 250), (300, 325), 1, 3)
    radiance[stand > 0] = ROOM

    found = before(radiance, view, NO_BARS, ROOM + 0.35)

    assert found[cv2.erode(lamp, np.ones((5, 5))) > 0].mean() > 0.98
    assert found[300:320, 300].mean() > 0.9
    assert found[(cv2.dilate(stand, np.ones((9, 9))) == 0)].mean() < 0.001


def test_dark_leaves_outside_are_no_things() -> None:
    radiance, view = looking_out(level=ROOM, contrast=5.0)

    assert (radiance[VIEW] < ROOM).mean() > 0.4
    assert not before(radiance, view, NO_BARS, ROOM + 0.35).any()


def test_the_shade_on_a_lawn_is_no_thing() -> None:
    """It ends nowhere sharply."""
    radiance, view = looking_out(level=0.0, contrast=0.1)
    radiance[VIEW] += np.linspace(2.0, -2.2, 400)[:, None]

    assert not before(radiance, view, NO_BARS, ROOM + 0.35).any()


def test_what_is_bright_is_no_thing() -> None:
    radiance, view = looking_out()
    radiance[200:300, 300:400] = ROOM + 1

    assert not before(radiance, view, NO_BARS, ROOM + 0.35).any()


def test_nothing_is_found_away_from_the_view() -> None:
    radiance, view = looking_out()
    radiance[200:300, 20:90] = ROOM - 0.5

    assert not before(radiance, view, NO_BARS, ROOM + 0.35).any()
