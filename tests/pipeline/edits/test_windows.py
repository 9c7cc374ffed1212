"""Windows: the veil over a view is taken off; everything else stays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import Recipe, edit
from pipeline.edits.windows import View, cleared, dimmed, find, neutral, plan
from pipeline.plan import Merge
from pipeline.read.color import from_linear, to_linear
from pipeline.recipe import Windows
from pipeline.render.tone import shown_after
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


def test_a_view_gains_contrast_and_the_room_keeps_its_levels(veiled: tuple[np.ndarray, np.ndarray]) -> None:
    shown, mask = veiled

    after = shown_after(plan(shown, View(mask), Windows()), shown)

    inside = np.s_[80:160, 220:300]
    assert after[inside].std() > 1.05 * shown[inside].std()
    assert np.corrcoef(after[inside].ravel(), shown[inside].ravel())[0, 1] > 0.98
    assert np.array_equal(after[:, :150], shown[:, :150])


def test_the_view_lies_between_the_wall_and_one_ev_above(veiled: tuple[np.ndarray, np.ndarray]) -> None:
    shown, mask = veiled

    clear = cv2.cvtColor(cleared(shown, mask), cv2.COLOR_RGB2GRAY)[mask > 0.9]

    assert 0.6 <= np.median(clear) <= 0.6 * 2 ** (1 / 2.2)


def test_white_frames_stay_white(veiled: tuple[np.ndarray, np.ndarray]) -> None:
    shown, mask = veiled
    shown[100:104, 200:320] = 1.0

    assert cleared(shown, mask)[100:104, 210:310].min() == 1


def test_nothing_is_planned_where_there_is_no_view(veiled: tuple[np.ndarray, np.ndarray]) -> None:
    shown, mask = veiled

    assert plan(shown, View(), Windows()) == []
    assert not np.any(shown_after(plan(shown, View(mask), Windows(strength=0)), shown) != shown)


def test_a_view_far_above_the_walls_is_dimmed_towards_them_and_nothing_else_is(
    veiled: tuple[np.ndarray, np.ndarray],
) -> None:
    shown, mask = veiled
    shown[60:180, 200:320] = 0.95

    dim = dimmed(shown, mask, Windows())
    darker = dimmed(shown, mask, Windows(brightness=-1))

    assert dim is not None
    assert darker is not None
    inside = dim[35:85, 105:155].astype(float)
    assert np.allclose(inside, 1.08 * 0.6 / 0.95, atol=0.01)
    assert np.all(dim[:, :75] == 1)
    assert darker[60, 130] < dim[60, 130]


def test_a_view_near_the_walls_is_merged_as_it_is(veiled: tuple[np.ndarray, np.ndarray]) -> None:
    shown, mask = veiled
    shown[60:180, 200:320] = 0.62

    assert dimmed(shown, mask, Windows()) is None
    assert dimmed(np.clip(shown + mask[..., None], 0, 1), mask, Windows(strength=0)) is None


@pytest.mark.parametrize(("cast", "least", "most"), [((0.8, 0.95, 1.2), -6.0, 4.0), ((1.0, 1.0, 1.0), -1.0, 3.0)])
def test_the_view_has_its_own_white_balance(
    veiled: tuple[np.ndarray, np.ndarray], cast: tuple[float, ...], least: float, most: float
) -> None:
    shown, mask = veiled
    grey = np.mean(shown, axis=2, keepdims=True) * 0.8
    view = np.where(mask[..., None] > 0.5, from_linear(to_linear(grey.astype(np.float32)) * np.float32(cast)), shown)

    lab = cv2.cvtColor(neutral(view.astype(np.float32), mask), cv2.COLOR_RGB2LAB)

    assert least <= np.median(lab[..., 2][mask > 0.9]) <= most


def test_leaves_stay_green(veiled: tuple[np.ndarray, np.ndarray]) -> None:
    shown, mask = veiled
    shown[60:180, 200:320] = [0.35, 0.55, 0.25]

    assert np.array_equal(neutral(shown, mask), shown)


def test_a_burnt_window_of_a_single_photo_is_reported() -> None:
    windows = np.zeros((100, 150), np.float32)
    windows[20:60, 40:90] = 0.9
    seen = Seen(windows=windows, windows_trust=0.9, burnt=windows > 0.5)
    eyes = Network(SHIPPED)

    shown = np.zeros((100, 150, 3), np.float32)

    looks = (seen, Seen(), Seen(places=(0.0, 1.0, 0.0, 0.0)))
    found = [find((), shown, Merge.single(), s, Windows(), eyes=eyes) for s in looks]

    assert [[code.name for code in view.warnings] for view in found] == [["WINDOW_NO_SOURCE"], [], []]
    assert all(view.mask is None for view in found)


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
    assert np.median(on.after[sky].max(axis=2)) < 245
    room = np.s_[:, :500]
    assert np.abs(on.after[room].astype(int) - off.after[room]).max() <= 2
