"""The provenance plane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.codes import Code, PhotoError
from pipeline.deliver.provenance import (
    ADJUSTED,
    COMPOSITED,
    FLAGS,
    GENERATED,
    NONE,
    OBSCURED,
    decode,
    encode,
    halve,
    new_plane,
    shares,
)

planes = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40))


def test_shares_of_a_known_plane() -> None:
    plane = new_plane(10, 10, exposure=1, flags=ADJUSTED)
    plane[:2] = 0
    plane[2:4] = NONE | GENERATED
    plane[4] = 2 | COMPOSITED | ADJUSTED
    plane[5] |= OBSCURED
    found = shares(plane)
    assert found == pytest.approx(
        {"captured_0": 0.2, "captured_1": 0.5, "adjusted": 0.6, "composited": 0.1, "generated": 0.2, "obscured": 0.1}
    )


@settings(deadline=None)
@given(planes)
def test_shares_agree_with_counting_pixels(plane: np.ndarray) -> None:
    found = shares(plane)
    for name, flag in FLAGS.items():
        assert found[name] == pytest.approx(np.mean(plane & flag != 0))
    captured = sum(v for k, v in found.items() if k.startswith("captured_"))
    assert captured == pytest.approx(np.mean((plane & 15 != NONE) & (plane & (COMPOSITED | GENERATED) == 0)))


def test_shares_are_exact_beyond_what_float32_counts() -> None:
    plane = new_plane(5001, 4001)
    plane[0, 0] = 1
    assert shares(plane)["captured_1"] == 1 / plane.size


@settings(deadline=None)
@given(planes)
def test_half_size_keeps_every_flag_and_full_size_every_bit(plane: np.ndarray) -> None:
    assert np.array_equal(decode(encode(plane, full=True)), plane)
    small = decode(encode(plane))
    assert small.shape == tuple((n + 1) // 2 for n in plane.shape)
    assert np.array_equal(small, halve(plane))
    assert np.bitwise_or.reduce(small.ravel() & 240) == np.bitwise_or.reduce(plane.ravel() & 240)
    assert np.array_equal(small & 15, plane[::2, ::2] & 15)


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_broken_planes_are_refused(data: bytes) -> None:
    with pytest.raises(PhotoError, match=r"house\.plan") as raised:
        decode(data, name="house.plan")
    assert raised.value.code is Code.UNREADABLE


def test_exposure_numbers_have_four_bits() -> None:
    with pytest.raises(ValueError, match="16"):
        new_plane(1, 1, exposure=16)
