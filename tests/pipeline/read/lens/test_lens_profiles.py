"""Lenses of the database: told by name only, and the same map and light as its own library makes."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.merge.mapping import Mapping
from pipeline.photo import Header
from pipeline.read.lens import profiles
from pipeline.read.lens.profiles import profile

lensfunpy = pytest.importorskip("lensfunpy", reason="the extra `lens` is not installed")

SONY = ("SONY", "ILCE-7M3", "FE 16-35mm F4 ZA OSS")
CANON = ("Canon", "Canon EOS 5D Mark III", "EF16-35mm f/2.8L II USM")
FUJI = ("FUJIFILM", "X-T3", "XF10-24mmF4 R OIS")


def header(camera: tuple[str, str, str], focal: float, aperture: float | None = 8.0, **fields) -> Header:
    make, model, lens = camera
    size = {"width": 1500, "height": 1000} | fields
    return Header("a", "a", 1, "raw", make=make, model=model, lens=lens, focal_length=focal, f_number=aperture, **size)


def modifier_of(camera: tuple[str, str, str], focal: float, aperture: float, size: tuple[int, int]):
    database = lensfunpy.Database()
    body = database.find_cameras(camera[0], camera[1])[0]
    lens = database.find_lenses(body, None, camera[2])[0]
    modifier = lensfunpy.Modifier(lens, body.crop_factor, *size)
    modifier.initialize(focal, aperture, 1000.0, scale=1.0, pixel_format=np.float32)
    return modifier


@pytest.mark.parametrize(("camera", "focal"), [(SONY, 16), (SONY, 21.5), (CANON, 16), (FUJI, 10)])
def test_it_bends_as_lensfun_itself_does(camera: tuple[str, str, str], focal: float):
    width, height = 1500, 1000
    lens = profile(header(camera, focal))
    assert lens is not None
    mapping = Mapping(np.eye(3), lens, width)
    x, y = np.arange(width) + 0.5, (np.arange(height) + 0.5)[:, None]
    spots = mapping.at(x, y)
    truth = modifier_of(camera, focal, 8.0, (width, height)).apply_subpixel_geometry_distortion()
    for c in range(3):
        u, v = spots[c if len(spots) == 3 else 0]
        off = np.hypot(u - 0.5 - truth[:, :, c, 0], v - 0.5 - truth[:, :, c, 1])
        # Approximate roots make its own coordinates noisy by a tenth of a pixel at the border.
        assert np.median(off) < 0.04, c
        assert off.max() < 0.35, c
    moved = np.hypot(spots[0][0] - x, spots[0][1] - y)
    assert moved.max() > 10


def test_it_brightens_as_lensfun_itself_does():
    lens = profile(header(CANON, 16, 2.8))
    assert lens is not None
    assert lens.gain is not None
    light = np.ones((lens.gain.shape[0], lens.gain.shape[1], 3), np.float32)
    modifier_of(CANON, 16, 2.8, (light.shape[1], light.shape[0])).apply_color_modification(light)
    np.testing.assert_allclose(lens.gain[..., 0], np.minimum(light[..., 0], 4), rtol=2e-3)
    assert 1.5 < float(lens.gain.max()) <= 4


@pytest.mark.parametrize(
    ("camera", "focal"),
    [
        (("SONY", "ILCE-7M3", "FE 17-36mm F4 ZA OSS"), 18),
        (("SONY", "ILCE-7M3", ""), 16),
        (("SONY", "ILCE-7M3", "----"), 16),
        (("SONY", "ILCE-7M99", "FE 16-35mm F4 ZA OSS"), 16),
        (("", "", ""), 16),
        (SONY, 50),
        (SONY, None),
        (("Canon", "Canon EOS 5D Mark III", "EF16-35mm f/2.8L IV USM"), 16),
    ],
    ids=[
        "no such lens",
        "no name",
        "dashes",
        "no such camera",
        "nothing",
        "another zoom",
        "no focal",
        "another version",
    ],
)
def test_what_is_not_certain_is_not_known(camera: tuple[str, str, str], focal: float | None):
    assert profile(header(camera, focal)) is None  # type: ignore[arg-type]


def test_versions_of_a_lens_are_told_apart():
    names = {
        name: found.source
        for name in ("EF16-35mm f/2.8L USM", "EF16-35mm f/2.8L II USM", "EF16-35mm f/4L IS USM")
        if (found := profile(header((CANON[0], CANON[1], name), 16)))
    }
    assert len(set(names.values())) == 3


def test_a_lens_that_cannot_be_changed_needs_no_name_and_no_converter():
    found = profile(header(("NIKON", "E995", ""), 8.9, 7.7, width=1600, height=1200))
    assert found is not None
    assert " with " not in found.source


def test_without_the_database_no_lens_is_known(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(profiles, "_database", lambda: None)
    profiles._found.cache_clear()
    try:
        assert profiles.lens_count() == 0
        assert profile(header(SONY, 16)) is None
    finally:
        profiles._found.cache_clear()


def test_a_turned_frame_has_the_lens_of_the_frame_as_it_was_taken():
    wide = profile(header(SONY, 16, width=1500, height=1000))
    tall = profile(header(SONY, 16, width=1000, height=1500, orientation=6))
    assert wide is not None
    assert tall is not None
    np.testing.assert_array_equal(wide.radial, tall.radial)
    assert tall.centre == (wide.centre[1], wide.centre[0])
    assert wide.gain is not None
    assert tall.gain is not None
    assert tall.gain.shape == (wide.gain.shape[1], wide.gain.shape[0], 1)
