"""Alignment of brackets: error on known warps, CPU time, wrong alignments accepted, residuals on hand-held sets.

    python benchmarks/quality/alignment.py DATA [--out benchmarks/results/alignment.md]

DATA holds brackets/ and photos/. Known warps are applied to exposures rendered from listing photos, with noise, and to
real tripod sets; a real set's own motion, as measured without a warp, is part of its truth. Hand-held sets have no
truth: their residual is told by SIFT matches at full resolution between the reference and the warped exposure, which
shares nothing with the aligner but the pixels.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from pipeline.merge.align import Alignment, align, pixel_matrix, warp_to_reference
from pipeline.merge.refine import refine

LEVELS = {
    "4 px, .08 deg": ((3.3, -2.6), 0.08, (0.0005, -0.0004)),
    "14 px, .6 deg": ((11.7, 8.4), 0.6, (0.003, 0.002)),
    "39 px, 2 deg": ((25.0, -30.0), 2.0, (0.006, -0.005)),
}
PHOTOS = "listing_*.jpg", "int_hotel_room_16mp.jpg"
WRONG = 2.0
"""Mean error, in pixels at 1 MP, at which an accepted alignment counts as wrong."""


def read(path: Path, megapixels: float | None = None) -> np.ndarray:
    """RGB, upright, reduced by area to at most so many megapixels."""
    image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
    scale = (megapixels * 1e6 / (image.shape[0] * image.shape[1])) ** 0.5 if megapixels else 1
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image


def expose(image: np.ndarray, ev: float, rng: np.random.Generator) -> np.ndarray:
    """The photo at another exposure: linear light, clipped, with read and shot noise."""
    x = image.astype(np.float64) / 255
    x = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    x = np.clip(x * 2.0**ev, 0, 1)
    x = np.clip(x + rng.normal(0, 1, x.shape) * (0.002 + 0.006 * np.sqrt(x)), 0, 1)
    return np.rint(255 * np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)).astype(np.uint8)


def warp(level: str, size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A homography in index coordinates about the middle, with random signs."""
    (shift, turn, tilt), (h, w) = LEVELS[level], size[:2]
    sign = rng.choice([-1, 1], 5)
    centre = np.array([[1, 0, w / 2], [0, 1, h / 2], [0, 0, 1]])
    c, s = np.cos(np.deg2rad(turn * sign[0])), np.sin(np.deg2rad(turn * sign[0]))
    rigid = np.array([[c, -s, shift[0] * sign[1]], [s, c, shift[1] * sign[2]], [0, 0, 1]])
    bend = np.eye(3)
    bend[2, :2] = tilt[0] * sign[3] / w, tilt[1] * sign[4] / h
    return centre @ rigid @ bend @ np.linalg.inv(centre)


def error(found: np.ndarray, true: np.ndarray, size: tuple[int, ...]) -> float:
    """Mean distance in pixels over a grid on the whole frame."""
    grid = np.stack(np.meshgrid(np.linspace(0, size[1], 9), np.linspace(0, size[0], 9)), -1).reshape(-1, 1, 2)
    a, b = (cv2.perspectiveTransform(grid, m) for m in (found, true))
    return float(np.linalg.norm(a - b, axis=-1).mean())


def shots(data: Path) -> Iterator[tuple[str, list[np.ndarray], list[float]]]:
    """(kind, [reference, exposure...], EVs): each exposure is aligned with what lies between, as in a real set."""
    rng = np.random.default_rng(0)
    for pattern in PHOTOS:
        for path in sorted((data / "photos").glob(pattern)):
            base = read(path, 1.0)
            for ev in (-6, -4, -3, -2, 2, 3, 4, 6):
                yield "rendered", [expose(base, 0, rng), expose(base, ev, rng)], [0.0, float(ev)]
    for name, reference in (("red_chair_window", 5), ("living_room2", 2), ("house_window", 2)):
        folder = data / "brackets" / name
        images = json.loads((folder / "scene.json").read_text())["images"]
        frames = [read(folder / entry["file"], 1.0) for entry in images]
        if images[0]["exposure_time_s"]:
            evs = [float(np.log2(entry["exposure_time_s"] * entry["iso"])) for entry in images]
        else:
            evs = [2.0 * k for k in range(len(images))]
        for k in range(len(frames)):
            if 1.5 < abs(evs[k] - evs[reference]) <= 6.3:
                yield "real", [frames[reference], frames[k]], [0.0, evs[k] - evs[reference]]


