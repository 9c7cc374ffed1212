"""edit() for notebooks: arrays and figures, nothing written, failures as results, imports that cost nothing."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from pipeline import Recipe, edit
from pipeline.codes import Code, PhotoError, SettingsError
from pipeline.develop import develop
from pipeline.notebook import Edited
from pipeline.read.shots import find_shots

OFF = ("light.strength", "balance.strength", "geometry.strength")


def small_tower(samples: Path, path: Path) -> Path:
    """The sample of one exposure at a third of its size, with its EXIF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(samples / "tower_front" / "tower_front.jpg") as image:
        image.resize((768, 576)).save(path, quality=90, exif=image.getexif())
    return path


def copied(samples: Path, folder: Path) -> list[Path]:
    """The exposures of the sample room, copied."""
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(p, folder)) for p in sorted((samples / "garden_room").glob("*.jpg"))]


def pixels(path: Path) -> np.ndarray:
    """A picture file as stored."""
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture(scope="module")
def room(samples: Path) -> Edited:
    """The sample room, edited once."""
    (result,) = edit(samples / "garden_room")
    return result


def test_a_bracketed_set_becomes_one_result_with_pictures_plan_and_figures(samples: Path, room: Edited) -> None:
    reference = pixels(samples / "garden_room" / "garden_room_02.jpg")

    assert room.name == "garden_room_02"
    assert room.status == "delivered"
    assert room.failure is None
    assert room.before is not None
    assert np.array_equal(room.before, reference)
    assert room.source is not None
    assert room.source.dtype == np.uint16
    assert room.after is not None
    assert room.after.dtype == np.uint8
    assert room.after.shape == room.source.shape == reference.shape
    assert room.plan is not None
    assert sum(room.plan.merge.used) == 4
    assert [o.label for o in room.plan.operations]
    assert 0 < room.qc["structure_worst"] <= 1
    assert room.strength > 0
    assert room.masks == {}


@pytest.mark.slow
def test_the_picture_is_the_one_the_pipeline_delivers(samples: Path, room: Edited, tmp_path: Path) -> None:
    (shot,) = find_shots(samples / "garden_room").shots
    delivered = develop(shot, Recipe(), tmp_path / "out")

    saved = room.save(tmp_path / "room.jpg")

    assert saved.read_bytes() == (tmp_path / "out" / delivered.output).read_bytes()
    assert room.qc == delivered.qc
    assert room.warnings == delivered.warnings
    assert (room.strength, room.attempts, room.status) == (delivered.strength, delivered.attempts, delivered.status)


@pytest.mark.slow
def test_files_of_a_list_are_grouped_as_those_of_a_folder(samples: Path, room: Edited, tmp_path: Path) -> None:
    files = copied(samples, tmp_path)
    (tmp_path / "other.jpg").write_bytes(b"not asked for")

    results = edit([str(f) for f in reversed(files)] + [files[0]], threads=1)

    assert [r.name for r in results] == ["garden_room_02"]
    assert results[0].after is not None
    assert room.after is not None
    assert np.array_equal(results[0].after, room.after)


@pytest.mark.slow
def test_one_file_is_one_result_whose_source_is_the_photo_itself(samples: Path, tmp_path: Path) -> None:
    photo = small_tower(samples, tmp_path / "in" / "tower.jpg")
    before = photo.read_bytes()

    (result,) = edit(photo, Recipe.model_validate({"geometry": {"strength": 0}}))

    assert result.name == "tower"
    assert result.before is result.source
    assert np.array_equal(result.before, pixels(photo))
    assert photo.read_bytes() == before
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["tower.jpg"]


@pytest.mark.slow
def test_listings_follow_from_folders_whether_searched_or_listed(samples: Path, tmp_path: Path) -> None:
    a = small_tower(samples, tmp_path / "villa" / "a.jpg")
    b = small_tower(samples, tmp_path / "loft" / "a.jpg")
    off = Recipe.load(overrides={"light.strength": "0", "balance.strength": "0"})

    searched = edit(tmp_path, off)
    listed = edit([a, b], off)
    mixed = edit([tmp_path / "villa", b], off)

    assert [(r.shot.listing, r.name) for r in searched] == [("loft", "a"), ("villa", "a")]
    assert [(r.shot.listing, r.name, r.shot.id) for r in listed] == [
        (r.shot.listing, r.name, r.shot.id) for r in searched
    ]
    assert [r.shot.sources for r in mixed] == [(str(a),), (str(b),)]


