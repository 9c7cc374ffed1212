"""Screens that show a photo are told from photos, framed or not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.see.page import is_page
from pipeline.see.scene import look

FRONT = cv2.imread(str(Path(__file__).parents[3] / "samples/tower_front/tower_front.jpg"))


def screen(level: int, *, text: bool) -> np.ndarray:
    """A phone's screen (1300, 600, 3) float32 with a photo across it, the clock above and a caption below."""
    image = np.full((1300, 600, 3), level, np.uint8)
    image[400:850] = cv2.resize(FRONT, (600, 450), interpolation=cv2.INTER_AREA)
    if text:
        for words, at in (("12:31", (30, 40)), ("Four bedrooms, near the station", (30, 950)), ("Call", (250, 1200))):
            cv2.putText(image, words, at, cv2.FONT_HERSHEY_SIMPLEX, 1, (255 - level,) * 3, 2, cv2.LINE_AA)
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255


@pytest.mark.parametrize("level", [0, 18, 255])
def test_a_screen_with_a_photo_on_it_is_no_photo(level: int):
    seen = look(screen(level, text=True))

    assert seen.place == "other"
    assert not seen.is_photo


def test_it_is_none_on_its_side_either():
    assert is_page(np.ascontiguousarray(np.rot90(screen(0, text=True))))


def test_a_photo_that_fills_the_screen_above_a_sheet_with_a_button_is_none():
    assert is_page(screen(255, text=True)[400:])


@pytest.mark.parametrize("level", [0, 255])
def test_a_framed_photo_is_no_screen(level: int):
    assert not is_page(screen(level, text=False))


def test_a_dark_sky_above_a_house_with_lit_windows_is_no_screen():
    night = np.zeros((300, 400, 3), np.float32)
    night[180:] = np.random.default_rng(0).uniform(0.1, 0.3, (120, 400, 3))
    night[200:220, 60:90] = 1.0
    night[40:50, 300:310] = 1.0  # the moon
    night[150:180, 100:300] = 0.2  # a roof

    assert not is_page(night)
