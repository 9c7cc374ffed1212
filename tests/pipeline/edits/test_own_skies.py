"""The user's own photos of skies: chosen once for a listing, laid over the frame, shown at full resolution."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.codes import Code, PhotoError, SettingsError
from pipeline.develop import prepared
from pipeline.edits.own_skies import Own, chosen, in_frame, noted
from pipeline.edits.sky import layer_of
from pipeline.plan import Layer, Merge, Plan
from pipeline.read.color import to_linear
from pipeline.recipe import Recipe, Sky
from pipeline.render.assets import asset_of
from pipeline.render.render import render_edits
from tests.pipeline.render.test_layers import house, planned


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three skies (600, 1200, 3), which differ in hue, with stripes of 12 pixels."""
    made = tmp_path / "skies"
    made.mkdir()
    stripes = 0.04 * ((np.arange(1200) // 12) % 2)[None, :, None]
    down = np.linspace(0, 0.2, 600)[:, None, None]
    for n, colour in enumerate([(0.3, 0.5, 0.8), (0.4, 0.5, 0.7), (0.2, 0.5, 0.7)]):
        picture = np.array(colour) + down + stripes
        cv2.imwrite(str(made / f"sky_{n}.png"), np.rint(255 * np.clip(picture[..., ::-1], 0, 1)).astype(np.uint8))
    return made


def top_half(height: int = 90, width: int = 140) -> np.ndarray:
    visible = np.zeros((height, width), np.float32)
    visible[: height // 2] = 1
    return visible


def framed(photo: Path, size: tuple[int, int], visible: np.ndarray, brightness: float) -> Own:
    return in_frame(photo, hashlib.sha256(photo.read_bytes()).hexdigest(), size, visible, brightness)


def test_one_listing_gets_one_sky_and_listings_differ(folder: Path) -> None:
    photos = noted(str(folder))
    assert chosen(photos, "12 Oak Street") == chosen(photos, "12 Oak Street")
    assert {chosen(photos, f"listing {n}") for n in range(30)} == {f"sky_{n}.png" for n in range(3)}


@pytest.mark.parametrize("what", ["missing", "empty", "broken", "truncated", "small", "front", "lawn"])
def test_a_folder_without_readable_skies_is_a_wrong_setting_that_names_it(
    folder: Path, tmp_path: Path, what: str
) -> None:
    path = tmp_path / what
    if what != "missing":
        path.mkdir()
    if what == "broken":
        (path / "broken.jpg").write_text("no picture")
    if what == "truncated":
        whole = (folder / "sky_0.png").read_bytes()
        (path / "fine.png").write_bytes(whole)
        (path / "truncated.png").write_bytes(whole[: len(whole) // 2])
    if what == "small":
        cv2.imwrite(str(path / "small.png"), np.full((64, 96, 3), 200, np.uint8))
    if what == "front":
        front = cv2.imread(str(Path(__file__).parents[3] / "samples/tower_front/tower_front.jpg"))
        cv2.imwrite(str(path / "front.jpg"), front[front.shape[0] // 4 :])
    if what == "lawn":
        cv2.imwrite(str(path / "lawn.png"), np.full((900, 1200, 3), (60, 160, 90), np.uint8))
    with pytest.raises(SettingsError, match=rf"sky\.folder.*{what}"):
        noted(str(path))


def test_what_is_no_picture_in_the_folder_does_not_count(folder: Path) -> None:
    (folder / "Thumbs.db").write_bytes(b"\0" * 100)
    (folder / "._sky_0.png").write_bytes(b"\0" * 100)
    (folder / "notes.txt").write_text("bought of ...")
    assert list(noted(str(folder))) == [f"sky_{n}.png" for n in range(3)]


def test_the_photos_are_noted_when_a_job_begins_and_count_among_its_settings(folder: Path) -> None:
    recipe = Recipe.load("listing", {"sky.folder": str(folder)})
    first = prepared(recipe)
    assert first.sky.photos == noted(str(folder))
    assert prepared(first).fingerprint() == prepared(recipe).fingerprint() == first.fingerprint()
    (folder / "sky_3.png").write_bytes((folder / "sky_1.png").read_bytes())
    assert prepared(recipe).fingerprint() != first.fingerprint()
    assert prepared(Recipe.load("default", {"sky.folder": str(folder)})).sky.photos == {}


@pytest.mark.parametrize("what", ["vanishes", "changes", "breaks"])
def test_a_photo_that_is_not_what_it_was_is_an_error_of_its_own_that_may_pass(folder: Path, what: str) -> None:
    photo, digests = folder / "sky_0.png", noted(str(folder))
    digest = digests[photo.name]
    if what == "vanishes":
        photo.unlink()
    else:
        photo.write_bytes((folder / "sky_1.png").read_bytes() if what == "changes" else b"\x89PNG\r\n")
    with pytest.raises(PhotoError, match=r"sky_0\.png") as raised:
        in_frame(photo, digest, (1400, 900), top_half(), 0.6)
    assert raised.value.code is Code.SKY_UNREADABLE
    assert raised.value.code.retryable


def test_the_photo_covers_the_sky_and_ends_where_that_ends(folder: Path) -> None:
    own = framed(folder / "sky_0.png", (1400, 900), top_half(), 0.6)
    corners = own.placement @ np.array([[0, 1, 0, 1], [0, 0, 450 / 1400, 450 / 1400], [1, 1, 1, 1]])
    assert corners[0].min() >= -1e-6
    assert corners[0].max() <= 1 + 1e-6
    assert corners[1].min() >= -1e-6
    assert corners[1, 2] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("brightness", "reached"), [(0.6, True), (0.99, False)])
def test_its_brightness_is_matched_within_bounds(folder: Path, brightness: float, reached: bool) -> None:
    own = framed(folder / "sky_0.png", (1400, 900), top_half(), brightness)
    luma = np.median((to_linear(own.shown) @ np.array([0.2126, 0.7152, 0.0722]))[: own.shown.shape[0] // 2])
    wanted = to_linear(np.array([brightness], np.float32))[0]
    assert (abs(luma / wanted - 1) < 0.05) == reached
    assert 0.6 <= own.gain <= 1.6


def laid_over(folder: Path, picture: np.ndarray, share: np.ndarray) -> Plan:
    plan = planned(picture, share)
    own = framed(folder / "sky_0.png", (picture.shape[1], picture.shape[0]), share, 0.62)
    kept = {"asset": own.asset, "digest": own.digest, "placement": own.placement, "gain": own.gain}
    return replace(plan, operations=(replace(plan.layers[0], shown=own.shown, origin="photo", **kept),))


@pytest.mark.slow
def test_it_is_shown_at_full_resolution_behind_the_roof(folder: Path) -> None:
    picture, share, _ = house()
    plan = laid_over(folder, picture, share)
    after = render_edits(plan, picture)
    row = after[60, 100:1300].astype(float).mean(axis=1)
    spectrum = np.abs(np.fft.rfft(row - cv2.GaussianBlur(row[:, None], (0, 0), 40)[:, 0]))
    # Stripes of 12 pixels in 1200 are 14 in 1400: periods of 28 pixels, 1200 / 28 in this row.
    assert abs(int(spectrum.argmax()) - 1200 / 28) <= 1.5
    beyond = share == 0
    assert np.array_equal(after[800:][beyond[800:]], picture[800:][beyond[800:]])


@pytest.mark.slow
def test_the_saved_plan_shows_it_again_and_refuses_another_picture(folder: Path) -> None:
    picture, share, _ = house()
    plan = laid_over(folder, picture, share)
    saved = Plan.from_bytes(plan.to_bytes())
    assert np.abs(render_edits(saved, picture).astype(int) - render_edits(plan, picture)).max() <= 1
    (folder / "sky_0.png").write_bytes((folder / "sky_1.png").read_bytes())
    with pytest.raises(PhotoError, match=r"sky_0\.png") as raised:
        render_edits(saved, picture)
    assert raised.value.code is Code.SKY_UNREADABLE


def test_a_much_larger_photo_does_not_alias(tmp_path: Path) -> None:
    fine = np.zeros((1600, 3200, 3), np.uint8)
    fine[:, ::2] = 255
    cv2.imwrite(str(tmp_path / "fine.png"), fine)
    own = framed(tmp_path / "fine.png", (700, 450), np.ones((45, 70)), 0.6)
    flat = np.zeros((2, 2))
    layer = layer_of(_border(flat), own.shown)
    layer = replace(layer, asset=own.asset, digest=own.digest, placement=own.placement, gain=1.0)
    found = asset_of(layer, None, 700)
    assert found is not None
    assert found[0].std() < 20 < fine.std()


def _border(flat: np.ndarray):
    from pipeline.edits.doubts import Doubts
    from pipeline.edits.matte import Border

    colours = np.repeat(flat[..., None], 3, axis=2)
    return Border(flat, flat, flat, colours, colours, Doubts(0, 0, 0, 0, 0, 0, 0, 0))


def test_without_a_photo_nothing_is_read() -> None:
    flat = np.zeros((2, 2), np.float16)
    layer = Layer("sky", flat, flat, flat, flat, flat, flat)
    assert asset_of(layer, None, 700) is None
    assert Plan(Merge.single(), (layer,)).layers[0].asset == ""


def test_the_folder_is_known_wherever_the_recipe_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Sky(folder="skies").folder == str(tmp_path / "skies")


def test_a_home_of_nobody_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match=r"sky\.folder"):
        Recipe.load("listing", {"sky.folder": "~nosuchuser/skies"})
