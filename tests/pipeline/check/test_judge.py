"""Verdicts, their reasons, and the crop of the worst place."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.check.judge import judge, worst_crop
from pipeline.check.metrics import Figures
from pipeline.codes import Code, PhotoError
from pipeline.recipe import Check

GOOD = Figures(
    ssim=0.9,
    structure=1,
    structure_worst=1,
    structure_place=(0, 0, 40, 40),
    edge_precision=1,
    edge_recall=1,
    edges_worst=1,
    edges_place=(100, 100, 140, 140),
    colour_mean=0,
    colour_p95=0,
    colour_worst=0,
    colour_place=(300, 100, 380, 180),
    changed=1,
)
LIMITS = Check(structure=0.8, colour=1.0, edges=0.6)


def test_unchanged_picture_passes_without_reasons() -> None:
    verdict = judge(GOOD, LIMITS)
    assert (verdict.passed, verdict.codes, verdict.reasons, verdict.place) == (True, (), (), None)


@pytest.mark.parametrize(
    ("change", "code", "limit"),
    [
        ({"structure_worst": 0.7}, Code.SSIM_LOW, "check.structure"),
        ({"edges_worst": 0.5}, Code.EDGE_LOSS, "check.edges"),
        ({"colour_worst": 1.2}, Code.COLOR_DRIFT, "check.colour"),
    ],
)
def test_each_limit_has_its_code_and_a_reason_that_names_it(change: dict[str, float], code: Code, limit: str) -> None:
    verdict = judge(replace(GOOD, **change), LIMITS)
    assert verdict.codes == (code,)
    assert limit in verdict.reasons[0]
    assert not verdict.passed


def test_worst_violation_comes_first() -> None:
    verdict = judge(replace(GOOD, structure_worst=0.79, colour_worst=9.0, edges_worst=0.5), LIMITS)
    assert verdict.codes == (Code.COLOR_DRIFT, Code.EDGE_LOSS, Code.SSIM_LOW)
    assert verdict.place == GOOD.colour_place


def test_plain_ssim_and_share_of_changed_pixels_are_not_judged() -> None:
    assert judge(replace(GOOD, ssim=0.1, changed=1.0, structure=0.5), LIMITS).passed


@given(
    structure=st.floats(-1, 1),
    edges=st.floats(0, 1),
    colour=st.floats(0, 50),
)
def test_verdict_is_valid_json_and_passes_exactly_within_the_limits(
    structure: float, edges: float, colour: float
) -> None:
    verdict = judge(replace(GOOD, structure_worst=structure, edges_worst=edges, colour_worst=colour), LIMITS)
    assert verdict.passed == (structure >= 0.8 and edges >= 0.6 and colour <= 1.0)
    assert json.loads(json.dumps(verdict.to_dict()))["passed"] == verdict.passed


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_worst_crop_shows_both_pictures_at_full_size(depth: type) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 255, (400, 600, 3)).astype(depth)
    b = a.copy()
    b[150, 350] = 0
    crop = worst_crop(a, b, replace(GOOD, colour_worst=5.0), limits=LIMITS, least=100)
    assert crop.dtype == depth
    assert crop.shape == (100, 204, 3)
    left, right = crop[:, :100], crop[:, 104:]
    assert (left != right).any(axis=2).sum() == 1


@given(height=st.integers(1, 60), width=st.integers(1, 60), least=st.integers(1, 80))
def test_worst_crop_stays_inside_any_picture(height: int, width: int, least: int) -> None:
    a = np.zeros((height, width, 3), np.uint8)
    place = (0, 0, width, height)
    crop = worst_crop(a, a, replace(GOOD, structure_place=place), least=least)
    assert 1 <= crop.shape[0] <= height
    assert 1 <= (crop.shape[1] - 4) // 2 <= width


def test_worst_crop_of_an_8_bit_result_from_a_16_bit_source() -> None:
    a = np.full((50, 50, 3), 65535, np.uint16)
    crop = worst_crop(a, np.full((50, 50, 3), 255, np.uint8), GOOD)
    assert crop.dtype == np.uint8
    assert crop[0, 0, 0] == 255


def test_worst_crop_needs_one_size() -> None:
    a = np.zeros((10, 10, 3), np.uint8)
    with pytest.raises(PhotoError):
        worst_crop(a, a[:5], GOOD)
