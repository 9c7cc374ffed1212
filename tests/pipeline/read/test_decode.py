"""decode: every supported file upright, in sRGB and its own depth; damaged ones an error, never a grey band."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.codes import Code, PhotoError
from pipeline.read import color, icc
from pipeline.read.decode import decode, decode_warnings
from pipeline.read.metadata.header import read_header
from pipeline.read.raw import upright

P3 = icc.write_matrix_profile(
    np.array([[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]), 2.2
)
# Decoded without an error though their makers meant trouble (outside the pixels, or pixels that are merely odd).
CORRUPT_BUT_WHOLE = {"corrupt_broken-invalid-adobe-ycc-gray.jpg"} | {
    f"corrupt_read-error{n}.jpg" for n in (1024, 1025, 1027, 1028)
}


def picture(height: int = 96, width: int = 144, dtype: type = np.uint8) -> np.ndarray:
    """A smooth colour picture without any symmetry."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = (x / width, y / height * 0.8, (0.3 + 0.5 * np.sin(x / 17 + y / 29) ** 2))
    return np.rint(np.stack(planes, -1) * np.iinfo(dtype).max).astype(dtype)


def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """How `image` is stored so that a viewer obeying `orientation` shows it."""
    inverse = {6: 8, 8: 6}.get(orientation, orientation)
    return upright(image, inverse)


def write(path: Path, image: np.ndarray, form: str, *, orientation: int = 1, icc: bytes | None = None) -> Path:
    exif = Image.Exif()
    exif[274] = orientation
    if form == "jpeg":
        Image.fromarray(image).save(path, "JPEG", quality=97, subsampling=0, exif=exif, icc_profile=icc)
    elif form == "webp":
        Image.fromarray(image).save(path, "WEBP", lossless=True, exif=exif, icc_profile=icc)
    elif form == "png":
        Image.fromarray(image).save(path, "PNG", exif=exif, icc_profile=icc)
    elif form == "png16":
        _, data = cv2.imencode(".png", image[..., ::-1])
        head, rest = data.tobytes()[:33], data.tobytes()[33:]
        path.write_bytes(head + png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + rest)
    else:
        photometric = "minisblack" if image.ndim == 2 else "rgb"
        options = {"tiff": {}, "deflate": {"compression": "zlib", "predictor": True}}[form]
        tags = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, image, photometric=photometric, extratags=tags, iccprofile=icc, **options)
    return path


