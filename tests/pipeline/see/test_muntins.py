"""Muntins: found whatever lies behind the panes, and nothing else taken for them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.see.bars import Bar, bars_in
from pipeline.see.muntins import NO_BAR, among_glass, beside, even, levels_of, marked, whole_panes

WALL, WHITE = -2.0, -1.5
"""EV of the wall and of the bars."""
GLASS = np.s_[80:380, 150:600]
BRIGHTEST = WALL + 1.5


def leaves(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 1.5 + cv2.GaussianBlur(rng.normal(0, 3.0, (480, 800)), (0, 0), 1.5)


def bars_at(lean: float, width: int = 6) -> np.ndarray:
    """(480, 800) 0..1: a grid of bars and the frame around it, leaning by so many pixels over the window's height."""
    fine = np.zeros((480 * 4, 800 * 4), np.float32)
    for x in (150, 300, 450, 600):
        cv2.line(fine, (4 * x, 4 * 80), (round(4 * (x + lean)), 4 * 380), 1, 4 * width)
    for y in (80, 230, 380):
        cv2.line(fine, (4 * 150, 4 * y), (round(4 * (600 + lean)), round(4 * (y + lean / 2))), 1, 4 * width)
    return cv2.resize(fine, (800, 480), interpolation=cv2.INTER_AREA)


