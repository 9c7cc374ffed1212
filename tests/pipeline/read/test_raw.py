"""RAW: exposures of a set keep their ratios, the base curve is monotone and shows what the camera showed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codes import Code, PhotoError
from pipeline.photo import Header
from pipeline.read.color import from_linear, to_linear
from pipeline.read.decode import decode
from pipeline.read.metadata.header import read_header
from pipeline.read.raw import (
    RawSettings,
    apply_curve,
    base_curve,
    curve_table,
    decode_linear,
    fit_curve,
    raw_settings,
    upright,
)

NEUTRAL = (0.5, 1.0, 0.625)
BLACK, WHITE = 512, 16383
# A camera whose primaries are those of sRGB: XYZ to linear sRGB, D65.
CAMERA = (3.2404542, -1.5371385, -0.4985314, -0.969266, 1.8760108, 0.041556, 0.0556434, -0.2040259, 1.0572252)


def rational(values: Any) -> tuple[int, ...]:
    return tuple(n for v in values for n in (round(v * 10000), 10000))


def write_dng(
    path: Path,
    linear: np.ndarray,
    *,
    orientation: int = 1,
    preview: np.ndarray | None = None,
    opcodes: dict[int, bytes] | None = None,
) -> Path:
    """A 14-bit RGGB DNG of linear sRGB light (H, W, 3), 1.0 where green saturates; preview: uint8 RGB.

    opcodes: lists by tag.
    """
    mosaic = np.empty(linear.shape[:2])
    for (row, column), channel in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 2}.items():
        mosaic[row::2, column::2] = linear[row::2, column::2, channel] * NEUTRAL[channel]
    bayer = np.rint(BLACK + np.clip(mosaic, 0, 1) * (WHITE - BLACK)).astype(np.uint16)
    camera = [
        (271, "s", 0, "Maker", False),
        (272, "s", 0, "Model", False),
        (274, "H", 1, orientation, False),
        (50706, "B", 4, bytes([1, 4, 0, 0]), False),
        (50707, "B", 4, bytes([1, 1, 0, 0]), False),
        (50708, "s", 0, "Maker Model", False),
        (50721, "2i", 9, rational(CAMERA), False),
        (50728, "2I", 3, rational(NEUTRAL), False),
        (50778, "H", 1, 21, False),
    ]
    sensor = [
        (33421, "H", 2, (2, 2), False),
        (33422, "B", 4, bytes([0, 1, 1, 2]), False),
        (50714, "H", 1, BLACK, False),
        (50717, "H", 1, WHITE, False),
        *((tag, 7, len(data), data, False) for tag, data in (opcodes or {}).items()),
    ]
    plain: dict[str, Any] = {"metadata": None, "software": None}
    with tifffile.TiffWriter(path) as file:
        if preview is not None:
            file.write(preview, photometric="rgb", subfiletype=1, subifds=1, extratags=camera, **plain)
            file.write(bayer, photometric=32803, extratags=sensor, **plain)
        else:
            file.write(bayer, photometric=32803, extratags=camera + sensor, **plain)
    return path


def room(height: int = 240, width: int = 320) -> np.ndarray:
    """Smooth coloured light from deep shade to near saturation (two stops under, to leave room for a bracket)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    level = 0.004 * 2 ** (6.0 * x / width)
    tint = np.stack([1 + 0.2 * y / height, np.ones_like(y), 1 - 0.3 * y / height], -1)
    return level[..., None] * tint


def linear_of(path: Path, settings: RawSettings) -> np.ndarray:
    return decode_linear(read_header(path), settings).astype(np.float64) / 65535


