"""Lens correction: bends told from the lines of a picture, how straight a profile leaves them, and the CPU at 45 MP.

    python -m benchmarks.quality.lens [--quick] [--data DIR]

Photos of DATA are bent as the lensfun profiles of wide lenses say (their maps undone), and shown to the proof as if a
camera had written them. The rest is taken for corrected: what is proven bent there is listed. At 45 MP the CPU of
straightening one exposure, and a bracket of five, through a lens, and over the same without one.
Writes benchmarks/results/lens.md, unless --quick.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.report import heading
from pipeline.edits.lens import Known, chosen
from pipeline.merge.mapping import filling, straightened
from pipeline.photo import Header, Image
from pipeline.plan import Lens, Merge, Plan, Warp
from pipeline.read.exposures import proxy_size
from pipeline.read.lens.profiles import profile
from pipeline.render.render import render_source
from pipeline.see.curvature import bend_of, edges_of

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "lens.md"
LENSES = (
    ("SONY", "ILCE-7M3", "FE 16-35mm F4 ZA OSS", 16.0, 8.0),
    ("Canon", "Canon EOS 5D Mark III", "EF16-35mm f/2.8L II USM", 16.0, 8.0),
    ("NIKON CORPORATION", "NIKON Z 6", "NIKKOR Z 14-30mm f/4 S", 14.0, 8.0),
    ("FUJIFILM", "X-T3", "XF10-24mmF4 R OIS", 10.0, 8.0),
)
PATTERNS = ("photos/listing_*.jpg", "photos/int_*.jpg", "photos/ext_*.jpg", "brackets/house_window/*")
WHOLE = (8183, 5455)


def proxies(data: Path) -> dict[str, NDArray[np.uint8]]:
    """Photos of rooms and fronts at proxy size."""
    found: dict[str, NDArray[np.uint8]] = {}
    for path in (p for pattern in PATTERNS for p in sorted(data.glob(pattern))):
        picture = cv2.imread(str(path))
        if picture is not None and max(picture.shape) >= 700:
            size = proxy_size(picture.shape[1], picture.shape[0])
            found[f"{path.parent.name}/{path.name}"] = cv2.cvtColor(
                cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB
            )
    return found


def lens_of(taken: tuple[str, str, str, float, float], size: tuple[int, int]) -> Lens:
    """The profile over a frame of that size."""
    make, model, name, focal, aperture = taken
    camera = {"make": make, "model": model, "lens": name, "focal_length": focal, "f_number": aperture}
    found = profile(Header("", "", 1, "raw", *size, **camera))
    assert found is not None, name
    return found


def judged(picture: NDArray[np.uint8], taken: tuple[str, str, str, float, float]) -> tuple[bool, bool]:
    """Whether the bent picture is proven bent, and whether it is corrected."""
    size = (picture.shape[1], picture.shape[0])
    lens = lens_of(taken, size)
    x, y = np.meshgrid(*((np.arange(n) + 0.5) / max(size) for n in size))
    maps = [(m * max(size) - 0.5).astype(np.float32) for m in straightened(lens, x, y)]
    shown = cv2.remap(picture, maps[0], maps[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    floats, frame = shown.astype(np.float32) / 255, (size[0] / max(size), size[1] / max(size))
    return bend_of(edges_of(floats)).is_proven, chosen(Known(lens, False, frame), floats).lens is not None


def seconds(exposures: list[Image], lens: Lens | None) -> float:
    """CPU seconds of merging and straightening, which samples every exposure once in any case."""
    n, frame = len(exposures), (1.0, WHOLE[1] / WHOLE[0])
    merge = Merge(np.stack([np.eye(3)] * n), tuple(0.5 * i for i in range(n)), (True,) * n, n // 2, lens=lens)
    upright = Warp("straighten", np.array([[0.97, 0.01, 0.01], [-0.01, 0.97, 0.01], [0.01, 0.01, 1.0]]), frame, frame)
    started = time.process_time()
    render_source(Plan(merge, (upright,)), exposures)
    return time.process_time() - started


def costs(repeats: int) -> list[list[float]]:
    """Median CPU seconds at 45 MP of one exposure and of five: without a lens, with one map, with one per channel."""
    picture = _noise()
    lens = filling(lens_of(LENSES[0], WHOLE), (1.0, WHOLE[1] / WHOLE[0]))
    lenses = (None, replace(lens, radial=lens.radial[1:2]), lens)
    rows: list[list[float]] = []
    for count in (1, 5):
        gains = [2.0 ** (0.5 * (i - count // 2)) for i in range(count)]
        exposures: list[Any] = [cv2.convertScaleAbs(picture, alpha=gain) for gain in gains]
        taken = [[seconds(exposures, x) for x in lenses] for _ in range(repeats)]
        rows.append([median(column) for column in zip(*taken, strict=True)])
    return rows


def _noise() -> Image:
    """Smooth noise of 45 MP."""
    small = np.random.default_rng(0).integers(0, 256, (WHOLE[1] // 8, WHOLE[0] // 8, 3), np.uint8)
    picture: Any = cv2.resize(small, WHOLE, interpolation=cv2.INTER_CUBIC)
    return picture


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    photos = proxies(options.data)
    plain = {name: bend_of(edges_of(p.astype(np.float32) / 255)) for name, p in photos.items()}
    lines = heading("Lens correction", "benchmarks.quality.lens")
    lines += [
        f"{len(photos)} photos as they are: proven bent "
        + (", ".join(f"{n} ({b.amount:+.3f})" for n, b in plain.items() if b.is_proven) or "none")
        + ".",
        "",
        "| lens | told bent | corrected |",
        "|---|---|---|",
    ]
    straight = {n: p for n, p in photos.items() if not plain[n].is_proven}
    for taken in LENSES:
        found = [judged(p, taken) for p in straight.values()]
        told, corrected = sum(f[0] for f in found), sum(f[1] for f in found)
        lines.append(f"| {taken[2]} at {taken[3]:g} mm | {told} of {len(found)} | {corrected} |")
    if not options.quick:
        lines += ["", "| 45 MP, straightened: CPU seconds | without a lens | distortion | with lateral colour |"]
        lines += ["|---|---|---|---|"]
        for name, row in zip(("one exposure", "five exposures"), costs(3), strict=True):
            lines.append(f"| {name} | " + " | ".join(f"{s:.2f} ({s / row[0]:.2f})" for s in row) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    if not options.quick:
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
