"""The user's own photos of skies: chosen once for a listing, laid over the frame, shown at full resolution."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.codes import Code, PhotoError, SettingsError
from pipeline.edits.own_skies import chosen, in_frame, photos_in
from pipeline.edits.sky import layer_of
from pipeline.plan import Layer, Merge, Plan
from pipeline.read.color import to_linear
from pipeline.recipe import Sky
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
        cv2.imwrite(str(made / f"sky_{n}.png"), np.rint(255 * picture[..., ::-1]).astype(np.uint8))
    return made


def top_half(height: int = 90, width: int = 140) -> np.ndarray:
    visible = np.zeros((height, width), np.float32)
    visible[: height // 2] = 1
    return visible


def test_one_listing_gets_one_sky_and_listings_differ(folder: Path) -> None:
    assert chosen(str(folder), "12 Oak Street") == chosen(str(folder), "12 Oak Street")
    assert {chosen(str(folder), f"listing {n}").name for n in range(30)} == {f"sky_{n}.png" for n in range(3)}


@pytest.mark.parametrize("what", ["missing", "empty", "broken"])
def test_a_folder_without_readable_skies_is_a_wrong_setting_that_names_it(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what != "missing":
        path.mkdir()
    if what == "broken":
        (path / "notes.txt").write_text("no picture")
    with pytest.raises(SettingsError, match=rf"sky\.folder.*{what}"):
        photos_in(str(path))


def test_the_photo_covers_the_sky_and_ends_where_that_ends(folder: Path) -> None:
    own = in_frame(folder / "sky_0.png", (1400, 900), top_half(), 0.6)
    corners = own.placement @ np.array([[0, 1, 0, 1], [0, 0, 450 / 1400, 450 / 1400], [1, 1, 1, 1]])
    assert corners[0].min() >= -1e-6
    assert corners[0].max() <= 1 + 1e-6
    assert corners[1].min() >= -1e-6
    assert corners[1, 2] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("brightness", "reached"), [(0.6, True), (0.99, False)])
def test_its_brightness_is_matched_within_bounds(folder: Path, brightness: float, reached: bool) -> None:
    own = in_frame(folder / "sky_0.png", (1400, 900), top_half(), brightness)
    luma = np.median((to_linear(own.shown) @ np.array([0.2126, 0.7152, 0.0722]))[: own.shown.shape[0] // 2])
    wanted = to_linear(np.array([brightness], np.float32))[0]
    assert (abs(luma / wanted - 1) < 0.05) == reached
    assert 0.6 <= own.gain <= 1.6


def laid_over(folder: Path, picture: np.ndarray, share: np.ndarray) -> Plan:
    plan = planned(picture, share)
    own = in_frame(folder / "sky_0.png", (picture.shape[1], picture.shape[0]), share, 0.62)
    kept = {"asset": own.asset, "digest": own.digest, "placement": own.placement, "gain": own.gain}
    return replace(plan, operations=(replace(plan.layers[0], shown=own.shown, origin="photo", **kept),))


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


def test_the_saved_plan_shows_it_again_and_refuses_another_picture(folder: Path) -> None:
    picture, share, _ = house()
    plan = laid_over(folder, picture, share)
    saved = Plan.from_bytes(plan.to_bytes())
    assert np.abs(render_edits(saved, picture).astype(int) - render_edits(plan, picture)).max() <= 1
    (folder / "sky_0.png").write_bytes((folder / "sky_1.png").read_bytes())
    with pytest.raises(PhotoError, match=r"sky_0\.png") as raised:
        render_edits(saved, picture)
    assert raised.value.code is Code.SOURCE_CHANGED


def test_a_much_larger_photo_does_not_alias(tmp_path: Path) -> None:
    fine = np.zeros((1600, 3200, 3), np.uint8)
    fine[:, ::2] = 255
    cv2.imwrite(str(tmp_path / "fine.png"), fine)
    own = in_frame(tmp_path / "fine.png", (700, 450), np.ones((45, 70)), 0.6)
    flat = np.zeros((2, 2))
    layer = layer_of(_border(flat), own.shown)
    layer = replace(layer, asset=own.asset, digest=own.digest, placement=own.placement, gain=1.0)
    found = asset_of(layer, None, 700)
    assert found is not None
    assert found[0].std() < 20 < fine.std()


def _border(flat: np.ndarray):
    from pipeline.edits.matte import Border

    colours = np.repeat(flat[..., None], 3, axis=2)
    return Border(flat, flat, flat, colours, colours, 0, 0, 0, 0)


def test_without_a_photo_nothing_is_read() -> None:
    flat = np.zeros((2, 2), np.float16)
    layer = Layer("sky", flat, flat, flat, flat, flat, flat)
    assert asset_of(layer, None, 700) is None
    assert Plan(Merge.single(), (layer,)).layers[0].asset == ""


def test_the_folder_is_known_wherever_the_recipe_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Sky(folder="skies").folder == str(tmp_path / "skies")
