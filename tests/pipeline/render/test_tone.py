"""Tone operations on tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.plan import Merge, Plan, Tone
from pipeline.render.render import render_edits
from pipeline.render.tone import evaluate
from tests.rooms import exposures, radiance


def picture(depth: int = 8):
    return exposures(radiance(700, 530), (1.0,), depth=depth)[0]


def gradient(low: float, high: float) -> np.ndarray:
    x = np.linspace(low, high, 24, dtype=np.float16)
    return np.broadcast_to(x[None, :, None], (16, 24, 3)).copy()


def plan(*tones: Tone, alpha: np.ndarray | None = None) -> Plan:
    return Plan(Merge.single(), tones, np.ones((1, 1), np.float32) if alpha is None else alpha)


def lift() -> Tone:
    curve = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[:, None] ** 0.8, 3, axis=1)
    return Tone("lift", curve, gradient(1.0, 1.2), gradient(0.0, 0.02))


def test_no_operation_is_the_identity_bit_for_bit():
    for depth in (8, 16):
        source = picture(depth)
        np.testing.assert_array_equal(render_edits(plan(), source, depth=depth), source)


def test_strength_zero_is_the_identity_bit_for_bit():
    source = picture()
    np.testing.assert_array_equal(render_edits(plan(lift()).at_strength(0.0), source), source)


def test_tiles_agree_with_the_whole_picture_evaluated_at_once():
    source = picture()
    expected = np.clip(evaluate(lift(), source / np.float32(255)) * 255, 0, 255)
    assert np.abs(render_edits(plan(lift()), source) - expected).max() <= 1.0


def test_curves_and_fields_in_any_order_agree_with_the_whole_picture():
    source = picture()
    curve = Tone("curve", lift().curve)
    tones = (curve, curve, lift(), curve)
    expected = source / np.float32(255)
    for tone in tones:
        expected = np.clip(evaluate(tone, expected), 0, 1)
    assert np.abs(render_edits(plan(*tones), source) - expected * 255).max() <= 1.0


def test_threads_do_not_change_a_bit():
    source = picture(16)
    np.testing.assert_array_equal(
        render_edits(plan(lift()), source, depth=16, threads=1), render_edits(plan(lift()), source, depth=16, threads=3)
    )


def test_sixteen_bit_result_rounds_to_the_eight_bit_one():
    source = picture(16)
    fine, coarse = render_edits(plan(lift()), source, depth=16), render_edits(plan(lift()), source, depth=8)
    assert np.abs(fine / 257 - coarse).max() <= 0.51


def test_outside_the_alpha_grid_no_byte_changes():
    source = picture()
    alpha = np.zeros((12, 16), np.float32)
    alpha[:, 8:] = 1
    out = render_edits(plan(lift(), alpha=alpha), source)
    np.testing.assert_array_equal(out[:, :320], source[:, :320])
    assert (out[:, 400:] != source[:, 400:]).mean() > 0.5


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.floats(0, 1))
def test_strength_moves_every_pixel_between_source_and_full(strength: float):
    source = picture()[:64, :64]
    full = render_edits(plan(lift()), source).astype(int)
    part = render_edits(plan(lift()).at_strength(strength), source).astype(int)
    low, high = np.minimum(source, full), np.maximum(source, full)
    assert ((part >= low - 1) & (part <= high + 1)).all()
