"""A new sky behind what stands before it: known shares, bytes outside, fringes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.edits.matte import border_of
from pipeline.edits.sky import layer_of
from pipeline.merge.tiles import run_here
from pipeline.plan import Merge, Plan, Tone
from pipeline.render.render import render_edits

SIZE = (900, 1400)
OLD, NEW = np.array([0.84, 0.85, 0.86]), np.array([0.25, 0.5, 0.8])


def house(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A front (h, w, 3) uint8 under a dull sky, its share of sky (h, w), and the front alone (h, w, 3) 0..1."""
    rng = np.random.default_rng(seed)
    height, width = SIZE
    front = np.zeros(SIZE, np.uint8)
    roof = np.array([[0, 560], [260, 520], [420, 300], [700, 520], [1000, 540], [1400, 480], [1400, 900], [0, 900]])
    cv2.fillPoly(front, [roof.astype(np.int32) * 16], 255, cv2.LINE_AA, 4)
    for y, sag in ((120, 40), (200, 15)):
        x = np.linspace(0, width, 50)
        line = np.stack([x, y + sag * np.sin(np.pi * x / width)], axis=1)
        cv2.polylines(front, [np.round(line * 16).astype(np.int32)], False, 255, 2, cv2.LINE_AA, 4)
    share = 1 - cv2.GaussianBlur(front, (0, 0), 0.7).astype(np.float32) / 255
    texture = cv2.GaussianBlur(rng.random((height, width, 3), dtype=np.float32), (0, 0), 2) - 0.5
    colour = np.where(np.arange(height)[:, None, None] < 230, 0.1, np.array([0.42, 0.3, 0.24]) + 0.5 * texture)
    picture = share[..., None] * OLD + (1 - share[..., None]) * colour
    noisy = picture + rng.normal(0, 0.004, picture.shape)
    return np.round(255 * np.clip(noisy, 0, 1)).astype(np.uint8), share, colour.astype(np.float32)


def planned(picture: np.ndarray, share: np.ndarray, *tones: Tone, strength: float = 1.0) -> Plan:
    # As a network sees it: blurred, and without the wires.
    sky = cv2.GaussianBlur(cv2.morphologyEx(share, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8)), (0, 0), 6)
    border = border_of(picture.astype(np.float32) / 255, sky, np.zeros((4, 4), np.float32))
    assert border is not None
    shown = np.broadcast_to(NEW, (8, 12, 3))
    return Plan(Merge.single(), (*tones, layer_of(border, shown, strength=strength)))


def test_coarse_grain_of_the_old_sky_does_not_show_through_the_new_one():
    picture, share, _ = house()
    rng = np.random.default_rng(5)
    grain = cv2.GaussianBlur(rng.normal(0, 1, SIZE).astype(np.float32), (0, 0), 3)
    grain *= np.float32(0.035 / grain.std())
    rough = np.clip(picture + 255 * (share * grain)[..., None], 0, 255).astype(np.uint8)
    open_sky = cv2.erode((share == 1).astype(np.uint8), np.ones((41, 41), np.uint8)) > 0

    after = render_edits(planned(rough, share), rough).astype(np.float32)[open_sky] / 255

    assert np.abs(after - NEW).mean() < 0.02
    assert np.mean(np.abs(after - NEW).max(axis=1) > 0.04) < 0.014


def test_roof_and_wires_stand_before_the_new_sky_without_a_fringe_of_the_old_one():
    picture, share, colour = house()
    delivered = render_edits(planned(picture, share), picture)
    after = delivered.astype(np.float32) / 255
    wanted = share[..., None] * NEW + (1 - share[..., None]) * colour
    error = np.abs(after - wanted).max(axis=2)
    edges = cv2.dilate(((share > 0.02) & (share < 0.98)).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert error[edges].mean() < 0.035
    assert error[(share == 1) & ~edges].mean() < 0.02
    beyond = (cv2.erode((share == 0).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0) & (np.arange(900)[:, None] > 300)
    assert np.array_equal(delivered[beyond], picture[beyond])


def test_the_blurred_edges_of_an_enlarged_picture_keep_no_bright_rim_of_a_burnt_sky():
    rng = np.random.default_rng(3)
    share = np.zeros((256, 256), np.uint8)
    roof = np.array([[0, 130], [90, 70], [170, 140], [256, 110], [256, 0], [0, 0]])
    cv2.fillPoly(share, [roof * 16], 255, cv2.LINE_AA, 4)
    front = 0.25 + 0.03 * rng.standard_normal((256, 256, 3)).astype(np.float32)
    part = share[..., None] / 255
    small = part + (1 - part) * front
    picture, wide = (cv2.resize(v, (480, 480), interpolation=cv2.INTER_CUBIC) for v in (small, share / 255))
    picture = np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)

    after = render_edits(planned(picture, wide.astype(np.float32)), picture)[..., 0] / 255

    edge = np.abs(cv2.GaussianBlur(wide, (0, 0), 2) - 0.5) < 0.4
    assert np.mean(after[edge] > 0.45) < 0.01


@pytest.mark.slow
def test_edges_a_few_pixels_wide_keep_no_pale_rim_in_large_pictures():
    """As phones take them: dark leaves that go over into a grey sky within five pixels."""
    rng = np.random.default_rng(2)
    leaf = np.zeros((1500, 2304), np.float32)
    cv2.ellipse(leaf, (1152, 500), (500, 200), 20, 0, 360, 1, -1, cv2.LINE_AA)
    leaf[800:] = 1
    share = (1 - cv2.GaussianBlur(leaf, (0, 0), 1.5))[..., None]
    picture = share * OLD + (1 - share) * 0.08 + rng.normal(0, 0.004, (*leaf.shape, 1))
    picture = np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)

    after = render_edits(planned(picture, share[..., 0]), picture).astype(np.float32) / 255

    rim = ((share > 0.3) & (share < 0.95))[..., 0]
    paler = (after - (share * NEW + (1 - share) * 0.08))[rim].max(axis=1)
    assert np.percentile(paler, 90) < 0.1


