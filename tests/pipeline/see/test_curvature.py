"""Bent lines told from round things, and from straight ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.merge.mapping import filling
from pipeline.plan import LENS_REACH, Lens
from pipeline.render.render import seen_through
from pipeline.see.curvature import bend_of, edges_of

SIZE = (1200, 800)


def shelves(seed: int = 0) -> np.ndarray:
    """Straight edges in all directions but none parallel, over smooth light: (h, w, 3) uint8."""
    rng = np.random.default_rng(seed)
    picture = np.full((SIZE[1] * 2, SIZE[0] * 2, 3), 200, np.uint8)
    for x in np.linspace(60, 2 * SIZE[0] - 60, 9):
        lean = rng.uniform(-60, 60)
        cv2.line(picture, (int(x), 0), (int(x + lean), 2 * SIZE[1]), (90, 80, 70), 26, cv2.LINE_AA)
    for y in np.linspace(60, 2 * SIZE[1] - 60, 6):
        lean = rng.uniform(-60, 60)
        cv2.line(picture, (0, int(y)), (2 * SIZE[0], int(y + lean)), (120, 100, 90), 26, cv2.LINE_AA)
    return cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA)


def bent_by(amount: float, picture: np.ndarray) -> np.ndarray:
    """The picture as a lens draws it whose corners lie too far in by that share (barrel), or out."""
    frame = (1.0, SIZE[1] / SIZE[0])
    radii = np.linspace(0, LENS_REACH, 129)
    centre = (frame[0] / 2, frame[1] / 2)
    # Fetching from farther out draws things farther in.
    lens = Lens("test", centre, float(np.hypot(*centre)), (1 + amount * radii**2)[None])
    return seen_through(filling(lens, frame), picture)


def floats(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255


@pytest.mark.parametrize("amount", [0.06, 0.03, -0.025, -0.05])
def test_a_bend_is_measured_and_proven(amount: float):
    bend = bend_of(edges_of(floats(bent_by(amount, shelves()))))
    assert bend.is_proven
    assert bend.amount == pytest.approx(amount, abs=max(0.2 * abs(amount), 0.004))


@pytest.mark.parametrize("seed", range(4))
def test_straight_lines_prove_nothing(seed: int):
    bend = bend_of(edges_of(floats(shelves(seed))))
    assert not bend.is_proven
    assert abs(bend.amount) < 0.006


def test_round_things_prove_nothing():
    rng = np.random.default_rng(3)
    picture = np.full((800, 1200, 3), 210, np.uint8)
    for _ in range(25):
        at, radius = rng.integers((0, 0), SIZE).tolist(), int(rng.integers(150, 900))
        cv2.circle(picture, at, radius, rng.integers(20, 160, 3).tolist(), 9, cv2.LINE_AA)
    assert not bend_of(edges_of(floats(picture))).is_proven


def test_an_empty_or_tiny_picture_proves_nothing():
    for size in ((1, 1), (3, 900), (400, 600)):
        bend = bend_of(edges_of(np.full((*size, 3), 0.5, np.float32)))
        assert not bend.is_proven
        assert bend.edges == 0


def test_what_is_left_after_unbending_is_told():
    edges = edges_of(floats(bent_by(0.05, shelves())))
    left = bend_of(edges, lambda points: points * (1 + 0.05 * np.sum(points**2, axis=1, keepdims=True)))
    assert abs(left.amount) < 0.01
    assert not left.is_proven


@pytest.mark.slow
def test_an_uncorrected_compact_camera_is_told_and_corrected_photos_are_not(data: Path):
    def bend(path: Path):
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        scale = min(1, 1536 / max(picture.shape))
        return bend_of(edges_of(floats(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))))

    compact = bend(data / "brackets/red_chair_window/06.jpg")
    assert compact.is_proven
    # lensfun has 4.4 % for this camera and focal length.
    assert 0.025 < compact.amount < 0.055
    listing = [bend(path).is_proven for path in sorted((data / "photos").glob("listing_*.jpg"))]
    assert len(listing) >= 5
    assert not any(listing)
