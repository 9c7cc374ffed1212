"""Lenses taken out of pictures: coordinates, full frames, lateral colour, bracketed sets."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.merge.fuse import fuse_tile, prepare
from pipeline.merge.mapping import Mapping, bent, centre_scale, filling
from pipeline.merge.tiles import boxes, resampled, sample
from pipeline.plan import LENS_REACH, Lens, Merge, Plan
from pipeline.render.render import mapping_of, render_source

WIDTH, HEIGHT = 600, 400
FRAME = (1.0, HEIGHT / WIDTH)
RADII = np.linspace(0, LENS_REACH, 129)


def lens(k1: float = -0.06, k2: float = 0.0, red: float = 0.0, blue: float = 0.0, **fields) -> Lens:
    plain = 1 + k1 * RADII**2 + k2 * RADII**4
    radial = np.stack([plain * (1 + red), plain, plain * (1 + blue)]) if red or blue else plain[None]
    centre = (FRAME[0] / 2, FRAME[1] / 2)
    return Lens("test", centre, float(np.hypot(*centre)), radial, **fields)


def scene(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What an ideal lens shows at (u, v), 0..255: smooth, without repetition."""
    wave = np.sin(40 * u + 9 * np.sin(5 * v)) + np.cos(33 * v - 7 * np.cos(4 * u))
    return 128 + 50 * wave


