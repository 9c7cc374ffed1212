"""Exposure fusion: range, tone order, tiles, depth, borders."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.merge.fuse import fuse_tile, prepare, reduction
from pipeline.merge.mapping import Mapping
from pipeline.merge.order import keep_tone_order, log_radiance, measured_steps
from pipeline.merge.tiles import boxes
from pipeline.plan import Outlook
from tests.rooms import exposures, radiance

EV = (-5.0, -2.5, 0.0, 2.0)


def fused(taken, transforms=None, **options):
    height, width = taken[0].shape[:2]
    transforms = transforms or [np.eye(3)] * len(taken)
    fusion = prepare(taken, [Mapping(t) for t in transforms], EV[: len(taken)], **options)
    out = np.empty((height, width, 3), np.float32)
    for x0, y0, x1, y1 in boxes(width, height):
        out[y0:y1, x0:x1] = fuse_tile(taken, fusion, (x0, y0, x1, y1))
    return out, fusion


def test_identical_exposures_fuse_to_themselves():
    taken = [exposures(radiance(window=0.0), (0.5,))[0]] * 3
    out, _ = fused(taken)
    assert np.abs(out - taken[0]).max() < 2.0


def test_the_view_in_the_window_is_not_burnt():
    room = radiance(window=5.0)
    taken = exposures(room, EV)
    out, _ = fused(taken)
    view = out[40:130, 270:380]
    assert (taken[2][40:130, 270:380] == 255).mean() > 0.9
    assert (view >= 254).mean() < 0.04
    assert view.std() > 5


def test_window_is_not_darker_than_the_wall_around_it():
    out, _ = fused(exposures(radiance(window=4.0), EV))
    sky, wall = out[45:75, 275:370].mean(), out[45:130, 180:250].mean()
    assert sky > wall


def test_where_it_looks_out_it_shows_more_of_the_view_and_the_room_stays():
    taken = exposures(radiance(window=6.0), EV)
    share = np.zeros((160, 240), np.float16)
    share[20:65, 135:190] = 1

    plain, _ = fused(taken)
    out, _ = fused(taken, outlook=Outlook(share, 0.3, 2.0))

    view = np.s_[45:125, 275:375]
    assert (out[view] >= 250).mean() < 0.5 * (plain[view] >= 250).mean()
    assert out[view].std() > 1.2 * plain[view].std()
    np.testing.assert_array_equal(out[:, :200], plain[:, :200])


def test_a_muntin_in_the_view_is_shown_as_fused_and_the_panes_beside_it_are_not():
    room = radiance(window=6.0)
    bar = np.s_[45:125, 320:326]
    room[bar] = 0.4
    taken = exposures(room, EV)
    share = np.zeros((160, 240), np.float16)
    share[20:65, 135:190] = 1
    level = float(np.median(log_radiance(taken, EV)[bar]))
    bars = np.full(taken[0].shape[:2], -100, np.float16)
    bars[44:126, 319:327] = level

    plain, _ = fused(taken)
    dark, _ = fused(taken, outlook=Outlook(share, 0.3, 2.0))
    out, _ = fused(taken, outlook=Outlook(share, 0.3, 2.0, indoors=bars))

    core, pane = np.s_[50:120, 322:324], np.s_[50:120, 330:370]
    assert plain[core].mean() - dark[core].mean() > 30
    np.testing.assert_allclose(out[core].mean(), plain[core].mean(), atol=4)
    np.testing.assert_allclose(out[pane], dark[pane], atol=3)


def test_without_detail_a_view_has_none_either():
    taken = exposures(radiance(window=6.0), EV)
    share = np.ones((160, 240), np.float16)

    fine, coarse = (fused(taken, outlook=Outlook(share, 0.3, 2.0), detail=d)[1] for d in (1.0, 0.0))

    assert max(int(w.max()) for w in fine.weights) > 100
    assert max(int(w.max()) for w in coarse.weights) == 0


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_tiles_join_without_seams_whatever_the_partition(factor):
    taken = exposures(radiance(), EV)
    whole, fusion = fused(taken, factor=factor)
    for x0, y0, x1, y1 in [(0, 0, 77, 53), (100, 60, 333, 201), (401, 251, 480, 320)]:
        np.testing.assert_array_equal(fuse_tile(taken, fusion, (x0, y0, x1, y1)), whole[y0:y1, x0:x1])


def test_threads_do_not_change_a_bit():
    taken = exposures(radiance(), EV)
    np.testing.assert_array_equal(fused(taken, threads=1)[0], fused(taken, threads=3)[0])


def test_sixteen_bit_input_fuses_as_eight_bit_does_but_finer():
    room = radiance()
    eight, _ = fused(exposures(room, EV))
    sixteen, _ = fused(exposures(room, EV, depth=16))
    assert np.abs(eight - sixteen).mean() < 1.0
    assert len(np.unique(np.rint(sixteen * 257))) > 4 * len(np.unique(np.rint(eight)))


def test_a_shifted_exposure_is_sampled_back_and_gives_no_border_ghost():
    taken = exposures(radiance(window=0.0), EV)
    shift = np.eye(3)
    shift[0, 2] = 6.0
    moved = np.roll(taken[1], 6, axis=1)
    moved[:, :6] = 0
    straight, _ = fused(taken)
    out, _ = fused([taken[0], moved, *taken[2:]], [np.eye(3), shift, np.eye(3), np.eye(3)])
    assert np.abs(out - straight)[:, :460].mean() < 1.0
    assert np.abs(out - straight)[:, 474:].mean() < 12.0


def test_owner_names_the_dark_exposure_in_the_window():
    _, fusion = fused(exposures(radiance(window=5.0), EV))
    small = cv2.resize(fusion.owner, (480, 320), interpolation=cv2.INTER_NEAREST)
    assert np.median(small[50:120, 280:370]) <= 1
    assert np.median(small[60:140, 20:200]) >= 2


def test_steps_are_measured_from_pixels_whatever_the_tags_say():
    taken = exposures(radiance(window=3.0), EV)
    steps = np.diff(measured_steps(taken, [0.0] * 4))
    np.testing.assert_allclose(steps, [2.5, 2.5, 2.0], atol=0.15)


def test_log_radiance_recovers_the_scene():
    room = radiance(window=5.0)
    found = log_radiance(exposures(room, EV), EV)
    truth = np.log2(room @ np.float32([0.2126, 0.7152, 0.0722]))
    error = (found - np.median(found)) - (truth - np.median(truth))
    assert np.percentile(np.abs(error), 95) < 0.25


def test_order_of_a_consistent_picture_is_left_alone():
    room = radiance(window=2.0)
    truth = np.log2(room @ np.float32([0.2126, 0.7152, 0.0722]))
    tone_mapped = np.repeat(((truth - truth.min()) / np.ptp(truth) * 255)[..., None], 3, axis=2).astype(np.float32)
    assert np.abs(keep_tone_order(tone_mapped, truth) - 1).max() < 0.1


def test_reduction_grows_with_the_picture():
    assert [reduction(p) for p in (1_000_000, 9_000_000, 45_000_000)] == [2, 2, 4]


def test_an_exposure_of_faint_weight_gives_no_detail_and_the_others_give_it_all():
    taken = exposures(radiance(window=0.0), EV)
    _, fusion = fused(taken)
    shares = np.stack([w.astype(float) for w in fusion.weights])
    assert (shares[0] == 0).mean() > 0.3
    assert abs(np.median(shares.sum(0)) - 200) < 10


def test_many_equal_exposures_share_the_detail_equally():
    taken = [exposures(radiance(window=0.0), (0.5,))[0]] * 30
    fusion = prepare(taken, [Mapping(np.eye(3))] * 30, [0.0] * 30)
    weights = np.stack(fusion.weights)
    assert (weights == weights[0]).all()
    assert 5 <= np.median(weights) <= 8


def test_what_no_exposure_covers_gets_no_detail():
    taken = exposures(radiance(), EV)
    fusion = prepare(taken, [Mapping(np.eye(3))] * len(taken), EV, size=(600, 500))
    out = fuse_tile(taken, fusion, (0, 0, 600, 500))
    assert np.isfinite(out).all()
    assert all(w[-1, -1].max() == 0 for w in fusion.weights)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_the_thinnest_pictures_fuse(shape):
    taken = [np.full((*shape, 3), level, np.uint8) for level in (40, 90, 180)]
    out, _ = fused(taken)
    assert np.isfinite(out).all()
    assert 40 <= out.mean() <= 180