@pytest.mark.slow
def test_a_twig_too_thin_to_show_its_own_colour_is_no_paler_than_the_new_sky():
    """Lenses lay sky over it; the leaves beside it tell how dark it is."""
    rng = np.random.default_rng(3)
    leaves, twig = np.zeros((1500, 2304), np.uint8), np.zeros((1500, 2304), np.uint8)
    for x in range(800, 1500, 60):
        cv2.ellipse(leaves, (x, int(rng.integers(300, 420))), (50, 25), int(rng.integers(0, 180)), 0, 360, 1, -1)
    cv2.line(twig, (1100, 360), (1600, 420), 1, 6)
    leaves[900:] = 1
    picture = np.where(leaves[..., None] > 0, 0.08, np.where(twig[..., None] > 0, 0.62, OLD))
    picture = cv2.GaussianBlur(picture, (0, 0), 1.5) + rng.normal(0, 0.004, picture.shape)
    picture = np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    green = cv2.dilate(leaves[::3, ::3] | twig[::3, ::3], np.ones((9, 9), np.uint8)).astype(np.float32)
    share = cv2.erode(1.0 - (leaves | twig), np.ones((25, 25), np.uint8)).astype(np.float32)
    border = border_of(picture.astype(np.float32) / 255, cv2.GaussianBlur(share, (0, 0), 6), green)
    assert border is not None
    plan = Plan(Merge.single(), (layer_of(border, np.broadcast_to(NEW, (8, 12, 3))),))

    after = render_edits(plan, picture).astype(np.float32) / 255

    alone = (cv2.erode(twig, np.ones((3, 3), np.uint8)) > 0) & (cv2.dilate(leaves, np.ones((9, 9), np.uint8)) == 0)
    assert np.median(after[alone].mean(axis=1)) < NEW.mean()


@pytest.mark.slow
def test_outside_the_matte_the_bytes_are_those_without_the_layer():
    picture, share, _ = house()
    curve = Tone("lift", (np.linspace(0, 1, 64, dtype=np.float32) ** 0.8)[:, None].repeat(3, 1))
    plan = planned(picture, share, curve)
    after = render_edits(plan, picture)
    plain = render_edits(replace(plan, operations=plan.operations[:1]), picture)
    same = np.all(after == plain, axis=2)
    assert same[700:].all()
    assert not same[share > 0.99].any()


@pytest.mark.slow
def test_strength_zero_is_the_identity_and_half_lies_between():
    picture, share, _ = house()
    plan = planned(picture, share)
    assert np.array_equal(render_edits(plan.at_strength(0), picture), picture)
    sky = np.s_[20:80, 20:80]
    half = render_edits(planned(picture, share, strength=0.5), picture)[sky].mean(axis=(0, 1)) / 255
    np.testing.assert_allclose(half, (OLD + NEW) / 2, atol=0.01)


@pytest.mark.slow
def test_the_alpha_grid_holds_for_layers_cell_by_cell():
    picture, share, _ = house()
    plan = planned(picture, share)
    alpha = np.repeat(np.array([[0, 0, 1, 1]], np.float32), 3, axis=0)
    after, whole = (render_edits(p, picture) for p in (replace(plan, alpha=alpha), plan))
    assert np.array_equal(after[:, :500], picture[:, :500])
    assert np.array_equal(after[:, 900:], whole[:, 900:])


@pytest.mark.slow
def test_threads_and_order_of_tiles_do_not_matter():
    picture, share, _ = house()
    plan = planned(picture, share)

    def backwards(function, boxes):
        for box in reversed(boxes):
            function(box)

    once = render_edits(plan, picture)
    assert np.array_equal(once, render_edits(plan, picture, tiles=run_here(2)))
    assert np.array_equal(once, render_edits(plan, picture, tiles=backwards))


@pytest.mark.slow
@pytest.mark.parametrize("depth", [8, 16])
def test_sixteen_bits_and_eight_give_the_same_picture(depth: int):
    picture, share, _ = house()
    wide = picture.astype(np.uint16) * np.uint16(257)
    after = render_edits(planned(picture, share), wide, depth=depth)
    eight = render_edits(planned(picture, share), picture).astype(np.float32)
    assert np.abs(after.astype(np.float32) / (1 if depth == 8 else 257) - eight).max() <= 1.01


@pytest.mark.slow
def test_a_smooth_sky_does_not_band():
    picture, share, _ = house()
    plan = planned(picture, share)
    ramp = np.linspace(0.5, 0.54, 12)[None, :, None] * np.ones((8, 12, 3))
    layer = replace(plan.layers[0], shown=ramp.astype(np.float16))
    row = render_edits(replace(plan, operations=(layer,)), picture)[40:80].astype(np.float32).mean(axis=0)[:, 0]
    # Without grain whole columns of 100 pixels would share one level.
    steps = np.abs(np.diff(cv2.GaussianBlur(row[:, None], (1, 31), 8)[:, 0]))
    assert steps.max() < 0.12


def test_without_certain_sky_there_is_no_border():
    assert border_of(np.full((60, 90, 3), 0.5, np.float32), np.full((30, 45), 0.5), np.zeros((4, 4))) is None
