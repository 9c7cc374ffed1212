"""Arithmetic across channels is NumPy's, only faster."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.channels import highest, length, lowest, total


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_extremes_of_the_channels_are_exact(dtype: type) -> None:
    picture = (np.random.default_rng(0).random((7, 5, 3)) * 200).astype(dtype)

    assert np.array_equal(highest(picture), picture.max(axis=2))
    assert np.array_equal(lowest(picture), picture.min(axis=2))
    assert highest(picture).dtype == dtype


def test_sums_and_lengths_are_those_of_numpy() -> None:
    picture = np.random.default_rng(1).normal(size=(6, 9, 3)).astype(np.float32)

    assert np.allclose(total(picture), picture.sum(axis=2), atol=1e-6)
    assert np.allclose(length(picture), np.linalg.norm(picture, axis=2), atol=1e-6)