def window(lean: float = 0.0, level: float | np.ndarray = WHITE, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Radiance (EV) of a window before leaves, and its bars 0..1."""
    bars = bars_at(lean, width)
    light = np.full((480, 800), 2.0**WALL)
    light[GLASS] = 2.0 ** leaves()[GLASS]
    light = light * (1 - bars) + bars * 2.0**level
    rng = np.random.default_rng(1)
    return np.log2(light) + rng.normal(0, 0.02, light.shape), bars


def glass() -> np.ndarray:
    found = np.zeros((480, 800), bool)
    found[65:395, 135:620] = True
    return found


@pytest.mark.parametrize(("lean", "width"), [(0.0, 6), (9.0, 6), (-14.0, 12), (4.0, 3)])
def test_bars_are_found_before_leaves(lean: float, width: int) -> None:
    radiance, bars = window(lean, width=width)

    found = marked(bars_in(radiance, glass(), BRIGHTEST), radiance.shape)

    inside = cv2.erode(glass().astype(np.uint8), np.ones((41, 41), np.uint8)) > 0
    assert found[inside & (bars > 0.99)].mean() > 0.9
    assert found[inside & (cv2.dilate(bars, np.ones((5, 5))) == 0)].mean() < 0.01


def test_leaves_behind_a_pane_without_bars_are_none() -> None:
    radiance = np.full((480, 800), WALL)
    radiance[GLASS] = leaves()[GLASS]

    found = marked(bars_in(radiance, glass(), BRIGHTEST), radiance.shape)

    assert not found[100:360, 170:580].any()


def test_nothing_is_found_where_nothing_is() -> None:
    assert bars_in(np.full((480, 800), WALL), glass(), BRIGHTEST) == []


@given(height=st.integers(2, 200), width=st.integers(2, 200), every=st.integers(4, 60), seed=st.integers(0, 99))
def test_pictures_of_any_size_are_looked_at(height: int, width: int, every: int, seed: int) -> None:
    radiance = np.random.default_rng(seed).normal(1.5, 1.0, (height, width))
    radiance[::every] = radiance[:, ::every] = WHITE

    bars = bars_in(radiance, np.ones((height, width), bool), BRIGHTEST)

    assert not np.isnan([bar.level for bar in bars]).any()
    assert levels_of(bars, (height, width)).shape == (height, width)


@pytest.mark.parametrize("edge", [np.s_[:2], np.s_[-2:], np.s_[:, :2], np.s_[:, -2:]])
def test_a_bar_at_the_border_of_the_picture_breaks_nothing(edge: slice) -> None:
    radiance = leaves()
    radiance[edge] = WHITE

    bars = bars_in(radiance, np.ones(radiance.shape, bool), BRIGHTEST)

    assert levels_of(bars, radiance.shape).shape == radiance.shape


def test_bars_brighter_than_white_paint_are_not_looked_for() -> None:
    """The edge of the wall around a sunlit frame may be taken for a bar: so it is not of the view."""
    radiance, bars = window(level=WALL + 2)

    found = marked(bars_in(radiance, glass(), BRIGHTEST), radiance.shape)

    assert found[cv2.erode(bars, np.ones((3, 3))) > 0.99].mean() < 0.02


def test_levels_are_those_of_the_bars_and_reach_a_pixel_beyond() -> None:
    radiance, bars = window()

    levels = levels_of(bars_in(radiance, glass(), BRIGHTEST), radiance.shape)

    there = levels > NO_BAR
    np.testing.assert_allclose(np.median(levels[there]), WHITE, atol=0.1)
    inside = np.s_[100:360, 170:580]
    assert there[inside][bars[inside] > 0].mean() > 0.95


def test_a_lamp_before_a_bar_is_not_taken_for_a_part_of_it() -> None:
    radiance, _ = window()
    lamp = np.s_[120:190, 400:500]
    radiance[lamp] = WHITE + 0.1

    levels = levels_of(bars_in(radiance, glass(), BRIGHTEST), radiance.shape)

    assert (levels[lamp] > NO_BAR).mean() < 0.02
    assert (levels[240:360, 449:452] > NO_BAR).mean() > 0.95


def test_bars_lit_alike_are_even_and_those_under_flare_are_not() -> None:
    across = np.linspace(-1.5, 1.0, 800)[None, :] * np.ones((480, 1))

    alike = bars_in(window()[0], glass(), BRIGHTEST)
    flared = bars_in(window(level=WALL + across)[0], glass(), BRIGHTEST)

    assert flared
    assert even(alike, WALL)
    assert not even(flared, WALL)
    assert not even(alike[:2], WALL)


def test_panes_begin_on_the_bright_side_of_bars() -> None:
    radiance, bars = window()

    rims = beside(bars_in(radiance, glass(), BRIGHTEST), radiance)

    bright = rims & (radiance > BRIGHTEST)
    assert bright.sum() > 1000
    assert (bars[bright] < 0.5).mean() > 0.98


def test_between_the_slats_of_a_blind_no_pane_begins() -> None:
    radiance = np.full((480, 800), WALL)
    radiance[GLASS] = 0.5
    for y in range(80, 380, 12):
        radiance[y : y + 6, 150:600] = WHITE
    found = bars_in(radiance, glass(), BRIGHTEST)

    assert len(found) > 10
    assert not beside(found, radiance)[100:360, 170:580].any()


def test_edges_of_walls_are_no_bars_among_glass() -> None:
    radiance, bars = window()
    found = bars_in(radiance, glass(), BRIGHTEST)
    panes = np.zeros(radiance.shape, np.float32)
    panes[75:385, 145:605] = 1

    inside = marked(among_glass(found, panes), radiance.shape)

    assert inside[(bars > 0.99) & (panes > 0)].mean() > 0.8
    assert not among_glass(found, 0 * panes)


def test_all_of_a_pane_is_view_where_a_part_is() -> None:
    radiance, bars = window()
    sky = np.s_[90:220, 310:440]
    radiance[sky] = 3.0
    view = np.zeros(radiance.shape, bool)
    view[90:120, 310:440] = True

    filled = whole_panes(bars_in(radiance, glass(), BRIGHTEST), view, radiance, glass())

    assert filled[95:215, 315:435].all()
    assert not filled[:, :140].any()
    assert not filled[bars > 0.99].any()


def test_panes_that_show_nothing_of_the_view_stay_where_most_do_not() -> None:
    radiance, _ = window()
    view = np.zeros(radiance.shape, bool)
    view[90:220, 160:290] = True

    filled = whole_panes(bars_in(radiance, glass(), BRIGHTEST), view, radiance, glass())

    assert filled[95:215, 165:285].all()
    assert not filled[95:215, 315:435].any()


def test_without_bars_no_pane_is_whole() -> None:
    assert not whole_panes([], glass(), np.zeros(glass().shape), glass()).any()


def test_a_wall_that_bars_enclose_is_no_pane() -> None:
    """It is no brighter than they are."""
    ends = [((200, 100), (400, 100)), ((200, 200), (400, 200)), ((200, 100), (200, 200)), ((400, 100), (400, 200))]
    inward = [(0, -1), (0, 1), (-1, 0), (1, 0)]
    bars = [
        Bar(np.array(e, float), np.array([e], float), np.array(n, float), 4.0, WALL, True)
        for e, n in zip(ends, inward, strict=True)
    ]

    assert not whole_panes(bars, glass(), np.full((480, 800), WALL), glass()).any()
    assert whole_panes(bars, glass(), np.full((480, 800), WALL + 2), glass())[110:190, 210:390].all()
