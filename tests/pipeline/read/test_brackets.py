"""Sets from facts and from pictures, on headers made by hand and views of pictures made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.photo import Header
from pipeline.read import ladder
from pipeline.read.brackets import Group, group
from pipeline.read.views import View, agreement, turned, view_of

NOON = datetime(2026, 5, 4, 12)


def frame(name: str, at: float, ev: float = 0.0, **facts: object) -> Header:
    """A header of one camera `at` seconds after noon; ev 0 is 1/30 s at f/8, ISO 100."""
    values = {"exposure_time": 2.0**ev / 30, "f_number": 8.0, "iso": 100.0, "focal_length": 16.0, "model": "R5"}
    values |= {"make": "Canon", "captured": NOON + timedelta(seconds=at), "width": 6000, "height": 4000} | facts
    return Header(f"/src/{name}.jpg", f"{name}.jpg", 1000, "jpeg", **values)  # type: ignore[arg-type]


def untimed(name: str) -> Header:
    """A header without any EXIF."""
    return Header(f"/src/{name}.jpg", f"{name}.jpg", 1000, "jpeg", 6000, 4000)


@lru_cache
def room(seed: int, ev: float = 0.0, noise: int = 0, lamp: bool = False, step: int = 0) -> View:
    """The view of a made-up room: boxes of random brightness, exposed by `ev`; the same bright lamp in any room.

    step: how far the camera moved aside; near boxes (every third) shift by that many of 240 pixels, others less.
    """
    rng = np.random.default_rng(seed)
    linear = np.full((160, 240, 3), 0.2, np.float32)
    for n in range(60):
        x, y = rng.integers(0, 220) + step // (1 + n % 3), rng.integers(0, 140)
        w, h = rng.integers(10, 60, 2)
        linear[y : y + h, x : x + w] = 2.0 ** rng.uniform(-6, 0)
    if lamp:
        bulbs = np.random.default_rng(99).uniform(3, 6, (7, 7))
        linear[50:106, 90:146] = 2.0 ** np.kron(bulbs, np.ones((8, 8)))[..., None]
    linear = cv2.GaussianBlur(linear, (0, 0), 1)
    grain = np.random.default_rng(noise).normal(0, 0.002, linear.shape)
    return view_of((np.clip(linear * 2.0**ev + grain, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8))


class Album:
    """Looks up views and counts how many were asked for."""

    def __init__(self, views: Mapping[str, View] | None = None) -> None:
        self.views = dict(views or {})
        self.asked: set[str] = set()

    def __call__(self, headers: Sequence[Header]) -> Mapping[str, View]:
        self.asked |= {h.relative for h in headers}
        return {h.relative: self.views[h.relative] for h in headers if h.relative in self.views}


def names(groups: Sequence[Group]) -> list[list[str]]:
    """File stems per group, in capture order of the groups, darkest first inside."""
    return [[h.relative.removesuffix(".jpg") for h in g.files] for g in groups]


def burst(prefix: str, at: float, values: Sequence[float], **facts: object) -> list[Header]:
    """Frames half a second apart."""
    return [frame(f"{prefix}{n}", at + 0.5 * n, ev, **facts) for n, ev in enumerate(values)]


@pytest.mark.parametrize("order", [(0, -2, 2), (-2, 0, 2), (2, 0, -2), (0, -1, 1, -2, 2), (-4, -2, 0, 2, 4)])
def test_a_burst_in_any_order_is_one_set_without_looking(order: tuple[int, ...]) -> None:
    album = Album()
    found = group(burst("a", 0, order), album)
    assert len(found) == 1
    assert found[0].exposure_values == tuple(sorted(order))
    assert found[0].exposure_values[found[0].reference] == 0
    assert found[0].confidence > 0.9
    assert "steps of" in found[0].reason
    assert not album.asked


@pytest.mark.parametrize("order", [(0, -2, 2), (0, -2, 2, -4, 4)])
def test_sets_back_to_back_are_parted_where_the_ladder_starts_again(order: tuple[int, ...]) -> None:
    found = group(burst("a", 0, order * 3), Album())
    assert [len(g.files) for g in found] == [len(order)] * 3
    assert len({h.relative for g in found for h in g.files}) == 3 * len(order)
    assert names(found)[1] == [f"a{len(order) + i}" for i in np.argsort(order)]


def test_singles_between_sets_stay_single() -> None:
    files = [frame("s1", 0, 0.3), *burst("a", 10, (0, -2, 2)), frame("s2", 20, -1), *burst("b", 30, (0, -2, 2))]
    views = {h.relative: room(ord(h.relative[0]) + ord(h.relative[1]) * (h.relative[0] == "s")) for h in files}
    found = group(files, Album(views))
    assert [len(g.files) for g in found] == [1, 3, 1, 3]
    assert found[0].reason == "single exposure"


def test_frames_of_different_rooms_are_never_merged_by_a_fitting_ladder() -> None:
    files = [frame(f"a{n}", 20 * n, 2 * n) for n in range(4)]
    found = group(files, Album({h.relative: room(n) for n, h in enumerate(files)}))
    assert [len(g.files) for g in found] == [1] * 4


def test_a_slow_set_by_hand_is_one_when_the_pictures_agree() -> None:
    files = [frame(f"a{n}", 45 * n, ev) for n, ev in enumerate((-2, 0.3, 2))]
    album = Album({h.relative: room(1, ev, noise=n) for n, (h, ev) in enumerate(zip(files, (-2, 0.3, 2), strict=True))})
    found = group(files, album)
    assert names(found) == [["a0", "a1", "a2"]]
    assert 0.5 < found[0].confidence < 0.97
    assert "pictures agree" in found[0].reason


def test_a_view_shot_twice_is_two_sets() -> None:
    files = [frame(f"a{n}", 20 * n, ev) for n, ev in enumerate((0, -2, 2, 0, -2, 2))]
    found = group(files, Album({h.relative: room(1, h.exposure_value + 12, n) for n, h in enumerate(files)}))  # type: ignore[operator]
    assert names(found) == [["a1", "a0", "a2"], ["a4", "a3", "a5"]]


def test_one_exposure_taken_twice_is_two_shots() -> None:
    files = [frame("a", 0, 0), frame("b", 1, 0)]
    assert len(group(files, Album({h.relative: room(1) for h in files}))) == 2


def test_cameras_that_shoot_at_once_are_kept_apart() -> None:
    one, two = burst("a", 0, (0, -2, 2), serial="1"), burst("b", 0.1, (0, -2, 2), serial="2")
    assert sorted(names(group([*one, *two], Album()))) == [["a1", "a0", "a2"], ["b1", "b0", "b2"]]


@pytest.mark.parametrize("other", [{"focal_length": 24.0}, {"width": 4000}])
def test_another_focal_length_or_size_ends_a_set(other: dict[str, object]) -> None:
    files = burst("a", 0, (0, -2, 2))
    files[2] = replace(files[2], **other)  # type: ignore[arg-type]
    views = {h.relative: room(1, ev) for h, ev in zip(files, (0, -2, 2), strict=True)}
    assert ["a2"] in names(group(files, Album(views)))


def test_shutter_alone_does_not_make_a_ladder() -> None:
    files = [frame(f"a{n}", n, 2.0 * n, iso=100 / 4.0**n) for n in range(3)]
    assert len(group(files, Album({h.relative: room(1, noise=n) for n, h in enumerate(files)}))) == 3


def test_a_flash_frame_is_left_out_of_its_set() -> None:
    files = [*burst("a", 0, (0, -2, 2)), frame("flash", 4, 0, flash=True)]
    found = group(files, Album({h.relative: room(1, 0, n) for n, h in enumerate(files)}))
    assert names(found) == [["a1", "a0", "a2"]]
    assert [h.relative for h in found[0].left_out] == ["flash.jpg"]
    assert found[0].warnings == ("FLASH_FRAME",)


def test_a_flash_frame_of_another_view_stays_a_single_shot() -> None:
    files = [*burst("a", 0, (0, -2, 2)), frame("flash", 4, 0, flash=True)]
    views = {h.relative: room(1, 0, n) for n, h in enumerate(files)} | {"flash.jpg": room(2)}
    found = group(files, Album(views))
    assert names(found) == [["a1", "a0", "a2"], ["flash"]]
    assert not found[1].warnings


@pytest.mark.parametrize(("lost", "values"), [(2, (0, -1, 1, -2, 2)), (4, (-2, -1, 0, 1, 2)), (0, (0, -2, 2))])
@pytest.mark.parametrize("quarters", [1, 3])
def test_a_frame_that_lies_on_its_side_is_flagged_with_the_set_it_left(
    lost: int, values: tuple[int, ...], quarters: int
) -> None:
    """A portrait set, one frame of it saved again with orientation 1: its upright size is transposed."""
    files = burst("a", 0, values, width=4000, height=6000)
    files[lost] = replace(files[lost], width=6000, height=4000)
    views = {h.relative: turned(room(1, ev), quarters) for h, ev in zip(files, values, strict=True)}
    views[files[lost].relative] = room(1, values[lost])
    apart, whole = sorted(group(files, Album(views)), key=lambda g: len(g.files))
    assert (len(apart.files), len(whole.files)) == (1, len(values) - 1)
    assert apart.warnings == whole.warnings == ("AMBIGUOUS",)
    assert f"turned by 90 degrees beside {whole.files[whole.reference].relative}" in apart.reason
    assert f"turned by 90 degrees beside a{lost}.jpg" in whole.reason
    assert apart.confidence < 0.5


@pytest.mark.parametrize(("at", "ev"), [(3600, 4), (3, -2)])
def test_a_turned_frame_of_another_time_or_of_an_exposure_the_set_has_is_not_flagged(at: float, ev: float) -> None:
    files = [*burst("a", 0, (0, -2, 2), width=4000, height=6000), frame("b", at, ev)]
    views = {h.relative: turned(room(1), 1) for h in files} | {"b.jpg": room(1)}
    assert [g.warnings for g in group(files, Album(views))] == [(), ()]


def test_a_landscape_frame_of_another_view_beside_a_portrait_set_is_not_flagged() -> None:
    files = [*burst("a", 0, (0, -2, 2), width=4000, height=6000), frame("b", 3, 1)]
    views = {h.relative: turned(room(1), 1) for h in files} | {"b.jpg": room(2)}
    assert not any(g.warnings for g in group(files, Album(views)))


def test_a_doubtful_pair_is_kept_apart_and_flagged() -> None:
    files = [frame("a", 0, 0), frame("b", 200, 0.6)]
    found = group(files, Album({"a.jpg": room(1), "b.jpg": room(1, 0.6, 1)}))
    assert [g.warnings for g in found] == [("AMBIGUOUS",)] * 2
    assert all(g.confidence < 0.5 for g in found)
    assert "EV" in found[0].reason


def test_of_more_than_nine_exposures_those_that_cover_the_range_are_used() -> None:
    files = [frame(f"a{n:02}", 6 * n, ev) for n, ev in enumerate(range(-6, 6))]
    found = group(files, Album({h.relative: room(1, n / 2 - 3, n) for n, h in enumerate(files)}))
    assert len(found) == 1
    assert len(found[0].files) == 9
    assert len(found[0].left_out) == 3
    assert found[0].files[0].relative == "a00.jpg"
    assert found[0].files[-1].relative == "a11.jpg"
    assert "left out" in found[0].reason


def test_without_exif_pictures_decide_and_exposure_values_are_measured() -> None:
    steps = {"k": -2, "c": 0, "x": 2, "b": -2, "z": 0, "a": 2}
    views = {f"{n}.jpg": room(1 if k < 3 else 2, ev, k) for k, (n, ev) in enumerate(steps.items())}
    found = group([untimed(n) for n in steps], Album(views))
    assert sorted(names(found)) == [["b", "z", "a"], ["k", "c", "x"]]
    for g in found:
        assert g.exposure_values == pytest.approx((-2, 0, 2), abs=0.35)
        assert "measured" in g.reason


# Two brackets of one room without EXIF, by name: frames 0-2 and 3-5.
UNTIMED_TWICE = dict(enumerate((0, -2, 2, 0, -2, 2)))
SHUFFLED = "ebdafc"


def test_two_brackets_from_places_a_step_apart_are_told_apart_whatever_their_names() -> None:
    views = {f"{SHUFFLED[n]}.jpg": room(3, ev, n, step=6 * (n > 2)) for n, ev in UNTIMED_TWICE.items()}
    found = group([untimed(n) for n in SHUFFLED], Album(views))
    assert sorted(names(found)) == [["b", "e", "d"], ["f", "a", "c"]]
    assert not any(g.warnings for g in found)


def test_two_brackets_from_one_place_are_told_apart_by_the_order_of_their_names() -> None:
    views = {f"{'abcdef'[n]}.jpg": room(3, ev, n) for n, ev in UNTIMED_TWICE.items()}
    found = group([untimed(n) for n in "abcdef"], Album(views))
    assert sorted(names(found)) == [["b", "a", "c"], ["e", "d", "f"]]
    assert not any(g.warnings for g in found)


def test_two_brackets_from_one_place_in_no_order_are_kept_apart_and_flagged() -> None:
    views = {f"{SHUFFLED[n]}.jpg": room(3, ev, n) for n, ev in UNTIMED_TWICE.items()}
    found = group([untimed(n) for n in SHUFFLED], Album(views))
    assert [(len(g.files), g.warnings) for g in found] == [(1, ("AMBIGUOUS",))] * 6
    assert "exposures come again" in found[0].reason


def test_one_mistaken_link_does_not_unite_two_rooms() -> None:
    """The darkest frames show only a lamp that both rooms have: they agree, the brighter ones do not."""
    stops = {"a": -8, "b": -5, "c": -2, "d": 0}
    album = Album({f"{n}{seed}.jpg": room(seed, ev, lamp=True) for seed in (1, 2) for n, ev in stops.items()})
    assert agreement(album.views["a1.jpg"], album.views["a2.jpg"]).same
    found = group([untimed(p.removesuffix(".jpg")) for p in album.views], album)
    for seed in "12":
        assert any({"b" + seed, "c" + seed, "d" + seed} <= set(g) for g in names(found))
    assert all(len({n[0] for n in g}) == len(g) for g in names(found))


def test_a_file_that_cannot_be_looked_at_stays_single() -> None:
    assert len(group([untimed("a"), untimed("b")], Album({"a.jpg": room(1)}))) == 2


def test_the_reference_of_an_even_set_is_the_middle_exposure_nearer_to_grey() -> None:
    files = burst("a", 0, (-3, -1, 1, 3))
    dark = Album({h.relative: room(1, ev) for h, ev in zip(files, (-4, -2, 0, 2), strict=True)})
    bright = Album({h.relative: room(1, ev) for h, ev in zip(files, (-1, 1, 3, 5), strict=True)})
    assert [g.reference for look in (dark, bright, Album()) for g in group(files, look)] == [2, 1, 1]


@st.composite
def listings(draw: st.DrawFn) -> tuple[list[Header], Album]:
    """Sets and singles of several rooms, some without EXIF, some fired with flash."""
    files: list[Header] = []
    views: dict[str, View] = {}
    clock = 0.0
    for seed in range(draw(st.integers(1, 4))):
        values = draw(st.sampled_from([(0,), (0, -2, 2), (-1, 0, 1), (0, -1, 1, -2, 2), (0, 1.3)]))
        pause = draw(st.sampled_from([0.4, 8.0, 40.0]))
        for n, ev in enumerate(values):
            name = f"{draw(st.integers(0, 9))}_{seed}{n}"
            timed = draw(st.booleans()) or seed % 2
            flash = draw(st.integers(0, 9)) == 0
            files.append(frame(name, clock, ev, flash=flash) if timed else untimed(name))
            views[f"{name}.jpg"] = room(seed, ev, n)
            clock += pause
        clock += draw(st.sampled_from([0.4, 5.0, 100.0]))
    return files, Album(views)


@settings(max_examples=25, deadline=None)
@given(listings(), st.randoms())
def test_any_order_of_files_gives_the_same_groups_and_loses_none(
    listing: tuple[list[Header], Album], rng: object
) -> None:
    files, album = listing
    found = group(files, album)
    placed = sorted(h.relative for g in found for h in (*g.files, *g.left_out))
    assert placed == sorted(h.relative for h in files)
    mixed = list(files)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    assert group(mixed, album) == found
    for g in found:
        assert g.exposure_values[g.reference] == 0
        assert list(g.exposure_values) == sorted(g.exposure_values)
        assert len(g.files) <= ladder.MAX_EXPOSURES
        assert not any(h.flash for h in g.files) or len(g.files) == 1


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=20, unique=True))
def test_spreading_keeps_the_ends_and_the_count(values: list[float]) -> None:
    kept = ladder.spread_evenly(sorted(values))
    assert len(kept) == min(9, len(values))
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, len(values) - 1)
