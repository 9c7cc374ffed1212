"""Which gaps in a crown show sky."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.edits.matte import border_of

SKY, LEAVES = (0.80, 0.81, 0.82), (0.10, 0.16, 0.07)


def crown(gap: tuple[float, float, float], *, leaves: float = 1.0, beside: int = 0) -> np.ndarray:
    """Share of sky (320, 480) that is found where a crown below an even sky has a gap of one colour.

    leaves: what the network takes the crown for. beside: pixels by which the gap goes on out of the crown.
    """
    picture = np.full((320, 480, 3), SKY, np.float32)
    picture[150:] = LEAVES
    picture[196:203, 60 : 70 + beside] = gap
    picture += np.random.default_rng(0).normal(0, 0.004, picture.shape).astype(np.float32)
    sky = np.zeros((320, 480), np.float32)
    sky[:150] = 1
    sky[196:203, 60 : 70 + beside] = 0.02
    green = np.zeros((320, 480), np.float32)
    green[150:, :90] = leaves
    border = border_of(np.clip(picture, 0, 1), cv2.GaussianBlur(sky, (0, 0), 1), green)
    assert border is not None
    return np.asarray(cv2.resize(border.inside * border.band, (480, 320)))


@pytest.mark.parametrize("gap", [SKY, (0.87, 0.87, 0.88)], ids=["as the sky", "brighter"])
def test_sky_shows_through_a_gap_deep_in_a_crown(gap: tuple[float, float, float]) -> None:
    assert crown(gap)[198:201, 63:67].min() == 1


@pytest.mark.parametrize(
    ("gap", "leaves", "beside"),
    [((0.8, 0.7, 0.5), 1.0, 0), (SKY, 0.0, 0), (SKY, 1.0, 60)],
    ids=["of another colour", "in a wall", "going on beside it, as a wall does"],
)
def test_other_pale_things_stay(gap: tuple[float, float, float], leaves: float, beside: int) -> None:
    assert crown(gap, leaves=leaves, beside=beside)[160:, :].max() == 0