def known_warps(data: Path) -> list[tuple[str, str, float, bool, float, float]]:
    """(kind, level, |EV|, ok, error in pixels, CPU seconds) of every pair at every level."""
    rng = np.random.default_rng(1)
    rows: list[tuple[str, str, float, bool, float, float]] = []
    for kind, (base, frame), evs in shots(data):
        own = np.eye(3)
        if kind == "real":
            alone = align([base, frame], evs, 0)[1]
            own = pixel_matrix(alone.transform, base.shape) if alone.ok else own
        for level in LEVELS:
            true = warp(level, base.shape, rng)
            size = (base.shape[1], base.shape[0])
            moved = cv2.warpPerspective(frame, true, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
            start = time.process_time()
            found = align([base, moved], evs, 0)[1]
            cpu = time.process_time() - start
            off = error(pixel_matrix(found.transform, base.shape), true @ own, base.shape)
            rows.append((kind, level, abs(evs[1]), found.ok, off, cpu))
    return rows


def strangers(data: Path) -> tuple[int, int]:
    """How many pairs of different photos were tried, and how many were accepted."""
    paths = [p for pattern in PHOTOS for p in sorted((data / "photos").glob(pattern))]
    frames = [cv2.resize(read(p, 1.0), (1154, 866), interpolation=cv2.INTER_AREA) for p in paths]
    rng = np.random.default_rng(2)
    tries = [(a, expose(b, ev, rng), ev) for a, b in pairwise(frames) for ev in (-3, 0, 3)]
    return len(tries), sum(align([a, b], [0, ev], 0)[1].ok for a, b, ev in tries)


def sift_residual(base: np.ndarray, frame: np.ndarray, alignment: Alignment) -> tuple[float, float, int]:
    """Of SIFT matches: length of their median offset over a 3 x 3 grid (mean), median length, and their number."""
    local, finder = cv2.createCLAHE(4.0, (8, 8)), cv2.SIFT.create(8000, contrastThreshold=0.02)
    pictures = (base, warp_to_reference(frame, alignment))
    a, b = (finder.detectAndCompute(local.apply(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)), None) for p in pictures)
    good = [m for m, n in cv2.BFMatcher().knnMatch(b[1], a[1], k=2) if m.distance < 0.7 * n.distance]
    here = np.array([a[0][m.trainIdx].pt for m in good])
    off = np.array([b[0][m.queryIdx].pt for m in good]) - here
    near = np.linalg.norm(off, axis=1) < 20
    here, off = here[near], off[near]
    cell = (here / (base.shape[1], base.shape[0]) * 3).astype(int) @ (1, 3)
    cells = [np.linalg.norm(np.median(off[cell == k], 0)) for k in range(9) if (cell == k).sum() >= 10]
    return float(np.mean(cells)), float(np.median(np.linalg.norm(off, axis=1))), len(off)


def hand_held(data: Path) -> list[str]:
    """Table rows for sets without truth."""
    rows: list[str] = []
    for name in ("library_hall", "building_facade", "street_night_rotated"):
        folder = data / "brackets" / name
        images = json.loads((folder / "scene.json").read_text())["images"]
        full = [read(folder / entry["file"]) for entry in images]
        evs = [float(np.log2(e["exposure_time_s"] * e["iso"] / e["f_number"] ** 2)) for e in images]
        scale = (1.6e6 / (full[0].shape[0] * full[0].shape[1])) ** 0.5
        small = [cv2.resize(f, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for f in full]
        clock = [time.process_time()]
        rough = align(small, evs, 1)
        clock.append(time.process_time())
        fine = refine(rough, full, 1, evs)
        clock.append(time.process_time())
        times = " / ".join(f"{(b - a) / 2:.2f}" for a, b in pairwise(clock))
        for k in (0, 2):
            states = (Alignment(np.eye(3), 1.0, True), rough[k], fine[k])
            told = [sift_residual(full[1], full[k], state) for state in states]
            cells = " | ".join(f"{t[0]:.2f} ({t[1]:.2f})" for t in told)
            rows.append(f"| {name} {evs[k] - evs[1]:+.1f} EV | {fine[k].ok} | {cells} | {told[2][2]} | {times} |")
    return rows


def report(data: Path) -> str:
    """The page of results."""
    rows = known_warps(data)
    lines = [
        "# Alignment",
        "",
        f"{platform.processor() or platform.machine()}, OpenCV {cv2.__version__}, one thread; "
        f"{datetime.now(UTC):%Y-%m-%d}; `python benchmarks/quality/alignment.py DATA`",
        "",
        "Known warps at 1 MP, mean error over the whole frame in pixels. Goal: median <= .15, p90 <= .5, no wrong one",
        f"(> {WRONG:g} px) accepted. Pairs alone, without exposures between them, so +-6 EV is harder than in a set.",
        "",
        "| exposures | EV apart | level | pairs | accepted | median | p90 | worst | wrong accepted | CPU s / pair |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in ("rendered", "real"):
        for low, high in ((0, 3.2), (3.2, 4.5), (4.5, 7)):
            for level in LEVELS:
                part = [r for r in rows if r[0] == kind and r[1] == level and low < r[2] <= high]
                off = np.array([r[4] for r in part if r[3]] or [np.nan])
                lines.append(
                    f"| {kind} | {low:g}-{high:g} | {level} | {len(part)} | {sum(r[3] for r in part)} "
                    f"| {np.median(off):.2f} | {np.percentile(off, 90):.2f} | {off.max():.2f} "
                    f"| {int((off > WRONG).sum())} | {np.mean([r[5] for r in part]):.2f} |"
                )
    for name, part in (("up to 3.2 EV", [r for r in rows if r[2] <= 3.2]), ("all", rows)):
        off = np.array([r[4] for r in part if r[3] and r[1] != "39 px, 2 deg"])
        lines.append(
            f"\nFirst two levels, {name}: median {np.median(off):.2f} (goal .15), "
            f"p90 {np.percentile(off, 90):.2f} (goal .5), worst {off.max():.2f}, "
            f"wrong accepted {int((off > WRONG).sum())} of {len(off)} (goal 0); "
            f"CPU {np.mean([r[5] for r in part]):.2f} s per pair (goal .3)."
        )
    tried, taken = strangers(data)
    lines += [
        f"\nPairs of different photos: {taken} of {tried} accepted (goal 0).",
        "",
        "Hand-held sets at full resolution, pixels: mean over a 3 x 3 grid of the length of the median SIFT offset,",
        "and in brackets the median length of single matches, most of which is the scatter of SIFT itself. Goal: <= 1.",
        "",
        "| exposure | ok | as shot | align | refine | matches | CPU s / pair align / refine |",
        "|---|---|---|---|---|---|---|",
        *hand_held(data),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/alignment.md"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    page = report(options.data)
    print(page)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(page)


if __name__ == "__main__":
    main()
