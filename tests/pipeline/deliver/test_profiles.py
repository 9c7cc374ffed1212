"""Delivered files of one render."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
import tifffile

from pipeline.codes import Code, PhotoError, SettingsError
from pipeline.deliver.profiles import deliver, resized, sharpened, web_name
from pipeline.deliver.xmp import EDITED, MERGED
from pipeline.read.metadata.block import build_block, rational_entry, text_entry
from pipeline.read.metadata.containers import Segment
from pipeline.read.metadata.embedded import Metadata, read_metadata
from pipeline.read.metadata.sidecar import parse_sidecar
from pipeline.read.metadata.tiff import EXIF_IFD, Entry, open_block
from pipeline.recipe import Deliver, Web

TEXTS = {"title": "Loft", "rights": "(c) Agency"}


def photo(height: int = 600, width: int = 900, depth: int = 8) -> np.ndarray:
    """Smooth shades, edges and noise: compresses about like a photo."""
    y, x = np.mgrid[:height, :width] / width
    base = np.stack([x, y, 1 - x], -1) * 0.6 + 0.2 + 0.1 * ((30 * x).astype(int) % 2)[..., None]
    noisy = base + np.random.default_rng(1).normal(0, 0.03, base.shape)
    return np.rint(np.clip(noisy, 0, 1) * (2**depth - 1)).astype(np.uint8 if depth == 8 else np.uint16)


def run(folder: Path, image: np.ndarray, metadata: Metadata | None = None, **settings: object) -> dict:
    return deliver(
        image,
        metadata or Metadata("raw"),
        Deliver.model_validate(settings),
        source_type=MERGED,
        listing="12 High St/upper",
        name="kitchen",
        sequence=7,
        destination=folder,
    )


@pytest.mark.parametrize(
    ("format", "extension", "depth"),
    [("jpeg", "jpg", 8), ("png", "png", 8), ("png", "png", 16), ("tiff", "tif", 8), ("tiff", "tif", 16)],
)
def test_full_has_the_name_format_size_and_depth_asked_for(
    tmp_path: Path, format: str, extension: str, depth: int
) -> None:
    image = photo(60, 90, depth=16)
    made = run(tmp_path, image, format=format, depth=depth)
    assert set(made) == {"full"}
    full = made["full"]
    assert full.path == f"delivered/12 High St/upper/kitchen.{extension}"
    path = tmp_path / full.path
    assert (full.bytes, full.width, full.height) == (path.stat().st_size, 90, 60)
    decoded = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]
    if format == "jpeg":
        assert full.quality == 92
        assert np.abs(decoded.astype(int) - image / 257).mean() < 6
    else:
        assert full.quality is None
        assert np.array_equal(decoded, image if depth == 16 else np.rint(image / 257).astype(np.uint8))


def test_16_bit_tiff_of_an_8_bit_render_spans_the_whole_range(tmp_path: Path) -> None:
    image = photo(20, 30)
    made = run(tmp_path, image, format="tiff", depth=16)
    assert np.array_equal(tifffile.imread(tmp_path / made["full"].path), image.astype(np.uint16) * 257)


def test_web_comes_from_the_same_render(tmp_path: Path) -> None:
    image = photo()
    made = run(tmp_path, image, web={"enabled": True, "long_side": 450})
    web = made["web"]
    assert web.path == "web/12 High St/upper/12 High St_upper_007.jpg"
    assert (web.width, web.height, web.quality) == (450, 300, 88)
    decoded = simplejpeg.decode_jpeg((tmp_path / web.path).read_bytes()).astype(float)
    expected = cv2.resize(image, (450, 300), interpolation=cv2.INTER_AREA)
    assert np.abs(decoded - expected).mean() < 6


def test_byte_cap_is_met_with_the_best_quality_that_fits(tmp_path: Path) -> None:
    settings = {"enabled": True, "long_side": 800, "quality": 95, "quality_floor": 40}
    free = run(tmp_path, photo(), web=settings)["web"]
    cap = free.bytes * 6 // 10
    capped = run(tmp_path, photo(), web=settings | {"max_bytes": cap})["web"]
    assert capped.bytes <= cap
    assert capped.warnings == ()
    assert 40 <= capped.quality < 95
    better = run(tmp_path, photo(), web=settings | {"quality": capped.quality + 1})["web"]
    assert better.bytes > cap


def test_a_cap_below_the_floor_gives_the_floor_and_a_warning(tmp_path: Path) -> None:
    settings = {"enabled": True, "long_side": 900, "quality_floor": 70, "max_bytes": 10_000}
    web = run(tmp_path, photo(), web=settings)["web"]
    assert web.quality == 70
    assert web.warnings == (Code.MLS_BYTES.name,)
    assert web.bytes > 10_000


def test_the_cap_counts_metadata_and_gives_up_unknown_segments_first(tmp_path: Path, data: Path) -> None:
    metadata = read_metadata(data / "brackets/library_hall/00.jpg", "jpeg")  # 150 kB of a phone maker's segments
    settings = {"enabled": True, "long_side": 600, "max_bytes": 150_000}
    web = run(tmp_path, photo(), metadata, web=settings)["web"]
    assert web.bytes <= 150_000
    assert "segments of unknown makers" in web.dropped
    kept = read_metadata(tmp_path / web.path, "jpeg")
    assert len(kept.exif) == len(metadata.exif)
    roomy = run(tmp_path, photo(), metadata, web=settings | {"max_bytes": 2_000_000})["web"]
    assert "segments of unknown makers" not in roomy.dropped


def test_the_cap_is_not_beaten_by_xmp_whose_essence_stays(tmp_path: Path, data: Path) -> None:
    metadata = read_metadata(data / "ingest/tiff_photoshop.tiff", "tiff")  # 129 kB of XMP
    settings = {"enabled": True, "long_side": 400, "quality_floor": 40}
    web = run(tmp_path, photo(), metadata, web=settings | {"max_bytes": 60_000})["web"]
    assert web.bytes <= 60_000
    assert web.warnings == ()
    assert {"extended XMP and history", "Photoshop resources"} <= set(web.dropped)
    kept = read_metadata(tmp_path / web.path, "jpeg")
    assert len(kept.exif) == len(metadata.exif)
    assert kept.iptc == metadata.iptc
    assert b"computationalCapture" in kept.xmp
    assert not kept.extended_xmp
    roomy = run(tmp_path, photo(), metadata, web=settings | {"max_bytes": 400_000})["web"]
    assert not {"extended XMP and history", "Photoshop resources"} & set(roomy.dropped)
    tiny = run(tmp_path, photo(), metadata, web=settings | {"max_bytes": 10_000, "quality_floor": 80})["web"]
    assert tiny.warnings == (Code.MLS_BYTES.name,)
    assert tiny.bytes < 60_000


def test_title_rights_and_exposure_outlast_history_and_maker_notes(tmp_path: Path) -> None:
    note = Entry(0x927C, 7, 40_000, bytes(40_000), 0, 200)
    exif, _ = build_block("<", [text_entry(0x010F, "Canon")], exif=[rational_entry(0x829A, 0.5)], note=note)
    texts = "".join(f"<dc:{n}><rdf:Alt><rdf:li>{t}</rdf:li></rdf:Alt></dc:{n}>" for n, t in TEXTS.items())
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:p="urn:p">'
        f"{texts}<p:History>{'step ' * 5000}</p:History></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    comment = Segment(0xFE, b"word " * 10_000)
    metadata = Metadata("jpeg", (comment,), exif=exif, xmp=packet.encode())
    web = {"enabled": True, "long_side": 320, "max_bytes": 12_000}
    made = run(tmp_path, photo(100, 150), metadata, web=web)["web"]
    assert made.bytes <= 12_000
    assert made.warnings == ()
    assert made.dropped == ("extended XMP and history", "comments", "maker notes and long EXIF values")
    kept = read_metadata(tmp_path / made.path, "jpeg")
    assert b"Canon" in kept.exif
    said = parse_sidecar(kept.xmp)
    assert said is not None
    assert {"title": said.title, "rights": said.copyright} == TEXTS
    structure = open_block(kept.exif)
    assert structure is not None
    inner = structure.directory(structure.number(structure.directory(structure.first).get(EXIF_IFD)))
    assert {e.tag for e in inner.entries} == {0x829A}


@pytest.mark.parametrize("resize_filter", ["area", "lanczos", "cubic"])
def test_no_filter_aliases_and_none_shifts_the_picture(resize_filter: str) -> None:
    web = Web(long_side=320, resize_filter=resize_filter)
    stripes = np.zeros((768, 1280, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resized(stripes, web)
    assert small.shape == (192, 320, 3)
    assert np.ptp(small[:, 8:-8].astype(int)) <= 8
    ramp = np.repeat(np.linspace(0, 255, 1600).astype(np.uint8)[None, :, None], 960, 0).repeat(3, 2)
    assert np.abs(resized(ramp, web)[96, 8:-8, 0] - np.linspace(0, 255, 320)[8:-8]).max() < 2


def test_pictures_are_never_enlarged_nor_sharpened_at_their_own_size(tmp_path: Path) -> None:
    image = photo(200, 300)
    assert np.array_equal(resized(image, Web(long_side=320)), image)
    web = run(tmp_path, image, web={"enabled": True, "long_side": 320, "sharpen": 1.0, "quality": 100})["web"]
    decoded = simplejpeg.decode_jpeg((tmp_path / web.path).read_bytes())
    assert np.abs(decoded.astype(int) - image).mean() < 5


def test_sharpening_raises_contrast_at_edges_only_and_keeps_hue() -> None:
    image = np.full((40, 40, 3), (120, 100, 80), np.uint8)
    image[:, 20:] = (170, 150, 130)
    assert sharpened(image, 0) is image
    out = sharpened(image, 1.0).astype(int)
    assert np.array_equal(out[:, :14], image[:, :14])
    assert out[20, 19, 0] < 120
    assert out[20, 20, 0] > 170
    assert np.array_equal(out[..., 0] - out[..., 1], image[..., 0].astype(int) - image[..., 1])


def test_delivering_twice_gives_the_same_bytes_and_no_other_files(tmp_path: Path) -> None:
    settings = {"web": {"enabled": True, "long_side": 400}}
    run(tmp_path, photo(), **settings)
    first = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    run(tmp_path, photo(), **settings)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == first
    assert len(first) == 2


@pytest.mark.parametrize("pattern", ["{street}", "{seq", "{0}", "{name.x}", "...", "{name!z}"])
def test_wrong_name_patterns_say_so(pattern: str) -> None:
    with pytest.raises(SettingsError, match=r"deliver\.web\.name"):
        web_name(pattern, listing="a", name="b", sequence=1)


def test_names_never_leave_the_destination(tmp_path: Path) -> None:
    assert "/" not in web_name("{listing}/{name}", listing="../../x", name="b", sequence=1)
    with pytest.raises(PhotoError, match="outside") as raised:
        deliver(
            photo(4, 4),
            Metadata(),
            Deliver(),
            source_type=EDITED,
            listing="../..",
            name="n",
            sequence=1,
            destination=tmp_path,
        )
    assert raised.value.code is Code.WRITE_FAILED