def png_chunk(kind: bytes, data: bytes) -> bytes:
    import zlib

    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def load(path: Path, *, reduce: int = 1) -> np.ndarray:
    header = read_header(path)
    image = decode(header, reduce=reduce)
    assert image.shape == (-(-header.height // reduce), -(-header.width // reduce), 3)
    assert image.flags.c_contiguous
    assert image.flags.writeable
    return image


def failure(path: Path, **options: float) -> Code | None:
    try:
        decode(read_header(path), **options)
    except PhotoError as error:
        return error.code if path.name in error.message else Code.INTERNAL
    return None


FORMS = [
    ("jpeg", np.uint8), ("png", np.uint8), ("png16", np.uint16), ("webp", np.uint8), ("tiff", np.uint8),
    ("tiff", np.uint16), ("deflate", np.uint8), ("deflate", np.uint16),
]  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("form", "dtype"), FORMS)
def test_orientation_is_applied_once_in_every_format(tmp_path: Path, form: str, dtype: type, orientation: int) -> None:
    image = picture(dtype=dtype)
    path = write(tmp_path / "a", turned(image, orientation), form, orientation=orientation)
    found = load(path)
    assert found.dtype == dtype
    if form == "jpeg":
        assert np.abs(found.astype(int) - image).mean() < 2
    else:
        np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_orientation_of_lzw_tiff_by_the_other_decoders(tmp_path: Path, dtype: type, orientation: int) -> None:
    image = picture(dtype=dtype)
    stored, path = turned(image, orientation), tmp_path / "a.tif"
    if dtype is np.uint8:
        tags = Image.Exif()
        tags[274] = orientation
        Image.fromarray(stored).save(path, compression="tiff_lzw", exif=tags)
    else:
        cv2.imwrite(str(path), stored[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
        # OpenCV writes no orientation; planar configuration 1 is the default, so its entry is free to be reused.
        data = bytearray(path.read_bytes())
        entry = tifffile.TiffFile(path).pages[0].tags["PlanarConfiguration"].offset
        data[entry : entry + 2], data[entry + 8 : entry + 10] = (274).to_bytes(2, "little"), bytes([orientation, 0])
        path.write_bytes(data)
    np.testing.assert_array_equal(load(path), image)


def test_one_picture_in_seven_orientations_agrees(data: Path) -> None:
    # Each carries its own number in the middle; the rest is the same picture, encoded again.
    first, *others = [load(data / "ingest" / f"orient_landscape_{n}.jpg") for n in (0, 1, 2, 3, 4, 6, 8)]
    for other in others:
        difference = np.abs(first.astype(int) - other).mean(-1)
        difference[400:800, 700:1100] = 0
        assert difference.mean() < 6


@pytest.mark.parametrize("reduce", [2, 4, 8])
@pytest.mark.parametrize(("form", "dtype"), FORMS)
def test_reduced_decoding_is_the_picture_made_smaller(tmp_path: Path, form: str, dtype: type, reduce: int) -> None:
    image = picture(201, 333, dtype)
    found = load(write(tmp_path / "a", turned(image, 6), form, orientation=6), reduce=reduce)
    expected = cv2.resize(image, (-(-333 // reduce), -(-201 // reduce)), interpolation=cv2.INTER_AREA)
    limit = 0.02 * np.iinfo(dtype).max
    assert np.abs(found[2:-2, 2:-2].astype(float) - expected[2:-2, 2:-2]).mean() < limit


def test_full_jpeg_decoding_is_the_accurate_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    noise = np.random.default_rng(1).integers(0, 256, (100, 140, 3), np.uint8)
    Image.fromarray(cv2.GaussianBlur(noise, (0, 0), 2)).save(path, quality=85)
    np.testing.assert_array_equal(load(path), np.asarray(Image.open(path)))


@pytest.mark.parametrize(("form", "dtype"), [f for f in FORMS if f[0] != "png16"])
def test_an_embedded_profile_is_converted(tmp_path: Path, form: str, dtype: type) -> None:
    image = picture(dtype=dtype)
    path = write(tmp_path / "a", image, form, icc=P3)
    expected = color.to_srgb(image, P3)
    top = np.iinfo(dtype).max
    assert np.abs(load(path) / top - expected / top).mean() < (0.02 if form == "jpeg" else 1e-6)
    assert decode_warnings(read_header(path)) == ()


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("broken", [b"no profile at all", P3[:200], P3.replace(b"RGB ", b"CMYK", 1)])
def test_a_broken_or_foreign_profile_counts_as_srgb_and_is_told(tmp_path: Path, form: str, broken: bytes) -> None:
    plain = load(write(tmp_path / "plain", picture(), form))
    path = write(tmp_path / "a", picture(), form, icc=broken)
    np.testing.assert_array_equal(load(path), plain)
    assert decode_warnings(read_header(path)) == (Code.ICC_INVALID,)


def test_adobe_rgb_is_known_from_exif_alone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(34665)[40961] = 65535
    exif.get_ifd(34665)[40965] = {1: "R03"}
    path = tmp_path / "_MG_0001.jpg"
    Image.fromarray(picture()).save(path, quality=97, subsampling=0, exif=exif)
    expected = color.to_srgb(np.asarray(Image.open(path)), icc.ADOBE_RGB)
    np.testing.assert_array_equal(load(path), expected)


@pytest.mark.parametrize(("form", "mode"), [("PNG", "RGBA"), ("WEBP", "RGBA"), ("PNG", "LA"), ("TIFF", "RGBA")])
def test_transparency_is_laid_over_white(tmp_path: Path, form: str, mode: str) -> None:
    alpha = np.zeros((20, 20), np.uint8)
    alpha[:, 10:] = 255
    source = Image.new("RGB", (20, 20), (40, 40, 40)).convert(mode)
    source.putalpha(Image.fromarray(alpha))
    source.save(tmp_path / "a", form, lossless=True)
    found = load(tmp_path / "a")
    assert (found[:, :10] == 255).all()
    assert (np.abs(found[:, 10:].astype(int) - 40) <= 1).all()


def test_16_bit_transparency_is_laid_over_white(tmp_path: Path) -> None:
    rgba = np.full((8, 8, 4), 20000, np.uint16)
    rgba[:4, :, 3], rgba[4:, :, 3] = 0, 65535
    cv2.imwrite(str(tmp_path / "a.png"), rgba)
    for extra, name in (("unassalpha", "a.tif"), ("unspecified", "b.tif")):
        tifffile.imwrite(tmp_path / name, rgba, photometric="rgb", extrasamples=[extra])
    for name, top in (("a.png", 65535), ("a.tif", 65535), ("b.tif", 20000)):
        found = load(tmp_path / name)
        assert (found[:4] == top).all(), name
        assert (found[4:] == 20000).all(), name


@pytest.mark.parametrize(
    "options",
    [{"planarconfig": "separate"}, {"byteorder": ">"}, {"bigtiff": True}, {"tile": (32, 32)}, {"rowsperstrip": 5},
     {"compression": "zlib", "tile": (64, 64)}],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_layouts_are_read_exactly(tmp_path: Path, options: dict[str, object], dtype: type) -> None:
    image = picture(dtype=dtype)
    stored = np.moveaxis(image, -1, 0) if "planarconfig" in options else image
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **options)
    np.testing.assert_array_equal(load(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "jpeg", "tiff_adobe_deflate"])
def test_tiff_compressions_are_read(tmp_path: Path, compression: str) -> None:
    image, options = picture(), {"quality": 97} if compression == "jpeg" else {}
    Image.fromarray(image).save(tmp_path / "a.tif", compression=compression, **options)
    assert np.abs(load(tmp_path / "a.tif").astype(int) - image).mean() < (3 if compression == "jpeg" else 1e-9)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB"])
def test_modes_of_8_bit_tiff_give_colour(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (32, 16), (255, 255, 255)).convert("RGB").convert(mode if mode != "LAB" else "RGB").save(
        tmp_path / "a.tif"
    )
    assert load(tmp_path / "a.tif").min() >= 250


def test_tiff_of_floats_is_refused_by_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8, 3), np.float32), photometric="rgb")
    assert failure(tmp_path / "a.tif") is Code.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_gives_three_equal_channels(tmp_path: Path, dtype: type) -> None:
    grey = picture(dtype=dtype)[..., 0]
    cv2.imwrite(str(tmp_path / "a.png"), grey)
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="minisblack")
    for name in ("a.png", "a.tif"):
        found = load(tmp_path / name)
        np.testing.assert_array_equal(found, np.repeat(grey[..., None], 3, -1))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4000), st.sampled_from(["jpeg", "progressive", "png", "png16", "webp", "tiff", "deflate"]))
