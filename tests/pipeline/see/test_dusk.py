"""Dusk told from day by the network and by what sky and ground look like."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.see.dusk import dusk_features, dusk_of
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
