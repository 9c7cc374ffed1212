"""White balance: casts go, colours and warmth stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.edits.balance import gains_of, illuminant, plan
from pipeline.plan import Tone
from pipeline.recipe import Balance
from pipeline.render.tone import shown_after
from pipeline.see.scene import Seen
from tests.rooms import encode, radiance

CASTS = {"2800 K lamp": (1.9, 1, 0.4), "3500 K": (1.45, 1, 0.6), "shade": (0.85, 1, 1.2), "green tint": (1, 1.1, 1)}


def room(cast=(1.0, 1.0, 1.0), wall=(0.3, 0.3, 0.3)) -> np.ndarray:
    linear = radiance(window=1.0) * np.float32(cast) / np.mean(cast)
    linear[10:100, 10:240] *= np.float32(wall) / 0.3
    return encode(linear * 1.3)


def wall_chroma(picture: np.ndarray) -> np.ndarray:
    patch = picture[20:90, 30:200].reshape(-1, 3).mean(axis=0)
    linear = np.where(patch <= 0.04045, patch / 12.92, ((patch + 0.055) / 1.055) ** 2.4)
    return np.log([linear[0] / linear[1], linear[2] / linear[1]])


@pytest.mark.parametrize("cast", CASTS.values(), ids=CASTS.keys())
def test_most_of_a_known_cast_is_removed(cast):
    before, neutral = room(cast), room()
    after = shown_after(plan(before, Seen(), Balance()), before)
    left = np.linalg.norm(wall_chroma(after) - wall_chroma(neutral))
    put_on = np.linalg.norm(wall_chroma(before) - wall_chroma(neutral))
    assert left < 0.35 * put_on + 0.03


def test_a_neutral_room_is_nearly_left_alone():
    before = room()
    after = shown_after(plan(before, Seen(), Balance()), before)
    assert np.abs(after - before).mean() < 0.02


def test_warm_light_keeps_some_warmth():
    cast = CASTS["2800 K lamp"]
    after = shown_after(plan(room(cast), Seen(), Balance()), room(cast))
    assert wall_chroma(after)[1] < wall_chroma(room())[1] + 0.01


def test_strength_zero_plans_nothing():
    assert plan(room(CASTS["3500 K"]), Seen(), Balance(strength=0)) == []


def test_half_strength_removes_about_half():
    picture = room(CASTS["3500 K"])
    half, full = (shown_after(plan(picture, Seen(), Balance(strength=s)), picture) for s in (0.5, 1.0))
    moved_half = np.linalg.norm(wall_chroma(half) - wall_chroma(picture))
    moved_full = np.linalg.norm(wall_chroma(full) - wall_chroma(picture))
    assert 0.4 < moved_half / moved_full < 0.6


def test_warmth_is_a_preference_in_either_direction():
    picture = room()
    warm, cool = (shown_after(plan(picture, Seen(), Balance(warmth=w)), picture) for w in (1.0, -1.0))
    assert wall_chroma(warm)[1] < wall_chroma(picture)[1] < wall_chroma(cool)[1]


def test_burnt_white_has_no_colour_of_its_own():
    picture = room(CASTS["3500 K"])
    picture[:40, :40] = 1.0
    after = shown_after(plan(picture, Seen(), Balance()), picture)
    np.testing.assert_allclose(after[10:30, 10:30], 1.0, atol=1e-5)


def test_a_black_picture_has_no_cast():
    np.testing.assert_array_equal(illuminant(np.zeros((40, 60, 3), np.float32)), [0, 0])


@settings(max_examples=50, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2))
def test_gains_are_bounded_and_keep_luminance_where_they_can(red: float, blue: float):
    gains = gains_of(np.array([red, blue]))
    assert (gains >= 0.4).all()
    assert (gains <= 2.6).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_curves_rise_and_keep_black(seed: int):
    picture = np.random.default_rng(seed).random((30, 40, 3)).astype(np.float32)
    for operation in plan(picture, Seen(), Balance()):
        assert isinstance(operation, Tone)
        assert operation.curve is not None
        assert (np.diff(operation.curve, axis=0) >= -1e-6).all()
        np.testing.assert_allclose(operation.curve[0], 0, atol=1e-6)


def test_dusk_keeps_its_colours():
    proxy = np.full((120, 180, 3), 0.3, np.float32) * np.float32([0.7, 0.85, 1.2])
    seen = Seen(places=(0.0, 1.0, 0.0, 0.0), twilight=0.98)

    assert plan(proxy, Seen(), Balance()) != []
    assert plan(proxy, seen, Balance()) == []


def test_what_may_be_dusk_keeps_half_of_its_colour():
    proxy = np.full((120, 180, 3), 0.3, np.float32) * np.float32([1.1, 0.9, 0.8])

    (whole,), (half,) = (plan(proxy, Seen(twilight=t), Balance()) for t in (0.02, 0.1))

    assert isinstance(whole, Tone)
    assert isinstance(half, Tone)
    assert whole.curve is not None
    assert half.curve is not None
    red, less = (float(o.curve[100, 0] / o.curve[100, 1]) for o in (whole, half) if o.curve is not None)
    assert red < 0.99
    assert abs(np.log(less) / np.log(red) - 0.5) < 0.1


def test_lawns_and_skies_have_no_vote_outdoors() -> None:
    """A little grey house on a lawn under a blue sky keeps its colours; without the eyes the lawn would turn them."""
    rng = np.random.default_rng(0)
    photo = np.full((200, 300, 3), (0.30, 0.55, 0.22), np.float32)
    photo[:90] = (0.55, 0.72, 0.92)
    photo[60:120, 120:180] = (0.62, 0.62, 0.62)
    photo = np.clip(photo + rng.normal(0, 0.01, photo.shape), 0, 1).astype(np.float32)
    sky = np.zeros((200, 300), np.float32)
    sky[:90], sky[60:90, 120:180] = 1, 0
    outdoors = Seen(places=(0.0, 1.0, 0.0, 0.0), sky=sky)

    shown, misled = (shown_after(plan(photo, seen, Balance()), photo) for seen in (outdoors, Seen()))

    assert np.abs(shown - photo).max() < 0.02
    assert np.abs(misled - photo).max() > 0.05


def sunlit(shade: tuple[float, float, float]) -> np.ndarray:
    """A wall (200, 300, 3), most of it in golden sun, the right of it in a shade of that linear colour."""
    picture = np.empty((200, 300, 3), np.float32)
    picture[:, :220], picture[:, 220:] = (0.55, 0.36, 0.17), shade
    noise = np.random.default_rng(0).normal(0, 0.004, picture.shape)
    return encode(np.clip(picture + noise, 0, 1).astype(np.float32))


def colour(picture: np.ndarray) -> tuple[float, float]:
    """Blue over red of the sunlit and of the shaded part."""
    return tuple(float(part[..., 2].mean() / part[..., 0].mean()) for part in (picture[:, :210], picture[:, 230:]))  # pyright: ignore


def test_golden_sun_does_not_turn_the_shade_blue() -> None:
    before = sunlit((0.12, 0.12, 0.115))
    outdoors = Seen(places=(0.0, 1.0, 0.0, 0.0))
    sun, shade = colour(shown_after(plan(before, outdoors, Balance()), before))

    assert sun == pytest.approx(colour(before)[0], abs=0.03)
    assert 0.95 < shade < 1.05
    # Where the shade is golden, too, it is a cast.
    golden = sunlit((0.13, 0.085, 0.04))
    assert colour(shown_after(plan(golden, outdoors, Balance()), golden))[0] > colour(golden)[0] + 0.15


def test_daylight_in_a_room_of_lamps_does_not_turn_blue() -> None:
    """Lamps on four fifths of the walls, daylight from the side on the rest."""
    wall = np.clip(np.random.default_rng(0).normal(0.35, 0.02, (240, 360, 1)), 0, 1) * np.ones(3)
    wall[:, :288] *= [1.15, 1.0, 0.75]
    picture = encode(wall.astype(np.float32))

    after = shown_after(plan(picture, Seen(), Balance()), picture)
    day, lamps = after[:, 300:].mean(axis=(0, 1)), after[:, :280].mean(axis=(0, 1))
    before = picture[:, :280].mean(axis=(0, 1))

    assert day[2] - day[0] < 0.04
    assert lamps[0] - lamps[2] < 0.9 * (before[0] - before[2])