def test_a_file_cut_anywhere_is_an_error(tmp_path_factory: pytest.TempPathFactory, cut: int, form: str) -> None:
    path = tmp_path_factory.mktemp("cut") / "a"
    noise = np.random.default_rng(0).integers(0, 256, (60, 50, 3), np.uint8)
    if form == "progressive":
        Image.fromarray(noise).save(path, "JPEG", progressive=True)
    else:
        write(path, noise.astype(np.uint16) * 257 if form == "png16" else noise, form)
    whole = path.read_bytes()
    # The last two bytes of a JPEG are its end marker: without them all pixels are still there.
    path.write_bytes(whole[: max(24, len(whole) - cut - 2)])
    assert failure(path) in (Code.TRUNCATED, Code.UNREADABLE)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["jpeg", "png", "png16", "webp", "tiff", "deflate"]))
def test_damaged_files_decode_or_have_a_code(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, form: str
) -> None:
    path = tmp_path_factory.mktemp("damage") / "a"
    image = picture(40, 56, np.uint16 if form == "png16" else np.uint8)
    raw = bytearray(write(path, image, form, icc=None if form == "png16" else P3).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    assert failure(path, max_megapixels=1) is not Code.INTERNAL


def test_a_jpeg_without_its_end_marker_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", picture(), "jpeg")
    expected = load(path)
    path.write_bytes(path.read_bytes()[:-2])
    np.testing.assert_array_equal(load(path), expected)


@pytest.mark.parametrize("filling", [b"\0", b"\xff"])
def test_filling_before_the_end_marker_is_harmless(tmp_path: Path, filling: bytes) -> None:
    path = write(tmp_path / "a.jpg", picture(), "jpeg")
    expected = load(path)
    path.write_bytes(path.read_bytes()[:-2] + filling * 500 + b"\xff\xd9")
    np.testing.assert_array_equal(load(path), expected)


def test_too_many_pixels_are_refused_before_decoding(data: Path, tmp_path: Path) -> None:
    assert failure(data / "ingest" / "png_65536x65536_bomb.png") is Code.TOO_MANY_PIXELS
    path = write(tmp_path / "a.png", picture(100, 101), "png")
    assert failure(path, max_megapixels=0.01) is Code.TOO_MANY_PIXELS
    assert failure(path, max_megapixels=0.0102) is None


def test_a_file_replaced_after_its_header_was_read_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", picture(), "jpeg")
    header = read_header(path)
    write(path, picture(32, 32), "jpeg")
    with pytest.raises(PhotoError) as caught:
        decode(header)
    assert caught.value.code is Code.SOURCE_CHANGED
    path.unlink()
    with pytest.raises(PhotoError) as caught:
        decode(header)
    assert caught.value.code is Code.UNREADABLE


@pytest.mark.slow
def test_every_ingest_file_decodes_or_has_the_right_code(data: Path) -> None:
    for path in sorted((data / "ingest").iterdir()):
        if path.name in ("giant_image.jpg", "png_65536x65536_bomb.png"):
            continue
        code = failure(path)
        if path.name.startswith("truncated"):
            assert code is Code.TRUNCATED, path.name
        elif path.name == "exif_bad.jpg":
            assert code is Code.UNREADABLE
        elif path.name.startswith("corrupt_"):
            assert (code is None) == (path.name in CORRUPT_BUT_WHOLE), path.name
        else:
            assert code in (None, Code.UNSUPPORTED_FORMAT, Code.RAW_UNSUPPORTED), path.name
            assert (code is None) == (read_or_none(path) is not None), path.name


def read_or_none(path: Path) -> object:
    try:
        return read_header(path)
    except PhotoError:
        return None


def test_profiles_of_the_ingest_files_are_judged(data: Path) -> None:
    told = {
        path.name
        for path in sorted((data / "ingest").glob("*.jpg"))
        if read_or_none(path) is not None and decode_warnings(read_header(path))
    }
    assert told == {"cmyk_wrong_icc_srgb.jpg", "icc_cmyk_profile_on_rgb.jpg", "icc_corrupted_srgb.jpg"}


def test_display_p3_red_is_beyond_srgb_and_clips(data: Path) -> None:
    assert (load(data / "ingest" / "display_p3.png")[0, 0] == (255, 0, 0)).all()


@pytest.mark.slow
def test_a_picture_of_280_megapixels_decodes_under_the_default_limit(data: Path) -> None:
    image = load(data / "ingest" / "giant_image.jpg", reduce=8)
    assert image.shape == (1750, 2500, 3)
