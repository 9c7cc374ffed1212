"""read_header: kind by content, upright size, exposure, and the right code for what cannot be read."""

from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from pipeline.codes import Code, PhotoError
from pipeline.read.metadata.header import read_header

EXPECTED_FAILURES = {
    "ClayRGB1998_adobergb_compatible.icc": Code.UNSUPPORTED_FORMAT,
    "invalid_illuminant.icc": Code.UNSUPPORTED_FORMAT,
    "gray16.pgm": Code.UNSUPPORTED_FORMAT,
    "iphone.heic": Code.UNSUPPORTED_FORMAT,
    "sample.avif": Code.UNSUPPORTED_FORMAT,
    "sample.xmp": Code.UNSUPPORTED_FORMAT,
    "jpeg_lossless_16bit.jpg": Code.UNSUPPORTED_FORMAT,
    "gopro_hero8_vc5.gpr": Code.RAW_UNSUPPORTED,
    "corrupt_broken-adobe-segment-length-beyond-eof.jpg": Code.TRUNCATED,
}


def code_of(path: Path) -> Code | None:
    try:
        read_header(path)
    except PhotoError as error:
        return error.code if path.name in error.message else Code.INTERNAL
    return None


def jpeg(path: Path, exif: Image.Exif | None = None, size: tuple[int, int] = (40, 24)) -> Path:
    picture = Image.new("RGB", size, (10, 200, 90))
    picture.save(path, "JPEG", exif=exif if exif is not None else Image.Exif())
    return path


@pytest.mark.parametrize(("form", "kind"), [("JPEG", "jpeg"), ("PNG", "png"), ("TIFF", "tiff"), ("WEBP", "webp")])
def test_the_kind_follows_from_the_content_not_from_the_name(tmp_path: Path, form: str, kind: str) -> None:
    path = tmp_path / "photo.raw"
    Image.new("RGB", (37, 21)).save(path, form)
    header = read_header(path, "a/photo.raw")
    assert (header.format, header.width, header.height, header.depth) == (kind, 37, 21, 8)
    assert (header.relative, header.bytes, header.path) == ("a/photo.raw", path.stat().st_size, str(path))


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_of_every_kind_gives_its_size(tmp_path: Path, lossless: bool, mode: str) -> None:
    path = tmp_path / "a.webp"
    Image.new(mode, (301, 77)).save(path, lossless=lossless)
    assert (read_header(path).width, read_header(path).height) == (301, 77)


@pytest.mark.parametrize("orientation", range(10))
def test_the_size_is_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    header = read_header(jpeg(tmp_path / "a.jpg", exif))
    assert (header.width, header.height) == ((24, 40) if orientation in (5, 6, 7, 8) else (40, 24))
    assert header.orientation == (orientation if 1 <= orientation <= 8 else 1)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_exposure_is_read_from_exif_in_every_container(tmp_path: Path, form: str) -> None:
    exif = Image.Exif()
    exif[271], exif[272] = "Maker", "Model 5"
    exif.get_ifd(34665).update(
        {33434: IFDRational(1, 60), 33437: 8.0, 34855: 400, 37386: 16.5, 36867: "2024:05:06 07:08:09", 37521: "25"}
    )
    exif.get_ifd(34665).update({42033: "123456", 42036: "16-35mm", 37385: 25})
    path = tmp_path / "a"
    Image.new("RGB", (8, 8)).save(path, form, exif=exif.tobytes())
    header = read_header(path)
    assert header.exposure_time == pytest.approx(1 / 60)
    assert (header.f_number, header.iso, header.focal_length) == (8.0, 400, 16.5)
    assert header.captured == datetime(2024, 5, 6, 7, 8, 9, 250000)
    assert (header.make, header.model, header.serial, header.lens) == ("Maker", "Model 5", "123456", "16-35mm")
    assert header.flash
    assert header.exposure_value == pytest.approx(np.log2(4 / 60 / 64))


@pytest.mark.parametrize(
    ("pixels", "density", "unit", "expected"),
    [
        ((5760, 3840), 160.0, 4, 19.0),  # full frame
        ((5184, 3456), 5184 / 22.4 * 25.4, 2, 19.0 * 36 / 22.4),  # APS-C, in inches
        ((1920, 1280), 160.0, 4, None),  # made smaller by a program: a sensor of 12 mm
        ((5760, 3840), 160.0, 1, None),  # no unit
    ],
)
def test_the_angle_of_view_is_told_by_the_sensors_size(
    tmp_path: Path, pixels: tuple[int, int], density: float, unit: int, expected: float | None
) -> None:
    exif = Image.Exif()
    exif.get_ifd(34665).update({37386: 19.0, 40962: pixels[0], 40963: pixels[1]})
    exif.get_ifd(34665).update({41486: IFDRational(round(density * 1000), 1000), 41488: unit})

    header = read_header(jpeg(tmp_path / "a.jpg", exif))

    assert header.focal_35mm == (pytest.approx(expected, rel=0.01) if expected else None)


