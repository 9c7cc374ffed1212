"""The lens taken out of whole photos: RAW by its own word, pictures where bent lines prove it, nothing by guess."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.codes import Code
from pipeline.develop import develop, finish, survey
from pipeline.develop import plan as planned
from pipeline.merge.mapping import bent, centre_scale, filling
from pipeline.photo import Header, Shot
from pipeline.plan import LENS_REACH, Lens
from pipeline.read.lens.profiles import lens_count, profile
from pipeline.read.shots import find_shots
from pipeline.recipe import Recipe
from pipeline.render.render import seen_through
from pipeline.see.curvature import bend_of, edges_of
from tests.pipeline.read.lens.test_opcodes import LIST_3, listed, vignette, warp
from tests.pipeline.read.test_raw import write_dng
from tests.pipeline.see.test_curvature import SIZE, bent_by, floats, shelves

needs_database = pytest.mark.skipif(lens_count() == 0, reason="the extra `lens` is not installed")
SONY = {271: "SONY", 272: "ILCE-7M3"}
LENS = {42036: "FE 16-35mm F4 ZA OSS", 37386: 16.0, 33437: 8.0, 41989: 16}
WARP = (1.0, -0.07, 0.0, 0.0, 0.0, 0.0)


def only(folder: Path) -> Shot:
    (shot,) = find_shots(folder).shots
    return shot


def write_jpeg(folder: Path, picture: np.ndarray, *, lens: dict[int, object] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    for tag, value in SONY.items():
        exif[tag] = value
    for tag, value in (LENS if lens is None else lens).items():
        exif.get_ifd(0x8769)[tag] = value
    Image.fromarray(picture).save(folder / "a.jpg", quality=97, subsampling=0, exif=exif)
    return folder


def through(lens: Lens, picture: np.ndarray) -> np.ndarray:
    """The picture as the lens would have drawn it: bent() undone by fixed point, sampled bilinearly."""
    import cv2

    high, wide = picture.shape[:2]
    x, y = np.meshgrid((np.arange(wide) + 0.5) / wide, (np.arange(high) + 0.5) / wide)
    u, v = x.copy(), y.copy()
    for _ in range(40):
        a, b = bent(lens, u, v)[0]
        u, v = u + x - a, v + y - b
    maps = [(m * wide - 0.5).astype(np.float32) for m in (u, v)]
    return cv2.remap(picture, maps[0], maps[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def sony() -> Lens:
    header = Header("a", "a", 1, "jpeg", *SIZE, make="SONY", model="ILCE-7M3", lens=str(LENS[42036]))
    found = profile(replace(header, focal_length=16.0, f_number=8.0))
    assert found is not None
    return found


def left_in(picture: np.ndarray) -> float:
    return bend_of(edges_of(floats(picture if picture.dtype == np.uint8 else picture // 257))).amount


@pytest.mark.slow
@needs_database
def test_a_jpeg_that_nobody_corrected_is_corrected_by_its_profile(tmp_path: Path):
    # The real profile bends in waves; what the lines see of it is checked by what is left.
    folder = write_jpeg(tmp_path / "in", through(sony(), shelves()))
    surveyed = survey(only(folder), Recipe())
    lens = surveyed.plan.merge.lens
    assert lens is not None
    assert lens.source == "lensfun: FE 16-35mm f/4 ZA OSS"
    assert lens.gain is None, "vignetting leaves no proof"
    facts = surveyed.plan.facts["lens"]
    assert facts["bend"] > 0.02
    assert abs(facts["bend_left"]) < 0.5 * facts["bend"]
    drawn = replace(surveyed.plan, operations=())
    source = finish(surveyed, drawn, Recipe()).source
    assert abs(left_in(source)) < 0.006
    ideal = seen_through(None, shelves()).astype(float)
    moved = source.astype(float)[100:-100, 100:-100] - ideal[100:-100, 100:-100]
    assert centre_scale(lens) != 1
    assert np.isfinite(moved).all()


@needs_database
def test_a_corrected_jpeg_of_a_known_lens_stays_unchanged(tmp_path: Path):
    folder = write_jpeg(tmp_path / "in", shelves())
    surveyed = survey(only(folder), Recipe())
    assert surveyed.plan.merge.lens is None
    assert "lens" not in surveyed.plan.facts
    assert surveyed.plan.facts["warnings"] == []


@needs_database
def test_asked_for_always_it_is_corrected_with_its_light(tmp_path: Path):
    folder = write_jpeg(tmp_path / "in", shelves())
    lens = survey(only(folder), Recipe.load("default", {"geometry.lens": "always"})).plan.merge.lens
    assert lens is not None
    assert lens.bends
    assert lens.gain is not None


@pytest.mark.parametrize("setting", ["auto", "always"])
def test_an_unknown_lens_is_said_and_never_guessed(tmp_path: Path, setting: str):
    folder = write_jpeg(tmp_path / "in", bent_by(0.05, shelves()), lens={42036: "Homemade 17mm"})
    surveyed = survey(only(folder), Recipe.load("default", {"geometry.lens": setting}))
    assert surveyed.plan.merge.lens is None
    assert Code.LENS_UNKNOWN.name in surveyed.plan.facts["warnings"]


@needs_database
def test_a_profile_that_does_not_straighten_is_not_that_lens(tmp_path: Path):
    folder = write_jpeg(tmp_path / "in", bent_by(-0.06, shelves()))
    surveyed = survey(only(folder), Recipe())
    assert surveyed.plan.merge.lens is None
    assert Code.LENS_UNKNOWN.name in surveyed.plan.facts["warnings"]


@pytest.mark.parametrize("options", [{"geometry.lens": "never"}, {"geometry.strength": "0"}])
def test_turned_off_nothing_is_corrected_and_nothing_said(tmp_path: Path, options: dict[str, str]):
    folder = write_jpeg(tmp_path / "in", bent_by(0.05, shelves()))
    surveyed = survey(only(folder), Recipe.load("default", options))
    assert surveyed.plan.merge.lens is None
    assert surveyed.plan.facts["warnings"] == []


@pytest.fixture
def room(samples: Path) -> np.ndarray:
    """A photo of a room, since drawings are passed through unchanged."""
    with Image.open(samples / "garden_room" / "garden_room_02.jpg") as image:
        return np.asarray(image.convert("RGB").resize(SIZE))


def light_of(picture: np.ndarray) -> np.ndarray:
    return 0.7 * (floats(picture).astype(np.float64) ** 2.2)


def raw(folder: Path, picture: np.ndarray, *opcodes: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_dng(folder / "a.dng", light_of(picture), opcodes={LIST_3: listed(*opcodes)} if opcodes else None)
    return folder


def dng_lens() -> Lens:
    frame = (1.0, SIZE[1] / SIZE[0])
    radii = np.linspace(0, LENS_REACH, 129)
    return Lens("x", (0.5, frame[1] / 2), float(np.hypot(*frame)) / 2, (1 + WARP[1] * radii**2)[None])


@pytest.mark.slow
def test_a_dng_is_corrected_by_its_own_opcodes(tmp_path: Path):
    folder = raw(tmp_path / "in", through(dng_lens(), shelves()), warp(WARP), vignette(0.3, 0, 0, 0, 0))
    surveyed = survey(only(folder), Recipe())
    lens = surveyed.plan.merge.lens
    assert lens is not None
    assert lens.source == "DNG"
    assert lens.gain is not None
    assert surveyed.plan.facts["warnings"] == []
    source = finish(surveyed, replace(surveyed.plan, operations=()), Recipe()).source
    bare = survey(only(folder), Recipe.load("default", {"geometry.lens": "never"}))
    before = finish(bare, bare.plan, Recipe()).source
    assert abs(left_in(before)) > 0.04
    assert abs(left_in(source)) < 0.008
    # At full resolution and at the proxy's the same picture.
    assert np.abs(surveyed.proxy - source.astype(np.float32) / 65535).mean() < 0.01
    assert source.mean() > 1.01 * before.mean()


def test_a_raw_of_an_unknown_lens_says_so_and_is_left(tmp_path: Path):
    folder = raw(tmp_path / "in", shelves())
    surveyed = survey(only(folder), Recipe())
    assert surveyed.plan.merge.lens is None
    assert surveyed.plan.facts["warnings"] == [Code.LENS_UNKNOWN.name]


@pytest.mark.slow
def test_half_the_strength_takes_half_of_the_bend_out(tmp_path: Path):
    folder = raw(tmp_path / "in", through(dng_lens(), shelves()), warp(WARP))
    surveyed = survey(only(folder), Recipe.load("default", {"geometry.strength": "0.5"}))
    source = finish(surveyed, replace(surveyed.plan, operations=()), Recipe()).source
    assert 0.02 < abs(left_in(source)) < 0.055


@pytest.mark.slow
def test_tilt_is_measured_behind_the_lens_with_its_focal_length(room: np.ndarray, tmp_path: Path):
    folder = raw(tmp_path / "in", through(dng_lens(), room), warp(WARP))
    surveyed = survey(only(folder), Recipe())
    lens = surveyed.plan.merge.lens
    assert lens is not None
    full = filling(dng_lens(), (1.0, SIZE[1] / SIZE[0]))
    assert lens.zoom == pytest.approx(full.zoom, abs=2e-3)
    assert centre_scale(lens) == pytest.approx(1 / lens.zoom)
    assert planned(surveyed, Recipe()).merge.lens is lens


@needs_database
def test_a_jpeg_without_any_other_edit_is_not_copied_but_written_without_its_lens(room: np.ndarray, tmp_path: Path):
    folder = write_jpeg(tmp_path / "in", room)
    off = {f"{panel}.strength": "0" for panel in ("balance", "light", "windows")}
    off |= {"geometry.confidence": "1", "geometry.lens": "always"}
    result = develop(only(folder), Recipe.load("default", off), tmp_path / "out")
    assert result.status == "delivered"
    with Image.open(tmp_path / "out" / result.output) as picture:
        assert picture.size == SIZE
        written = np.asarray(picture).astype(int)
    expected = seen_through(filling(sony(), (1.0, SIZE[1] / SIZE[0])), room).astype(int)
    inner = np.s_[300:500, 400:800]
    # In the middle there is next to no vignetting: what differs is JPEG.
    assert np.abs(written[inner] - expected[inner]).mean() < 4
    assert np.abs(written[inner] - room[inner].astype(int)).mean() > 4
