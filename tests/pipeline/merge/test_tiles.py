"""Boxes of a frame, and sampling through a homography: exact enough, clipped, and the same however a frame is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.merge.mapping import Mapping
from pipeline.merge.tiles import TILE, Upsampler, boxes, run_here, sample

HEIGHT, WIDTH = 331, 457
NOISE = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def homography(turn=0.0, shift=(0.0, 0.0), lean=(0.0, 0.0)):
    """Rotation (radians), shift (pixels) and perspective (change of scale across the frame)."""
    c, s = np.cos(turn), np.sin(turn)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]], [lean[0] / WIDTH, lean[1] / WIDTH, 1]])


def cubic(f, a=-0.75):
    d = np.stack([1 + f, f, 1 - f, 2 - f])
    return np.where(d < 1, ((a + 2) * d - (a + 3)) * d * d + 1, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a)


def exact(image, transform, box):
    """The bicubic in double precision, pixel by pixel; not rounded."""
    x, y = np.meshgrid(np.arange(box[0], box[2]) + 0.5, np.arange(box[1], box[3]) + 0.5)
    u, v, z = np.einsum("ij,jyx->iyx", transform, np.stack([x, y, np.ones_like(x)]))
    u, v = u / z - 0.5, v / z - 0.5
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    across, down = cubic(u - left), cubic(v - top)
    total = np.zeros((*x.shape, 3))
    for j in range(4):
        for i in range(4):
            row, column = np.clip(top + j - 1, 0, len(image) - 1), np.clip(left + i - 1, 0, image.shape[1] - 1)
            total += (across[i] * down[j])[..., None] * image[row, column]
    return total


corner = st.tuples(st.integers(0, WIDTH - 2), st.integers(0, HEIGHT - 2))
moves = st.builds(
    homography,
    turn=st.floats(-0.1, 0.1),
    shift=st.tuples(st.floats(-40, 40), st.floats(-40, 40)),
    lean=st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)),
)


def test_boxes_cover_every_pixel_once():
    seen = np.zeros((TILE + 3, 2 * TILE + 1), int)
    for x0, y0, x1, y1 in boxes(2 * TILE + 1, TILE + 3):
        seen[y0:y1, x0:x1] += 1
    assert (seen == 1).all()


@given(transform=moves, at=corner, size=st.tuples(st.integers(1, 300), st.integers(1, 300)))
@example(homography(0.08, (3.4837363347661636, 24.0), (0.026776909978907276, 0.0)), (241, 271), (45, 47))
@settings(max_examples=40, deadline=None)
def test_a_sampled_box_is_the_same_bytes_inside_any_larger_one(transform, at, size):
    x0, y0, x1, y1 = at[0], at[1], min(at[0] + size[0], WIDTH), min(at[1] + size[1], HEIGHT)
    whole = sample(NOISE, Mapping(transform), (0, 0, WIDTH, HEIGHT))
    np.testing.assert_array_equal(sample(NOISE, Mapping(transform), (x0, y0, x1, y1)), whole[y0:y1, x0:x1])


@given(transform=moves)
@settings(max_examples=15, deadline=None)
def test_samples_are_the_bicubic_rounded_and_clipped(transform):
    box = (120, 90, 260, 200)
    truth = np.clip(exact(NOISE, transform, box), 0, 255)
    off = sample(NOISE, Mapping(transform), box) - truth
    # Rounding is 0.29; noise of full contrast changes by about a level for a hundredth of a pixel.
    assert np.sqrt(np.mean(off**2)) < 0.7


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_shift_of_whole_pixels_copies_pixels_and_repeats_the_border(dtype):
    image = NOISE.astype(dtype) * dtype(257 if dtype == np.uint16 else 1)
    got = sample(image, Mapping(homography(shift=(5, -3))), (0, 0, WIDTH, HEIGHT))
    assert got.dtype == dtype
    rows, columns = np.clip(np.arange(HEIGHT) - 3, 0, None), np.clip(np.arange(WIDTH) + 5, None, WIDTH - 1)
    np.testing.assert_array_equal(got, image[np.ix_(rows, columns)])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_the_cubic_takes_out_of_range_is_clipped(dtype):
    top = np.iinfo(dtype).max
    image = np.zeros((40, 40, 3), dtype)
    image[:, 20:] = top
    got = sample(image, Mapping(homography(shift=(0.5, 0.0))), (0, 0, 40, 40))[10]
    assert (got[:18] == 0).all()
    assert (got[22:] == top).all()
    assert (np.diff(got[..., 0].astype(int)) >= 0).all()


def test_a_box_that_maps_outside_the_picture_holds_its_border():
    got = sample(NOISE, Mapping(homography(shift=(3000.0, 0.0))), (0, 100, 50, 120))
    np.testing.assert_array_equal(got, np.repeat(NOISE[100:120, -1:], 50, axis=1))


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_enlarged_tiles_join_without_seams(factor):
    small = NOISE[: -(-200 // factor), : -(-300 // factor)]
    size = small.shape[1::-1]
    whole = Upsampler(factor, (0, 0, 300, 200), size)(small)
    for x0, y0, x1, y1 in [(0, 0, 77, 53), (100, 60, 233, 161), (201, 151, 300, 200)]:
        np.testing.assert_array_equal(Upsampler(factor, (x0, y0, x1, y1), size)(small), whole[y0:y1, x0:x1])


def test_a_runner_calls_every_box_once_on_any_number_of_threads():
    todo = boxes(5 * TILE, 3 * TILE)
    for threads in (1, 3):
        done: list = []
        run_here(threads)(done.append, todo)
        assert sorted(done) == sorted(todo)
