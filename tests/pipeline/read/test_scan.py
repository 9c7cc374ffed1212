"""A folder to listings: what counts, what is ignored, what fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from pipeline.codes import SettingsError
from pipeline.read.scan import listing_of, scan


def photo(path: Path, size: tuple[int, int] = (48, 32), when: str = "") -> Path:
    """A small picture; JPEG may say when it was taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if when:
        exif.get_ifd(0x8769)[36867] = when
    Image.new("RGB", size, (90, 120, 150)).save(path, exif=exif)
    return path


@pytest.mark.parametrize(
    ("relative", "listing"),
    [
        ("a.jpg", ""),
        ("Oak St/a.jpg", "Oak St"),
        ("Oak St/kitchen/a.jpg", "Oak St"),
        ("Oak St/DCIM/100CANON/a.cr3", "Oak St"),
        ("DCIM/Oak St/101MSDCF/a.arw", "Oak St"),
        ("Oak St/RAW/a.dng", "Oak St"),
        ("raw/a.dng", ""),
        ("DCIM/123ABCDE/a.jpg", ""),
        ("100EOSR5/a.cr3", ""),
        ("10024567/a.jpg", "10024567"),
        ("123ELMST/a.jpg", "123ELMST"),
    ],
)
def test_camera_folders_fold_into_their_listing(relative: str, listing: str) -> None:
    assert listing_of(relative) == listing


def test_depth_two_names_a_listing_by_two_folders() -> None:
    assert listing_of("May/Oak St/DCIM/a.jpg", 2) == "May/Oak St"
    assert listing_of("May/a.jpg", 2) == "May"


def test_files_that_are_no_photos_are_ignored_with_a_reason(tmp_path: Path) -> None:
    photo(tmp_path / "h" / "a.jpg")
    for name in (
        "a.xmp",
        "a.DOP",
        "a.thm",
        "a.mov",
        "a.MP4",
        "Thumbs.db",
        ".DS_Store",
        "._a.jpg",
        "notes",
        ".git/x.jpg",
    ):
        path = tmp_path / "h" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    os.mkfifo(tmp_path / "h" / "pipe.jpg")
    found = scan(tmp_path)
    assert [h.relative for h in found.listings["h"]] == ["h/a.jpg"]
    assert not found.unread
    reasons = dict(found.ignored)
    assert len(reasons) == 11
    assert all(reasons.values())
    assert reasons["h/.git/"] == "a hidden or system folder"


def test_a_broken_file_is_a_failure_with_its_place_and_the_others_go_on(tmp_path: Path) -> None:
    photo(tmp_path / "h" / "good.jpg")
    (tmp_path / "h" / "empty.jpg").touch()
    (tmp_path / "h" / "text.jpg").write_text("no picture")
    (tmp_path / "h" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(60))
    (tmp_path / "h" / "gone.jpg").symlink_to("nowhere.jpg")
    found = scan(tmp_path)
    assert [h.relative for h in found.listings["h"]] == ["h/good.jpg"]
    codes = {u.relative: u.failure.code for u in found.unread}
    assert codes == {
        "h/empty.jpg": "EMPTY_FILE",
        "h/gone.jpg": "UNREADABLE",
        "h/phone.heic": "UNSUPPORTED_FORMAT",
        "h/text.jpg": "UNSUPPORTED_FORMAT",
    }
    assert all(u.listing == "h" and Path(u.relative).name in u.failure.message for u in found.unread)


def test_a_name_that_is_not_utf8_fails_with_the_name_shown(tmp_path: Path) -> None:
    good = photo(tmp_path / "a.jpg")
    try:
        shutil.copy(good, os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    except OSError:
        pytest.skip("this file system holds UTF-8 names only")
    found = scan(tmp_path)
    assert [u.relative for u in found.unread] == ["caf\\udce9.jpg"]
    found.unread[0].path.encode()


def test_links_that_loop_or_repeat_a_folder_are_read_once(tmp_path: Path) -> None:
    photo(tmp_path / "b" / "a.jpg")
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "a_link").symlink_to(tmp_path / "b")
    found = scan(tmp_path)
    assert [h.relative for hs in found.listings.values() for h in hs] == ["b/a.jpg"]
    assert {r for _, r in found.ignored} == {"a link to a folder that is read already"}


def test_the_results_of_an_earlier_run_are_not_read_again(tmp_path: Path) -> None:
    photo(tmp_path / "h" / "a.jpg")
    photo(tmp_path / "out" / "delivered" / "h" / "a.jpg")
    (tmp_path / "out" / "ledger.sqlite").touch()
    found = scan(tmp_path)
    assert list(found.listings) == ["h"]
    assert found.ignored == (("out/", "the results of an earlier run"),)


