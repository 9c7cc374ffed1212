"""Corrections that a DNG brings along, and vignetting taken out in linear light."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.merge.mapping import bent
from pipeline.plan import LENS_REACH, Lens
from pipeline.read.decode import decode
from pipeline.read.lens.falloff import brightened, brightened_picture
from pipeline.read.lens.opcodes import embedded, is_developed
from pipeline.read.lens.orientation import turned
from pipeline.read.metadata.header import read_header
from pipeline.read.raw import raw_settings, upright
from tests.pipeline.read.test_raw import room, write_dng

LIST_2, LIST_3 = 51009, 51022
WIDTH, HEIGHT = 320, 240


def opcode(kind: int, data: bytes) -> bytes:
    return struct.pack(">4I", kind, 0x01030000, 0, len(data)) + data


def listed(*opcodes: bytes) -> bytes:
    return struct.pack(">I", len(opcodes)) + b"".join(opcodes)


def warp(*planes: tuple[float, ...], centre: tuple[float, float] = (0.5, 0.5)) -> bytes:
    values = [v for plane in planes for v in plane]
    return opcode(1, struct.pack(f">I{len(values) + 2}d", len(planes), *values, *centre))


def vignette(*k: float, centre: tuple[float, float] = (0.5, 0.5)) -> bytes:
    return opcode(3, struct.pack(">7d", *k, *centre))


def gain_map(values: np.ndarray, *, top: int = 0, left: int = 0, pitch: int = 1, plane: int = 0) -> bytes:
    rows, columns = values.shape
    head = struct.pack(">10I", top, left, HEIGHT, WIDTH, plane, 1, pitch, pitch, rows, columns)
    where = struct.pack(">4d", 1 / max(rows - 1, 1), 1 / max(columns - 1, 1), 0, 0)
    return opcode(9, head + where + struct.pack(">I", 1) + values.astype(">f4").tobytes())


def lens_of(tmp_path: Path, orientation: int = 1, **lists: bytes) -> Lens | None:
    tags = {{"second": LIST_2, "third": LIST_3}[name]: data for name, data in lists.items()}
    path = write_dng(tmp_path / f"{orientation}.dng", room(HEIGHT, WIDTH), orientation=orientation, opcodes=tags)
    return embedded(read_header(path))


def specified(x: float, y: float, terms: tuple[float, ...], centre: tuple[float, float]) -> tuple[float, float]:
    """Where WarpRectilinear fetches pixel (x, y) from, as the specification has it (DNG 1.7.1, chapter 7)."""
    k0, k1, k2, k3, t0, t1 = terms
    cx, cy = centre[0] * WIDTH, centre[1] * HEIGHT
    m = np.hypot(max(cx, WIDTH - cx), max(cy, HEIGHT - cy))
    dx, dy = (x - cx) / m, (y - cy) / m
    r = dx * dx + dy * dy
    f = k0 + k1 * r + k2 * r**2 + k3 * r**3
    tx, ty = t0 * 2 * dx * dy + t1 * (r + 2 * dx * dx), t1 * 2 * dx * dy + t0 * (r + 2 * dy * dy)
    return cx + m * (f * dx + tx), cy + m * (f * dy + ty)


@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.47, 0.54)])
def test_a_warp_is_what_the_specification_says(tmp_path: Path, centre: tuple[float, float]):
    planes = [(1.0, -0.08, 0.02, -0.004, 0.003, -0.002), (1.0002, -0.081, 0.02, -0.004, 0.003, -0.002)]
    planes.append((0.9998, -0.079, 0.02, -0.004, 0.003, -0.002))
    lens = lens_of(tmp_path, third=listed(warp(*planes, centre=centre)))
    assert lens is not None
    for x, y in ((3.0, 5.0), (150.0, 100.0), (310.0, 30.0), (250.0, 235.0)):
        spots = bent(lens, np.array([x / WIDTH]), np.array([y / WIDTH]))
        for (u, v), terms in zip(spots, planes, strict=True):
            a, b = specified(x, y, terms, centre)
            assert (u[0] * WIDTH, v[0] * WIDTH) == (pytest.approx(a, abs=0.02), pytest.approx(b, abs=0.02))


def test_warp_rectilinear_2_in_odd_powers_and_reciprocal(tmp_path: Path):
    terms = [1.0, 0.01, -0.05, 0.004, *[0.0] * 11]
    for reciprocal in (0, 1):
        data = struct.pack(">I21dI", 1, *terms, 0.0, 0.0, 0.0, 1.0, 0.5, 0.5, reciprocal)
        lens = lens_of(tmp_path, third=listed(opcode(14, data)))
        assert lens is not None
        plain = np.polynomial.polynomial.polyval(np.linspace(0, LENS_REACH, 129), terms)
        np.testing.assert_allclose(lens.radial[0], 1 / plain if reciprocal else plain, rtol=1e-9)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_lens_turns_with_the_picture(tmp_path: Path, orientation: int):
    terms, centre = (1.0, -0.08, 0.0, 0.0, 0.004, -0.003), (0.46, 0.55)
    gain = 1 + np.outer(np.linspace(0, 0.2, 9), np.linspace(0.2, 1, 12))
    data = listed(warp(terms, centre=centre), gain_map(gain))
    still, lens = lens_of(tmp_path, third=data), lens_of(tmp_path, orientation, third=data)
    assert still is not None
    assert lens is not None
    x, y = np.meshgrid((np.arange(WIDTH) + 0.5) / WIDTH, (np.arange(HEIGHT) + 0.5) / WIDTH)
    before = [upright(a.astype(np.float32), orientation) for a in bent(still, x, y)[0]]
    high, wide = before[0].shape
    u, v = bent(lens, *np.meshgrid((np.arange(wide) + 0.5) / WIDTH, (np.arange(high) + 0.5) / WIDTH))[0]
    # Where an upright pixel comes from, found in the stored picture and then turned itself.
    a, b = before
    if orientation >= 5:
        a, b = b, a
    if orientation in (2, 3, 6, 7):
        a = wide / WIDTH - a
    if orientation in (3, 4, 7, 8):
        b = high / WIDTH - b
    np.testing.assert_allclose(u, a, atol=1e-5)
    np.testing.assert_allclose(v, b, atol=1e-5)
    assert still.gain is not None
    assert lens.gain is not None
    np.testing.assert_array_equal(lens.gain, upright(still.gain.astype(np.float32), orientation).astype(np.float16))


def test_turning_back_and_forth_changes_nothing():
    lens = Lens("test", (0.48, 0.4), 0.6, np.ones((1, 129)), (0.1, 0.2), gain=np.ones((3, 4, 1), np.float16))
    again = turned(turned(lens, 6, (4, 3)), 8, (3, 4))
    assert again.centre == pytest.approx(lens.centre)
    assert again.tangential == pytest.approx(lens.tangential)


def test_a_radial_vignette_is_taken_out_of_the_light(tmp_path: Path):
    k = (0.6, -0.1, 0.05, 0.0, 0.0)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    square = ((x - WIDTH / 2) ** 2 + (y - HEIGHT / 2) ** 2) / (WIDTH**2 + HEIGHT**2) * 4
    falloff = 1 / (1 + k[0] * square + k[1] * square**2 + k[2] * square**3)
    flat = np.full((HEIGHT, WIDTH, 3), 0.2)
    path = write_dng(tmp_path / "v.dng", flat * falloff[..., None], opcodes={LIST_3: listed(vignette(*k))})
    header = read_header(path)
    lens = embedded(header)
    assert lens is not None
    assert not lens.bends
    settings = raw_settings(header)
    dark, even = (decode(header, raw=settings, gain=g).astype(float) for g in (None, lens.gain))
    assert dark[:4, :4].mean() < 0.85 * dark[118:122, 158:162].mean()
    assert np.ptp(even[4:-4, 4:-4, 1]) < 0.012 * even.mean()


def test_gain_maps_of_a_mosaic_go_to_its_colours(tmp_path: Path):
    shape = (7, 9)
    places = {(0, 0): 1.5, (0, 1): 1.2, (1, 0): 1.2, (1, 1): 1.8}
    maps = [gain_map(np.full(shape, v), top=t, left=x, pitch=2) for (t, x), v in places.items()]
    lens = lens_of(tmp_path, second=listed(*maps))
    assert lens is not None
    assert lens.gain is not None
    np.testing.assert_allclose(
        lens.gain.reshape(-1, 3), np.tile([1.5, 1.2, 1.8], (lens.gain[..., 0].size, 1)), rtol=2e-3
    )


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\0\0\0\xff",
        listed(warp((1.0, -0.08, 0, 0, 0, 0)))[:-9],
        listed(opcode(1, b"\0\0\0\3")),
        listed(warp((1.0, float("nan"), 0, 0, 0, 0))),
        listed(warp((1.0, 0, 0, 0, float("inf"), 0))),
        listed(warp((1.0, -0.08, 0, 0, 0, 0), centre=(float("nan"), 0.5))),
        listed(warp((-1.0, 0, 0, 0, 0, 0))),
        listed(warp((0.0, 0, 0, 0, 0, 0))),
        listed(warp()),
        listed(opcode(1, struct.pack(">I", 0xFFFFFFFF) + bytes(64))),
        listed(gain_map(np.full((2, 2), np.nan))),
        listed(gain_map(np.full((2, 2), 1e30))),
        listed(gain_map(np.ones((2, 2)))[:40]),
        listed(warp((1.0, 0.0, 0.0, 0.0, 0.0, 0.0))),
        listed(opcode(4, b"bad pixels")),
    ],
    ids=[
        *("empty", "count only", "cut", "no terms", "nan", "inf", "nowhere", "mirrored", "collapsed", "no planes"),
        *("many planes", "nan map", "blinding map", "cut map"),
        *("identity", "another opcode"),
    ],
)
def test_what_is_broken_or_does_nothing_is_no_lens(tmp_path: Path, broken: bytes):
    assert lens_of(tmp_path, third=broken or b"\0") is None


def test_a_mosaic_is_not_developed_and_a_jpeg_is(tmp_path: Path, samples: Path):
    assert not is_developed(read_header(write_dng(tmp_path / "a.dng", room(HEIGHT, WIDTH))))
    assert is_developed(read_header(next(samples.rglob("*.jpg"))))


def test_gain_is_smooth_over_strips_and_white_stays_white():
    gain = 1 + np.outer(np.linspace(0, 1, 20), np.linspace(0, 1, 30))[..., None]
    light = np.full((700, 900, 3), 20000, np.uint16)
    light[10:20] = 65535
    out = brightened(light.copy(), gain).astype(float)
    assert (out[10:20] == 65535).all()
    steps = np.abs(np.diff(out[30:, 450, 0]))
    assert steps.max() < 60
    row, column = 500.5 / 700 * 20 - 0.5, 600.5 / 900 * 30 - 0.5
    expected = 20000 * (1 + row / 19 * column / 29)
    assert out[500, 600, 1] == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_encoded_picture_is_brightened_in_linear_light(dtype: type):
    top = np.iinfo(dtype).max
    picture = np.full((40, 60, 3), round(0.5 * top), dtype)
    out = brightened_picture(picture.copy(), np.full((4, 6, 1), 2.0))
    # 0.5 encoded is 0.21404 linear; twice that is 0.6858 encoded (IEC 61966-2-1).
    assert out.mean() / top == pytest.approx(0.6858, abs=0.005)
    same = brightened_picture(picture.copy(), np.ones((4, 6, 1)))
    assert np.abs(same.astype(int) - picture).max() <= (1 if dtype is np.uint8 else 3)
