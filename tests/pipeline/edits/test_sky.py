"""When a sky gives way, when it stays, and what then comes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.codes import Code
from pipeline.edits.matte import border_of
from pipeline.edits.sky import Day, NewSky, plan
from pipeline.recipe import Sky
from pipeline.render.remnants import small_matte
from pipeline.see.scene import Seen, look

GREY, BLUE = (0.80, 0.81, 0.82), (0.35, 0.55, 0.85)
ROOF = np.array([[0, 200], [150, 190], [240, 120], [330, 190], [480, 180], [480, 320], [0, 320]], np.int32)


def front(sky: tuple[float, float, float] = GREY) -> np.ndarray:
    """A brown house (320, 480, 3) below an even sky with a little noise."""
    picture = np.full((320, 480, 3), sky, np.float32)
    cv2.fillPoly(picture, [ROOF], (0.4, 0.3, 0.25))
    noise = np.random.default_rng(0).normal(0, 0.004, picture.shape)
    return np.clip(picture + noise, 0, 1).astype(np.float32)


def seen(place: str = "exterior", trust: float = 0.95, **facts: object) -> Seen:
    mask = np.ones((320, 480), np.float32)
    cv2.fillPoly(mask, [ROOF], 0)
    places = tuple(float(p == place) for p in ("interior", "exterior", "aerial", "other"))
    return Seen(places=places, sky=cv2.GaussianBlur(mask, (0, 0), 3), sky_trust=trust, **facts)  # pyright: ignore


def decided(picture: np.ndarray, found: Seen, panel: Sky) -> NewSky:
    return plan(picture, picture, picture, found, panel, listing="12 Oak Street")


WHEN_DULL, ALWAYS = Sky(replace="when_dull"), Sky(replace="always")


def test_a_dull_sky_gives_way_to_a_blue_one_that_pales_downwards() -> None:
    new = decided(front(), seen(), WHEN_DULL)

    (layer,) = new.operations
    assert new.warnings == ()
    assert new.facts["dull"] == 1.0
    assert new.facts["planned"] == "rendered"
    shown = layer.shown.astype(np.float32)
    assert np.all(shown[..., 2] > shown[..., 0])
    assert np.median(shown[:40, :, 2] - shown[:40, :, 0]) > 0.05
    saturation = (shown.max(2) - shown.min(2)) / shown.max(2)
    assert saturation[0].mean() > saturation[shown.shape[0] // 2].mean() + 0.03


@pytest.mark.parametrize(
    ("panel", "found", "sky"),
    [
        (Sky(), seen(), GREY),
        (Sky(replace="when_dull", strength=0), seen(), GREY),
        (WHEN_DULL, seen(), BLUE),
        (WHEN_DULL, seen("interior"), GREY),
        (ALWAYS, seen("aerial"), GREY),
        (ALWAYS, seen(twilight=0.9), GREY),
        (ALWAYS, seen(night=1.0), GREY),
        (ALWAYS, seen(lights=(0.3, 0.7)), GREY),
    ],
    ids=["never", "strength 0", "good sky", "interior", "aerial", "dusk", "night", "by its light"],
)
def test_skies_that_stay_without_a_word(panel: Sky, found: Seen, sky: tuple[float, float, float]) -> None:
    new = decided(front(sky), found, panel)
    assert new.operations == ()
    assert new.warnings == ()


def test_a_black_and_white_picture_gets_no_blue_sky() -> None:
    grey = np.repeat(front().mean(axis=2, keepdims=True), 3, axis=2)
    marked = grey.copy()
    marked[220:230, 40:140] = (0.9, 0.1, 0.1)
    assert decided(grey, seen(), Sky(replace="always")).operations == ()
    assert decided(marked, seen(), Sky(replace="always")).operations == ()
    assert decided(front(), seen(), Sky(replace="always")).operations != ()


def test_always_replaces_good_skies_too() -> None:
    assert len(decided(front(BLUE), seen(), ALWAYS).operations) == 1


def test_a_sky_whose_mask_is_doubtful_stays_and_says_so() -> None:
    doubtful = seen(trust=0.4)
    assert decided(front(), doubtful, WHEN_DULL).warnings == (Code.SKY_LOW_CONFIDENCE,)
    assert decided(front(), doubtful, WHEN_DULL).operations == ()
    assert len(decided(front(), doubtful, Sky(replace="when_dull", confidence=0.4)).operations) == 1


def test_where_it_is_not_certain_to_be_outdoors_no_sky_is_replaced() -> None:
    unsure = replace(seen(), places=(0.25, 0.75, 0.0, 0.0))
    for panel in (WHEN_DULL, ALWAYS):
        assert decided(front(), unsure, panel).operations == ()
        assert decided(front(), unsure, panel).warnings == (Code.SKY_LOW_CONFIDENCE,)


def test_a_sky_that_goes_over_into_a_wall_of_its_own_colour_stays() -> None:
    """White rendering against a white sky: the mask ends somewhere, and nothing in the picture says where."""
    picture = front()
    picture[120:200, 240:] = picture[:80, 240:]
    mask = seen().sky.copy()
    mask[100:, 240:] = 0
    new = decided(picture, replace(seen(), sky=mask), WHEN_DULL)
    assert new.operations == ()
    assert new.warnings == (Code.SKY_LOW_CONFIDENCE,)


def test_a_sky_before_which_a_burnt_chimney_would_half_dissolve_stays() -> None:
    picture, pale = front(), front()
    cv2.rectangle(picture, (60, 60), (100, 200), (0.4, 0.3, 0.25), -1)
    pale[60:200, 60:101] = np.linspace(0.55, 0.79, 41)[:, None]
    cv2.rectangle(mask := seen().sky.copy(), (60, 60), (100, 200), 0.3, -1)

    assert len(decided(picture, replace(seen(), sky=mask), WHEN_DULL).operations) == 1
    assert decided(pale, replace(seen(), sky=mask), WHEN_DULL).warnings == (Code.SKY_LOW_CONFIDENCE,)


@pytest.mark.parametrize(("tint", "stays"), [(0.0, False), (0.06, True)])
def test_a_sky_with_a_chimney_as_pale_as_it_that_the_network_takes_for_sky_stays(tint: float, stays: bool) -> None:
    picture = front()
    picture[60:150, 200:230] += tint

    new = decided(picture, seen(), ALWAYS)

    assert (new.warnings == (Code.SKY_LOW_CONFIDENCE,)) == stays
    assert bool(new.operations) != stays


def test_a_post_that_the_network_does_not_see_keeps_its_own_colour() -> None:
    """It used to be held for a thin dark thing, of which half the sky shows through."""
    picture = front()
    picture[20:195, 60:66] = (0.62, 0.60, 0.58)

    (layer,) = decided(cv2.GaussianBlur(picture, (0, 0), 0.6), seen(), ALWAYS).operations
    share = small_matte(layer, cv2.GaussianBlur(picture, (0, 0), 0.6)).share

    assert np.max(share[30:180, 61:65]) < 0.1
    assert np.min(share[30:180, 50:56]) > 0.99


def test_a_sky_that_is_seen_again_below_a_crown_stays() -> None:
    """A blue sky above a tree and a grey one below it would be worse than a grey one."""
    picture = front()
    picture[180:320, :120] = front()[:140, :120]
    cv2.rectangle(picture, (0, 150), (120, 190), (0.2, 0.3, 0.1), -1)
    mask = seen().sky.copy()
    mask[150:, :140] = 0

    assert decided(picture, replace(seen(), sky=mask), WHEN_DULL).warnings == (Code.SKY_LOW_CONFIDENCE,)


@pytest.mark.parametrize(
    ("ground", "lamps", "stays"),
    [(0.25, (1.0, 0.85, 0.5), True), (0.6, (1.0, 0.85, 0.5), False), (0.25, (0.75, 0.85, 0.4), False)],
    ids=["lamps", "lamps by day", "sunlit leaves"],
)
def test_above_lamps_that_light_a_dim_street_no_midday_sky_comes(
    ground: float, lamps: tuple[float, float, float], stays: bool
) -> None:
    picture = front()
    cv2.fillPoly(picture, [ROOF], (ground, 0.92 * ground, 0.85 * ground))
    for x in range(40, 440, 80):
        cv2.rectangle(picture, (x, 230), (x + 16, 250), lamps, -1)

    assert (decided(picture, seen(), WHEN_DULL).operations == ()) == stays
    assert len(decided(picture, seen(), ALWAYS).operations) == 1


def test_pale_spots_among_leaves_far_below_the_sky_are_none_of_it() -> None:
    picture, green = front(), np.zeros((320, 480), np.float32)
    leaves = np.random.default_rng(1).uniform(0.5, 1.2, (110, 200, 1)) * [0.1, 0.3, 0.06]
    picture[210:, :200], green[205:, :210] = leaves, 0.9
    picture[290:300, 40:60] = GREY

    border = border_of(picture, seen().sky, green)

    assert border is not None
    assert border.inside[:100].max() == 1
    assert border.band[283:].max() == 0


def test_walls_in_different_light_do_not_pass_for_one_sky() -> None:
    """Left and right of what parts it a dull sky has one colour."""
    picture, mask = front(), seen().sky.copy()
    cv2.rectangle(picture, (220, 0), (260, 319), (0.1, 0.12, 0.15), -1)
    cv2.rectangle(mask, (220, 0), (260, 319), 0, -1)
    walls = picture.copy()
    walls[:200, 261:] = np.where(picture[:200, 261:].min(axis=2, keepdims=True) > 0.7, picture[:200, 261:] * 0.8, 0.3)

    assert len(decided(picture, replace(seen(), sky=mask), WHEN_DULL).operations) == 1
    assert decided(walls, replace(seen(), sky=mask), WHEN_DULL).warnings == (Code.SKY_LOW_CONFIDENCE,)


@pytest.mark.parametrize(
    ("sure", "leaves", "rough", "stays"),
    [(0.75, 0.0, 0.01, True), (0.97, 0.0, 0.006, False), (0.75, 0.8, 0.006, False), (0.75, 0.0, 0.0, False)],
    ids=["roof", "sky", "tree", "as smooth as the sky"],
)
def test_a_roof_as_pale_as_the_sky_behind_its_ridge_is_not_taken_for_it(
    sure: float, leaves: float, rough: float, stays: bool
) -> None:
    face = np.array([[240, 122], [330, 190], [300, 235], [240, 235]], np.int32)
    picture, green = front(), np.zeros((320, 480), np.float32)
    alike = np.zeros((320, 480), np.uint8)
    cv2.fillPoly(alike, [face], 1)
    slates = np.random.default_rng(1).normal(0, rough, (320, 480, 1))
    picture[alike > 0] = np.clip(front()[:160].repeat(2, axis=0) + slates, 0, 1)[alike > 0]
    cv2.polylines(picture, [face], True, (0.15, 0.15, 0.2), 3)
    mask = seen().sky.copy()
    mask[cv2.dilate(alike, np.ones((5, 5), np.uint8)) > 0] = sure
    cv2.polylines(green, [face], True, leaves, 21)

    new = decided(picture, replace(seen(), sky=mask, vegetation=green), WHEN_DULL)

    assert (new.warnings == (Code.SKY_LOW_CONFIDENCE,)) == stays
    assert (new.operations == ()) == stays


@pytest.mark.slow
def test_a_sunlit_roof_taken_for_sky_leaves_the_whole_sky_as_it_is(data: Path) -> None:
    picture = cv2.imread(str(data / "photos" / "ext_castle_7100.jpg"))[..., ::-1].astype(np.float32) / 255
    proxy = cv2.resize(picture, (1536, 1154), interpolation=cv2.INTER_AREA)

    assert plan(proxy, proxy, proxy, look(proxy), ALWAYS, listing="castle").warnings == (Code.SKY_LOW_CONFIDENCE,)


@pytest.mark.slow
def test_pale_stone_before_the_sky_is_told_from_it_by_a_closer_look(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From afar chimneys mix with the sky and look like scraps of it: more than a strict limit would allow."""
    picture = cv2.imread(str(data / "photos" / "ext_castle_7102.jpg"))[..., ::-1].astype(np.float32) / 255
    small, large = (cv2.resize(picture, (w, w * 3 // 4), interpolation=cv2.INTER_AREA) for w in (768, 1536))

    def replaced(proxy: np.ndarray) -> bool:
        return len(plan(proxy, proxy, proxy, look(proxy), ALWAYS, listing="castle").operations) == 1

    assert replaced(small)
    monkeypatch.setattr("pipeline.edits.sky._SCRAPS", 0.02)
    assert not replaced(small)
    assert replaced(large)


def test_a_brighter_scene_gets_a_brighter_sky_within_bounds() -> None:
    def luma(lit: np.ndarray) -> float:
        (layer,) = plan(front(), front(), lit, seen(), WHEN_DULL, listing="12 Oak Street").operations
        inside = cv2.resize(seen().sky, layer.shown.shape[1::-1]) > 0.5
        return float(np.median((layer.shown.astype(np.float32) @ [0.2126, 0.7152, 0.0722])[inside]))

    dim, bright = (luma(np.full((320, 480, 3), level, np.float32)) for level in (0.05, 0.95))
    assert 0.6 < dim < bright < 0.8


def test_the_day_stays_the_same_through_a_listing_and_differs_between_them() -> None:
    assert Day.of("12 Oak Street") == Day.of("12 Oak Street")
    days = [Day.of(f"listing {n}") for n in range(40)]
    assert {d.side for d in days} == {-1, 1}
    assert len({d.haze for d in days}) > 20
    assert all(d.aside > 90 and 20 < d.up < 70 for d in days)
