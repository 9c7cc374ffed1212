"""Views through windows: measured in the exposures, where the network says that there is glass."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.read.color import from_linear
from pipeline.see.glass import window_prior
from pipeline.see.nets import SHIPPED, Network
from pipeline.see.panes import view_of

VALUES = (-4.0, -2.0, 0.0, 2.0)
GLASS = np.s_[60:180, 200:320]


def room(view: np.ndarray | float) -> list[np.ndarray]:
    """Exposures of a grey wall with a window, behind which lies `view` (linear, in units of the wall's white)."""
    rng = np.random.default_rng(0)
    scene = 0.25 + 0.01 * cv2.GaussianBlur(rng.normal(0, 1, (240, 400)), (0, 0), 2)
    scene[GLASS] = view
    exposures = [from_linear(np.clip(scene * 2.0**ev, 0, 1).astype(np.float32)) for ev in VALUES]
    return [np.round(255 * np.repeat(e[..., None], 3, 2)).astype(np.uint8) for e in exposures]


def foliage() -> np.ndarray:
    rng = np.random.default_rng(1)
    return 4.0 * np.exp2(1.0 * cv2.GaussianBlur(rng.normal(0, 2.5, (120, 120)), (0, 0), 1.2))


@pytest.fixture
def prior() -> np.ndarray:
    found = np.zeros((240, 400), np.float32)
    found[GLASS] = 0.9
    return found


def test_a_bright_view_is_found_inside_the_glass_only(prior: np.ndarray) -> None:
    mask = view_of(room(foliage()), VALUES, 2, prior)[0]

    assert np.median(mask[GLASS]) > 0.9
    assert mask[:40].max() == 0
    assert mask[:, :180].max() == 0


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (6.0, "frosted glass"),
        (0.02, "a window at night"),
        (60.0, "burnt in every exposure"),
        (0.25, "a framed picture"),
    ],
)
def test_glass_without_a_view_to_recover_is_left_alone(prior: np.ndarray, view: float, why: str) -> None:
    assert view_of(room(view), VALUES, 2, prior)[0].max() < 0.05, why


def test_what_is_bright_but_no_window_is_left_alone(prior: np.ndarray) -> None:
    assert view_of(room(foliage()), VALUES, 2, 0 * prior)[0].max() == 0


def test_burnt_panes_of_a_real_room_are_seen_as_windows(data: Path) -> None:
    names = sorted((data / "brackets/red_chair_window").glob("*.jpg"))[2:8:2]
    exposures = [cv2.cvtColor(cv2.imread(str(n)), cv2.COLOR_BGR2RGB) for n in names]

    prior = window_prior(exposures, Network(SHIPPED))

    assert prior.shape == exposures[0].shape[:2]
    assert np.median(prior[120:600, 620:900]) > 0.5
    assert np.median(prior[:, :400]) < 0.2


@pytest.mark.parametrize(("view", "kept"), [("foliage", True), ("half of it", False)])
def test_sunlit_frames_stay_as_they_are_where_all_panes_are_known(view: str, kept: bool) -> None:
    """Frames as bright as the view are part of it only where it is not certain which parts are glass."""
    scene = np.full((120, 120), 1.6)
    scene[20:100, 20:100] = foliage()[20:100, 20:100]
    if view == "half of it":
        scene[20:100, 48:72] = 1.6
        scene[40:80, 48:72] = foliage()[40:80, 48:72] ** 0.4 * 1.5
    likely = np.zeros((240, 400), np.float32)
    likely[GLASS] = 0.9

    mask = view_of(room(scene), VALUES, 2, likely)[0][GLASS]

    assert mask[30:90, 24:44].mean() > 0.9
    assert (mask[:, 3:12].mean() < 0.2) == kept


@pytest.mark.parametrize(
    ("dark", "seen"),
    [(np.s_[40:80, 40:80], True), (np.s_[:, :40], False)],
    ids=["a roof around which the view lies", "a curtain beside it"],
)
def test_what_is_as_dark_as_the_room_is_view_where_the_view_lies_around_it(
    dark: tuple[slice, slice], seen: bool, prior: np.ndarray
) -> None:
    scene = foliage()
    scene[dark] = 0.3

    mask = view_of(room(scene), VALUES, 2, prior)[0][GLASS]

    assert (np.median(mask[dark]) > 0.9) == seen
    assert np.median(mask[:, 90:]) > 0.9


@pytest.mark.parametrize(("colour", "seen"), [((0.6, 1.0, 0.3), True), ((1.0, 1.0, 1.0), False)], ids=["lawn", "blind"])
def test_what_is_smooth_below_leaves_is_view_where_it_is_green(
    colour: tuple[float, float, float], seen: bool, prior: np.ndarray
) -> None:
    scene = foliage()
    scene[56:64] = 1.6
    scene[64:] = 4.0
    exposures = [e.copy() for e in room(scene)]
    for exposure in exposures:
        lower = exposure[GLASS][64:]
        lower[:] = np.minimum(255, lower * np.float32(colour))

    mask = view_of(exposures, VALUES, 2, prior)[0][GLASS]

    assert np.median(mask[:50]) > 0.9
    assert (np.median(mask[70:]) > 0.9) == seen