def shot_through(taken: Lens, frame: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    """The scene as the lens gives it, (h, w, 3) float: pixel p shows what an ideal lens has where bent() is p."""
    x, y = np.meshgrid(*((np.arange(n) + 0.5) / max(frame) for n in frame))
    out = np.empty((frame[1], frame[0], 3))
    for c in range(3):
        u, v = x.copy(), y.copy()
        for _ in range(60):  # the inverse by fixed point
            spots = bent(taken, u, v)
            a, b = spots[c if len(spots) == 3 else 0]
            u, v = u + x - a, v + y - b
        out[..., c] = scene(u, v)
    return out


def ideal() -> np.ndarray:
    x, y = np.meshgrid(*((np.arange(n) + 0.5) / WIDTH for n in (WIDTH, HEIGHT)))
    return np.repeat(scene(x, y)[..., None], 3, axis=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "taken",
    [lens(-0.08), lens(0.05), lens(-0.05, 0.02, red=0.001, blue=-0.0012), lens(-0.03, tangential=(0.004, -0.003))],
    ids=["barrel", "pincushion", "lateral colour", "decentred"],
)
def test_a_picture_taken_through_a_lens_becomes_the_one_of_an_ideal_lens(taken: Lens):
    full = filling(taken, FRAME)
    mapping = Mapping(np.eye(3), full, WIDTH)
    picture = np.rint(np.clip(shot_through(full), 0, 255)).astype(np.uint8)
    inner = np.s_[8:-8, 8:-8]
    off = sample(picture, mapping, (0, 0, WIDTH, HEIGHT))[inner] - ideal()[inner]
    assert np.sqrt(np.mean(off**2)) < 0.6
    assert np.sqrt(np.mean((picture[inner] - ideal()[inner]) ** 2)) > 3
    smaller = resampled(picture, mapping, (WIDTH, HEIGHT))
    assert np.sqrt(np.mean((smaller[inner] - ideal()[inner]) ** 2)) < 1.5


bends = st.builds(lens, k1=st.floats(-0.12, 0.08), k2=st.floats(-0.02, 0.02), red=st.floats(-2e-3, 2e-3))


@given(taken=bends)
@settings(max_examples=40, deadline=None)
def test_the_ideal_picture_fills_its_frame_and_no_larger_one_would(taken: Lens):
    edges = np.array([[0, 0], [0.5, 0], [1, 0], [0, 0.5], [1, 0.5], [0, 1], [0.5, 1], [1, 1]]) * FRAME
    full = filling(taken, FRAME)
    spots = np.array(bent(full, edges[:, 0], edges[:, 1]))
    assert spots.min() >= -1e-9
    assert np.all(spots[:, 0] <= FRAME[0] + 1e-9)
    assert np.all(spots[:, 1] <= FRAME[1] + 1e-9)
    wider = np.array(bent(replace(full, zoom=full.zoom * 1.002), edges[:, 0], edges[:, 1]))
    assert wider.min() < 0 or np.any(wider[:, 0] > FRAME[0]) or np.any(wider[:, 1] > FRAME[1]) or full.zoom == 1.25


def test_what_a_lens_leaves_as_it_is_stays_byte_by_byte():
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    merge = replace(Merge.single(), lens=lens(0.0))
    assert not lens(0.0).bends
    assert mapping_of(merge, None, 0, WIDTH).is_identity
    source, owner = render_source(Plan(merge), [picture])
    assert source is picture
    assert owner is None


def test_one_exposure_is_sampled_through_its_lens_tile_by_tile():
    taken = filling(lens(-0.07, red=0.001), FRAME)
    picture = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    whole = sample(picture, Mapping(np.eye(3), taken, WIDTH), (0, 0, WIDTH, HEIGHT))
    source, _ = render_source(Plan(replace(Merge.single(), lens=taken)), [picture])
    np.testing.assert_array_equal(source, whole)


@pytest.mark.slow
def test_exposures_of_a_moved_camera_meet_behind_their_lens():
    taken = filling(lens(-0.08), FRAME)
    still = shot_through(taken)
    pan = np.array([[1, 0, 14 / WIDTH], [0, 1, -9 / WIDTH], [0, 0, 1.0]])
    x, y = np.meshgrid(*((np.arange(n) + 0.5) / WIDTH for n in (WIDTH, HEIGHT)))
    u, v = x.copy(), y.copy()
    for _ in range(60):
        a, b = bent(taken, u, v)[0]
        u, v = u + x - a, v + y - b
    moved = np.repeat(scene(u - pan[0, 2], v - pan[1, 2])[..., None], 3, axis=2)
    exposures = [np.rint(np.clip(p, 0, 255)).astype(np.uint8) for p in (still, moved)]
    scale = np.diag([WIDTH, WIDTH, 1.0])
    mappings = [Mapping(scale @ t @ np.linalg.inv(scale), taken, WIDTH) for t in (np.eye(3), pan)]
    fusion = prepare(exposures, mappings, (0.0, 0.0))
    out = np.empty((HEIGHT, WIDTH, 3), np.float32)
    for x0, y0, x1, y1 in boxes(WIDTH, HEIGHT):
        out[y0:y1, x0:x1] = fuse_tile(exposures, fusion, (x0, y0, x1, y1))
    alone = sample(exposures[0], mappings[0], (0, 0, WIDTH, HEIGHT)).astype(float)
    inner = np.s_[30:-30, 30:-30]
    # Fusion shapes tones; structure must be that of one exposure, not of two laid beside each other.
    near = np.corrcoef(out[inner][..., 1].ravel(), alone[inner][..., 1].ravel())[0, 1]
    assert near > 0.995


def test_the_plan_keeps_its_lens():
    taken = filling(lens(-0.05, red=0.001, gain=np.ones((4, 6, 1), np.float16)), FRAME)
    plan = Plan(replace(Merge.single(), lens=taken))
    again = Plan.from_bytes(plan.to_bytes())
    assert again.merge.lens is not None
    assert again.to_bytes() == plan.to_bytes()
    np.testing.assert_array_equal(again.merge.lens.radial, taken.radial)
    assert again.merge.lens.gain is not None
    assert again.merge.lens.source == "test"


def test_the_middle_is_enlarged_as_the_map_says():
    taken = filling(lens(-0.08, red=0.001), FRAME)
    centre = np.array([FRAME[0] / 2, FRAME[1] / 2])
    a, b = bent(taken, np.array([centre[0] + 1e-3]), np.array([centre[1]]))[1]
    assert centre_scale(taken) == pytest.approx(1e-3 / float(a[0] - centre[0]), rel=1e-3)
    assert centre_scale(None) == 1
    assert cv2.norm(b - centre[1]) < 1e-9
