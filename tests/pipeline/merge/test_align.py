"""Alignment of brackets: known motions are found, still frames keep their bytes, wrong alignments are never used."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codes import Code, PhotoError
from pipeline.merge.align import Alignment, align, pixel_matrix, warp_to_reference
from pipeline.merge.refine import refine, residuals

SIZE = (480, 640)


def scene(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Linear light (h, w, 3): random rectangles of all brightnesses, as furniture and windows are, and some grain."""
    rng = np.random.default_rng(seed)
    h, w = size
    light = np.full((h, w, 3), 0.2, np.float32)
    for _ in range(160):
        x, y = int(rng.integers(0, w)), int(rng.integers(0, h))
        box, turn = (int(rng.integers(8, w // 5)), int(rng.integers(8, h // 5))), float(rng.uniform(0, 90))
        corners = cv2.boxPoints(((x, y), box, turn)).astype(np.int32)
        colour = (2.0 ** rng.uniform(-5, 1.5) * rng.uniform(0.7, 1, 3)).tolist()
        cv2.fillConvexPoly(light, corners, colour, lineType=cv2.LINE_AA)
    return cv2.GaussianBlur(light, (0, 0), 0.7)


def expose(light: np.ndarray, ev: float, seed: int = 0) -> np.ndarray:
    """sRGB uint8 picture of linear light at an exposure, with shot and read noise."""
    rng = np.random.default_rng(seed)
    x = np.clip(light * 2.0**ev, 0, 1)
    x = np.clip(x + rng.normal(0, 1, x.shape) * (0.0015 + 0.004 * np.sqrt(x)), 0, 1)
    return np.rint(255 * np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)).astype(np.uint8)


def motion(shift: tuple[float, float], turn: float = 0.0, zoom: float = 1.0) -> np.ndarray:
    """A normalised transform: turn (degrees) and zoom about the middle of a 4:3 frame, then a shift."""
    c, s = np.cos(np.deg2rad(turn)) * zoom, np.sin(np.deg2rad(turn)) * zoom
    middle = np.array([0.5, 0.375])
    rotation = np.array([[c, -s], [s, c]])
    return np.vstack([np.column_stack([rotation, middle - rotation @ middle + shift]), [0, 0, 1]])


def shake(image: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """The picture as a camera sees it that moved so that reference x appears at transform(x)."""
    h, w = image.shape[:2]
    return cv2.warpPerspective(
        image, pixel_matrix(transform, image.shape), (w, h), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def off(found: np.ndarray, true: np.ndarray, long: int) -> float:
    """Mean distance in pixels between two transforms over the frame."""
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 0.75, 7)), -1).reshape(-1, 1, 2)
    ends = [cv2.perspectiveTransform(grid, t) for t in (found, true)]
    return float(np.linalg.norm(ends[0] - ends[1], axis=-1).mean()) * long


@pytest.mark.parametrize("ev", [-3.0, -2.0, 2.0, 3.0])
@pytest.mark.parametrize(("shift", "turn"), [((0.005, -0.004), 0.08), ((-0.012, 0.008), 0.6), ((0.03, 0.02), -1.5)])
def test_known_motion_is_found_to_a_fraction_of_a_pixel(ev: float, shift: tuple[float, float], turn: float) -> None:
    true = motion(shift, turn)
    frames = [expose(scene(), 0), shake(expose(scene(), ev, 1), true)]
    found = align(frames, [0, ev], 0)
    assert found[1].ok
    assert off(found[1].transform, true, 640) < 0.25


def test_still_frames_get_exactly_the_identity_and_keep_their_bytes() -> None:
    evs = [-4.0, -2.0, 0.0, 2.0, 4.0]
    frames = [expose(scene(), ev, seed) for seed, ev in enumerate(evs)]
    found = align(frames, evs, 2)
    assert all(a.ok and np.array_equal(a.transform, np.eye(3)) for a in found)
    assert all(warp_to_reference(f, a) is f for f, a in zip(frames, found, strict=True))


def test_exposures_six_ev_from_the_reference_are_joined_by_a_chain() -> None:
    evs = [0.0, -2.5, -5.0, -6.0]
    moves = [np.eye(3), motion((0.006, 0.003), 0.2), motion((0.010, -0.004), 0.4), motion((-0.008, 0.005), -0.3)]
    frames = [shake(expose(scene(3) * 4, ev, k), m) for k, (ev, m) in enumerate(zip(evs, moves, strict=True))]
    found = align(frames, evs, 0)
    assert all(a.ok for a in found)
    assert max(off(a.transform, m, 640) for a, m in zip(found, moves, strict=True)) < 0.5


@pytest.mark.parametrize("seed", range(3))
def test_a_frame_of_another_view_is_left_out(seed: int) -> None:
    frames = [expose(scene(seed), 0), expose(scene(seed + 50), -2)]
    assert not align(frames, [0, -2], 0)[1].ok


@pytest.mark.parametrize("level", [0, 255])
def test_a_frame_without_any_detail_is_left_out(level: int) -> None:
    frames = [expose(scene(), 0), np.full((*SIZE, 3), level, np.uint8)]
    assert not align(frames, [0, 6 if level else -6], 0)[1].ok


def test_something_that_moved_in_the_room_does_not_pull_the_frame() -> None:
    true = motion((0.004, 0.006), 0.3)
    light = scene(5)
    other = light.copy()
    other[150:330, 200:380] = light[170:350, 225:405]
    found = align([expose(light, 0), shake(expose(other, -2, 1), true)], [0, -2], 0)
    assert found[1].ok
    assert off(found[1].transform, true, 640) < 0.3


def test_sizes_that_differ_are_refused_with_a_code() -> None:
    frames = [np.zeros((40, 60, 3), np.uint8), np.zeros((40, 61, 3), np.uint8)]
    with pytest.raises(PhotoError, match="61x40") as error:
        align(frames, [0, 2], 0)
    assert error.value.code is Code.SIZE_MISMATCH


def test_sixteen_bit_frames_align_like_eight_bit_ones() -> None:
    true = motion((0.005, -0.004), 0.1)
    frames = [expose(scene(), 0), shake(expose(scene(), -2, 1), true)]
    wide = [frame.astype(np.uint16) * 257 for frame in frames]
    a, b = align(frames, [0, -2], 0), align(wide, [0, -2], 0)
    assert np.array_equal(a[1].transform, b[1].transform)


@settings(max_examples=50, deadline=None)
@given(
    st.floats(-0.1, 0.1), st.floats(-0.1, 0.1), st.floats(-5, 5), st.sampled_from([(300, 400), (1200, 1600), (61, 47)])
)
def test_pixel_matrices_of_all_sizes_describe_the_same_motion(
    x: float, y: float, turn: float, size: tuple[int, int]
) -> None:
    transform = motion((x, y), turn)
    matrix, long = pixel_matrix(transform, size), max(size)
    point = np.array([[[0.3, 0.2]]])
    index = point * long - 0.5
    there = (cv2.perspectiveTransform(index, matrix) + 0.5) / long
    assert np.allclose(there, cv2.perspectiveTransform(point, transform), atol=1e-9)


@pytest.mark.slow
def test_refinement_reaches_a_fraction_of_a_full_resolution_pixel() -> None:
    size, evs = (1800, 2400), [0.0, -2.0, 2.0]
    light = scene(7, size)
    moves = [np.eye(3), motion((0.0021, -0.0013), 0.15), motion((-0.0011, 0.0017), -0.1)]
    full = [shake(expose(light, ev, k), m) for k, (ev, m) in enumerate(zip(evs, moves, strict=True))]
    rough = [Alignment(m @ motion((0.0006, -0.0004)), 0.9, True) for m in moves]
    rough[0] = Alignment(np.eye(3), 1.0, True)
    fine = refine(rough, full, 0, evs)
    for k in (1, 2):
        assert off(rough[k].transform, moves[k], 2400) > 1.5
        assert off(fine[k].transform, moves[k], 2400) < 0.15
        assert residuals(full[0], full[k], fine[k].transform).median < 0.15


def test_refinement_leaves_still_frames_and_lost_frames_alone() -> None:
    evs = [0.0, -2.0, 2.0]
    full = [expose(scene(8, (900, 1200)), ev, k) for k, ev in enumerate(evs)]
    lost = Alignment(motion((0.01, 0)), 0.2, False)
    fine = refine([Alignment(np.eye(3), 1.0, True), Alignment(np.eye(3), 0.9, True), lost], full, 0, evs)
    assert fine[1].still
    assert fine[2] is lost


def real(data: Path, name: str) -> list[np.ndarray]:
    return [cv2.imread(str(f))[..., ::-1] for f in sorted((data / "brackets" / name).glob("*.[jp][pn]g"))]


def test_a_tripod_set_stays_as_it_is(data: Path) -> None:
    frames = real(data, "red_chair_window")[3:10]
    frames = [cv2.resize(f, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA) for f in frames]
    found = align(frames, [k - 3.0 for k in range(7)], 3)
    assert all(a.ok and a.still for a in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["library_hall", "building_facade"])
def test_hand_held_sets_align_within_a_full_resolution_pixel(data: Path, name: str) -> None:
    full = real(data, name)
    evs = [-2.2, 0.0, 2.0]
    proxies = [cv2.resize(f, (1536, 1536 * f.shape[0] // f.shape[1]), interpolation=cv2.INTER_AREA) for f in full]
    found = refine(align(proxies, evs, 1), full, 1, evs)
    for k in (0, 2):
        assert found[k].ok
        assert residuals(full[1], full[k], np.eye(3)).median > 2
        assert residuals(full[1], full[k], found[k].transform).median < 0.5
