"""Dusk told from day by the network and by what sky and ground look like."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.see.dusk import dusk_features, dusk_of, light_value
from pipeline.see.scene import look

FREE = Path(__file__).parents[3] / "jobs/train/free/rooms/val"


def front(sky: tuple[float, ...], ground: float, lamp: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture (200, 300, 3) with a sky above and lamps before dark ground, and its sky mask."""
    picture = np.full((200, 300, 3), ground, np.float32)
    picture[:80] = sky
    picture[120:130, 100:200] = lamp
    mask = np.zeros((200, 300), np.float32)
    mask[:80] = 1
    return picture, mask


def test_a_dim_blue_sky_outshone_by_lamps_speaks_for_dusk_at_the_same_word_of_the_network() -> None:
    dusk = dusk_of(*front((0.15, 0.2, 0.35), 0.2, 0.95), 0.3)
    day = dusk_of(*front((0.7, 0.8, 0.95), 0.5, 0.6), 0.3)

    assert dusk > 0.4
    assert day < 0.1


def test_the_network_is_heard() -> None:
    scene = front((0.4, 0.45, 0.55), 0.3, 0.9)

    assert dusk_of(*scene, 0.9) > dusk_of(*scene, 0.5) > dusk_of(*scene, 0.1)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_picture_without_a_sky_or_of_nothing_else_has_features(share: float) -> None:
    features = dusk_features(np.full((50, 60, 3), 0.3, np.float32), np.full((50, 60), share, np.float32), 0.5)

    assert features.shape == (8,)
    assert np.all(np.isfinite(features))


@pytest.mark.parametrize(
    "name", ["gcompris_gatewayofindia.jpg", "endlesssky_city22.jpg", "paper-kit-2_federico-beccari.jpg"]
)
def test_towns_at_dusk_stay_dim(name: str) -> None:
    picture = cv2.imread(str(FREE / "exterior_night" / name))[..., ::-1].astype(np.float32) / 255

    assert look(picture).stays_dim


@pytest.mark.parametrize(
    ("seconds", "iso", "f_number", "expected"), [(1 / 100, 100, 16.0, 14.6), (1.0, 1000, 1.8, -1.6)]
)
def test_light_values_are_those_of_an_exposure_meter(
    seconds: float, iso: float, f_number: float, expected: float
) -> None:
    grey = np.full((40, 60, 3), 0.4614, np.float32)  # 18 % in sRGB

    exposure_value = float(np.log2(seconds * iso / 100 / f_number**2))

    assert light_value(grey, exposure_value) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(("light", "dim"), [(13.0, False), (7.0, False), (2.0, True), (-2.0, True), (None, False)])
def test_a_bright_picture_of_a_front_is_of_the_night_where_its_exposure_says_so(light: float | None, dim: bool) -> None:
    day = cv2.imread(str(FREE / "exterior_day" / "gcompris_tajmahal.jpg"))[..., ::-1].astype(np.float32) / 255
    seen = look(day, light_value=light)

    assert seen.stays_dim == dim
    assert (seen.light == "night") == dim


def test_a_dark_room_is_no_night() -> None:
    room = (
        cv2.imread(str(FREE / "interior" / "material-dashboard_home-decor-1.jpg"))[..., ::-1].astype(np.float32) / 255
    )

    assert not look(room, light_value=-1.0).stays_dim


def test_an_underexposed_day_is_none_where_the_file_says_how_bright_it_was() -> None:
    picture, _ = front((0.2, 0.2, 0.21), 0.06, 0.3)
    picture = np.clip(picture + np.random.default_rng(0).normal(0, 0.01, picture.shape), 0, 1).astype(np.float32)
    told, heavy, shade = (look(picture, light_value=value) for value in (12.0, 8.0, 7.0))

    assert told.place == "exterior"
    assert told.light == "day"
    assert not told.stays_dim
    assert told.twilight < heavy.twilight < shade.twilight
    assert look(picture).stays_dim
