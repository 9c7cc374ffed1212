"""The whole way of a photo, on files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.codes import Code
from pipeline.deliver import xmp
from pipeline.deliver.outcome import digest_of
from pipeline.develop import develop, finish, plan, survey
from pipeline.photo import Shot
from pipeline.plan import Plan
from pipeline.read.color import LUMA, from_linear, to_linear
from pipeline.read.shots import find_shots
from pipeline.recipe import Check, Deliver, Light, Recipe
from pipeline.render.render import output_size, render_edits, render_source
from pipeline.render.tone import shown_after
from pipeline.see.scene import look
from tests.rooms import exposures, radiance


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "12 Oak Street"
    folder.mkdir(parents=True)
    for i, frame in enumerate(exposures(radiance(600, 400, window=4.0), (-4.0, -2.0, 0.0), noise=0.004)):
        cv2.imwrite(str(folder / f"kitchen_{i}.jpg"), frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    return tmp_path / "source"


def only_shot(source: Path) -> Shot:
    (shot,) = find_shots(source).shots
    return shot


def plain() -> Recipe:
    return Recipe.load("default", {f"{panel}.strength": "0" for panel in ("balance", "light", "geometry")})


@pytest.mark.slow
def test_brackets_become_one_delivered_picture_with_plan_and_record(listing: Path, tmp_path: Path):
    shot = only_shot(listing)
    result = develop(shot, Recipe(), tmp_path / "out")
    assert result.status == "delivered"
    assert result.output == f"delivered/12 Oak Street/{shot.name}.jpg"
    picture = cv2.imread(str(tmp_path / "out" / result.output))
    assert picture.shape == (400, 600, 3)
    assert Plan.from_bytes((tmp_path / "out" / "plans" / f"{shot.id}.plan").read_bytes()).merge.used == (True,) * 3
    saved = json.loads((tmp_path / "out" / "plans" / f"{shot.id}.json").read_text())
    assert saved["recipe"] == Recipe().fingerprint()
    assert saved["result"]["id"] == shot.id
    assert result.digests == {"full": digest_of(tmp_path / "out" / result.output)}
    assert result.provenance["adjusted"] == 1.0
    assert sum(v for k, v in result.provenance.items() if k.startswith("captured")) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.slow
def test_the_same_shot_gives_the_same_bytes_whatever_the_threads(listing: Path, tmp_path: Path):
    shot = only_shot(listing)
    first, second = (
        (tmp_path / out / develop(shot, Recipe(), tmp_path / out, threads=threads).output).read_bytes()
        for out, threads in (("a", 1), ("b", 3))
    )
    assert first == second


@pytest.mark.slow
def test_replaying_the_saved_plan_gives_the_delivered_pixels(listing: Path, tmp_path: Path):
    shot = only_shot(listing)
    recipe = Recipe(deliver=Deliver(format="png"))
    result = develop(shot, recipe, tmp_path / "out")
    saved = Plan.from_bytes((tmp_path / "out" / "plans" / f"{shot.id}.plan").read_bytes())
    frames = [cv2.imread(s, cv2.IMREAD_COLOR)[..., ::-1].copy() for s in shot.sources]
    again = render_edits(saved, render_source(saved, frames)[0])
    delivered = cv2.imread(str(tmp_path / "out" / result.output))[..., ::-1]
    assert np.abs(again.astype(int) - delivered).max() <= 1


def test_without_edits_a_single_jpeg_is_copied_byte_for_byte(listing: Path, tmp_path: Path):
    for extra in sorted(listing.rglob("*.jpg"))[1:]:
        extra.unlink()
    shot = only_shot(listing)
    result = develop(shot, plain(), tmp_path / "out")
    assert (tmp_path / "out" / result.output).read_bytes() == Path(shot.sources[0]).read_bytes()
    assert result.strength == 0.0


@pytest.mark.slow
def test_without_edits_the_merge_is_delivered_as_rendered(listing: Path, tmp_path: Path):
    shot = only_shot(listing)
    recipe = Recipe.load(
        "default", {"balance.strength": "0", "light.strength": "0", "windows.strength": "0", "deliver.format": "png"}
    )
    surveyed = survey(shot, recipe)
    finished = finish(surveyed, plan(surveyed, recipe), recipe)
    result = develop(shot, recipe, tmp_path / "out")
    delivered = cv2.imread(str(tmp_path / "out" / result.output))[..., ::-1]
    np.testing.assert_array_equal(delivered, np.rint(finished.source / 257).astype(np.uint8))


@pytest.mark.slow
def test_a_photo_that_fails_every_check_is_delivered_plain_with_warnings(listing: Path, tmp_path: Path):
    recipe = Recipe(check=Check(structure=1.0))
    result = develop(only_shot(listing), recipe, tmp_path / "out")
    assert result.status == "delivered"
    assert result.strength == 0.0
    assert Code.RETRIES_EXHAUSTED.name in result.warnings
    assert Code.SSIM_LOW.name in result.warnings


@pytest.mark.slow
def test_or_goes_to_quarantine_with_its_best_attempt_and_worst_crop(listing: Path, tmp_path: Path):
    recipe = Recipe(check=Check(structure=1.0, on_fail="quarantine"))
    shot = only_shot(listing)
    result = develop(shot, recipe, tmp_path / "out")
    folder = tmp_path / "out" / "quarantine" / shot.listing / shot.name
    assert result.status == "quarantined"
    failure = json.loads((folder / "failure.json").read_text())
    assert failure["code"] == Code.RETRIES_EXHAUSTED.name
    assert shot.name in failure["message"]
    assert failure["sources"] == list(shot.sources)
    assert cv2.imread(str(folder / "best_attempt.jpg")) is not None
    assert cv2.imread(str(folder / "worst_crop.jpg")) is not None
    assert not (tmp_path / "out" / "delivered").exists()


@pytest.mark.slow
def test_a_destination_that_cannot_be_written_is_a_failure_and_no_exception(listing: Path, tmp_path: Path):
    (tmp_path / "out").write_text("in the way")
    result = develop(only_shot(listing), Recipe(), tmp_path / "out")
    assert result.status == "quarantined"
    assert result.code == Code.WRITE_FAILED.name
    assert str(tmp_path / "out") in result.failure["message"]


def test_a_file_that_vanished_is_a_failure_that_names_it(listing: Path, tmp_path: Path):
    shot = only_shot(listing)
    Path(shot.sources[1]).unlink()
    result = develop(shot, Recipe(), tmp_path / "out")
    assert result.status == "quarantined"
    assert result.code == Code.UNREADABLE.name
    assert Path(shot.sources[1]).name in result.failure["message"]


def test_a_broken_profile_is_passed_over_with_a_warning(listing: Path, tmp_path: Path):
    file = sorted(listing.rglob("*.jpg"))[-1]
    for other in sorted(listing.rglob("*.jpg"))[:-1]:
        other.unlink()
    Image.open(file).save(file, icc_profile=b"this is no colour profile" * 8)
    result = develop(only_shot(listing), Recipe(), tmp_path / "out")
    assert result.status == "delivered"
    assert Code.ICC_INVALID.name in result.warnings


def test_sixteen_bit_output_has_more_than_256_levels(listing: Path, tmp_path: Path):
    recipe = Recipe(deliver=Deliver(format="tiff", depth=16))
    result = develop(only_shot(listing), recipe, tmp_path / "out")
    picture = cv2.imread(str(tmp_path / "out" / result.output), cv2.IMREAD_UNCHANGED)
    assert picture.dtype == np.uint16
    assert len(np.unique(picture)) > 5000


@pytest.mark.slow
def test_lower_strength_stays_closer_to_the_merge(listing: Path):
    shot = only_shot(listing)
    distance = []
    for strength in (0.3, 1.0):
        recipe = Recipe(light=Light(strength=strength))
        surveyed = survey(shot, recipe)
        finished = finish(surveyed, plan(surveyed, recipe), recipe)
        distance.append(np.abs(finished.source / 257 - finished.picture).mean())
    assert distance[0] < distance[1]


@pytest.mark.slow
def test_developing_needs_no_ray():
    code = "import sys, pipeline.develop; sys.exit('ray' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_a_leaning_room_is_straightened_and_says_how(samples: Path, tmp_path: Path):
    """A frame of the sample room, turned by 2 more degrees and cropped to pixels."""
    room = cv2.imread(str(samples / "garden_room" / "garden_room_02.jpg"))
    height, width = room.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -2.0, 1.0)
    leaning = cv2.warpAffine(room, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    folder = tmp_path / "source"
    folder.mkdir()
    cv2.imwrite(str(folder / "room.png"), leaning[20:-20, 30:-30])
    recipe = Recipe.load("default", {"balance.strength": "0", "light.strength": "0", "deliver.format": "png"})
    before = look(cv2.cvtColor(room, cv2.COLOR_BGR2RGB).astype(np.float32) / 255).tilt

    shot = only_shot(folder)
    result = develop(shot, recipe, tmp_path / "out")

    stored = Plan.from_bytes((tmp_path / "out" / "plans" / f"{shot.id}.plan").read_bytes())
    assert stored.warp is not None
    assert stored.facts["seen"]["tilt"]["roll_deg"] == pytest.approx(before.roll - 2.0, abs=0.3)
    assert stored.facts["geometry"]["crop"] <= 0.081
    picture = cv2.imread(str(tmp_path / "out" / result.output))
    assert picture.shape == (height - 40, width - 60, 3)
    strength = stored.facts["geometry"]["strength"]
    left = look(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.float32) / 255).tilt
    assert left.roll == pytest.approx((1 - strength) * (before.roll - 2.0), abs=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1600, 1200), (2725, 2225), (1801, 1203), (1200, 1601)])
def test_a_straightened_photo_keeps_its_pixel_size_whatever_its_proxy_rounds_to(
    samples: Path, tmp_path: Path, size: tuple[int, int]
):
    room = cv2.resize(cv2.imread(str(samples / "garden_room" / "garden_room_02.jpg")), size)
    turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), -2.0, 1.1)
    (tmp_path / "source").mkdir()
    cv2.imwrite(str(tmp_path / "source" / "room.jpg"), cv2.warpAffine(room, turn, size))
    surveyed = survey(only_shot(tmp_path / "source"), Recipe())
    drawn = plan(surveyed, Recipe())
    assert drawn.warp is not None
    assert output_size(drawn.warp, *size) == size


def test_a_floor_plan_is_passed_through_byte_for_byte(tmp_path: Path):
    folder = tmp_path / "source"
    folder.mkdir()
    drawn = np.full((900, 1200, 3), 255, np.uint8)
    for box in ((150, 120, 600, 500), (600, 120, 1050, 400), (600, 400, 1050, 780), (150, 500, 600, 780)):
        cv2.rectangle(drawn, box[:2], box[2:], (20, 20, 20), 10)
        cv2.putText(
            drawn, "BEDROOM", (box[0] + 90, box[1] + 150), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (60, 60, 60), 2, cv2.LINE_AA
        )
    for x, y in ((400, 500), (600, 300), (800, 400)):
        cv2.line(drawn, (x, y), (x + 70, y), (255, 255, 255), 14)
        cv2.ellipse(drawn, (x, y), (70, 70), 0, 0, 90, (90, 90, 90), 2, cv2.LINE_AA)
    cv2.imwrite(str(folder / "plan.jpg"), drawn)

    result = develop(only_shot(folder), Recipe(), tmp_path / "out")

    assert result.scene == "other"
    assert result.warnings == (Code.NOT_A_PHOTO.name,)
    assert (tmp_path / "out" / result.output).read_bytes() == (folder / "plan.jpg").read_bytes()


@pytest.mark.parametrize("name", ["gray.jpg", "icc_cmyk_profile_on_rgb.jpg"])
def test_what_is_not_edited_is_delivered_whatever_its_profile_is_for(data: Path, tmp_path: Path, name: str):
    folder = tmp_path / "source"
    folder.mkdir()
    shutil.copy(data / "ingest" / name, folder)
    off = {f"{panel}.strength": "0" for panel in ("balance", "light", "geometry", "windows")}

    result = develop(only_shot(folder), Recipe.load("default", off), tmp_path / "out")

    assert result.status == "delivered", result.message
    assert cv2.imread(str(tmp_path / "out" / result.output)) is not None


@pytest.fixture
def overcast(samples: Path, tmp_path: Path) -> Shot:
    """The sample front below its dull sky, at a third of its size."""
    folder = tmp_path / "source" / "12 Oak Street"
    folder.mkdir(parents=True)
    with Image.open(samples / "tower_front" / "tower_front.jpg") as image:
        image.resize((768, 576)).save(folder / "front.jpg", quality=95)
    return only_shot(tmp_path / "source")


@pytest.mark.slow
def test_a_photo_with_another_sky_lies_beside_the_picture_as_captured(overcast: Shot, tmp_path: Path):
    recipe = Recipe.load("listing", {"deliver.format": "png", "deliver.web.enabled": "true"})
    result = develop(overcast, recipe, tmp_path / "out")
    assert result.altered == ("sky",)
    assert result.outputs == {
        "full": "delivered/12 Oak Street/front.png",
        "web": "web/12 Oak Street/12 Oak Street_000.jpg",
        "unaltered": "delivered/12 Oak Street/front_unaltered.jpg",
        "web_unaltered": "web/12 Oak Street/12 Oak Street_000_unaltered.jpg",
    }
    assert set(result.digests) == set(result.outputs)
    assert 0.1 < result.provenance["composited"] == result.provenance["generated"] < 0.5
    kinds = {p: (tmp_path / "out" / path).read_bytes() for p, path in result.outputs.items()}
    assert all((b"compositeSynthetic" in kinds[p]) == ("unaltered" not in p) for p in kinds)
    assert all(b"algorithmicallyEnhanced" in kinds[p] for p in ("unaltered", "web_unaltered"))
    plainly = develop(overcast, Recipe.load("default", {"deliver.format": "png"}), tmp_path / "plain")
    after, before = (
        cv2.imread(str(tmp_path / p)).astype(int) for p in (f"out/{result.output}", f"plain/{plainly.output}")
    )
    twin = cv2.imread(str(tmp_path / "out" / result.outputs["unaltered"])).astype(int)
    assert np.abs(twin - before).mean() < 3
    changed = np.any(after != before, axis=2)
    assert changed.mean() == pytest.approx(result.provenance["composited"], abs=0.03)
    sky = changed[:60].mean(axis=1) > 0.3
    assert np.median((after - before)[:60][sky][..., 2]) < -20


@pytest.mark.slow
def test_outside_of_the_new_sky_bytes_are_those_without_it(overcast: Shot):
    recipe = Recipe.load("listing", {"deliver.format": "png"})
    surveyed = survey(overcast, recipe)
    finished = finish(surveyed, plan(surveyed, recipe), recipe)
    assert finished.unaltered is not None
    assert finished.covered is not None
    other = Recipe.load("default", {"deliver.format": "png"})
    without = finish(surveyed, plan(surveyed, other), other)
    assert np.array_equal(finished.unaltered, without.picture)
    whole = np.repeat(np.repeat(finished.covered, 2, axis=0), 2, axis=1)[:576, :768].astype(bool)
    assert 0.05 < whole.mean() < 0.6
    assert np.array_equal(finished.picture[~whole], without.picture[~whole])


@pytest.mark.slow
def test_a_bracketed_front_that_the_camera_stored_on_its_side_gets_the_sky_of_the_upright_one(
    samples: Path, tmp_path: Path
):
    with Image.open(samples / "tower_front" / "tower_front.jpg") as image:
        light = to_linear(np.asarray(image.convert("RGB").resize((1152, 864)), np.float32) / np.float32(255))
    pictures: list[np.ndarray] = []
    for name, orientation in (("upright", 1), ("turned", 6)):
        folder = tmp_path / name
        folder.mkdir()
        for i, ev in enumerate((-1.5, 0.0, 1.5)):
            frame = np.round(255 * from_linear(np.clip(light * np.float32(2**ev), 0, 1))).astype(np.uint8)
            stored = np.rot90(frame) if orientation == 6 else frame
            exif = Image.Exif()
            exif[274] = orientation
            exif.get_ifd(34665).update({33434: 2.0**ev / 100, 33437: 8.0, 34855: 100, 36867: f"2026:05:04 12:00:0{i}"})
            Image.fromarray(stored).save(folder / f"{i}.png", exif=exif)
        shot = only_shot(folder)
        assert len(shot.sources) == 3
        recipe = Recipe.load("listing", {"deliver.format": "png"})
        surveyed = survey(shot, recipe)
        # The sun stands where the name of the listing puts it.
        finished = finish(surveyed, plan(replace(surveyed, listing="front"), recipe), recipe)
        assert finished.altered == ("sky",)
        pictures.append(finished.picture)

    assert pictures[0].shape == pictures[1].shape
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() < 1


@pytest.mark.slow
def test_at_strength_0_the_listing_recipe_leaves_the_sky_and_writes_no_twin(overcast: Shot, tmp_path: Path):
    result = develop(overcast, Recipe.load("listing", {"sky.strength": "0"}), tmp_path / "out")
    assert result.altered == ()
    assert set(result.outputs) == {"full"}
    assert result.provenance["composited"] == 0


@pytest.mark.slow
def test_where_nothing_but_the_sky_changed_its_twin_is_the_file_as_it_came(overcast: Shot, tmp_path: Path):
    off = {f"{panel}.strength": "0" for panel in ("balance", "light", "geometry")}
    result = develop(overcast, Recipe.load("listing", off), tmp_path / "out")
    assert result.altered == ("sky",)
    assert (tmp_path / "out" / result.outputs["unaltered"]).read_bytes() == Path(overcast.sources[0]).read_bytes()
    assert result.provenance["adjusted"] == 0
    assert result.provenance["composited"] > 0.1
    assert result.bytes == (tmp_path / "out" / result.output).stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [("trainedAlgorithmicMedia", "trainedAlgorithmicMedia"), ("compositeCapture", "compositeSynthetic")],
)
def test_another_sky_never_hides_what_the_photo_said_of_its_making(
    overcast: Shot, tmp_path: Path, before: str, after: str
):
    path = Path(overcast.sources[0])
    uri = "http://cv.iptc.org/newscodes/digitalsourcetype/"
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp.fresh(xmp.Change(uri + before, 768, 576))
    jpeg = path.read_bytes()
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(packet) + 2).to_bytes(2) + packet + jpeg[2:])
    result = develop(only_shot(path.parent.parent), Recipe.load("listing"), tmp_path / "out")
    assert result.altered == ("sky",)
    assert (uri + after).encode() in (tmp_path / "out" / result.output).read_bytes()
    assert (uri + before).encode() in (tmp_path / "out" / result.outputs["unaltered"]).read_bytes()


@pytest.mark.slow
def test_a_fused_street_at_night_stays_night(data: Path):
    recipe = Recipe.load("listing")
    surveyed = survey(only_shot(data / "brackets/street_night_rotated"), recipe)

    planned = plan(surveyed, recipe)

    seen, shown = planned.facts["seen"], shown_after(planned.tones, surveyed.proxy)
    assert seen["light"] == "night"
    before, after = (float(np.median(to_linear(p) @ LUMA)) for p in (surveyed.proxy, shown))
    assert np.log2(after / before) < 0.5