@pytest.fixture(scope="module")
def bracket(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("bracket")
    return {ev: write_dng(folder / f"{ev}.dng", room() * 2.0**ev) for ev in (-2, 0, 2)}


def test_the_header_of_a_dng_names_kind_size_and_camera(bracket: dict[int, Path]) -> None:
    header = read_header(bracket[0])
    assert (header.format, header.width, header.height, header.depth) == ("raw", 320, 240, 16)
    assert (header.make, header.model) == ("Maker", "Model")


def test_linear_light_is_what_the_sensor_saw(bracket: dict[int, Path]) -> None:
    settings = raw_settings(read_header(bracket[0]))
    np.testing.assert_allclose(settings.white_balance, (2, 1, 1.6, 1), rtol=1e-3)
    inside = (slice(8, -8), slice(8, -8))
    found = linear_of(bracket[0], settings)[inside]
    np.testing.assert_allclose(found, room()[inside], rtol=0.03, atol=0.0005)


def test_the_frames_of_a_set_keep_their_exposure_step(bracket: dict[int, Path]) -> None:
    settings = raw_settings(read_header(bracket[0]))
    frames = {ev: linear_of(path, settings) for ev, path in bracket.items()}
    for ev in (-2, 2):
        low, high = frames[min(ev, 0)], frames[max(ev, 0)]
        usable = (low.min(-1) > 0.004) & (high.max(-1) < 0.95)
        assert usable.sum() > 5000
        np.testing.assert_allclose((high[usable] / low[usable]).mean(), 4, rtol=0.005)
        assert np.quantile(np.abs(high[usable] / low[usable] / 4 - 1), 0.99) < 0.03


def test_a_frame_of_other_content_keeps_the_scale(tmp_path: Path, bracket: dict[int, Path]) -> None:
    # LibRaw's automatic white level would take each frame's own maximum.
    settings = raw_settings(read_header(bracket[0]))
    dim = room()
    dim[:, 160:] = dim[:, :160]
    found = linear_of(write_dng(tmp_path / "dim.dng", dim), settings)
    np.testing.assert_allclose(found[8:-8, 8:150], dim[8:-8, 8:150], rtol=0.03, atol=0.0005)


def test_decode_gives_16_bit_srgb_through_the_sets_curve(bracket: dict[int, Path]) -> None:
    settings = raw_settings(read_header(bracket[0]))
    header = read_header(bracket[2])
    image = decode(header, raw=settings)
    assert (image.dtype, image.shape) == (np.dtype(np.uint16), (240, 320, 3))
    np.testing.assert_array_equal(image, apply_curve(decode_linear(header, settings), settings))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_raw_is_upright(tmp_path: Path, orientation: int) -> None:
    light = room()
    light[20:60, 20:60] = 0.9
    stored = write_dng(tmp_path / "a.dng", light, orientation=orientation)
    header = read_header(stored)
    assert (header.width, header.height) == ((320, 240) if orientation in (1, 3) else (240, 320))
    found = decode_linear(header, raw_settings(header))[..., 1]
    expected = upright((light[..., 1] * 65535).astype(np.uint16), orientation)
    assert found.shape == expected.shape
    assert np.quantile(np.abs(found / 65535.0 - expected / 65535.0), 0.95) < 0.01


@pytest.mark.parametrize("reduce", [2, 4, 8])
def test_reduced_decoding_has_the_same_tones(bracket: dict[int, Path], reduce: int) -> None:
    header = read_header(bracket[0])
    settings = raw_settings(header)
    full, small = decode(header, raw=settings), decode(header, raw=settings, reduce=reduce)
    assert small.shape == (240 // reduce, 320 // reduce, 3)
    expected = cv2.resize(full, (320 // reduce, 240 // reduce), interpolation=cv2.INTER_AREA)
    assert np.abs(small[2:-2, 2:-2].astype(float) - expected[2:-2, 2:-2]).mean() < 300


def test_the_generic_curve_lifts_mid_tones_by_about_one_stop() -> None:
    table = curve_table(tuple(base_curve().tolist()))
    shown = to_linear(np.array([table[round(0.09 * 65535)] / 65535], np.float32))[0]
    assert 0.13 < shown < 0.2
    assert (table[0], table[-1]) == (0, 65535)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=13, max_size=13).map(sorted))
def test_every_curve_is_monotone(values: list[float]) -> None:
    table = curve_table(tuple(values)).astype(int)
    assert np.diff(table).min() >= 0


def test_the_generic_curve_has_no_kinks() -> None:
    table = curve_table(tuple(base_curve().tolist())).astype(float)
    slope = np.diff(table[64:].reshape(-1, 64).mean(1))
    assert np.abs(np.diff(slope) / slope[1:]).max() < 0.5
    assert slope.min() > 0


@pytest.mark.parametrize(("gain", "power"), [(1.0, 1.0), (2.5, 1.0), (1.6, 1.25), (4.0, 0.9)])
def test_the_curve_is_fitted_to_the_preview_within_a_fifth_of_a_stop(tmp_path: Path, gain: float, power: float) -> None:
    scene = room(480, 640)
    shown = np.clip(gain * scene**power / (1 + (gain - 1) * scene**power), 0, 1).astype(np.float32)
    preview = np.rint(from_linear(shown) * 255).astype(np.uint8)
    path = write_dng(tmp_path / "a.dng", scene, preview=preview[::2, ::2])
    header = read_header(path)
    assert (header.width, header.height) == (640, 480)
    image = to_linear(decode(header).astype(np.float32) / 65535)
    found, wanted = (cv2.GaussianBlur(x, (0, 0), 8).mean(-1) for x in (image, shown))
    told = (wanted > 0.01) & (wanted < 0.9)
    difference = np.log2(found[told] / wanted[told])
    assert np.quantile(np.abs(difference), 0.95) < 0.2


def test_a_preview_without_tones_gives_a_usable_curve() -> None:
    flat = np.zeros((64, 64), np.float32)
    for shown in (flat, flat + 1, flat + 0.2):
        curve = fit_curve(room(64, 64)[..., 1], shown)
        assert np.all(np.diff(curve) >= 0)
        assert curve[-1] == 1


def test_the_curve_of_a_real_camera_follows_its_preview(data: Path) -> None:
    import rawpy

    path = data / "ingest" / "canon_d30.crw"
    image = to_linear(decode(read_header(path), reduce=4).astype(np.float32) / 65535)
    with rawpy.imread(str(path)) as raw:
        jpeg = simplejpeg.decode_jpeg(raw.extract_thumb().data)
    shown = to_linear(jpeg.astype(np.float32) / 255)
    luma = np.array([0.2126, 0.7152, 0.0722], np.float32)
    found, wanted = (
        cv2.GaussianBlur(cv2.resize(x, (240, 160), interpolation=cv2.INTER_AREA), (0, 0), 4) @ luma
        for x in (image, shown)
    )
    difference = np.log2(found / wanted)
    assert abs(np.median(difference)) < 0.1
    assert np.quantile(np.abs(difference), 0.95) < 0.2


def clouds() -> np.ndarray:
    """Grey light (240, 320, 3) that burns green in its right half, and every channel at the border there."""
    rng = np.random.default_rng(0)
    level = 0.1 + 1.4 * np.linspace(0, 1, 320)[None] + cv2.GaussianBlur(rng.normal(0, 2, (240, 320)), (0, 0), 6)
    level[:, 300:] = 4.0
    return np.repeat(np.clip(level, 0.01, None)[..., None], 3, axis=2).astype(np.float32)


def test_highlights_that_one_channel_saw_are_rebuilt_in_a_frame_that_stands_alone(tmp_path: Path) -> None:
    header = read_header(write_dng(tmp_path / "clouds.dng", clouds()))
    part = np.s_[10:230, 215:290]
    told = (clouds()[part][..., 1] > 1.02) & (clouds()[part][..., 1] < 1.45)
    assert told.mean() > 0.5

    clipped = decode(header, raw=raw_settings(header)).astype(float) / 65535
    rebuilt = decode(header, raw=raw_settings(header, alone=True)).astype(float) / 65535

    assert np.mean(clipped[part][told] > 0.99) > 0.95
    assert np.mean(rebuilt[part][told] > 0.99) < 0.2
    assert np.corrcoef(rebuilt[part][told][:, 1], clouds()[part][told][:, 1])[0, 1] > 0.9
    assert np.ptp(rebuilt[part][told], axis=-1).max() < 0.05
    assert rebuilt[20:220, 305:315].min() > 0.985
    assert np.abs(rebuilt[:, 8:60] - clipped[:, 8:60]).max() < 0.01


def test_an_even_wall_below_saturation_is_not_taken_for_the_end_of_the_sensor(tmp_path: Path) -> None:
    wall = np.full((240, 320, 3), 0.2, np.float32)
    wall[:, 100:200, 0] = 1.3
    rebuilt = raw_settings(read_header(write_dng(tmp_path / "wall.dng", wall)), alone=True).rebuilt

    assert rebuilt is not None
    assert rebuilt.saturation == WHITE - BLACK
    assert rebuilt.reach == pytest.approx(2, rel=1e-3)


def test_highlights_are_left_where_there_is_little_to_rebuild(tmp_path: Path, bracket: dict[int, Path]) -> None:
    header = read_header(write_dng(tmp_path / "clouds.dng", clouds()))

    assert raw_settings(header).rebuilt is None
    assert raw_settings(read_header(bracket[0]), alone=True).rebuilt is None


def test_what_libraw_refuses_has_a_code(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(b"II*\0" + bytes(200))
    header = Header(str(path), "a.dng", 204, "raw", 8, 8, make="Maker")
    settings = RawSettings((1, 1, 1, 1), tuple(base_curve().tolist()))
    with pytest.raises(PhotoError, match="Maker") as caught:
        decode_linear(header, settings)
    assert caught.value.code is Code.RAW_UNSUPPORTED


def test_a_dng_cut_short_is_truncated(tmp_path: Path, bracket: dict[int, Path]) -> None:
    path = tmp_path / "cut.dng"
    path.write_bytes(bracket[0].read_bytes()[:-1000])
    with pytest.raises(PhotoError) as caught:
        read_header(path)
    assert caught.value.code is Code.TRUNCATED
