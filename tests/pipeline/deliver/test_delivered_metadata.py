"""Metadata of delivered files, judged by exiftool."""

from __future__ import annotations

import fnmatch
import json
import shutil
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codes import PhotoError
from pipeline.deliver import xmp
from pipeline.deliver.encode import encode_jpeg, encode_png
from pipeline.deliver.exif import patched
from pipeline.deliver.icc import SRGB
from pipeline.deliver.metadata import Tags, into_jpeg, into_png, into_tiff, prepare
from pipeline.deliver.xmp import EDITED, MERGED
from pipeline.read.metadata.containers import ICC_HEAD, Segment, jpeg_segments
from pipeline.read.metadata.embedded import Metadata, read_metadata
from pipeline.read.metadata.header import read_header
from pipeline.read.metadata.sidecar import Sidecar
from pipeline.read.metadata.tiff import open_block

needs_exiftool = pytest.mark.skipif(
    not shutil.which("exiftool"), reason="exiftool, the outside judge, is not installed"
)
WIDTH, HEIGHT = 64, 48
IMAGE = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
JPEG = encode_jpeg(IMAGE)

DECLARED = (
    "IFD0:Orientation",
    "XMP-tiff:Orientation",
    "IFD0:ImageWidth",
    "IFD0:ImageHeight",
    "ExifIFD:ExifImageWidth",
    "ExifIFD:ExifImageHeight",
    "XMP-tiff:Image*",
    "XMP-exif:ExifImage*",
    "IFD1:*",  # the thumbnail before the edit
    "JFIF:Thumbnail*",
    "JFXX:*",
    "Photoshop:PhotoshopThumbnail",
    "XMP-xmp:CreatorTool",
    "XMP-tiff:Software",
    "XMP-iptcExt:DigitalSourceType",
    "MPF*:*",
    "MPImage*:*",
    "XMP-hdrgm:*",
    "XMP-Container:*",
    "ICC*:*",
    "Adobe:*",  # how the source's colours were transformed
)
"""All that may differ from JPEG to JPEG. pipeline/deliver/metadata.py says why."""
ABOUT_THE_FILE = (":SourceFile", "ExifTool:*", "System:*", "File:*", "Composite:*", "ICC*:ProfileDateTime")


Tagged = dict[str, list[object]]


def exiftool(*paths: Path) -> list[Tagged]:
    """The values of every "group:tag" of each file, repeated ones too, in order."""
    command = ["exiftool", "-j", "-G1:4", "-a", "-u", "-b", *map(str, paths)]
    run = subprocess.run(command, capture_output=True, check=False)
    files: list[Tagged] = []
    for raw in json.loads(run.stdout.decode("utf-8", "replace")):
        tags: Tagged = {}
        for key, value in raw.items():
            group, *_, name = key.split(":") if ":" in key else ("", key)
            tags.setdefault(f"{group}:{name}", []).append(value)
        files.append(tags)
    return files


def differences(before: Tagged, after: Tagged, declared: tuple[str, ...]) -> Tagged:
    """Tags that were lost, changed or added, save for the declared ones."""
    passed = (*declared, *ABOUT_THE_FILE)
    changed = {k: [before.get(k), after.get(k)] for k in before | after if before.get(k) != after.get(k)}
    return {k: v for k, v in changed.items() if not any(fnmatch.fnmatchcase(k, pattern) for pattern in passed)}


def written(source: Path, target: Path, *, container: str = "jpeg", source_type: str = EDITED) -> Tags:
    metadata = read_metadata(source, read_header(source).format)
    tags = prepare(metadata, width=WIDTH, height=HEIGHT, source_type=source_type, container=container)
    if container == "jpeg":
        target.write_bytes(into_jpeg(JPEG, metadata, tags))
    elif container == "png":
        target.write_bytes(into_png(encode_png(IMAGE), metadata, tags))
    else:
        target.write_bytes(into_tiff(IMAGE, tags))
    return tags


