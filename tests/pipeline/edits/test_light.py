"""Light: dark rooms become bright, bright ones stay, and nothing changes its order."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.edits.light import Exposure, filled, plan, roll_off, solve
from pipeline.read.color import to_linear
from pipeline.recipe import Light
from pipeline.render.tone import shown_after
from pipeline.see.scene import Seen, look
from tests.rooms import encode, radiance


def room(ev: float = 0.0, window: float = 1.0) -> np.ndarray:
    return encode(radiance(720, 480, window=window) * 2.0**ev)


def luma(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2GRAY)


def lit(picture: np.ndarray, **options: float) -> np.ndarray:
    return shown_after(plan(picture, Seen(), Light(**options)), picture)


@pytest.mark.parametrize("ev", [-2.0, -1.0, 0.0, 1.0])
def test_rooms_of_any_exposure_end_bright(ev: float):
    assert 0.5 < np.median(luma(lit(room(ev)))) < 0.8


def test_a_bright_room_is_not_darkened():
    bright = room(1.6)
    assert np.median(luma(lit(bright))) > np.median(luma(bright)) - 0.02


def test_white_stays_white_and_black_stays_black():
    picture = room(0.0)
    picture[:20, :20], picture[-20:, -20:] = 1.0, 0.0
    after = lit(picture)
    assert after[4:12, 4:12].min() > 0.97
    assert after[-12:-4, -12:-4].max() < 0.05


def test_places_apart_in_light_keep_their_order():
    picture = room(-1.5, window=2.0)
    before, after = (cv2.GaussianBlur(luma(p), (0, 0), 7) for p in (picture, lit(picture)))
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, before.size, (2, 100_000))
    apart = 2.2 * np.log2((before.ravel()[i] + 1e-3) / (before.ravel()[j] + 1e-3))
    moved = after.ravel()[i] - after.ravel()[j]
    far = np.abs(apart) >= 1
    assert np.mean(np.sign(apart[far]) * moved[far] < 0) < 0.005


def test_dark_corners_rise_more_than_the_middle():
    picture = room(-0.5, window=0.0)
    y, x = np.mgrid[:480, :720]
    shade = 1 - 0.75 * np.clip(np.hypot(x / 720 - 0.5, y / 480 - 0.5) - 0.35, 0, 1) / 0.35
    dark = (picture * shade[..., None]).astype(np.float32)
    after = luma(lit(dark))
    gain_corner = after[:40, :40].mean() / luma(dark)[:40, :40].mean()
    gain_middle = after[200:280, 300:420].mean() / luma(dark)[200:280, 300:420].mean()
    assert gain_corner > gain_middle


def test_colours_keep_their_hue():
    picture = room(-1.0)
    before, after = (cv2.cvtColor(p.astype(np.float32), cv2.COLOR_RGB2LAB) for p in (picture, lit(picture)))
    chroma = np.hypot(before[..., 1], before[..., 2])
    strong = chroma > 15
    turn = np.angle(
        np.exp(1j * (np.arctan2(after[..., 2], after[..., 1]) - np.arctan2(before[..., 2], before[..., 1])))
    )
    assert np.degrees(np.median(np.abs(turn[strong]))) < 4


def test_strength_zero_plans_nothing_and_half_is_between():
    picture = room(-1.5)
    assert plan(picture, Seen(), Light(strength=0)) == []
    half = np.median(luma(lit(picture, strength=0.5)))
    assert np.median(luma(picture)) < half < np.median(luma(lit(picture)))


def test_preferences_move_as_they_say():
    picture = room(-1.0)
    dark, bright = (np.median(luma(lit(picture, brightness=b))) for b in (-1.0, 1.0))
    assert dark < bright
    flat, crisp = (luma(lit(picture, contrast=c)).std() for c in (-1.0, 1.0))
    assert flat < crisp


def test_a_house_before_a_bright_sky_is_lifted():
    # Bright cloud holds the lift back: white and pivot stay at 1, and the S of contrast would take what gamma gives.
    rng = np.random.default_rng(0)
    front = np.full((180, 240, 3), 0.15, np.float32) + rng.normal(0, 0.03, (180, 240, 1)).astype(np.float32)
    front[:80] = np.linspace(0.8, 0.99, 240, dtype=np.float32)[:, None]
    sky = np.zeros((180, 240), bool)
    sky[:80] = True
    seen = Seen(places=(0.0, 1.0, 0.0, 0.0), sky=sky)

    after = shown_after(plan(front, seen, Light()), front)

    assert np.median(luma(after)[80:]) > 1.5 * np.median(luma(front)[80:])
    assert np.mean(after[:80].max(axis=2) > 0.985) < np.mean(front[:80].max(axis=2) > 0.985) + 0.15


def test_night_stays_night():
    street = np.full((200, 300, 3), 0.03, np.float32)
    street[120:160, 100:200] = 0.6
    seen = look(street)
    assert seen.night == 1.0
    after = shown_after(plan(street, seen, Light()), street)
    assert np.median(luma(after)) < 0.15


@pytest.mark.parametrize("night", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("level", [0.05, 0.12, 0.2, 0.3])
def test_dusk_is_lifted_by_half_an_ev_at_most(level: float, night: float):
    rng = np.random.default_rng(0)
    front = np.clip(level * (1 + 0.3 * rng.normal(0, 1, (200, 300, 3))), 0, 1).astype(np.float32)
    front[60:80, 40:80] = (0.9, 0.7, 0.4)
    seen = Seen(places=(0.0, 1.0, 0.0, 0.0), lights=(0.0, 1.0), night=night)

    after = shown_after(plan(front, seen, Light()), front)

    before, lifted = (float(to_linear(np.float32(np.median(luma(p))))) for p in (front, after))
    assert np.log2(lifted / before) < 0.55


def test_a_night_as_bright_as_it_is_meant_is_not_darkened():
    rng = np.random.default_rng(0)
    street = np.clip(0.33 * (1 + 0.3 * rng.normal(0, 1, (200, 300, 3))), 0, 1).astype(np.float32)
    seen = Seen(places=(0.0, 1.0, 0.0, 0.0), lights=(0.0, 1.0), night=1.0, twilight=1.0)

    def shown(brightness: float) -> float:
        return float(np.median(luma(shown_after(plan(street, seen, Light(brightness=brightness)), street))))

    assert shown(0) > 0.97 * np.median(luma(street))
    assert shown(-1) < shown(0) - 0.02


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 0.06), st.floats(0.5, 1), st.floats(0.4, 1.03), st.floats(0.1, 0.9), st.floats(0.5, 1))
def test_every_curve_rises(black: float, white: float, gamma: float, contrast: float, pivot: float):
    x = np.linspace(0, 1, 512)
    curve = Exposure(black, white, gamma, contrast, pivot)(x)
    assert (np.diff(curve) >= -1e-9).all()
    assert (np.diff(filled(curve, x, 0.75)) >= 0).all()


def test_a_picture_full_of_light_is_not_pushed_into_white():
    picture = np.full((200, 300, 3), 0.4, np.float32)
    picture[:90] = np.linspace(0.86, 0.96, 300)[None, :, None]
    after = luma(lit(picture))
    assert (after[10:80] > 0.985).mean() < 0.1
    assert solve(picture, Seen(), Light()).pivot > 0.9


def test_grey_gaps_become_black_but_a_dark_corner_does_not():
    gaps = np.full((240, 360, 3), 0.5, np.float32)
    gaps[::12, :] = 0.09
    corner = np.full((240, 360, 3), 0.5, np.float32)
    corner *= (1 - 0.85 * np.linspace(0, 1, 360, dtype=np.float32) ** 2)[None, :, None]
    assert solve(gaps, Seen(), Light()).black == pytest.approx(0.06)
    assert solve(corner, Seen(), Light()).black == 0


@settings(max_examples=30, deadline=None)
@given(st.floats(1, 1.6))
def test_roll_off_rises_to_one_and_is_the_identity_without_need(top: float):
    x = np.linspace(0, top, 300)
    y = roll_off(x, top)
    assert (np.diff(y) > 0).all()
    assert y[-1] == pytest.approx(1.0)
    np.testing.assert_allclose(roll_off(np.linspace(0, 1, 50), 1.0), np.linspace(0, 1, 50), atol=1e-12)


def test_uniform_pictures_do_not_break_it():
    for level, shape in [(0.0, (30, 40)), (0.5, (30, 40)), (1.0, (30, 40)), (0.5, (1, 1536)), (0.5, (1536, 1))]:
        flat = np.full((*shape, 3), level, np.float32)
        assert np.isfinite(lit(flat)).all()
        assert np.isfinite(solve(flat, Seen(), Light()).gamma)


@pytest.mark.parametrize("night", [0.0, 0.6, 1.0])
def test_a_black_frame_at_night_does_not_break_it(night: float):
    black = np.zeros((60, 90, 3), np.float32)
    black[10:12, 10:20] = 0.7

    shown = shown_after(plan(black, Seen(night=night), Light()), black)

    assert np.isfinite(shown).all()
    assert np.median(shown) < 0.05


@pytest.mark.parametrize("level", [0.68, 0.75, 0.82])
def test_a_bright_room_that_is_not_burnt_is_not_made_darker(level: float):
    rng = np.random.default_rng(0)
    room = np.clip(level + 0.08 * cv2.GaussianBlur(rng.normal(0, 3, (160, 240)), (0, 0), 3), 0, 0.95)
    room[100:130, 40:90] = 0.15
    proxy = np.repeat(room[..., None], 3, axis=2).astype(np.float32)

    shown = shown_after(plan(proxy, Seen(), Light()), proxy)

    assert np.median(shown) > np.median(proxy) - 0.01


def test_light_burns_little_that_was_not_burnt():
    """A street in deep shade below sunlit walls that fill a third of the picture."""
    rng = np.random.default_rng(0)
    street = 0.25 + 0.05 * cv2.GaussianBlur(rng.normal(0, 3, (200, 300)), (0, 0), 3)
    street[:70] = 0.86 + 0.05 * cv2.GaussianBlur(rng.normal(0, 3, (70, 300)), (0, 0), 3)
    proxy = np.clip(street[..., None] * np.array([1.05, 1.0, 0.9]), 0, 0.97).astype(np.float32)

    shown = shown_after(plan(proxy, Seen(), Light()), proxy)

    assert np.median(shown) > 1.2 * np.median(proxy)
    assert np.mean(shown.max(axis=2) > 0.985) < 0.1


@pytest.mark.parametrize("sky", [0.5, 0.8])
def test_a_front_is_judged_by_what_is_below_the_sky(sky: float):
    """A pale sky must not pass for a bright house, nor may the ground become as bright as a room's walls."""
    picture = np.full((300, 450, 3), 0.3, np.float32)
    picture += np.random.default_rng(0).normal(0, 0.05, picture.shape).astype(np.float32)
    picture[:150] = sky
    mask = np.zeros((300, 450), np.float32)
    mask[:150] = 1
    seen = Seen(places=(0.0, 1.0, 0.0, 0.0), sky=mask)
    after = shown_after(plan(picture, seen, Light()), picture)

    assert np.median(luma(after)[160:]) == pytest.approx(0.52, abs=0.05)


def test_colours_outdoors_keep_up_with_the_light():
    picture = np.full((300, 450, 3), (0.42, 0.3, 0.18), np.float32)
    picture[:150, :225], picture[:150, 225:] = 0.05, 0.9
    outdoors, inside = (
        shown_after(plan(picture, Seen(places=places), Light()), picture)[280, 200]
        for places in ((0.0, 1.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
    )
    assert outdoors[2] / outdoors[0] == pytest.approx(0.18 / 0.42, abs=0.06)
    assert outdoors[2] / outdoors[0] < inside[2] / inside[0] - 0.02


def test_lifted_shadows_are_no_veil():
    """Dark furniture in a dim room stays dark when the room is lifted."""
    dim = np.full((300, 450, 3), 0.4, np.float32)
    dim[180:280, 40:160] = 0.14

    shown = lit(dim)

    assert np.median(shown) > 1.5 * 0.4
    assert np.median(shown[220:250, 80:120]) < 1.3 * 0.14
