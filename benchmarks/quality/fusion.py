"""Does the merge keep the structure of all exposures? MEF-SSIM beside enfuse (defaults) and OpenCV's Mertens (1, 1, 1).

    python -m benchmarks.quality.fusion [--quick] [--sets A B] [--data DIR]

Every bracketed set of DATA/brackets at its native size, the bundled room, and a set of 45 MP. All three methods get the
same frames, aligned by sunroom. Writes benchmarks/results/fusion.md, unless --quick or --sets leave some out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.mef_ssim import mef_ssim
from benchmarks.report import heading
from benchmarks.speed import big_set
from pipeline.merge.shot import aligned_merge, refined_merge
from pipeline.photo import Image, Shot
from pipeline.plan import Merge, Plan
from pipeline.read.exposures import open_shot, read_exposures, read_proxies
from pipeline.read.shots import find_shots
from pipeline.render.render import render_edits, render_source

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "fusion.md"
QUICK = ("house_window", "living_room2")
THREADS = 2
Picture = NDArray[np.uint8]
Figures = dict[str, tuple[float, float]]
"""Per method: structure, and with luminance."""


def aligned(shot: Shot) -> tuple[list[Picture], list[float], int]:
    """The frames of a shot in the frame of its reference, their exposure values, and the reference's index."""
    opened = open_shot(shot, max_megapixels=100)
    merge, _ = aligned_merge(read_proxies(opened, threads=THREADS), shot, move=True, detail=1.0)
    exposures = read_exposures(opened, merge.used, threads=THREADS)
    merge = refined_merge(merge, exposures)
    used = [i for i, u in enumerate(merge.used) if u]
    frames: list[Picture] = []
    for i in used:
        # A merge that uses one exposure is that exposure, resampled as the renderer would.
        alone = replace(merge, used=tuple(k == i for k in range(len(exposures))))
        frame, _ = render_source(Plan(alone), exposures, threads=THREADS)
        frames.append(_eight_bit(frame))
    return frames, [merge.exposure_values[i] for i in used], used.index(merge.reference)


def sunroom(frames: Sequence[Picture], values: Sequence[float], reference: int) -> Picture:
    """The product's own merge, with no edit."""
    still = np.broadcast_to(np.eye(3), (len(frames), 3, 3))
    merge = Merge(still, tuple(values), (True,) * len(frames), reference)
    source, _ = render_source(Plan(merge), frames, threads=THREADS)
    return cast(Picture, render_edits(Plan(merge), source, threads=THREADS))


def opencv(frames: Sequence[Picture], _values: Sequence[float], _reference: int) -> Picture:
    """cv2.createMergeMertens with all three weights 1."""
    fused: Any = cv2.createMergeMertens(1, 1, 1).process(cast(Any, frames))
    return np.clip(fused * 255 + 0.5, 0, 255).astype(np.uint8)


def enfuse(frames: Sequence[Picture], _values: Sequence[float], _reference: int) -> Picture:
    """The enfuse command with its defaults, on uncompressed TIFF."""
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{folder}/{i}.tif" for i in range(len(frames))]
        for name, frame in zip(names, frames, strict=True):
            cv2.imwrite(name, frame[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 1])
        command = ["enfuse", "--output", f"{folder}/out.tif", *names]
        subprocess.run(command, check=True, capture_output=True)
        fused: Any = cv2.imread(f"{folder}/out.tif")
    return np.ascontiguousarray(fused[..., ::-1], np.uint8)


METHODS: dict[str, Callable[[Sequence[Picture], Sequence[float], int], Picture]] = {
    "enfuse": enfuse,
    "OpenCV": opencv,
    "sunroom": sunroom,
}


def shots(data: Path, names: Sequence[str] | None) -> Iterator[tuple[str, Shot]]:
    """The sets to measure, each folder one shot or more."""
    folders = [f for f in sorted((data / "brackets").glob("*")) if names is None or f.name in names]
    folders = folders or [ROOT / "samples" / "garden_room"]
    if names is None:
        folders.append(big_set.ensure())
    for folder in folders:
        for shot in find_shots(folder).shots:
            if len(shot.sources) > 1:
                yield "45 MP" if shot.pixels > 40e6 else folder.name, shot


def measure(shot: Shot) -> tuple[int, Figures]:
    """How many frames were fused, and the figures of each method."""
    frames, values, reference = aligned(shot)
    figures: Figures = {}
    for method, fuse in METHODS.items():
        fused = fuse(frames, values, reference)
        figures[method] = (mef_ssim(fused, frames), mef_ssim(fused, frames, luminance=True))
    return len(frames), figures


def goals(rows: dict[str, Figures]) -> list[str]:
    """Each goal: the least margin over all sets, and who misses it."""
    wanted = (
        ("structure >= enfuse", "enfuse", 0, 0.0),
        ("structure >= OpenCV - 0.003", "OpenCV", 0, -0.003),
        ("with luminance >= enfuse - 0.003", "enfuse", 1, -0.003),
    )
    lines = ["| goal, on every set | least difference | missed by |", "|---|---|---|"]
    for goal, rival, form, allowed in wanted:
        margins = {name: r["sunroom"][form] - r[rival][form] for name, r in rows.items()}
        least = min(margins, key=lambda name: margins[name])
        missed = ", ".join(f"{n} ({m:+.4f})" for n, m in margins.items() if m < allowed)
        lines.append(f"| {goal} | {margins[least]:+.4f} ({least}) | {missed or 'none'} |")
    return lines


def _eight_bit(image: Image) -> Picture:
    return cast(Picture, cv2.convertScaleAbs(image, alpha=1 / 257) if image.dtype == np.uint16 else image)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=big_set.DATA, help="folder with brackets/")
    parser.add_argument("--sets", nargs="*", help="names of sets; default all")
    parser.add_argument("--quick", action="store_true", help="two small sets only")
    options = parser.parse_args()
    names: Sequence[str] | None = options.sets or (QUICK if options.quick else None)
    head = "| set | frames | MP | " + " | ".join(METHODS) + " |"
    lines = ["MEF-SSIM, structure / with luminance.", "", head, "|---" * (3 + len(METHODS)) + "|"]
    rows: dict[str, Figures] = {}
    for name, shot in shots(options.data, names):
        count, rows[name] = measure(shot)
        cells = " | ".join(f"{s:.4f} / {m:.4f}" for s, m in rows[name].values())
        lines.append(f"| {name} | {count} of {len(shot.sources)} | {shot.pixels / 1e6:.1f} | {cells} |")
        print(lines[-1], file=sys.stderr, flush=True)
    body = "\n".join([*heading("Fusion", "python -m benchmarks.quality.fusion"), *lines, "", *goals(rows)])
    print(body)
    if names is None:
        RESULT.write_text(body + "\n")


if __name__ == "__main__":
    main()
