"""groups.yaml: written, read back, corrected by hand, refused where it does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.codes import SettingsError
from pipeline.read.groups import read, write
from pipeline.read.shots import Found, find_shots


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two listings of plain pictures without EXIF: 12 Oak/a..d.png and "Søndre: 1"/e.png."""
    rng = np.random.default_rng(0)
    for n, name in enumerate(("12 Oak/a", "12 Oak/b", "12 Oak/c", "12 Oak/d", "Søndre: 1/e")):
        path = tmp_path / "in" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = rng.integers(0, 40 + 40 * n, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(picture).save(path)
    return tmp_path / "in"


def stems(found: Found) -> list[list[str]]:
    """Stems of the files of each shot."""
    return [[Path(p).stem for p in s.sources] for s in found.shots]


def test_what_is_written_is_used_again_as_it_is(source: Path, tmp_path: Path) -> None:
    found = find_shots(source)
    write(tmp_path / "groups.yaml", found.shots, source)
    again = find_shots(source, groups=tmp_path / "groups.yaml")
    assert [s.id for s in again.shots] == [s.id for s in found.shots]
    assert [s.name for s in again.shots] == [s.name for s in found.shots]
    assert {p.name for p in tmp_path.iterdir()} == {"in", "groups.yaml"}
    assert "12 Oak/a.png" in (tmp_path / "groups.yaml").read_text(encoding="utf-8")


def test_corrected_groups_are_used_exactly(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "listings:\n"
        "  12 Oak:\n"
        "  - files: [12 Oak/d.png, 12 Oak/a.png]\n"
        "    left_out: [12 Oak/b.png]\n"
        "skipped: [12 Oak/c.png, 'Søndre: 1/e.png']\n",
        encoding="utf-8",
    )
    found = find_shots(source, groups=file)
    assert stems(found) == [["a", "d"]]
    shot = found.shots[0]
    assert [Path(p).stem for p in shot.left_out] == ["b"]
    assert shot.confidence == 1
    assert shot.reason == "given in mine.yaml"
    assert shot.exposure_values[0] < shot.exposure_values[1]
    assert dict(found.ignored)["12 Oak/c.png"] == "skipped in the groups file"
    write(tmp_path / "again.yaml", found.shots, source, ignored=found.ignored)
    again = find_shots(source, groups=tmp_path / "again.yaml")
    assert stems(again) == stems(found)
    assert again.ignored == found.ignored


def test_what_was_ignored_is_told_and_not_read_back(source: Path, tmp_path: Path) -> None:
    shutil.copy(source / "12 Oak" / "a.png", source / "12 Oak" / "a (1).png")
    (source / "12 Oak" / "notes: 1.txt").touch()
    found = find_shots(source)
    odd = ("caf\udce9 " + "x" * 200, "not a photo by its name")
    write(tmp_path / "groups.yaml", found.shots, source, ignored=[*found.ignored, odd])
    assert yaml.safe_load((tmp_path / "groups.yaml").read_text(encoding="utf-8"))["ignored"] == {
        "12 Oak/a (1).png": "a copy of 12 Oak/a.png",
        "12 Oak/notes: 1.txt": "a sidecar file",
        odd[0]: odd[1],
    }
    assert find_shots(source, groups=tmp_path / "groups.yaml").ignored == found.ignored


def test_a_copy_that_is_named_counts(source: Path, tmp_path: Path) -> None:
    copy, file = source / "12 Oak" / "a (1).png", tmp_path / "mine.yaml"
    shutil.copy(source / "12 Oak" / "a.png", copy)
    skipped = "skipped: [12 Oak/c.png, 12 Oak/d.png, 'Søndre: 1/e.png']\n"
    both = "listings: {12 Oak: [{files: [12 Oak/a.png]}, {files: [12 Oak/b.png, 12 Oak/a (1).png]}]}\n"
    file.write_text(both + skipped, encoding="utf-8")
    assert sorted(map(sorted, stems(find_shots(source, groups=file)))) == [["a"], ["a (1)", "b"]]
    instead = "listings: {12 Oak: [{files: [12 Oak/a (1).png]}, {files: [12 Oak/b.png]}]}\n"
    file.write_text(instead + skipped, encoding="utf-8")
    found = find_shots(source, groups=file)
    assert stems(found) == [["a (1)"], ["b"]]
    assert dict(found.ignored)["12 Oak/a.png"] == "a copy of 12 Oak/a (1).png"


def test_a_frame_whose_orientation_was_reset_is_told_in_the_groups_file(tmp_path: Path) -> None:
    """Five exposures of a portrait view; the fourth was saved again with orientation 1."""
    rng = np.random.default_rng(1)
    light = np.kron(2.0 ** rng.uniform(-5, 0, (20, 30)), np.ones((12, 12)))
    for n, ev in enumerate((0, -1, 1, -2, 2)):
        exif = Image.Exif()
        exif[272], exif[274] = "R5", 1 if n == 3 else 6
        exif.get_ifd(0x8769).update({33434: 2.0**ev / 30, 33437: 8.0, 34855: 100, 36867: f"2026:05:04 12:00:0{n}"})
        picture = (np.clip(light * 2.0**ev, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{n}.jpg", quality=95, exif=exif)
    write(tmp_path / "groups.yaml", find_shots(tmp_path).shots, tmp_path)
    entries = yaml.safe_load((tmp_path / "groups.yaml").read_text(encoding="utf-8"))["listings"][""]
    assert [e["files"] for e in entries] == [["1.jpg", "0.jpg", "2.jpg", "4.jpg"], ["3.jpg"]]
    assert all(e["warnings"] == ["AMBIGUOUS"] for e in entries)
    assert "turned by 90 degrees beside 3.jpg: kept apart, correct the orientation tag" in entries[0]["reason"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("listings: {12 Oak: [{files: [12 Oak/a.png, 12 Oak/zebra.png]}]}", "no such photo.*zebra"),
        ("listings: {12 Oak: [{files: [12 Oak/a.png]}]}", "in SOURCE but not in the file.*12 Oak/b.png"),
        ("listings: {12 Oak: [{files: [12 Oak/a.png]}, {files: [12 Oak/a.png]}]}", "more than once: 12 Oak/a.png"),
        ("listings: {elsewhere: [{files: [12 Oak/a.png]}]}", "not of the listing.*12 Oak/a.png"),
        ("listings: {12 Oak: [{files: []}]}", "listings.12 Oak.0.files"),
        ("listings: {12 Oak: [{file: [x]}]}", "listings.12 Oak.0.file"),
        ("listings: [", "not valid YAML"),
        ("listings: {12 Oak: [], 12 Oak: []}", "'12 Oak' stands there twice in line 1"),
        ("listings: " + "[" * 3000, "nested too deeply"),
        ("listings: {12 Oak: [{files: 2024-13-45}]}", "files: must be a list"),
        ("just words", "groups"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(source: Path, tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "groups.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=says):
        find_shots(source, groups=file)


def test_names_that_look_like_dates_or_numbers_are_names(tmp_path: Path) -> None:
    file = tmp_path / "groups.yaml"
    file.write_text("listings: {2024-02-31: [{files: [2024-02-31/1.jpg, 007]}], 12: [], yes: []}")
    given = read(file)
    assert list(given.listings) == ["2024-02-31", "12", "yes"]
    assert given.listings["2024-02-31"][0].files == ("2024-02-31/1.jpg", "007")


def test_a_missing_groups_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        read(tmp_path / "nowhere.yaml")


def test_a_broken_photo_named_in_a_group_fails_alone(source: Path, tmp_path: Path) -> None:
    write(tmp_path / "groups.yaml", find_shots(source).shots, source)
    (source / "12 Oak" / "a.png").write_bytes(b"")
    found = find_shots(source, groups=tmp_path / "groups.yaml")
    assert stems(found) == [["b"], ["c"], ["d"], ["e"]]
    assert [f.failure.code for f in found.failures] == ["EMPTY_FILE"]


def test_a_set_of_different_sizes_fails_as_a_whole(source: Path, tmp_path: Path) -> None:
    Image.new("RGB", (50, 40)).save(source / "12 Oak" / "d.png")
    rest = "[12 Oak/b.png, 12 Oak/c.png, 'Søndre: 1/e.png']"
    text = f"listings: {{12 Oak: [{{files: [12 Oak/a.png, 12 Oak/d.png]}}]}}\nskipped: {rest}"
    (tmp_path / "groups.yaml").write_text(text, encoding="utf-8")
    found = find_shots(source, groups=tmp_path / "groups.yaml")
    assert not found.shots
    assert found.failures[0].failure.code == "SIZE_MISMATCH"
    assert "50 x 40" in found.failures[0].failure.message
    assert len(found.failures[0].shot.sources) == 2


def test_a_frame_of_a_given_set_that_cannot_be_decoded_fails_alone(source: Path, tmp_path: Path) -> None:
    rest = "[12 Oak/d.png, 'Søndre: 1/e.png']"
    text = f"listings: {{12 Oak: [{{files: [12 Oak/a.png, 12 Oak/b.png, 12 Oak/c.png]}}]}}\nskipped: {rest}"
    (tmp_path / "groups.yaml").write_text(text, encoding="utf-8")
    broken = source / "12 Oak" / "b.png"
    broken.write_bytes(broken.read_bytes()[:2000])
    found = find_shots(source, groups=tmp_path / "groups.yaml")
    assert stems(found) == [["a", "c"]]
    assert [Path(f.shot.sources[0]).name for f in found.failures] == ["b.png"]
