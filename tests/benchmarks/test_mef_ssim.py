"""The metric itself: known values, bounds, and what it must not depend on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.quality import mef_ssim as metric
from benchmarks.quality.mef_ssim import mef_ssim


def textured(seed: int = 0, height: int = 90, width: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.standard_normal((height, width, 3)), (0, 0), 1.5)
    return np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)


def exposed(picture: np.ndarray, ev: float) -> np.ndarray:
    return np.clip(255 * (picture / 255.0) ** (2.0**-ev), 0, 255).astype(np.uint8)


def by_definition(fused: np.ndarray, exposures: list[np.ndarray], *, luminance: bool) -> float:
    """Patch by patch, as the papers write it."""
    half = 5
    g = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * (11 / 6) ** 2))
    window = np.outer(g, g) / g.sum() ** 2
    x = np.pad(fused / 255.0, half)
    ys = [np.pad(e / 255.0, half) for e in exposures]
    height, width = fused.shape
    means = np.array(
        [[[(window * y[r : r + 11, c : c + 11]).sum() for y in ys] for c in range(width)] for r in range(height)]
    )
    total = 0.0
    for r in range(height):
        for c in range(width):
            p = x[r : r + 11, c : c + 11]
            patches = [y[r : r + 11, c : c + 11] for y in ys]
            mu = (window * p).sum()
            variances = [(window * q * q).sum() - m * m for q, m in zip(patches, means[r, c], strict=True)]
            k = int(np.argmax(variances))
            covariance = (window * p * patches[k]).sum() - mu * means[r, c, k]
            variance = (window * p * p).sum() - mu * mu
            local = (2 * covariance + 9e-4) / (variance + variances[k] + 9e-4)
            if luminance:
                w = np.exp(-((means[r, c] - 0.5) ** 2) / 0.08) * np.exp(-((means.mean((0, 1)) - 0.5) ** 2) / 0.08)
                wanted = (w * means[r, c]).sum() / w.sum()
                local *= (2 * mu * wanted + 1e-4) / (mu * mu + wanted * wanted + 1e-4)
            total += local
    return total / (height * width)


@pytest.mark.parametrize("luminance", [False, True])
def test_it_agrees_with_its_definition(luminance: bool) -> None:
    base = cv2.cvtColor(textured(3, 24, 30), cv2.COLOR_RGB2GRAY)
    exposures = [exposed(base, ev) for ev in (-1, 0, 1)]
    fused = cv2.GaussianBlur(base, (0, 0), 0.7)
    expected = by_definition(fused, exposures, luminance=luminance)
    assert mef_ssim(fused, exposures, luminance=luminance) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("luminance", [False, True])
def test_identical_exposures_fused_to_themselves_give_one(luminance: bool) -> None:
    picture = textured()
    assert mef_ssim(picture, [picture] * 3, luminance=luminance) == pytest.approx(1, abs=1e-5)


def test_a_flat_scene_keeps_all_structure_away_from_the_border() -> None:
    flat = [np.full((1400, 1400), level, np.uint8) for level in (60, 200)]
    # Beyond the border there are zeros: the frame of five pixels has structure even here.
    assert mef_ssim(np.full_like(flat[0], 128), flat) == pytest.approx(1, abs=4 * 5 / 1400)


def test_the_exposure_of_largest_variance_is_the_reference() -> None:
    strong, weak = textured(), (128 + 0.1 * (textured(1).astype(np.float64) - 128)).astype(np.uint8)
    assert mef_ssim(strong, [strong, weak]) == pytest.approx(1, abs=0.01)
    assert mef_ssim(weak, [strong, weak]) < 0.2


def test_an_inverted_picture_is_negative_and_a_blurred_one_between() -> None:
    picture = textured()
    blurred = np.asarray(cv2.GaussianBlur(picture, (0, 0), 2), np.uint8)
    assert mef_ssim(255 - picture, [picture]) < -0.5
    assert 0 < mef_ssim(blurred, [picture]) < 0.95


def test_structure_ignores_a_change_of_level_that_luminance_punishes() -> None:
    picture = np.asarray(0.5 * textured() + 40, np.uint8)
    brighter = picture + np.uint8(70)
    inner = mef_ssim(brighter, [picture])
    assert inner > 0.85
    assert mef_ssim(brighter, [picture], luminance=True) < inner - 0.05


def test_strips_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    exposures = [exposed(textured(), ev) for ev in (-1, 0, 1)]
    fused = textured(5)
    for luminance in (False, True):
        whole = mef_ssim(fused, exposures, luminance=luminance)
        monkeypatch.setattr(metric, "_STRIP", 17)
        assert mef_ssim(fused, exposures, luminance=luminance) == pytest.approx(whole, abs=1e-6)
        monkeypatch.undo()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    evs=st.lists(st.floats(-3, 3), min_size=1, max_size=4),
    luminance=st.booleans(),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_it_is_bounded_and_ignores_the_order_of_exposures(
    seed: int, evs: list[float], luminance: bool, size: tuple[int, int]
) -> None:
    base, fused = textured(seed, *size), textured(seed + 1, *size)
    exposures = [exposed(base, ev) for ev in evs]
    value = mef_ssim(fused, exposures, luminance=luminance)
    assert -1 - 1e-5 <= value <= 1 + 1e-5
    # Where two exposures are clipped alike, either may be the reference.
    assert mef_ssim(fused, exposures[::-1], luminance=luminance) == pytest.approx(value, abs=1e-3)


def test_no_exposures_or_other_shapes_are_refused() -> None:
    picture = textured()
    with pytest.raises(ValueError, match="no exposures"):
        mef_ssim(picture, [])
    with pytest.raises(ValueError, match="shapes differ"):
        mef_ssim(picture, [picture[:-1]])
