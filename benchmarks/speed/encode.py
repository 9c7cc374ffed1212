"""CPU seconds of encoding one 45 MP picture, beside Pillow and OpenCV at the same settings.

    python benchmarks/speed/encode.py [--photo FILE] > benchmarks/results/encode.md

The picture is a real photo enlarged to 8192 x 5464 with grain of 2 levels (a smooth enlargement alone would flatter
every encoder); without a photo, a procedural one. Each figure is the lesser of two runs of one thread.
"""

from __future__ import annotations

import argparse
import io
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import __version__ as pillow_version

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pipeline.deliver import provenance
from pipeline.deliver.encode import encode_jpeg, encode_png, to_depth
from pipeline.deliver.profiles import deliver
from pipeline.deliver.tiff import encode_tiff
from pipeline.read.metadata.embedded import Metadata, read_metadata
from pipeline.read.metadata.header import read_header
from pipeline.recipe import Deliver, Web

WIDTH, HEIGHT = 8192, 5464
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
Picture = NDArray[np.uint8] | NDArray[np.uint16]


def picture(photo: Path | None) -> NDArray[np.uint8]:
    """(5464, 8192, 3) uint8."""
    if photo is None:
        y, x = np.mgrid[:1366, :2048].astype(np.float32) / 2048
        small = np.stack([x, y + 0.1 * np.sin(40 * x * y), 1 - x], -1).clip(0, 1) * 255
    else:
        small = cv2.imread(str(photo), cv2.IMREAD_COLOR_RGB).astype(np.float32)
    large = np.asarray(cv2.resize(small.astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)
    random = np.random.default_rng(0)
    for top in range(0, HEIGHT, 1024):
        strip = large[top : top + 1024]
        grain = random.standard_normal(strip.shape, np.float32) * 2
        strip[:] = np.clip(strip + np.rint(grain), 0, 255)
    return large


def least(work: Callable[[], bytes | None], runs: int = 2) -> tuple[float, float]:
    """CPU seconds and MB."""
    times: list[float] = []
    size = 0
    for _ in range(runs):
        start = time.process_time()
        data = work()
        times.append(time.process_time() - start)
        size = len(data or b"")
    return min(times), size / 1e6


def pillow(image: Picture, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Pil.fromarray(image).save(out, kind, **options)
    return out.getvalue()


def opencv(image: Picture, extension: str, *options: int) -> bytes:
    return cv2.imencode(extension, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), list(options))[1].tobytes()


def rows(image: NDArray[np.uint8]) -> list[tuple[str, Callable[[], bytes], dict[str, Callable[[], bytes]]]]:
    """What, how we do it, how others do."""
    deep = to_depth(image, 16)
    deep -= np.minimum(deep, np.random.default_rng(1).integers(0, 200, deep.shape, np.uint16))
    quality, sampling, level = cv2.IMWRITE_JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_PNG_COMPRESSION
    lzw = (cv2.IMWRITE_TIFF_COMPRESSION, 5, cv2.IMWRITE_TIFF_PREDICTOR, 2)
    return [
        (
            "JPEG q92 4:2:0",
            lambda: encode_jpeg(image),
            {
                "Pillow": lambda: pillow(image, "JPEG", quality=92, subsampling=2),
                "OpenCV": lambda: opencv(image, ".jpg", quality, 92),
            },
        ),
        (
            "JPEG q92 4:4:4",
            lambda: encode_jpeg(image, subsampling="4:4:4"),
            {
                "Pillow": lambda: pillow(image, "JPEG", quality=92, subsampling=0),
                "OpenCV": lambda: opencv(image, ".jpg", quality, 92, sampling, 0x111111),
            },
        ),
        (
            "PNG 8 bit",
            lambda: encode_png(image),
            {
                "Pillow level 1": lambda: pillow(image, "PNG", compress_level=1),
                "OpenCV level 1": lambda: opencv(image, ".png", level, 1),
            },
        ),
        ("PNG 16 bit", lambda: encode_png(deep), {"OpenCV level 1": lambda: opencv(deep, ".png", level, 1)}),
        (
            "TIFF 8 bit, Deflate",
            lambda: encode_tiff(image),
            {
                "Pillow LZW": lambda: pillow(image, "TIFF", compression="tiff_lzw", tiffinfo={317: 2}),
                "OpenCV LZW": lambda: opencv(image, ".tiff", *lzw),
            },
        ),
        ("TIFF 16 bit, Deflate", lambda: encode_tiff(deep), {"OpenCV LZW": lambda: opencv(deep, ".tiff", *lzw)}),
        ("TIFF 16 bit, none", lambda: encode_tiff(deep, compression="none"), {}),
    ]


def whole_way(image: NDArray[np.uint8]) -> None:
    sources = [DATA / "brackets/library_hall/00.jpg"]
    metadata = read_metadata(sources[0], read_header(sources[0]).format) if sources[0].is_file() else Metadata("jpeg")
    web = Web(enabled=True, max_bytes=1_000_000)
    plane = provenance.new_plane(HEIGHT, WIDTH, flags=provenance.ADJUSTED)
    with tempfile.TemporaryDirectory() as folder:

        def run(settings: Deliver) -> None:
            deliver(image, metadata, settings, merged=True, listing="a", name="b", sequence=1, destination=Path(folder))

        full, _ = least(lambda: run(Deliver()))
        both, _ = least(lambda: run(Deliver(web=web)))
    share, _ = least(lambda: provenance.shares(plane) and None)
    half, _ = least(lambda: provenance.encode(plane))
    print("\n| the whole of deliver() | CPU s |\n|---|---|")
    print(f"| full JPEG with metadata, written and synced | {full:.2f} |")
    print(f"| web besides: 2048 px, sharpened, at most 1 MB (quality search) | {both - full:.2f} |")
    print(f"| provenance: shares | {share:.3f} |\n| provenance: half-size PNG of a plain plane | {half:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = DATA / "photos" / "int_hotel_bed_36mp.jpg"
    parser.add_argument("--photo", type=Path, default=default if default.is_file() else None)
    photo = parser.parse_args().photo
    cv2.setNumThreads(1)
    image = picture(photo)
    print(f"# Encoding {WIDTH} x {HEIGHT} (45 MP), CPU seconds\n")
    print(
        f"OpenCV {cv2.__version__}, Pillow {pillow_version}, Python {platform.python_version()}, one thread; ", end=""
    )
    print("ratio: ours to the fastest other; lesser of two runs. Made by benchmarks/speed/encode.py.\n")
    print("| what | ours, s | MB | others, s (MB) | ratio |\n|---|---|---|---|---|")
    for name, ours, others in rows(image):
        seconds, size = least(ours)
        found = {other: least(work) for other, work in others.items()}
        listed = "; ".join(f"{other} {s:.2f} ({mb:.0f})" for other, (s, mb) in found.items())
        ratio = f"{seconds / min(s for s, _ in found.values()):.2f}" if found else ""
        print(f"| {name} | {seconds:.2f} | {size:.0f} | {listed} | {ratio} |", flush=True)
    whole_way(image)


if __name__ == "__main__":
    main()