def test_too_many_pixels_is_a_failure_before_decoding(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", (2000, 1000))
    assert [u.failure.code for u in scan(tmp_path, max_megapixels=1.9).unread] == ["TOO_MANY_PIXELS"]
    assert not scan(tmp_path, max_megapixels=2).unread


@pytest.mark.parametrize(("setting", "kept"), [("raw", "IMG_1.CRW"), ("jpeg", "img_1.jpg")])
@pytest.mark.parametrize("folder", ["", "JPG/"])
def test_raw_and_jpeg_of_one_stem_count_once(data: Path, tmp_path: Path, setting: str, kept: str, folder: str) -> None:
    shutil.copy(data / "ingest" / "canon_d30.crw", tmp_path / "IMG_1.CRW")
    photo(tmp_path / folder / "img_1.jpg")
    found = scan(tmp_path, raw_jpeg=setting)  # type: ignore[arg-type]
    assert [Path(h.path).name for h in found.listings[""]] == [kept]
    assert [reason.split(" of ")[0] for _, reason in found.ignored] == ["the twin"]


def test_raw_and_jpeg_of_one_stem_but_another_time_are_two_photos(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / "ingest" / "canon_d30.crw", tmp_path / "IMG_1.CRW")
    photo(tmp_path / "IMG_1.jpg", when="2026:05:04 12:00:00")
    assert len(scan(tmp_path).listings[""]) == 2


@pytest.mark.parametrize("setting", ["raw", "jpeg"])
@pytest.mark.parametrize("when", ["", "2000:01:01 00:00:00"])
def test_raw_and_jpeg_of_one_stem_but_another_shape_are_two_photos(
    data: Path, tmp_path: Path, setting: str, when: str
) -> None:
    shutil.copy(data / "ingest" / "canon_d30.crw", tmp_path / "IMG_1.CRW")
    photo(tmp_path / "IMG_1.jpg", (64, 36), when)
    found = scan(tmp_path, raw_jpeg=setting)  # type: ignore[arg-type]
    assert len(found.listings[""]) == 2
    assert not found.ignored


def test_a_twin_may_lie_on_its_side_and_lack_the_border_of_the_raw(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / "ingest" / "canon_d30.crw", tmp_path / "IMG_1.CRW")
    photo(tmp_path / "IMG_1.jpg", (400, 605))
    found = scan(tmp_path)
    assert [h.relative for h in found.listings[""]] == ["IMG_1.CRW"]
    assert found.ignored == (("IMG_1.jpg", "the twin of IMG_1.CRW (read.raw_jpeg=raw)"),)


def test_of_identical_files_of_a_listing_the_plainest_name_counts(tmp_path: Path) -> None:
    plain = photo(tmp_path / "h" / "05.jpg")
    for name in ("05 (1).jpg", "05 - Copy.jpg", "a5.jpg"):
        shutil.copy(plain, tmp_path / "h" / name)
    (tmp_path / "h" / "z.jpg").symlink_to("a5.jpg")
    photo(tmp_path / "h" / "other.jpg", when="2026:05:04 12:00:00")
    shutil.copy(plain, tmp_path / "05 (1).jpg")
    found = scan(tmp_path)
    assert {n: [h.relative for h in hs] for n, hs in found.listings.items()} == {
        "": ["05 (1).jpg"],
        "h": ["h/other.jpg", "h/z.jpg"],
    }
    names = ("05 (1)", "05 - Copy", "05", "a5")
    assert dict(found.ignored) == {f"h/{name}.jpg": "a copy of h/z.jpg" for name in names}
    (tmp_path / "h" / "z.jpg").unlink()
    assert [h.relative for h in scan(tmp_path).listings["h"]] == ["h/05.jpg", "h/other.jpg"]
    wanted = scan(tmp_path, wanted=["h/05 (1).jpg", "h/a5.jpg"])
    assert [h.relative for h in wanted.listings["h"]] == ["h/05 (1).jpg", "h/a5.jpg", "h/other.jpg"]


def test_files_that_differ_only_in_the_middle_are_no_copies(tmp_path: Path) -> None:
    for value in (0, 1):
        path = photo(tmp_path / f"{value}.png", (300, 300))
        path.write_bytes(path.read_bytes() + bytes(80_000) + bytes([value]) + bytes(80_000))
    assert len(scan(tmp_path).listings[""]) == 2


def test_a_copy_in_another_folder_does_not_take_a_frame_from_its_set(tmp_path: Path) -> None:
    for n in range(3):
        photo(tmp_path / "h" / "upstairs" / f"IMG_{n}.png", (40 + n, 30))
    (tmp_path / "h" / "best").mkdir()
    shutil.copy(tmp_path / "h" / "upstairs" / "IMG_1.png", tmp_path / "h" / "best" / "1.png")
    found = scan(tmp_path)
    assert [h.relative for h in found.listings["h"]] == [f"h/upstairs/IMG_{n}.png" for n in range(3)]


def test_wrong_settings_say_which(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not a folder"):
        scan(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="listing_depth"):
        scan(tmp_path, listing_depth=0)
