"""Colour: the sRGB curves, and profiles to sRGB against LittleCMS."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pipeline.read import color, icc

P3 = np.array([[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
PROPHOTO = np.array([[0.79767, 0.13519, 0.03135], [0.28804, 0.71188, 0.00008], [0.0, 0.0, 0.82491]])
PROFILES = {
    "adobe": icc.ADOBE_RGB,
    "p3": icc.write_matrix_profile(P3, 2.2),
    "prophoto": icc.write_matrix_profile(PROPHOTO, 1.8),
}


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def littlecms(image: np.ndarray, profile: bytes) -> np.ndarray:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(image), source, target, intent))


@settings(deadline=None)
@given(st.floats(0, 1, width=32))
def test_the_srgb_curves_are_inverse(x: float) -> None:
    value = np.float32(x)
    assert color.from_linear(color.to_linear(value)) == pytest.approx(x, abs=2e-6)


def test_the_srgb_curve_has_its_known_values() -> None:
    found = color.to_linear(np.array([0, 0.04045, 0.5, 1], np.float32))
    np.testing.assert_allclose(found, [0, 0.0031308, 0.2140411, 1], atol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("name", PROFILES)
def test_8_bit_follows_littlecms(name: str) -> None:
    image = np.random.default_rng(1).integers(0, 256, (90, 70, 3), np.uint8)
    difference = color.to_srgb(image, PROFILES[name]).astype(int) - littlecms(image, PROFILES[name])
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("name", PROFILES)
def test_16_bit_is_within_one_level_of_littlecms(name: str) -> None:
    image = np.random.default_rng(2).integers(0, 256, (90, 70, 3), np.uint8)
    found = color.to_srgb(image.astype(np.uint16) * 257, PROFILES[name])
    assert found.dtype == np.uint16
    assert np.abs(found / 257 - littlecms(image, PROFILES[name])).max() <= 1


@pytest.mark.parametrize("name", PROFILES)
def test_16_bit_keeps_smooth_ramps(name: str) -> None:
    ramp = np.repeat(np.arange(0, 65536, dtype=np.uint16)[None, :, None], 3, axis=2)
    found = color.to_srgb(ramp, PROFILES[name])[0, :, 1].astype(int)
    assert np.diff(found).min() >= 0
    assert len(np.unique(found)) > 40_000
    assert np.diff(found[2000:]).max() <= 4


def test_tables_at_16_bit_follow_littlecms() -> None:
    image = np.random.default_rng(3).integers(0, 256, (40, 40, 3), np.uint8)
    found = color.convert_lattice(image.astype(np.uint16) * 257, PROFILES["adobe"])
    difference = np.abs(found / 257 - littlecms(image, PROFILES["adobe"]))
    assert np.quantile(difference, 0.95) <= 2


def test_conversion_may_write_into_its_input() -> None:
    image = np.random.default_rng(4).integers(0, 256, (31, 17, 3), np.uint8)
    expected = color.to_srgb(image, PROFILES["p3"])
    found = color.to_srgb(image, PROFILES["p3"], out=image)
    assert found is image
    np.testing.assert_array_equal(found, expected)


def test_white_black_and_grey_stay_neutral() -> None:
    image = np.repeat(np.array([0, 30000, 65535], np.uint16)[:, None, None], 3, axis=2)
    for profile in PROFILES.values():
        found = color.to_srgb(image, profile).astype(int)
        assert np.ptp(found, axis=2).max() <= 60
        assert found[0].max() == 0
        assert found[2].min() >= 65500


def test_srgb_is_known_by_its_colours() -> None:
    assert color.is_srgb(srgb_profile())
    assert not any(color.is_srgb(p) for p in PROFILES.values())


def test_grey_follows_its_curve() -> None:
    profile = bytearray(icc.write_matrix_profile(P3, 1.0))
    profile[16:20] = b"GRAY"
    profile = profile.replace(b"rTRC", b"kTRC")
    levels = np.arange(256, dtype=np.uint8)[None]
    found = color.gray_to_srgb(levels, bytes(profile))
    np.testing.assert_allclose(found / 255, color.from_linear(levels.astype(np.float32) / 255), atol=0.5 / 255 + 1e-6)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_broken_profiles_raise_bad_profile_only(data: bytes) -> None:
    for space in ("RGB", "GRAY", "CMYK"):
        with pytest.raises(icc.BadProfile):
            color.check_profile(data, space)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(128, 500), st.integers(0, 255)), min_size=1, max_size=20))
def test_damaged_profiles_convert_or_raise_bad_profile(damage: list[tuple[int, int]]) -> None:
    profile = bytearray(PROFILES["p3"])
    for place, value in damage:
        profile[place % len(profile)] = value
    image = np.full((2, 2, 3), 300, np.uint16)
    for picture in (image, image.astype(np.uint8)):
        try:
            found = color.to_srgb(picture, bytes(profile))
        except icc.BadProfile:
            continue
        assert found.shape == picture.shape


def test_a_profile_for_another_space_does_not_fit() -> None:
    with pytest.raises(icc.BadProfile, match="RGB on a picture in GRAY"):
        color.check_profile(PROFILES["p3"], "GRAY")


def test_our_adobe_rgb_agrees_with_a_published_compatible_profile(data: Path) -> None:
    published = (data / "ingest" / "ClayRGB1998_adobergb_compatible.icc").read_bytes()
    image = np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    found, expected = (color.to_srgb(image, p).astype(int) for p in (icc.ADOBE_RGB, published))
    assert np.abs(found - expected).max() <= 1


def test_a_profile_that_littlecms_refuses_is_bad(data: Path) -> None:
    profile = (data / "ingest" / "invalid_illuminant.icc").read_bytes()
    with pytest.raises(icc.BadProfile, match="LittleCMS"):
        color.check_profile(profile, "RGB")
