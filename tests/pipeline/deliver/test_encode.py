"""Encoders and atomic writes."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pil

from pipeline.codes import Code, PhotoError
from pipeline.deliver.encode import copy_untouched, encode_jpeg, encode_png, to_depth, write_atomic
from pipeline.deliver.icc import SRGB
from pipeline.deliver.tiff import encode_tiff
from pipeline.read.color import is_srgb
from pipeline.read.metadata.block import build_block, text_entry


def picture(height: int = 97, width: int = 131, depth: int = 8) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / max(height, width)
    smooth = np.stack([x, y, 0.5 + 0.4 * np.sin(9 * x * y)], -1)
    noise = np.random.default_rng(5).normal(0, 0.01, smooth.shape)
    return np.rint(np.clip(smooth + noise, 0, 1) * (2**depth - 1)).astype(np.uint8 if depth == 8 else np.uint16)


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize(("subsampling", "expected"), [("4:2:0", "420"), ("4:4:4", "444")])
def test_jpeg_has_the_subsampling_asked_for_and_is_the_same_each_time(
    subsampling: str, expected: str, optimize: bool
) -> None:
    image = picture()
    data = encode_jpeg(image, quality=95, subsampling=subsampling, optimize=optimize)
    assert data == encode_jpeg(image.copy(), quality=95, subsampling=subsampling, optimize=optimize)
    assert simplejpeg.decode_jpeg_header(data)[3] == expected
    assert np.abs(simplejpeg.decode_jpeg(data).astype(int) - image).mean() < 3


def test_jpeg_takes_views_that_are_not_contiguous() -> None:
    image = picture()
    assert encode_jpeg(image[:, ::-1]) == encode_jpeg(np.ascontiguousarray(image[:, ::-1]))


@pytest.mark.parametrize("depth", [8, 16])
def test_png_is_lossless(depth: int) -> None:
    image = picture(depth=depth)
    decoded = cv2.imdecode(np.frombuffer(encode_png(image), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded[..., ::-1], image)


@pytest.mark.parametrize("order", ["<", ">", None])
@pytest.mark.parametrize("compression", ["deflate", "none"])
@pytest.mark.parametrize("depth", [8, 16])
def test_tiff_is_lossless_for_three_readers(depth: int, compression: str, order: str | None) -> None:
    image = picture(depth=depth)
    exif = build_block(order, [text_entry(315, "A. Artist")])[0] if order else b""
    data = encode_tiff(image, compression=compression, exif=exif, icc=SRGB)
    assert np.array_equal(tifffile.imread(io.BytesIO(data)), image)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded[..., ::-1], image)
    if depth == 8:  # Pillow has no 16-bit RGB
        with Pil.open(io.BytesIO(data)) as opened:
            assert np.array_equal(np.asarray(opened), image)
            assert opened.info["icc_profile"] == SRGB
            assert opened.tag_v2.get(315) == ("A. Artist" if order else None)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_tiff_is_readable_whatever_the_exif(exif: bytes) -> None:
    image = picture(5, 7)
    for head in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        data = encode_tiff(image, exif=head + exif)
        assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), image)


def test_depths_round_to_the_nearest_level() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(64, -1, 1).repeat(3, 2)
    assert np.array_equal(to_depth(every, 8), np.floor(every / 257 + 0.5).astype(np.uint8))
    eight = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    assert np.array_equal(to_depth(to_depth(eight, 16), 8), eight)
    assert to_depth(every, 16) is every


def test_the_srgb_profile_is_srgb() -> None:
    assert is_srgb(SRGB)
    assert int.from_bytes(SRGB[:4], "big") == len(SRGB)


def test_written_file_holds_the_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "listing" / ("n" * 240 + ".jpg")
    write_atomic(path, b"first")
    write_atomic(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_failed_write_names_the_path_keeps_the_old_file_and_leaves_no_temporary(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"old")
    with pytest.raises(PhotoError, match=r"inner\.jpg") as raised:
        write_atomic(blocked / "inner.jpg", b"data")
    assert raised.value.code is Code.WRITE_FAILED
    folder = tmp_path / "folder.jpg"
    folder.mkdir()
    with pytest.raises(PhotoError, match=r"folder\.jpg") as raised:
        write_atomic(folder, b"data")
    assert raised.value.code is Code.WRITE_FAILED
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.jpg"]
    assert blocked.read_bytes() == b"old"


def test_untouched_copy_is_identical(tmp_path: Path) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(encode_jpeg(picture()) + b"trailer")
    assert copy_untouched(source, tmp_path / "out" / "b.jpg") == source.stat().st_size
    assert (tmp_path / "out" / "b.jpg").read_bytes() == source.read_bytes()
    with pytest.raises(PhotoError, match="missing") as raised:
        copy_untouched(tmp_path / "missing.jpg", tmp_path / "c.jpg")
    assert raised.value.code is Code.UNREADABLE
