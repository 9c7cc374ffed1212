"""Metadata read from files of every kind, whole and broken."""

from __future__ import annotations

import contextlib
import shutil
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codes import Code, PhotoError
from pipeline.read.metadata.block import LIMIT, build_block, extract_block, short_entry, text_entry
from pipeline.read.metadata.containers import photoshop_resources
from pipeline.read.metadata.embedded import Metadata, read_metadata
from pipeline.read.metadata.header import read_header
from pipeline.read.metadata.sidecar import Sidecar
from pipeline.read.metadata.tiff import MAKER_NOTE, Entry, open_block

HEADS = {
    "jpeg": b"\xff\xd8",
    "png": b"\x89PNG\r\n\x1a\n",
    "tiff": b"II*\0\x08\0\0\0",
    "webp": b"RIFF\0\0\0\0WEBP",
    "raw": b"MM\0*\0\0\0\x08",
}
SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmp:Rating="{rating}"><dc:title><rdf:Alt><rdf:li xml:lang="de">Küche</rdf:li>
<rdf:li xml:lang="x-default">Kitchen</rdf:li>
</rdf:Alt></dc:title><dc:rights>(c) A</dc:rights></rdf:Description></rdf:RDF></x:xmpmeta>"""


def read_bytes(data: bytes, format: str) -> Metadata:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        return read_metadata(path, format)


def exif_of(metadata: Metadata) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Raw values of the first and of the EXIF directory."""
    structure = open_block(metadata.exif)
    assert structure is not None
    first = structure.directory(structure.first)
    inner = structure.directory(structure.number(first.get(0x8769)))
    return {e.tag: e.value for e in first.entries}, {e.tag: e.value for e in inner.entries}


def test_every_real_file_can_be_read(data: Path) -> None:
    formats: set[str] = set()
    for path in sorted(data.glob("ingest/*")) + sorted(data.glob("brackets/*/00.*")):
        try:
            format = read_header(path).format
        except PhotoError:
            continue
        assert read_metadata(path, format).format == format
        formats.add(format)
    assert formats >= {"jpeg", "png", "tiff", "raw"}


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(HEADS)), st.booleans())
def test_random_bytes_raise_nothing_but_photo_errors(tail: bytes, format: str, with_head: bool) -> None:
    with contextlib.suppress(PhotoError):
        assert read_bytes((HEADS[format] if with_head else b"") + tail, format).format == format


@settings(deadline=None)
@given(st.data(), st.binary(min_size=1, max_size=8), st.sampled_from(["ingest/xmp_bluesquare.jpg", "ingest/lab.tif"]))
def test_damaged_files_raise_nothing_but_photo_errors(
    data: Path, choose: st.DataObject, noise: bytes, name: str
) -> None:
    content = bytearray((data / name).read_bytes()[:30_000])
    at = choose.draw(st.integers(0, len(content) - 1))
    content[at : at + len(noise)] = noise
    del content[choose.draw(st.integers(1, len(content))) :]
    kind = "jpeg" if name.endswith("jpg") else "tiff"
    with contextlib.suppress(PhotoError):
        assert read_bytes(bytes(content), kind).format == kind


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_photoshop_resources_raise_nothing(tail: bytes) -> None:
    found = photoshop_resources(b"8BIM\x04\x04\0\0" + tail)
    assert sum(len(whole) for _, whole, _ in found) <= len(tail) + 8


def test_segments_come_in_order_and_a_cut_header_is_reported(data: Path) -> None:
    whole = read_metadata(data / "brackets/street_night_rotated/00.jpg", "jpeg")
    assert [s.kind for s in whole.segments] == ["jfif", "exif", "other"]
    assert whole.warnings == ()
    content = (data / "brackets/street_night_rotated/00.jpg").read_bytes()[:5000]
    assert read_bytes(content, "jpeg").warnings == (Code.METADATA_LOST.name,)


def test_missing_and_wrong_files_name_the_path(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "wrong.jpg").write_bytes(b"hello, world")
    expected = {"empty.jpg": Code.EMPTY_FILE, "wrong.jpg": Code.UNREADABLE, "missing.jpg": Code.UNREADABLE}
    for name, code in expected.items():
        with pytest.raises(PhotoError, match=name) as raised:
            read_metadata(tmp_path / name, "jpeg")
        assert raised.value.code is code


