"""Folders of real and made-up photos to shots: sets, names, ids."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.read.shots import Found, find_shots, unique_names

SETS = {
    "building_facade": 3,
    "house_window": 4,
    "library_hall": 3,
    "living_room2": 5,
    "memorial_church": 6,
    "red_chair_window": 12,
    "street_night_rotated": 3,
}


def copy_set(data: Path, name: str, folder: Path) -> list[Path]:
    """The files of a real set, copied."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(p for p in (data / "brackets" / name).iterdir() if p.suffix != ".json")
    return [Path(shutil.copy(p, folder / p.name)) for p in files]


def together(found: Found) -> list[set[str]]:
    """Names of the files of each shot, left-out ones included."""
    return [{Path(p).name for p in (*s.sources, *s.left_out)} for s in found.shots]


def shift_time(files: list[Path], hours: int) -> None:
    """Move the capture times in EXIF, touching nothing else."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    command = ["exiftool", "-q", "-overwrite_original", f"-AllDates+=0:0:0 {hours}:0:0", *map(str, files)]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("name", SETS)
def test_each_real_set_alone_is_one_shot(data: Path, tmp_path: Path, name: str) -> None:
    files = copy_set(data, name, tmp_path / "a house")
    found = find_shots(tmp_path)
    assert together(found) == [{p.name for p in files}]
    shot = found.shots[0]
    assert shot.listing == "a house"
    assert len(shot.sources) == min(9, SETS[name])
    assert shot.name == Path(shot.sources[shot.reference]).stem
    assert [Path(p).name for p in shot.sources] == sorted(Path(p).name for p in shot.sources)
    assert shot.confidence > 0.6
    assert not found.failures


def test_real_sets_as_listings_and_in_one_renamed_listing(data: Path, tmp_path: Path) -> None:
    expected: set[frozenset[str]] = set()
    number = 0
    for name in SETS:
        renamed: set[str] = set()
        for path in copy_set(data, name, tmp_path / "listings" / name):
            number += 1
            target = tmp_path / "one" / "all" / f"IMG_{number:04d}{path.suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            renamed.add(target.name)
        expected.add(frozenset(renamed))
    listings = find_shots(tmp_path / "listings")
    assert [(s.listing, len(s.sources) + len(s.left_out)) for s in listings.shots] == sorted(SETS.items())
    assert {frozenset(names) for names in together(find_shots(tmp_path / "one"))} == expected


def test_real_sets_under_shuffled_names_are_found(data: Path, tmp_path: Path) -> None:
    rng = random.Random(4)
    numbers = rng.sample(range(100), 36)
    expected: set[frozenset[str]] = set()
    for name in SETS:
        renamed = [p.rename(tmp_path / f"x{numbers.pop()}{p.suffix}") for p in copy_set(data, name, tmp_path)]
        expected.add(frozenset(p.name for p in renamed))
    assert {frozenset(names) for names in together(find_shots(tmp_path))} == expected


def test_a_set_shot_again_an_hour_later_is_a_second_shot(data: Path, tmp_path: Path) -> None:
    first = copy_set(data, "library_hall", tmp_path)
    second = [Path(shutil.copy(p, tmp_path / f"again_{p.name}")) for p in first]
    shift_time(second, 1)
    found = find_shots(tmp_path)
    assert together(found) == [{p.name for p in first}, {p.name for p in second}]
    assert len({s.id for s in found.shots}) == 2


def test_a_set_without_any_metadata_is_found_by_its_pictures(data: Path, tmp_path: Path) -> None:
    for name in ("red_chair_window", "library_hall", "street_night_rotated"):
        for path in copy_set(data, name, tmp_path / "originals" / name):
            with Image.open(path) as image:
                image.draft("RGB", (800, 800))
                (tmp_path / "h").mkdir(exist_ok=True)
                image.save(tmp_path / "h" / f"{name[0]}{path.stem}.jpg", quality=92, exif=b"")
    found = find_shots(tmp_path / "h")
    sizes = sorted(len(names) for names in together(found))
    assert sizes == [3, 3, 12]
    assert all(len({n[0] for n in names}) == 1 for names in together(found))


def test_a_truncated_frame_fails_alone_and_the_rest_of_its_set_is_kept(data: Path, tmp_path: Path) -> None:
    files = copy_set(data, "building_facade", tmp_path)
    files[1].write_bytes(files[1].read_bytes()[:200_000])
    found = find_shots(tmp_path)
    assert together(found) == [{"00.jpg", "02.jpg"}]
    assert [(f.shot.name, f.failure.code) for f in found.failures] == [("01", "TRUNCATED")]


def test_the_answer_does_not_depend_on_workers_place_or_order_of_copying(data: Path, tmp_path: Path) -> None:
    for place, names in (("a", list(SETS)), ("b", list(SETS)[::-1])):
        for name in names:
            copy_set(data, name, tmp_path / place / "h" / name)
    one, two = find_shots(tmp_path / "a", workers=1), find_shots(tmp_path / "b", workers=3)
    rows = [[{**s.to_row(), "sources": 0, "left_out": 0} for s in found.shots] for found in (one, two)]
    assert rows[0] == rows[1]
    assert len({s.name for s in one.shots}) == len(SETS)


def test_a_copy_of_a_frame_does_not_break_its_set(data: Path, tmp_path: Path) -> None:
    files = copy_set(data, "living_room2", tmp_path / "h")
    middle = files[2]
    copy = Path(shutil.copy(middle, middle.with_name(f"{middle.stem} (1){middle.suffix}")))
    found = find_shots(tmp_path)
    assert together(found) == [{p.name for p in files}]
    assert found.ignored == ((f"h/{copy.name}", f"a copy of h/{middle.name}"),)


def test_names_that_collide_get_the_ending_then_a_number() -> None:
    paths = ["b/IMG_1.jpg", "a/IMG_1.jpg", "a/img_1.PNG", "c/IMG_1.jpg", "a/IMG_1-2.jpg", "a/x.jpg"]
    names = ["IMG_1-jpg", "IMG_1", "img_1-png", "IMG_1-3", "IMG_1-2", "x"]
    assert unique_names(paths) == names
    assert unique_names(paths[::-1]) == names[::-1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.from_regex(r"[ab]/[aAé1]{1,2}(-2|-jpg)?\.(jpg|png)", fullmatch=True), unique=True, max_size=12),
    st.randoms(),
)
def test_names_are_unique_and_do_not_depend_on_order(paths: list[str], rng: random.Random) -> None:
    given_names = dict(zip(paths, unique_names(paths), strict=True))
    assert len({n.casefold() for n in given_names.values()}) == len(paths)
    rng.shuffle(paths)
    assert dict(zip(paths, unique_names(paths), strict=True)) == given_names


def test_an_id_follows_listing_path_and_content_but_not_the_folder_above(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place / "h").mkdir(parents=True)
        Image.new("RGB", (60, 40), (9, 99, 199)).save(tmp_path / place / "h" / "a.png")
    one, two = (find_shots(tmp_path / p).shots[0] for p in ("one", "two"))
    assert one.id == two.id
    assert len(one.id) == 20
    Image.new("RGB", (60, 40), (9, 99, 200)).save(tmp_path / "two" / "h" / "a.png")
    (tmp_path / "one" / "h" / "a.png").rename(tmp_path / "one" / "h" / "b.png")
    assert len({one.id, *(find_shots(tmp_path / p).shots[0].id for p in ("one", "two"))}) == 3


def test_an_empty_folder_has_no_shots(tmp_path: Path) -> None:
    assert find_shots(tmp_path) == Found((), (), ())
