"""Where panes end: frames that daylight makes as bright as the view are none of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.merge.order import log_radiance
from pipeline.read.color import from_linear
from pipeline.see.glazing import VIEW_SIDE, across, through_panes

VALUES = (-4.0, -2.0, 0.0, 2.0)
WINDOW = np.s_[90:390, 250:550]
SKY, LEAVES = np.s_[110:190, 270:530], np.s_[210:370, 270:530]


def exposures_of(scene: np.ndarray) -> list[np.ndarray]:
    """Exposures of a scene (h, w, 3), linear in units of the middle one's white."""
    shots = [from_linear(np.clip(scene * 2.0**ev, 0, 1).astype(np.float32)) for ev in VALUES]
    return [np.round(255 * shot).astype(np.uint8) for shot in shots]


def lit(frame: float) -> np.ndarray:
    """A grey room (480, 800, 3) with a window in a frame that daylight strikes: a pane of sky over one of leaves."""
    rng = np.random.default_rng(0)
    scene = 0.2 + 0.01 * cv2.GaussianBlur(rng.normal(0, 1, (480, 800)), (0, 0), 2)
    scene[WINDOW] = frame
    scene[SKY] = 12.0
    leaves = 2.5 * np.exp2(cv2.GaussianBlur(rng.normal(0, 3.0, (480, 800)), (0, 0), 1.5))
    scene[LEAVES] = leaves[LEAVES]
    scene = cv2.GaussianBlur(scene, (0, 0), 0.8)
    return np.repeat(scene[..., None], 3, 2)


def panes_of(scene: np.ndarray) -> np.ndarray:
    """The view that is found; the network takes the frame for glass, as it does."""
    exposures = exposures_of(scene)
    radiance = log_radiance(exposures, VALUES)
    prior = np.zeros(radiance.shape, np.float32)
    prior[WINDOW] = 0.9
    wall = float(np.median(radiance[prior == 0]))
    outside = (prior > 0.2) & (radiance > wall + 1)
    texture = across(radiance, VIEW_SIDE * max(prior.shape))
    built = {"bars": np.zeros(prior.shape, bool), "rims": np.zeros(prior.shape, bool)}
    return through_panes(exposures, 2, radiance, texture, wall=wall, outside=outside, prior=prior, **built)


@pytest.mark.parametrize("frame", [0.7, 1.5, 3.0])
def test_a_frame_as_bright_as_the_view_is_none_of_it(frame: float) -> None:
    view = panes_of(lit(frame))

    for pane in (SKY, LEAVES):
        ys, xs = pane
        assert view[ys.start + 3 : ys.stop - 3, xs.start + 3 : xs.stop - 3].mean() > 0.97
    bars = [np.s_[94:105, 260:540], np.s_[196:204, 280:520], np.s_[376:386, 260:540], np.s_[100:380, 254:264]]
    assert max(view[bar].mean() for bar in bars) < 0.03
    assert not view[:, :240].any()


def test_a_lawn_is_view_though_smooth() -> None:
    scene = lit(1.5)
    scene[300:370, 270:530] = np.array([1.0, 1.6, 0.8]) * 2.2

    assert panes_of(scene)[305:365, 275:525].mean() > 0.97


def test_a_smooth_thing_far_from_the_frame_is_view() -> None:
    scene = lit(1.5)
    scene[270:290, 380:400] = 1.5

    assert panes_of(scene)[270:290, 380:400].all()


def test_there_is_no_texture_along_straight_edges_and_some_among_leaves() -> None:
    x = np.arange(400)
    lines = np.repeat(((x // 9) % 2).astype(np.float32)[None], 300, axis=0)
    leaves = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 3.0, (300, 400)), (0, 0), 1.5).astype(np.float32)

    inner = np.s_[30:-30, 30:-30]
    assert across(lines, 3)[inner].max() < 0.01
    assert np.median(across(leaves, 3)[inner]) > 0.06


def test_nothing_bright_is_no_view() -> None:
    assert not panes_of(np.full((480, 800, 3), 0.2)).any()