@pytest.mark.parametrize("name", ["photo.xmp", "photo.jpg.xmp", "photo.XMP"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_sidecar_beside_the_photo_is_read(tmp_path: Path, name: str, encoding: str) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff\xda")
    (tmp_path / name).write_bytes(SIDECAR.format(rating=4).encode(encoding))
    assert read_metadata(photo, "jpeg").sidecar == Sidecar("Kitchen", 4, "(c) A")


@pytest.mark.parametrize("name", ["a" * 250 + ".jpg", "ü" * 125 + ".jpg", "a" * 251 + ".jpg"])
def test_a_name_too_long_for_a_sidecar_has_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xd8\xff\xda")
    found = read_metadata(tmp_path / name, "jpeg")
    assert found.sidecar is None
    assert not found.warnings


def test_a_name_too_long_for_one_form_of_sidecar_may_have_the_other(tmp_path: Path) -> None:
    (tmp_path / f"{'a' * 250}.jpg").write_bytes(b"\xff\xd8\xff\xda")
    (tmp_path / f"{'a' * 250}.xmp").write_text(SIDECAR.format(rating=4))
    assert read_metadata(tmp_path / f"{'a' * 250}.jpg", "jpeg").sidecar == Sidecar("Kitchen", 4, "(c) A")


@pytest.mark.parametrize("text", ["", "<a", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "\0\0\0"])
def test_a_broken_sidecar_is_a_warning(tmp_path: Path, text: str) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xda")
    (tmp_path / "photo.xmp").write_text(text)
    found = read_metadata(tmp_path / "photo.jpg", "jpeg")
    assert found.sidecar is None
    assert found.warnings == (Code.METADATA_LOST.name,)


def test_ratings_out_of_range_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xda")
    for text, expected in (("-1", -1), ("5.0", 5), ("9", None), ("nan", None), ("x", None)):
        (tmp_path / "photo.xmp").write_text(SIDECAR.format(rating=text))
        sidecar = read_metadata(tmp_path / "photo.jpg", "jpeg").sidecar
        assert sidecar is not None
        assert sidecar.rating == expected


def test_raw_files_tell_camera_exposure_and_date(data: Path) -> None:
    first, exif = exif_of(read_metadata(data / "ingest/canon_d30.crw", "raw"))
    assert (first[271], first[272]) == (b"Canon\0", b"Canon EOS D30\0")
    assert exif[36867] == b"2018:01:01 13:03:32\0"
    assert {33434, 33437, 34855, 37386} <= exif.keys()
    first, _ = exif_of(read_metadata(data / "ingest/bayer_1952x1112.dng", "raw"))
    assert first[0xC614].startswith(b"Blackmagic")
    assert 0xC62F in first
    assert 273 not in first


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("offset", [300, 5000, 60_000])
def test_maker_notes_keep_their_offset(order: str, offset: int) -> None:
    note = Entry(MAKER_NOTE, 7, 400, bytes(range(200)) * 2, 0, offset)
    many = [text_entry(tag, "x" * 40) for tag in range(0x9C9B, 0x9CA0)]
    block, dropped = build_block(order, many, exif=[text_entry(36867, "2024:01:01 00:00:00")], note=note)
    assert dropped == ()
    assert block[offset : offset + 400] == note.value
    structure = open_block(block)
    assert structure is not None
    first = structure.directory(structure.first)
    assert [e.value for e in first.entries if e.tag in range(0x9C9B, 0x9CA0)] == [e.value for e in many]
    kept = structure.directory(structure.number(first.get(0x8769))).get(MAKER_NOTE)
    assert kept is not None
    assert (kept.offset, kept.value) == (offset, note.value)


def test_maker_notes_out_of_reach_move_if_they_may_and_are_dropped_if_not() -> None:
    far = 10_000_000
    movable = Entry(MAKER_NOTE, 7, 100, b"Nikon\0\x02".ljust(100, b"n"), 0, far)
    fixed = Entry(MAKER_NOTE, 7, 100, b"Canon?".ljust(100, b"c"), 0, far)
    block, dropped = build_block("<", [], note=movable)
    assert movable.value in block
    assert dropped == ()
    block, dropped = build_block("<", [text_entry(315, "artist")], note=fixed)
    assert fixed.value not in block
    assert dropped == ("maker notes",)
    assert b"artist" in block


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 65535), st.binary(min_size=1, max_size=20_000)), max_size=12),
    st.integers(8, 70_000),
)
def test_built_blocks_fit_a_segment_and_hold_what_they_say(values: list[tuple[int, bytes]], offset: int) -> None:
    entries = [Entry(tag, 7, len(value), value, 0, 0) for tag, value in values if tag not in (0x8769, 0x8825)]
    note = Entry(MAKER_NOTE, 7, 500, bytes(500), 0, offset)
    block, dropped = build_block(">", entries, exif=entries[:3], note=note)
    assert len(block) <= LIMIT
    if not dropped:
        structure = open_block(block)
        assert structure is not None
        found = {e.tag: e.value for e in structure.directory(structure.first).entries}
        assert {e.tag for e in entries} <= found.keys()