def readable(path: Path, format: str) -> bool:
    try:
        return read_header(path).format == format
    except PhotoError:
        return False


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG with tags of every kind, a thumbnail, and orientation 6."""
    folder = tmp_path_factory.mktemp("tagged")
    path, thumbnail = folder / "tagged.jpg", folder / "thumbnail.jpg"
    path.write_bytes(JPEG)
    thumbnail.write_bytes(encode_jpeg(IMAGE[:24, :32]))
    tags = {
        "EXIF:Artist": "Ana Ögren",
        "EXIF:Copyright": "(c) Ana",
        "EXIF:DateTimeOriginal": "2024:05:06 07:08:09",
        "EXIF:SubSecTimeOriginal": "123",
        "EXIF:ExposureTime": "1/125",
        "EXIF:FNumber": "5.6",
        "EXIF:LensModel": "10-24mm F4",
        "EXIF:ExifImageWidth": "6000",
        "EXIF:ExifImageHeight": "4000",
        "GPS:GPSLatitude": "51.5",
        "GPS:GPSLatitudeRef": "N",
        "GPS:GPSLongitude": "0.25",
        "GPS:GPSLongitudeRef": "W",
        "IPTC:Headline": "Bright flat",
        "IPTC:City": "Malmö",
        "XMP-dc:Title": "Kitchen <1> & hall",
        "XMP-xmp:Rating": "4",
        "XMP-tiff:Orientation#": "6",
        "XMP-iptcExt:DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
    }
    options = [f"-{k}={v}" for k, v in tags.items()]
    options += ["-Orientation#=6", f"-ThumbnailImage<={thumbnail}", "-Comment=a comment", "-codedcharacterset=utf8"]
    if shutil.which("exiftool"):
        subprocess.run(["exiftool", "-q", "-overwrite_original", *options, str(path)], check=True)
    return path


@pytest.mark.slow
@needs_exiftool
def test_from_jpeg_to_jpeg_every_tag_is_kept_save_the_declared_ones(data: Path, tagged: Path, tmp_path: Path) -> None:
    real = [*data.glob("ingest/*.jpg"), *data.glob("ingest/*.mpo"), *data.glob("brackets/*/00.jpg")]
    sources = [tagged, *sorted(p for p in real if readable(p, "jpeg"))]
    assert len(sources) > 30
    targets = [tmp_path / f"{i:03}.jpg" for i in range(len(sources))]
    for source, target in zip(sources, targets, strict=True):
        written(source, target)
    found = zip(sources, exiftool(*sources), exiftool(*targets), strict=True)
    wrong = {source.name: differences(before, after, DECLARED) for source, before, after in found}
    assert {name: diff for name, diff in wrong.items() if diff} == {}


@pytest.mark.slow
@needs_exiftool
@pytest.mark.parametrize("container", ["png", "tiff"])
def test_png_and_tiff_carry_exif_xmp_and_iptc(container: str, data: Path, tagged: Path, tmp_path: Path) -> None:
    names = ("gps_dscn0010.jpg", "xmp_bluesquare.jpg", "cmyk_photo_icc.jpg", "tiff_photoshop.tiff")
    brackets = [data / "brackets" / b / "00.jpg" for b in ("library_hall", "street_night_rotated")]
    sources = [tagged, *(data / "ingest" / n for n in names), *brackets]
    targets = [tmp_path / f"{p.parent.name}_{p.stem}.{container}" for p in sources]
    for source, target in zip(sources, targets, strict=True):
        tags = written(source, target, container=container)
        assert tags.warnings == ()
    storage = ("PNG*:*", "JFIF:*", "APP*:*", "IFD0:YCbCrPositioning", "ExifIFD:ColorSpace", "IPTC:*", "MakerUnknown*:*")
    storage += tuple(f"IFD0:{tag}*" for tag in ("Sub", "Bits", "Compr", "Photom", "Strip", "Samples", "Rows", "Planar"))
    storage += ("IFD0:Predictor", "Photoshop:*")
    for source, before, after in zip(sources, exiftool(*sources), exiftool(*targets), strict=True):
        assert differences(before, after, DECLARED + storage) == {}, source.name
        iptc = [{k: set(map(str, v)) for k, v in t.items() if k.startswith("IPTC")} for t in (before, after)]
        assert iptc[0] == iptc[1], source.name


@needs_exiftool
def test_exif_says_the_delivered_size_and_orientation_and_has_no_old_thumbnail(tagged: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jpg"
    written(tagged, target)
    before, after = exiftool(tagged, target)
    assert "IFD1:ThumbnailImage" in before
    assert not any("IFD1" in key or "Warning" in key for key in after)
    assert after["IFD0:Orientation"] == ["Horizontal (normal)"]
    assert after["XMP-tiff:Orientation"] == ["Horizontal (normal)"]
    assert (after["ExifIFD:ExifImageWidth"], after["ExifIFD:ExifImageHeight"]) == ([WIDTH], [HEIGHT])
    assert after["ExifIFD:SubSecTimeOriginal"] == before["ExifIFD:SubSecTimeOriginal"]
    source, delivered = (read_metadata(p, "jpeg") for p in (tagged, target))
    assert len(source.exif) == len(delivered.exif)
    assert b"\xff\xd8\xff" in source.exif
    assert b"\xff\xd8\xff" not in delivered.exif


@needs_exiftool
@pytest.mark.parametrize(
    ("source_type", "expected"),
    [
        (MERGED, "computationalCapture"),
        (EDITED, "algorithmicallyEnhanced"),
        (xmp.COMPOSITE_CAPTURE, "compositeCapture"),
        (xmp.COMPOSITE_SYNTHETIC, "compositeSynthetic"),
    ],
)
@pytest.mark.parametrize("container", ["jpeg", "png", "tiff"])
def test_source_type_says_what_was_done_once(
    tagged: Path, tmp_path: Path, container: str, source_type: str, expected: str
) -> None:
    plain, target, bare = tmp_path / "plain.jpg", tmp_path / f"out.{container}", tmp_path / f"bare.{container}"
    plain.write_bytes(JPEG)
    written(tagged, target, container=container, source_type=source_type)
    written(plain, bare, container=container, source_type=source_type)
    for tags in exiftool(target, bare):
        uri = f"http://cv.iptc.org/newscodes/digitalsourcetype/{expected}"
        assert tags["XMP-iptcExt:DigitalSourceType"] == [uri]
        assert tags["XMP-xmp:CreatorTool"] == [xmp.software()]


@needs_exiftool
def test_sidecar_overrides_title_rating_and_copyright(tagged: Path, tmp_path: Path) -> None:
    metadata = read_metadata(tagged, "jpeg")
    sidecar = Sidecar("Loft & <garden>", 5, "(c) Agency")
    metadata = Metadata("jpeg", metadata.segments, exif=metadata.exif, xmp=metadata.xmp, sidecar=sidecar)
    target = tmp_path / "out.jpg"
    target.write_bytes(into_jpeg(JPEG, metadata, prepare(metadata, width=WIDTH, height=HEIGHT, source_type=EDITED)))
    (tags,) = exiftool(target)
    assert tags["XMP-dc:Title"] == ["Loft & <garden>"]
    assert tags["XMP-xmp:Rating"] == [5]
    assert tags["XMP-dc:Rights"] == ["(c) Agency"]


@needs_exiftool
def test_extended_xmp_survives(tmp_path: Path) -> None:
    source, text = tmp_path / "long.jpg", "".join(f"sentence {i}. " for i in range(12000))
    source.write_bytes(JPEG)
    (tmp_path / "text").write_text(text)
    command = ["exiftool", "-q", "-overwrite_original", f"-XMP-dc:Description<={tmp_path / 'text'}", str(source)]
    subprocess.run([*command, "-XMP-dc:Creator=Ana"], check=True)
    assert len(read_metadata(source, "jpeg").extended_xmp) > len(text)
    for container in ("jpeg", "png", "tiff"):
        target = tmp_path / f"out.{container}"
        assert written(source, target, container=container).warnings == ()
        (tags,) = exiftool(target)
        assert tags["XMP-dc:Description"] == [text]
        assert tags["XMP-dc:Creator"] == ["Ana"]
        assert not any("Warning" in key for key in tags)


@needs_exiftool
def test_xmp_too_long_for_a_segment_becomes_extended_xmp(data: Path, tmp_path: Path) -> None:
    source, target = data / "ingest/tiff_photoshop.tiff", tmp_path / "out.jpg"
    assert written(source, target).warnings == ()
    before, after = exiftool(source, target)
    kept = {k: v for k, v in before.items() if k.startswith("XMP-") and not k.startswith("XMP-tiff")}
    assert len(kept) > 100
    assert {k: after.get(k) for k in kept} == kept
    assert len(read_metadata(target, "jpeg").extended_xmp) > 65536


def test_segments_that_do_not_change_are_byte_identical_and_in_order(data: Path) -> None:
    source = data / "brackets/library_hall/00.jpg"
    metadata = read_metadata(source, "jpeg")
    tags = prepare(metadata, width=WIDTH, height=HEIGHT, source_type=MERGED)
    with (data / "brackets/library_hall/00.jpg").open("rb") as file:
        before = jpeg_segments(file)[0]
    after = read_back(into_jpeg(JPEG, metadata, tags)).segments
    assert [s.kind for s in before] == [s.kind for s in after]
    assert [s for s in before if s.kind == "other"] == [s for s in after if s.kind == "other"]
    lean = read_back(into_jpeg(JPEG, metadata, tags, lean=True)).segments
    assert [s.kind for s in lean] == ["exif", "xmp"]


def read_back(jpeg: bytes) -> Metadata:
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(jpeg)
        file.flush()
        return read_metadata(file.name, "jpeg")


def test_multi_segment_profiles_are_kept_if_they_are_srgb_and_replaced_if_not(data: Path) -> None:
    long = (len(SRGB) + 100_000).to_bytes(4, "big") + SRGB[4:] + bytes(100_000)
    pieces = [long[i : i + 60_000] for i in range(0, len(long), 60_000)]
    segments = tuple(Segment(0xE2, ICC_HEAD + bytes((i + 1, len(pieces))) + p) for i, p in enumerate(pieces))
    metadata = Metadata("jpeg", segments, icc=long)
    back = read_back(into_jpeg(JPEG, metadata, prepare(metadata, width=1, height=1, source_type=EDITED)))
    assert [s for s in back.segments if s.kind == "icc"] == list(segments)
    for name in ("cmyk_photo_icc.jpg", "icc_empty.jpg", "icc_corrupted_srgb.jpg"):
        metadata = read_metadata(data / "ingest" / name, "jpeg")
        back = read_back(into_jpeg(JPEG, metadata, prepare(metadata, width=1, height=1, source_type=EDITED)))
        assert back.icc == SRGB, name


def test_an_untagged_jpeg_stays_untagged_and_other_sources_get_srgb() -> None:
    for format, expected in (("jpeg", b""), ("raw", SRGB), ("tiff", SRGB), ("png", SRGB), ("webp", SRGB)):
        assert prepare(Metadata(format), width=1, height=1, source_type=EDITED).icc == expected


def test_gain_map_and_second_picture_are_dropped_and_declared(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jpg"
    tags = written(data / "ingest/ultrahdr_gain_map.jpg", target)
    assert set(tags.dropped) == {"multi-picture index", "gain map"}
    content = target.read_bytes()
    assert content.count(b"\xff\xd8\xff") == 1
    assert b"hdrgm:" not in content
    assert b"GainMap" not in content
    assert b"MPF\0" not in content


@pytest.mark.parametrize("packet", [b"not xmp at all", b"<x:xmpmeta>\xff\xfe", "<a></a>".encode("utf-16")])
def test_broken_xmp_is_left_behind_with_a_warning_but_the_disclosure_is_there(packet: bytes) -> None:
    metadata = Metadata("jpeg", (Segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet),), xmp=packet)
    tags = prepare(metadata, width=1, height=1, source_type=EDITED)
    assert tags.warnings == ("METADATA_LOST",)
    assert b"algorithmicallyEnhanced" in read_back(into_jpeg(JPEG, metadata, tags)).xmp


def test_exif_too_long_for_jpeg_is_lost_with_a_warning_and_kept_in_png() -> None:
    metadata = Metadata("png", exif=b"II*\0\x08\0\0\0\0\0" + bytes(70_000))
    assert prepare(metadata, width=1, height=1, source_type=EDITED).warnings == ("METADATA_LOST",)
    assert prepare(metadata, width=1, height=1, source_type=EDITED).exif == b""
    assert prepare(metadata, width=1, height=1, source_type=EDITED, container="png").exif == metadata.exif


@needs_exiftool
def test_delivering_a_delivered_file_again_changes_nothing(tagged: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{i}.jpg" for i in range(3))
    written(tagged, first)
    written(first, second)
    written(second, third)
    assert second.read_bytes() == third.read_bytes()
    assert first.read_bytes() == (written(tagged, tmp_path / "again.jpg"), (tmp_path / "again.jpg").read_bytes())[1]


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 70000), st.integers(1, 70000))
def test_patching_never_changes_the_length_nor_raises(tail: bytes, width: int, height: int) -> None:
    for head in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        block = head + tail
        out = patched(block, width=width, height=height)
        assert len(out) == len(block)
        assert out == patched(out, width=width, height=height)


@settings(deadline=None)
@given(st.binary(max_size=100), st.integers(0, 3000), st.integers(0, 3000))
def test_damaged_exif_never_raises(data: Path, noise: bytes, at: int, cut: int) -> None:
    block = bytearray(read_metadata(data / "brackets/street_night_rotated/00.jpg", "jpeg").exif)
    block[at : at + len(noise)] = noise
    damaged = bytes(block[: len(block) - cut])
    metadata = Metadata("png", exif=damaged)
    for container in ("jpeg", "tiff", "png"):
        tags = prepare(metadata, width=9, height=9, source_type=EDITED, container=container)
        assert len(tags.exif) == len(damaged)
    assert open_block(damaged) is None or len(into_tiff(IMAGE[:2, :2], tags)) > 0


FRAGMENTS = """<rdf:RDF|</rdf:RDF>|/>|>|<rdf:Description| rdf:about="u"| xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
| tiff:Orientation="6"|<?xpacket end='w'?>|\0|\ud7ff| |<dc:title>|</dc:title>|&amp;"""
fragments = st.sampled_from(FRAGMENTS.split("|"))


@settings(deadline=None)
@given(st.lists(fragments | st.text(max_size=5), max_size=20).map("".join))
def test_changing_any_text_never_raises(text: str) -> None:
    change = xmp.Change(xmp.MERGED, 10, 20, Sidecar("t", 1, "c"))
    for encoding in ("utf-8", "utf-16-le", "utf-16"):
        packet = text.encode(encoding, "surrogatepass")
        out = xmp.changed(packet, change)
        assert out is None or b"computationalCapture" in out.replace(b"\0", b"")
        xmp.split(packet, change)
        xmp.merged(packet, packet)


def test_only_the_description_is_inserted() -> None:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r"><rdf:Description rdf:about="uuid:1"/></rdf:RDF>'
    )
    packet += b"</x:xmpmeta>" + b" " * 50 + b"<?xpacket end='w'?>"
    out = xmp.changed(packet, xmp.Change(xmp.EDITED, 1, 1))
    assert out is not None
    start = out.index(b'<rdf:Description rdf:about="uuid:1" xmlns')
    end = out.index(b"</rdf:RDF>")
    assert out[:start] + out[end:] == packet


@pytest.mark.parametrize(
    "text",
    [
        "<Iptc4xmpExt:DigitalSourceType>" * 50_000,
        "<rdf:RDF " * 50_000,
        "<dc:title>" * 50_000,
        " " * 500_000,
        "about='" * 50_000,
    ],
    ids=["source types", "roots", "titles", "spaces", "quotes"],
)
def test_hostile_xmp_takes_time_in_proportion_to_its_length(text: str) -> None:
    spaces = (
        "xmlns:Iptc4xmpExt='http://iptc.org/std/Iptc4xmpExt/2008-02-29/' xmlns:dc='http://purl.org/dc/elements/1.1/'"
    )
    change = xmp.Change(xmp.MERGED, 10, 20, Sidecar("t", 1, "c"))
    seconds: list[float] = []
    for part in (text[: len(text) // 8], text):
        packet = f"<rdf:RDF {spaces}>{part}</rdf:RDF>".encode()
        start = time.process_time()
        xmp.changed(packet, change)
        xmp.merged(packet, packet)
        xmp.shrunk(packet, 100)
        seconds.append(time.process_time() - start)
    assert seconds[1] < 8 * 4 * seconds[0] + 0.5  # quadratic would be 64 times


@pytest.mark.parametrize(
    ("before", "kept"),
    [("compositeSynthetic", True), ("trainedAlgorithmicMedia", True), ("digitalCapture", False), ("", False)],
)
def test_what_a_picture_said_of_its_making_stays_known(before: str, kept: bool) -> None:
    uri = f"http://cv.iptc.org/newscodes/digitalsourcetype/{before}"
    packet = xmp.fresh(xmp.Change(uri, 8, 8)) if before else b""
    assert xmp.declared(packet) == (uri if kept else None)
    assert xmp.declared(xmp.changed(packet, xmp.Change(EDITED, 8, 8)) or b"") is None


def test_of_several_statements_the_strongest_counts_wherever_it_stands() -> None:
    uri = "http://cv.iptc.org/newscodes/digitalsourcetype/"
    order = ["humanEdits", "compositeCapture", "compositeSynthetic", "compositeWithTrainedAlgorithmicMedia"]
    order += ["trainedAlgorithmicMedia"]
    packets = {name: xmp.fresh(xmp.Change(uri + name, 8, 8)) for name in order}
    for weaker, stronger in pairwise(order):
        assert xmp.declared(packets[weaker], packets[stronger]) == uri + stronger
        assert xmp.declared(packets[stronger], packets[weaker]) == uri + stronger
        assert xmp.declared(xmp.merged(packets[weaker], packets[stronger]) or b"") == uri + stronger
        assert (
            xmp.stronger(uri + weaker, uri + stronger) == xmp.stronger(uri + stronger, uri + weaker) == uri + stronger
        )
    assert xmp.stronger(uri + "somethingNew", uri + "compositeCapture") == uri + "somethingNew"
