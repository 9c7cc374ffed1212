"""Training pictures: read from folders, cut and painted the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from jobs.train.augment import cropped, photographed
from jobs.train.batches import DENSE_PICTURES, SCENE_PICTURES, Sampler, schedule
from jobs.train.drawings import drawing
from jobs.train.interiors import interior
from jobs.train.layout import LABELS, held_out, read
from jobs.train.skies import nightfall, sky, under_another_sky
from jobs.train.windows import with_windows
from pipeline.codes import SettingsError
from tests.jobs.train.pictures import picture


def test_folders_become_pictures_with_what_is_known(folder: Path) -> None:
    found = {p.file: p for p in read([folder], "train")}

    assert found["rooms/train/bedroom/h1_a.jpg"].room == "bedroom"
    assert found["rooms/train/bedroom/h1_a.jpg"].place == "interior"
    assert found["rooms/train/other/plan.jpg"].place == "other"
    assert found["rooms/train/aerial/air.jpg"].place == "aerial"
    street, glass = found["sky/train/images/1.jpg"], found["windows/train/images/1.jpg"]
    assert street.sky is not None
    assert street.sky.mean() == pytest.approx(255 * 24 / 64)
    assert street.place == "exterior"
    assert glass.window is not None
    assert glass.place == "interior"


@pytest.mark.parametrize("missing", ["sky/train/masks/1.png", "windows/train/masks/0.png"])
def test_a_picture_without_its_mask_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()

    with pytest.raises(SettingsError, match=r"images/\d.jpg: has no mask"):
        read([folder], "train")


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=tmp_path.name):
        read([tmp_path], "train")


def test_a_file_that_is_no_picture_is_named(folder: Path) -> None:
    (folder / "rooms/train/kitchen/h9.jpg").write_bytes(b"no picture")

    with pytest.raises(SettingsError, match=r"h9.jpg: cannot be read"):
        read([folder], "train")


def test_a_property_is_never_on_both_sides_of_the_calibration(folder: Path) -> None:
    pictures = read([folder], "train")

    assert {p.group for p in pictures if held_out(p, 0.5)}.isdisjoint(
        {p.group for p in pictures if not held_out(p, 0.5)}
    )


@pytest.mark.slow
@pytest.mark.parametrize(("dense", "large"), [(True, False), (False, False), (True, True), (False, True)])
def test_a_batch_is_the_same_whoever_makes_it(folder: Path, dense: bool, large: bool) -> None:
    pictures = read([folder], "train")

    first, again = (Sampler(pictures, 3).batch(7, dense=dense, large=large) for _ in range(2))

    assert np.array_equal(first.pictures, again.pictures)
    assert np.array_equal(first.place, again.place)
    n, h, w, _ = first.pictures.shape
    assert n == (DENSE_PICTURES if dense or large else SCENE_PICTURES)
    if dense:
        assert first.masks is not None
        assert again.masks is not None
        assert np.array_equal(first.masks, again.masks)
        assert first.masks.shape == (n, 5, h // 2, w // 2)
        assert first.masks.dtype == np.uint8


def test_masks_follow_the_crop() -> None:
    image = np.zeros((60, 90, 3), np.uint8)
    image[:30] = 255
    mask = image[..., 0].copy()

    for seed in range(20):
        rng = np.random.default_rng(seed)
        shown, cut = cropped([(image, cv2.INTER_LINEAR), (mask, cv2.INTER_LINEAR)], (96, 64), rng)
        assert np.abs(shown[..., 0].astype(int) - cut).max() <= 1


def test_what_is_painted_stays_in_range_and_keeps_its_mask() -> None:
    x = picture(5).astype(np.float32) / 255
    mask = np.zeros(x.shape[:2], np.float32)
    mask[:20] = 1
    for seed in range(30):
        rng = np.random.default_rng(seed)
        views = [sky(40, 40, rng), x]
        window, glass = with_windows(x, views, rng)
        made = [under_another_sky(x, mask, rng), nightfall(x, mask, 1 - mask, rng), window, sky(30, 50, rng, dusk=True)]
        assert all(np.isfinite(m).all() and m.min() >= 0 and m.max() <= 1 for m in [*made, glass])
        assert np.array_equal(
            under_another_sky(x, 0 * mask, np.random.default_rng(4))[30:],
            under_another_sky(x, 0 * mask, np.random.default_rng(4))[30:],
        )
        assert photographed(made[0], rng).dtype == np.uint8
        assert drawing(64, 96, rng, picture(1)).shape == (64, 96, 3)


def test_rendered_rooms_have_glass_only_where_a_view_is_seen() -> None:
    view = np.zeros((40, 60, 3), np.float32)
    view[..., 2] = 1
    grain = np.random.default_rng(0).random((40, 60, 3), dtype=np.float32)
    shares = []
    for seed in range(12):
        picture, glass = interior(96, 64, np.random.default_rng(seed), [view], [grain])
        bare, none = interior(96, 64, np.random.default_rng(seed), [], [])
        assert picture.shape == bare.shape == (64, 96, 3)
        assert np.isfinite(picture).all()
        assert 0 <= picture.min() <= picture.max() <= 1
        assert set(np.unique(glass)) <= {0, 1}
        assert none.max() == 0
        pane = cv2.erode(glass, np.ones((5, 5))) > 0
        assert np.all(picture[pane][:, 2] > picture[pane][:, 0] - 1e-6)
        shares.append(glass.mean())
    assert 0.01 < np.mean(shares) < 0.5


def test_the_schedule_takes_turns_and_ends_large() -> None:
    plan = list(schedule(DENSE_PICTURES * 40))

    assert len(plan) == 80
    assert [dense for _, dense, _, _ in plan[:4]] == [True, False, True, False]
    assert not plan[0][2]
    assert plan[-1][2]


def test_labels_ship_for_pictures_of_both_parts() -> None:
    fronts = (LABELS / "sky_fronts" / "index.csv").read_text()

    assert "train/exterior/" in fronts
    assert "val/exterior/" in fronts
    assert (LABELS / "window_polygons.json").is_file()
    assert (LABELS / "windows.csv").is_file()
