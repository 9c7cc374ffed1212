"""Grain of a replaced sky: in every octave, bound by the noise asked for, never the same twice, without a mean."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.render.grain import grain

BOX = (0, 512, 512, 1024)


def octaves(picture: np.ndarray) -> np.ndarray:
    """(4, 2) standard deviation, in levels of 255, of luma and red difference in octaves of size from two pixels."""
    planes, found = 255 * cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[..., :2], []
    last = cv2.GaussianBlur(planes, (0, 0), 0.7)
    for sigma in (1.4, 2.8, 5.6, 11.2):
        soft = cv2.GaussianBlur(planes, (0, 0), sigma)
        found.append((last - soft)[48:-48, 48:-48].std(axis=(0, 1)))
        last = soft
    return np.array(found)


def test_every_octave_holds_about_as_much_in_luma_and_in_colour():
    found = octaves(grain(BOX, 0.0))
    assert found.min() > 0.1
    assert found.max() < 0.35
    assert (found.max(axis=0) / found.min(axis=0)).max() < 2


def test_coarse_noise_stays_faint_where_the_old_sky_was_rough():
    calm, rough = octaves(grain(BOX, 0.3 / 255)), octaves(grain(BOX, 4 / 255))
    assert rough[0, 0] > 2 * calm[0, 0]
    assert rough[3, 0] < 1.5 * calm[3, 0]


def test_boxes_differ_and_repeat_themselves_only_when_asked_again():
    first, other = grain(BOX, 1 / 255), grain((512, 512, 1024, 1024), 1 / 255)
    assert np.array_equal(first, grain(BOX, 1 / 255))
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.05
    assert np.abs(255 * first.mean(axis=(0, 1))).max() < 0.1
