"""Plan and exposures to pixels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.plan import LENS_KNOTS, Lens, Merge, Outlook, Plan, Tone, Warp
from pipeline.render.render import output_size, render_edits, render_source
from tests.rooms import exposures, radiance

EV = (-4.0, -2.0, 0.0)


def merge(n: int) -> Merge:
    return Merge(np.stack([np.eye(3)] * n), EV[:n], (True,) * n, n - 1)


def rotation(degrees: float, width: int, height: int) -> Warp:
    long = max(width, height)
    centre = (width / 2 / long, height / 2 / long)
    matrix = np.vstack([cv2.getRotationMatrix2D(centre, degrees, 1.0), [0, 0, 1]])
    frame = (width / long, height / long)
    return Warp("turn", matrix, frame, frame)


def test_single_exposure_is_the_source_itself():
    taken = exposures(radiance(), (0.0,))
    source, owner = render_source(Plan(Merge.single()), taken)
    assert source is taken[0]
    assert owner is None


def test_merge_has_sixteen_bits_and_names_its_exposures():
    taken = exposures(radiance(), EV)
    source, owner = render_source(Plan(merge(3)), taken)
    assert source.dtype == np.uint16
    assert owner is not None
    assert set(np.unique(owner)) <= {0, 1, 2}


def test_an_exposure_that_is_not_used_does_not_enter_and_indices_stay():
    taken = exposures(radiance(), EV)
    left_out = Merge(np.stack([np.eye(3)] * 3), EV, (True, False, True), 2)
    source, owner = render_source(Plan(left_out), [taken[0], np.empty((0, 0, 3), np.uint8), taken[2]])
    assert set(np.unique(owner)) <= {0, 2}
    assert source.shape == taken[0].shape


def test_one_used_exposure_of_several_is_delivered_as_it_is():
    taken = exposures(radiance(), EV)
    alone = Merge(np.stack([np.eye(3)] * 3), EV, (False, False, True), 2)
    source, _ = render_source(Plan(alone), taken)
    np.testing.assert_array_equal(source, taken[2])


@pytest.mark.parametrize("shift", [0.0, 0.01])
def test_it_looks_out_where_it_should_behind_warp_and_lens_too(shift: float):
    """Of frames of a tripod and of moved ones; the lens squeezes the frame, and the turn is by half a turn."""
    taken = exposures(radiance(), EV)
    moved = np.stack([np.eye(3)] * 3)
    moved[0, 0, 2] = shift
    knots = np.full((1, LENS_KNOTS), 0.8)
    lens = Lens("test", (0.5, 1 / 3), 0.5, knots)
    share = np.zeros((32, 48), np.float16)
    share[:, 30:] = 1
    upside_down = rotation(180, 480, 320)

    def shown(outlook: Outlook | None) -> np.ndarray:
        fused = Merge(moved, EV, (True,) * 3, 2, lens=lens, outlook=outlook)
        return render_source(Plan(fused, (upside_down,)), taken)[0].astype(float)

    plain = np.maximum(shown(None), 1)
    ratio = shown(Outlook(share, white=2.0)) / plain

    assert ratio[:, 200:].min() > 0.95
    assert np.median(ratio[:, :160]) < 0.7

    # Muntins, twice as fine, move with it: here all that is left of it.
    bars = np.full((64, 96), -100, np.float16)
    bars[:, 60:] = 100
    barred = shown(Outlook(np.ones_like(share), white=2.0, indoors=bars)) / plain

    assert np.median(barred[:, 200:]) < 0.7
    assert barred[:, :160].min() > 0.95


def test_warp_turns_source_and_fields_together():
    taken = exposures(radiance(window=0.0), (1.0,))
    height, width = taken[0].shape[:2]
    field = np.ones((32, 48, 3), np.float16)
    field[:, 24:] = 1.5
    tone = Tone("half", gain=field, offset=np.zeros_like(field))
    turned = Plan(Merge.single(), (tone, rotation(180.0, width, height)))
    source, _ = render_source(turned, taken)
    out = render_edits(turned, source)
    straight = render_edits(Plan(Merge.single(), (tone,)), taken[0])
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(out[::-1, ::-1][inner].astype(int) - straight[inner]).mean() < 0.5


@pytest.mark.parametrize("degrees", [2.0, 180.0])
def test_frames_of_a_tripod_give_what_frames_that_moved_by_nothing_give(degrees: float):
    """The former are fused and then turned, the latter each turned and then fused."""
    taken = exposures(radiance(), EV)
    height, width = taken[0].shape[:2]
    turn = rotation(degrees, width, height)
    still = merge(3)
    moved = replace(still, transforms=still.transforms + np.array([1e-9, 0, 0])[:, None, None])

    (source, owner), (other, others) = (render_source(Plan(m, (turn,)), taken) for m in (still, moved))

    assert source.dtype == other.dtype
    # Levels differ a little, since interpolation softens the texture by which exposures are weighed; nothing moves.
    grey, others_grey = (cv2.cvtColor(p.astype(np.float32) / 65535, cv2.COLOR_RGB2GRAY) for p in (source, other))
    assert np.abs(cv2.GaussianBlur(grey - others_grey, (0, 0), 6)).mean() * 255 < 4
    shift, likeness = cv2.phaseCorrelate(grey, others_grey)
    assert np.hypot(*shift) < 0.05
    assert likeness > 0.9
    assert owner is not None
    assert others is not None
    assert owner.shape == others.shape
    assert np.mean(owner == others) > 0.9


def test_warp_size_is_that_of_the_output():
    warp = Warp("crop", np.eye(3), (0.5, 0.25), (1.0, 2 / 3))
    assert output_size(warp, 3000, 2000) == (1500, 750)
    taken = exposures(radiance(480, 320), (0.0,))
    source, _ = render_source(Plan(Merge.single(), (warp,)), taken)
    np.testing.assert_array_equal(source, taken[0][:120, :240])


def test_rendering_a_saved_plan_gives_the_same_bytes():
    taken = exposures(radiance(), EV)
    shape = (20, 30, 3)
    rng = np.random.default_rng(1)
    tone = Tone("t", gain=rng.uniform(0.9, 1.2, shape).astype(np.float16), offset=np.zeros(shape, np.float16))
    plan = Plan(merge(3), (tone,))
    again = Plan.from_bytes(plan.to_bytes())
    first, second = (render_edits(p, render_source(p, taken)[0]) for p in (plan, again))
    np.testing.assert_array_equal(first, second)
    assert again.to_bytes() == plan.to_bytes()