@pytest.mark.parametrize(
    "fired", ['<exif:Flash exif:Fired="True"/>', "<exif:Flash><exif:Fired>True</exif:Fired></exif:Flash>"]
)
def test_a_flash_that_only_xmp_tells_of_counts_unless_exif_denies_it(tmp_path: Path, fired: str) -> None:
    told, denied, dark = tmp_path / "told.jpg", tmp_path / "denied.jpg", tmp_path / "dark.jpg"
    picture, exif = Image.new("RGB", (40, 24)), Image.Exif()
    exif.get_ifd(34665)[37385] = 16
    picture.save(told, xmp=fired.encode())
    picture.save(denied, xmp=fired.encode(), exif=exif.tobytes())
    picture.save(dark, xmp=fired.replace("True", "False").encode())
    assert [read_header(p).flash for p in (told, denied, dark)] == [True, False, False]


def test_high_iso_beyond_16_bits_comes_from_the_long_tag(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(34665).update({34855: 65535, 34866: 102400})
    assert read_header(jpeg(tmp_path / "a.jpg", exif)).iso == 102400


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_broken_exif_never_fails_a_file(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    exif = Image.Exif()
    exif[271] = "Maker"
    exif.get_ifd(34665).update({33434: IFDRational(1, 60), 36867: "2024:05:06 07:08:09"})
    path = jpeg(tmp_path_factory.mktemp("exif") / "a.jpg", exif)
    raw = bytearray(path.read_bytes())
    start = raw.index(b"Exif\0\0") + 6
    length = int.from_bytes(raw[start - 8 : start - 6], "big") - 8
    for _ in range(data.draw(st.integers(1, 8))):
        raw[start + data.draw(st.integers(0, length - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    header = read_header(path)
    assert {header.width, header.height} == {40, 24}


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0\x08\0\0\0", b"MM\0+"])
)
def test_any_bytes_give_a_header_or_a_code(tmp_path_factory: pytest.TempPathFactory, tail: bytes, head: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "a.jpg"
    path.write_bytes(head + tail)
    assert code_of(path) is not Code.INTERNAL


def test_an_empty_file_has_its_own_code(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert code_of(tmp_path / "a.jpg") is Code.EMPTY_FILE


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path: Path) -> None:
    assert code_of(tmp_path / "none.jpg") is Code.UNREADABLE
    assert code_of(tmp_path) is Code.UNREADABLE


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_file_cut_in_its_header_is_truncated(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a"
    Image.new("RGB", (64, 64)).save(path, form)
    path.write_bytes(path.read_bytes()[:18])
    assert code_of(path) is Code.TRUNCATED


def test_a_tiff_whose_strips_lie_beyond_the_end_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint16), photometric="rgb")
    path.write_bytes(path.read_bytes()[:-100])
    assert code_of(path) is Code.TRUNCATED


def test_a_pointer_that_is_no_number_is_passed_over(tmp_path: Path) -> None:
    """SubIFDs as a RATIONAL 1/0."""
    entries = ((256, 3, 1, 5), (257, 3, 1, 4), (258, 3, 1, 8), (330, 5, 1, 62))
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + table + bytes(4) + struct.pack("<II", 1, 0)
    (tmp_path / "a.tif").write_bytes(data)
    header = read_header(tmp_path / "a.tif")
    assert (header.width, header.height) == (5, 4)


def test_fill_bytes_before_a_marker_are_skipped(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a.jpg")
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xff\xff" + data[2:])
    assert read_header(path).width == 40


def test_a_raf_shorter_than_its_own_directory_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "a.raf"
    path.write_bytes(
        b"FUJIFILMCCD-RAW ".ljust(84, b"0") + struct.pack(">6I", 148, 10, 200, 10, 400, 10**6) + bytes(300)
    )
    assert code_of(path) is Code.TRUNCATED


def test_a_cr3_shorter_than_its_boxes_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "a.cr3"
    path.write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"crx ", 1) + struct.pack(">I4s", 10**6, b"mdat") + bytes(100))
    assert code_of(path) is Code.TRUNCATED


def test_every_ingest_file_gives_a_header_or_the_right_code(data: Path) -> None:
    for path in sorted((data / "ingest").iterdir()):
        code = code_of(path)
        if path.name in EXPECTED_FAILURES:
            assert code is EXPECTED_FAILURES[path.name], path.name
        elif code is not None:
            assert path.name.startswith("corrupt_"), path.name
            assert code is Code.UNREADABLE, path.name


def test_an_unsupported_raw_names_camera_and_compression(data: Path) -> None:
    with pytest.raises(PhotoError, match=r"GoPro HERO8 Black, compression 9 \(VC-5\)"):
        read_header(data / "ingest" / "gopro_hero8_vc5.gpr")


def test_a_crw_gives_the_size_of_its_crop_and_its_exposure(data: Path, tmp_path: Path) -> None:
    source = data / "ingest" / "canon_d30.crw"
    header = read_header(source)
    assert (header.format, header.width, header.height, header.depth) == ("raw", 2160, 1440, 16)
    assert (header.iso, header.focal_length) == (100, 31)
    (tmp_path / "cut.crw").write_bytes(source.read_bytes()[:2_000_000])
    assert code_of(tmp_path / "cut.crw") is Code.TRUNCATED


def test_a_bracket_gives_its_exposure_steps(data: Path) -> None:
    folder = data / "brackets" / "red_chair_window"
    values = [read_header(p).exposure_value for p in sorted(folder.glob("*.jpg"))]
    steps = np.diff([v for v in values if v is not None])
    assert len(values) == 12
    np.testing.assert_allclose(steps, 1, atol=0.1)