def test_tiff_tags_about_pixels_stay_behind_and_color_space_becomes_srgb() -> None:
    source, _ = build_block(
        "<",
        [short_entry(256, 6000), short_entry(259, 7), text_entry(315, "Ana"), short_entry(274, 6)],
        exif=[short_entry(0xA001, 65535), short_entry(0xA002, 6000)],
    )
    structure = open_block(source)
    assert structure is not None
    block, _ = extract_block(structure)
    first, exif = exif_of(Metadata(exif=block))
    assert first.keys() == {274, 315, 0x8769}
    assert exif[0xA001] == b"\x01\0"


def test_fuji_and_canon_cr3_raw_files_give_their_exif() -> None:
    made, _ = build_block("<", [text_entry(271, "FUJIFILM")], exif=[text_entry(36867, "2024:01:01 00:00:00")])
    jpeg = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(made) + 8) + b"Exif\0\0" + made + b"\xff\xda"
    raf = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 160, len(jpeg))
    found = read_bytes(raf.ljust(160, b"\0") + jpeg, "raw")
    assert found.exif == made
    parts = [build_block("<", [text_entry(tag, text)])[0] for tag, text in ((271, "Canon"), (36867, "2024:02:02 1"))]
    gps = build_block("<", [text_entry(1, "N")])[0]
    boxes = [
        struct.pack(">I", len(d) + 8) + n + d for n, d in zip((b"CMT1", b"CMT2", b"CMT4"), (*parts, gps), strict=True)
    ]
    cr3 = read_bytes(b"\0\0\0\x18ftypcrx " + bytes(16) + b"".join(boxes), "raw")
    first, exif = exif_of(cr3)
    assert first[271] == b"Canon\0"
    assert exif[36867] == b"2024:02:02 1\0"
    assert 0x8825 in first
    assert cr3.dropped == ("maker notes",)


def test_png_and_webp_give_exif_xmp_and_icc() -> None:
    exif, _ = build_block("<", [text_entry(315, "Ana")])
    image = np.zeros((8, 8, 3), np.uint8)
    profile = b"profile" * 9
    raw = b"\nexif\n" + str(len(exif) + 6).encode() + b"\n" + (b"Exif\0\0" + exif).hex().encode()
    chunks = [(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw))]
    chunks += [(b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0" + zlib.compress(b"<xmp/>"))]
    chunks += [(b"iCCP", b"x\0\0" + zlib.compress(profile)), (b"tEXt", b"Title\0Kitchen")]
    head = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    png = cv2.imencode(".png", image)[1].tobytes()
    found = read_bytes(png[:33] + head + png[33:], "png")
    assert (found.exif, found.xmp, found.icc) == (exif, b"<xmp/>", profile)
    assert found.warnings == ()
    parts = ((b"ICCP", profile), (b"EXIF", exif), (b"XMP ", b"<xmp/>"))
    body = b"".join(k + struct.pack("<I", len(c)) + c + bytes(len(c) % 2) for k, c in parts)
    webp = read_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body, "webp")
    assert (webp.exif, webp.xmp, webp.icc) == (exif, b"<xmp/>", profile)


def test_a_png_text_that_unpacks_to_gigabytes_is_left_out() -> None:
    bomb = zlib.compress(bytes(1 << 25))
    content = b"XML:com.adobe.xmp\0\x01\0\0\0" + bomb
    chunk = struct.pack(">I", len(content)) + b"iTXt" + content + struct.pack(">I", zlib.crc32(b"iTXt" + content))
    png = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    assert read_bytes(png[:33] + chunk + png[33:], "png").xmp == b""


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool, the outside judge, is not installed")
def test_a_tiff_gives_exif_xmp_iptc_and_gps_that_exiftool_wrote(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    options = ["-Artist=Ana", "-GPSLatitude=51", "-GPSLatitudeRef=N", "-IPTC:City=Bath", "-XMP-dc:Title=Hall"]
    options += ["-DateTimeOriginal=2024:05:06 07:08:09", "-SubSecTimeOriginal=25"]
    subprocess.run(["exiftool", "-q", "-overwrite_original", *options, str(path)], check=True)
    found = read_metadata(path, "tiff")
    first, exif = exif_of(found)
    assert first[315] == b"Ana\0"
    assert 0x8825 in first
    assert exif[37521] == b"25\0"
    assert b"Bath" in found.iptc
    assert b"Hall" in found.xmp
