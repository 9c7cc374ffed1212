from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reduce import reduced


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 100))
def test_a_reduced_picture_keeps_its_mean_and_never_vanishes(width: int, height: int, long_side: int) -> None:
    picture = np.random.default_rng(0).random((height, width, 3), np.float32)
    small = reduced(picture, long_side)
    assert max(small.shape[:2]) == min(long_side, max(width, height))
    assert min(small.shape[:2]) >= 1
    assert abs(float(small.mean() - picture.mean())) < 0.2


def test_what_is_small_enough_is_not_touched() -> None:
    picture = np.zeros((20, 30), np.uint8)
    assert reduced(picture, 30) is picture
