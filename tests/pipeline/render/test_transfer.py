"""Edited proxies become tone operations that carry light and colour, but no texture."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.render.tone import evaluate
from pipeline.render.transfer import compile_tone
from tests.rooms import encode, radiance


def pair():
    full = encode(radiance(1536, 1024, window=1.0) * 1.5)
    small = cv2.resize(full, (768, 512), interpolation=cv2.INTER_AREA)
    return full, small


def psnr(a, b):
    return -10 * np.log10(np.mean((a - b) ** 2))


def shadow_lift(x):
    base = cv2.GaussianBlur(x.mean(axis=2), (0, 0), 0.02 * x.shape[1])
    return np.clip(x * (1 + 0.8 * np.exp(-base / 0.25))[..., None], 0, 1)


def invented_texture(edited):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: edited.shape[0], : edited.shape[1]]
    noise = cv2.GaussianBlur(rng.normal(0, 1, edited.shape).astype(np.float32), (0, 0), 1.2)
    false = (np.sin(0.9 * x) * np.sin(1.1 * y) * 0.06)[..., None]
    return np.clip(cv2.GaussianBlur(edited, (0, 0), 0.8) + false + 0.03 * noise / noise.std(), 0, 1)


def test_unchanged_picture_compiles_to_the_identity():
    _, small = pair()
    tone = compile_tone(small, small, "none")
    np.testing.assert_allclose(tone.gain, 1, atol=1e-3)
    np.testing.assert_allclose(tone.offset, 0, atol=1e-3)


def test_a_smooth_edit_reaches_full_resolution():
    full, small = pair()
    tone = compile_tone(small, shadow_lift(small), "lift")
    assert psnr(np.clip(evaluate(tone, full), 0, 1), shadow_lift(full)) > 34


def test_at_most_a_tenth_of_invented_texture_leaks():
    full, small = pair()
    edited = shadow_lift(small)
    false = invented_texture(edited)
    clean, leaky = (evaluate(compile_tone(small, e, "edit"), full) for e in (edited, false))
    injected = np.sqrt(np.mean((false - edited) ** 2))
    assert np.sqrt(np.mean((leaky - clean) ** 2)) / injected <= 0.10


def test_blur_of_the_engine_does_not_soften_the_photo():
    full, small = pair()
    blurred = cv2.GaussianBlur(small, (0, 0), 1.5)
    out = evaluate(compile_tone(small, blurred, "blur"), full)
    detail = lambda x: x - cv2.GaussianBlur(x, (0, 0), 2)  # noqa: E731
    kept = (detail(out) * detail(full)).sum() / (detail(full) ** 2).sum()
    assert kept > 0.9