@pytest.mark.slow
def test_failures_are_results_with_code_and_hint(samples: Path, tmp_path: Path) -> None:
    good = small_tower(samples, tmp_path / "good.jpg")
    empty, text, cut = tmp_path / "empty.jpg", tmp_path / "notes.txt", tmp_path / "cut.jpg"
    empty.write_bytes(b"")
    text.write_text("not a photo")
    cut.write_bytes(good.read_bytes()[:20000])

    results = {r.name: r for r in edit([good, empty, text, cut, tmp_path / "absent.jpg"])}

    assert results["good"].failure is None
    codes = {name: r.failure.code for name, r in results.items() if r.failure}
    assert codes == {
        "empty": "EMPTY_FILE",
        "notes": "UNSUPPORTED_FORMAT",
        "cut": "TRUNCATED",
        "absent": "UNREADABLE",
    }
    for name in codes:
        failed = results[name]
        assert failed.status == "quarantined"
        assert failed.after is None
        assert failed.failure is not None
        assert name in failed.failure.message
        assert failed.failure.hint in repr(failed)
        with pytest.raises(PhotoError, match=name):
            failed.save(tmp_path / "x.jpg")


@pytest.mark.slow
def test_any_iterable_of_paths_will_do(samples: Path, tmp_path: Path) -> None:
    photos = [small_tower(samples, tmp_path / name) for name in ("a.jpg", "b.jpg")]
    photos[1].unlink()

    results = edit(p for p in photos)

    assert [(r.name, r.status) for r in results] == [("a", "delivered"), ("b", "quarantined")]


def test_a_folder_without_photos_gives_no_results_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert edit([]) == []
    assert not caplog.messages
    assert edit(tmp_path) == []
    assert caplog.messages == [f"{tmp_path}: no photos found"]


@pytest.mark.slow
def test_checks_that_fail_deliver_the_plain_merge_or_quarantine_as_the_recipe_says(
    samples: Path, tmp_path: Path
) -> None:
    photo = small_tower(samples, tmp_path / "tower.jpg")
    strict = {"check.structure": "1", "check.attempts": "[1.0]"}

    (plain,) = edit(photo, Recipe.load(overrides=strict))
    (held,) = edit(photo, Recipe.load(overrides={**strict, "check.on_fail": "quarantine"}))

    assert plain.status == "delivered"
    assert plain.strength == 0
    assert {"RETRIES_EXHAUSTED", "SSIM_LOW"} <= set(plain.warnings)
    assert plain.after is not None
    assert plain.source is not None
    assert np.array_equal(plain.after, plain.source)
    assert held.status == "quarantined"
    assert held.failure is not None
    assert held.failure.code == "RETRIES_EXHAUSTED"
    assert held.after is None
    assert held.qc["structure_worst"] < 1


@pytest.mark.slow
def test_a_changed_recipe_changes_the_picture(samples: Path, room: Edited) -> None:
    recipe = Recipe.load()
    darker = recipe.model_copy(update={"light": recipe.light.model_copy(update={"brightness": -0.5})})

    (result,) = edit(samples / "garden_room", darker)

    assert result.after is not None
    assert room.after is not None
    assert result.after.mean() < room.after.mean() - 2


def test_threads_below_one_are_refused(samples: Path) -> None:
    with pytest.raises(SettingsError, match="threads=0"):
        edit(samples, threads=0)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("sub/a.png", "PNG"), ("a.tif", "TIFF")]
)
def test_save_writes_the_format_of_the_ending(room: Edited, tmp_path: Path, name: str, kind: str) -> None:
    saved = room.save(str(tmp_path / name))

    assert saved == tmp_path / name
    with Image.open(saved) as image:
        assert image.format == kind
        if kind != "JPEG":
            assert np.array_equal(np.asarray(image), room.after)
    assert {p.name for p in saved.parent.iterdir()} == {saved.name}


@pytest.mark.slow
def test_save_into_a_folder_uses_listing_and_name(samples: Path, tmp_path: Path) -> None:
    photo = small_tower(samples, tmp_path / "in" / "villa" / "a.jpg")
    (result,) = edit(tmp_path / "in", Recipe.load(overrides={"deliver.format": "png"}))

    assert result.save(tmp_path / "new") == tmp_path / "new" / "villa" / "a.png"
    assert result.save(tmp_path / "new" / "b.jpg").read_bytes() != photo.read_bytes()


def test_save_copies_a_jpeg_that_nothing_changed(samples: Path, tmp_path: Path) -> None:
    photo = small_tower(samples, tmp_path / "a.jpg")
    (result,) = edit(photo, Recipe.load(overrides=dict.fromkeys(OFF, "0")))

    assert result.save(tmp_path / "copy.jpg").read_bytes() == photo.read_bytes()


