"""Images of windows in glossy floors."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pipeline.see.glass import window_prior
from pipeline.see.nets import SHIPPED, Network
from pipeline.see.reflections import mirrored_above


def view(height: int, width: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.normal(0, 6, (height, width)), (0, 0), 6).astype(np.float32)


def with_floor(floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A dark room (400, 600) with a window above and `floor` (120, 200) below, and where that is."""
    picture = np.full((400, 600), -3.0, np.float32)
    picture[100:220, 200:400] = view(120, 200, 1)
    picture[240:360, 200:400] = floor
    below = np.zeros(picture.shape, bool)
    below[240:360, 200:400] = True
    return picture, below


def test_a_faint_image_upside_down_is_one_and_another_view_is_none() -> None:
    image = mirrored_above(*with_floor(0.6 * view(120, 200, 1)[::-1] - 2))
    other = mirrored_above(*with_floor(view(120, 200, 2)))

    assert image > 0.6
    assert other < 0.4


def test_what_touches_the_upper_border_has_nothing_above() -> None:
    picture, _ = with_floor(view(120, 200, 2))
    top = np.zeros(picture.shape, bool)
    top[:90] = True

    assert mirrored_above(picture, top) == 0
    assert mirrored_above(picture, np.zeros_like(top)) == 0


def test_the_floor_and_the_television_of_a_real_room_are_no_windows(data: Path) -> None:
    names = sorted((data / "brackets/living_room2").glob("*.jpg"))
    exposures = [cv2.cvtColor(cv2.imread(str(n)), cv2.COLOR_BGR2RGB) for n in names]
    assert len(exposures) == 5

    prior = window_prior(exposures, Network(SHIPPED))

    height, width = prior.shape
    window, floor, television = (
        prior[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)]
        for x0, y0, x1, y1 in [(0.2, 0.32, 0.45, 0.6), (0.3, 0.8, 0.45, 0.98), (0.72, 0.42, 0.83, 0.6)]
    )
    assert np.median(window) > 0.9
    assert floor.max() == 0
    assert television.max() == 0
