"""Windows: the veil over a view is taken off; everything else stays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import Recipe, edit
from pipeline.edits.windows import daylight, find
from pipeline.plan import Merge
from pipeline.read.color import from_linear, to_linear
from pipeline.recipe import Windows
from pipeline.see.nets import SHIPPED, Network
from pipeline.see.scene import Seen


@pytest.fixture
def veiled() -> tuple[np.ndarray, np.ndarray]:
    """A grey room (240, 400, 3) with a pale green view, and the view's mask."""
    rng = np.random.default_rng(0)
    shown = np.full((240, 400, 3), 0.6, np.float32)
    texture = cv2.GaussianBlur(rng.normal(0, 0.5, (120, 120)), (0, 0), 1.5)
    shown[60:180, 200:320] = np.clip(0.74 + texture[..., None] * [0.8, 1.0, 0.7] + [-0.02, 0.02, -0.03], 0, 1)
    mask = np.zeros((240, 400), np.float32)
    mask[60:180, 200:320] = 1
    return shown, cv2.GaussianBlur(mask, (0, 0), 2)


@pytest.mark.parametrize(("cast", "least", "most"), [((0.8, 0.95, 1.2), -6.0, 4.0), ((1.0, 1.0, 1.0), -1.0, 3.0)])
def test_the_view_has_its_own_white_balance(
    veiled: tuple[np.ndarray, np.ndarray], cast: tuple[float, ...], least: float, most: float
) -> None:
    shown, mask = veiled
    grey = np.mean(shown, axis=2, keepdims=True) * 0.8
    view = np.where(mask[..., None] > 0.5, from_linear(to_linear(grey.astype(np.float32)) * np.float32(cast)), shown)

    gains = np.float32(daylight(view.astype(np.float32), mask))
    own = from_linear(np.clip(to_linear(view.astype(np.float32)) * gains, 0, 1))
    lab = cv2.cvtColor(own, cv2.COLOR_RGB2LAB)

    assert least <= np.median(lab[..., 2][mask > 0.9]) <= most


def test_leaves_stay_green(veiled: tuple[np.ndarray, np.ndarray]) -> None:
    shown, mask = veiled
    shown[60:180, 200:320] = [0.35, 0.55, 0.25]

    assert daylight(shown, mask) == (1.0, 1.0, 1.0)


def test_a_burnt_window_of_a_single_photo_is_reported() -> None:
    windows = np.zeros((100, 150), np.float32)
    windows[20:60, 40:90] = 0.9
    seen = Seen(windows=windows, windows_trust=0.9, burnt=windows > 0.5)
    eyes = Network(SHIPPED)

    shown = np.zeros((100, 150, 3), np.float32)

    looks = (seen, Seen(), Seen(places=(0.0, 1.0, 0.0, 0.0)))
    found = [find((), shown, Merge.single(), s, Windows(), tones=(), eyes=eyes) for s in looks]

    assert [[code.name for code in view.warnings] for view in found] == [["WINDOW_NO_SOURCE"], [], []]
    assert all(view.mask is None for view in found)


@pytest.mark.slow
def test_a_view_is_darkened_or_left_out_as_the_recipe_says_and_the_room_stays(samples: Path) -> None:
    def shown(**panel: float) -> np.ndarray:
        (result,) = edit(
            samples / "garden_room", Recipe.model_validate({"geometry": {"strength": 0}, "windows": panel})
        )
        assert result.after is not None
        return result.after.astype(int)

    view, room = np.s_[100:230, 495:580], np.s_[:, :220]
    plain, dark, off = shown(), shown(brightness=-1), shown(strength=0)

    assert dark[view].mean() < plain[view].mean() - 15
    assert plain[view].mean() < off[view].mean() - 5
    assert np.abs(plain[room] - off[room]).max() <= 2


@pytest.mark.slow
def test_the_view_of_a_real_window_follows_the_darker_exposure_and_its_sky_is_not_white(data: Path) -> None:
    """The chair before the window: foliage keeps the structure that the dark frame captured."""
    folder = data / "brackets" / "red_chair_window"
    foliage, sky = np.s_[270:540, 620:900], np.s_[110:165, 640:880]
    dark = cv2.cvtColor(cv2.imread(str(folder / "03.jpg")), cv2.COLOR_BGR2GRAY)[foliage].astype(float)
    still = {"geometry": {"strength": 0}}

    (on,) = edit(folder, Recipe.model_validate(still))
    (off,) = edit(folder, Recipe.model_validate(still | {"windows": {"strength": 0}}))

    assert on.after is not None
    assert off.after is not None
    a, b = (cv2.cvtColor(r.after, cv2.COLOR_RGB2GRAY)[foliage].astype(float) for r in (on, off))
    assert np.corrcoef(a.ravel(), dark.ravel())[0, 1] > max(0.8, np.corrcoef(b.ravel(), dark.ravel())[0, 1] - 0.005)
    assert np.median(off.after[sky].max(axis=2)) >= 250
    assert np.median(on.after[sky].mean(axis=2)) < np.median(off.after[sky].mean(axis=2)) - 20
    assert np.median(on.after[sky][..., 2].astype(int) - on.after[sky][..., 0]) > 40
    assert np.median(off.after[sky][..., 2].astype(int) - off.after[sky][..., 0]) < 15
    room = np.s_[:, :480]
    assert np.abs(on.after[room].astype(int) - off.after[room]).max() <= 2
    below_the_sill = np.s_[650:670, 700:830]
    assert np.abs(on.after[below_the_sill].astype(int) - off.after[below_the_sill]).mean() <= 12


@pytest.mark.slow
def test_windows_that_no_exposure_shows_are_reported(data: Path) -> None:
    frames = sorted((data / "brackets" / "red_chair_window").glob("*.jpg"))

    for chosen, said in ((frames[6::5], True), (frames[1::4], False)):
        (result,) = edit(chosen, Recipe.load("listing"))
        assert len(result.shot.sources) == len(chosen)
        assert ("WINDOW_NO_SOURCE" in result.warnings) == said