@pytest.mark.slow
def test_save_never_replaces_a_source_and_refuses_unknown_endings(samples: Path, tmp_path: Path) -> None:
    photo = small_tower(samples, tmp_path / "a.jpg")
    before = photo.read_bytes()
    (result,) = edit(photo)

    with pytest.raises(PhotoError, match="source") as refused:
        result.save(photo)
    with pytest.raises(SettingsError, match=r"\.heic"):
        result.save(tmp_path / "a.heic")
    with pytest.raises(PhotoError) as below_a_file:
        result.save(photo / "b.jpg")

    assert refused.value.code is below_a_file.value.code is Code.WRITE_FAILED
    assert photo.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.jpg"]


@pytest.mark.slow
def test_html_holds_two_small_pictures_and_a_slider_and_nothing_from_elsewhere(samples: Path) -> None:
    (tower,) = edit(samples / "tower_front")

    html = tower._repr_html_()

    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    assert len(pictures) == 2
    for data in pictures:
        assert max(Image.open(io.BytesIO(base64.b64decode(data))).size) == 1024
    assert 'type="range"' in html
    assert not re.search(r"https?://|<script|<link", html)


@pytest.mark.slow
def test_the_slider_moves_the_border_between_before_and_after(room: Edited, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here")
    page_file = tmp_path / "room.html"
    page_file.write_text(f"<!doctype html><meta charset=utf-8>{room._repr_html_()}", encoding="utf-8")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(page_file.as_uri())
        before = page.locator("img").nth(1)
        clips: list[str] = []
        for value in ("50", "80"):
            page.locator("input").fill(value)
            clips.append(before.evaluate("e => getComputedStyle(e).clipPath"))
        boxes = [page.locator("img").nth(n).bounding_box() for n in (0, 1)]
        browser.close()

    assert "50%" in clips[0]
    assert "20%" in clips[1]
    assert boxes[0] == boxes[1]


def test_html_escapes_names(room: Edited) -> None:
    hostile = replace(room, shot=replace(room.shot, name='<script>"x"&', listing="a<b"))

    html = hostile._repr_html_()

    assert "<script>" not in html
    assert '"x"' not in html
    assert "a&lt;b/&lt;script&gt;&quot;x&quot;&amp;" in html


def test_html_and_repr_of_a_failure_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "<b>.jpg").write_bytes(b"")
    (failed,) = edit(tmp_path)

    assert "EMPTY_FILE" in failed._repr_html_()
    assert "<img" not in failed._repr_html_()
    assert "&lt;b&gt;.jpg" in failed._repr_html_()
    assert Code.EMPTY_FILE.hint in repr(failed)


def run_python(code: str) -> str:
    """Output of a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_no_heavy_module() -> None:
    assert not run_python(
        """
        import sys, pipeline
        print(*({"cv2", "numpy", "pydantic", "ray", "PIL"} & set(sys.modules)))
        """
    )


@pytest.mark.slow
def test_neither_develop_nor_edit_loads_ray(samples: Path) -> None:
    assert (
        run_python(
            f"""
        import sys, pipeline.develop
        from pipeline import edit
        (result,) = edit({str(samples / "garden_room")!r}, threads=1)
        print(result.status, "ray" in sys.modules, "torch" in sys.modules)
        """
        )
        == "delivered False False"
    )


@pytest.mark.parametrize("first", ["import pipeline.develop", "from pipeline.edits import light", "import pipeline"])
def test_edit_is_the_function_whatever_was_imported_before(first: str) -> None:
    assert (
        run_python(
            f"""
        {first}
        import pipeline
        from pipeline import edit, Recipe
        from pipeline.edits import balance
        from pipeline import edit as again
        print(edit is again is pipeline.edit, edit.__module__, balance.plan.__module__, Recipe.__name__)
        """
        )
        == "True pipeline.notebook pipeline.edits.balance Recipe"
    )


@pytest.mark.slow
def test_a_new_sky_comes_with_its_mask_and_both_are_saved(samples: Path, tmp_path: Path) -> None:
    (result,) = edit(small_tower(samples, tmp_path / "a.jpg"), Recipe.load("listing"))

    assert result.after is not None
    assert result.unaltered is not None
    mask = result.masks["altered"]
    assert mask.shape == result.after.shape[:2]
    assert np.array_equal(result.after[mask == 0], result.unaltered[mask == 0])
    result.save(tmp_path / "out" / "front.jpg")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"front.jpg", "front_unaltered.jpg"}


def test_a_straightened_picture_is_saved_as_it_is_shown(samples: Path, tmp_path: Path) -> None:
    recipe = Recipe.load(overrides=dict.fromkeys(OFF[:2], "0"))
    photo = small_tower(samples, tmp_path / "a.jpg")
    (result,) = edit(photo, recipe)
    assert result.plan is not None
    assert result.plan.warp is not None

    assert result.save(tmp_path / "out.jpg").read_bytes() != photo.read_bytes()
