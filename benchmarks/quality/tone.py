"""How the developed pictures look: tone order, windows and lamps, halos, levels; beside gamma, CLAHE and enfuse.

    python -m benchmarks.quality.tone [--sets A B] [--data DIR]

Writes benchmarks/results/tone.md, and contact sheets (the middle exposure as shot, the merge, the result):
tone_sheet.jpg of the bundled samples, and tone_sheet_all.jpg of everything, which stays out of the repository because
of its licences.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import heading
from pipeline.develop import plan, survey
from pipeline.merge.order import log_radiance
from pipeline.plan import Plan
from pipeline.read.exposures import open_shot, read_proxies
from pipeline.read.shots import find_shots
from pipeline.recipe import Recipe
from pipeline.render.render import render_edits, render_source

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAIRS = 300_000


@dataclass(frozen=True)
class Scene:
    """What a set shows: exposures and merge (uint8), log2 radiance of the scene and of the merge, at proxy size."""

    name: str
    taken: list[np.ndarray]
    merged: np.ndarray
    radiance: np.ndarray
    middle: np.ndarray
    result: np.ndarray


def lightness(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0]


def linear_luminance(picture: np.ndarray) -> np.ndarray:
    x = picture.astype(np.float32) / 255
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    return linear @ np.float32([0.2126, 0.7152, 0.0722])


def inverted(scene: np.ndarray, shown: np.ndarray) -> float:
    """Share of pairs at least 1 EV apart in `scene` (log2) that are inverted in `shown` (uint8), both blurred at 1 %.

    Both are blurred as light (linear luminance): a blur of L* would weigh a lamp and its dark surroundings otherwise
    in the one than in the other, and find inversions that nobody made.
    """
    sigma = 0.01 * max(scene.shape)
    low = np.log2(cv2.GaussianBlur(np.exp2(scene), (0, 0), sigma) + 1e-6).ravel()
    light = cv2.GaussianBlur(linear_luminance(shown), (0, 0), sigma).ravel()
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, low.size, (2, PAIRS))
    apart = low[i] - low[j]
    far = np.abs(apart) >= 1
    return float(np.mean(np.sign(apart[far]) * (light[i] - light[j])[far] < 0))


def bright_places(radiance: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Windows and lamps: masks of regions at least 2 EV above the median, and of the darker surface around each."""
    median = np.median(radiance)
    mask = (cv2.GaussianBlur(radiance, (0, 0), 2) > median + 2).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    places = []
    for k in range(1, count):
        if stats[k, cv2.CC_STAT_AREA] < 0.002 * mask.size:
            continue
        inside = labels == k
        ring = cv2.dilate(inside.astype(np.uint8), np.ones((41, 41), np.uint8)) > 0
        around = ring & ~inside & (radiance < np.median(radiance[inside]) - 1)
        if np.count_nonzero(around) > 500:
            places.append((inside, around))
    return places


def halo(source: np.ndarray, shown: np.ndarray) -> float:
    """95th percentile of halos in L*: what remains of `shown` after its own global curve of `source`, near strong edges
    against farther away on the same side."""
    x = lightness(source)
    grid = np.arange(0, 101)
    curve = np.array([np.median(shown[np.abs(x - g) < 1.5]) if np.any(np.abs(x - g) < 1.5) else np.nan for g in grid])
    known = ~np.isnan(curve)
    curve = np.maximum.accumulate(np.interp(grid, grid[known], curve[known]))
    left = shown - np.interp(x, grid, curve)
    soft = cv2.GaussianBlur(x, (0, 0), 2)
    edge = cv2.magnitude(cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1))
    strong = (edge > np.percentile(edge, 98.5)).astype(np.uint8)
    unit = max(max(x.shape) // 250, 2)
    distance = cv2.distanceTransform(1 - strong, cv2.DIST_L2, 5)
    near = (distance > unit) & (distance < 3 * unit)
    far = (distance > 5 * unit) & (distance < 9 * unit)
    size = 12 * unit + 1
    differences = []
    for side in (x > cv2.blur(x, (size, size)), x <= cv2.blur(x, (size, size))):
        sums = []
        for band in (near & side, far & side):
            weight = cv2.blur(band.astype(np.float32), (size, size))
            sums.append((cv2.blur(left * band, (size, size)) / np.maximum(weight, 1e-6), weight > 0.02))
        both = sums[0][1] & sums[1][1] & (strong > 0)
        differences.append(np.abs(sums[0][0] - sums[1][0])[both])
    return float(np.percentile(np.concatenate(differences), 95))


def levels(picture: np.ndarray) -> dict[str, float]:
    """Median and p90 of L*, b* of neutral surfaces, clipped share in per cent."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    light, chroma = lab[..., 0], np.hypot(lab[..., 1], lab[..., 2])
    neutral = (chroma < 12) & (light > 50) & (light < 97)
    return {
        "median L*": float(np.median(light)),
        "p90 L*": float(np.percentile(light, 90)),
        "neutral b*": float(np.median(lab[..., 2][neutral])) if np.count_nonzero(neutral) > 50 else float("nan"),
        "clipped %": float((picture.min(axis=2) >= 250).mean() * 100),
    }


def listing_ranges(rooms: Path) -> dict[str, tuple[float, float]]:
    """p10 and p90 of the levels over the listing photos."""
    files = sorted(p for p in rooms.glob("*/*/h*.jpg"))
    rows = [levels(cv2.imread(str(f))[..., ::-1]) for f in files]
    return {k: tuple(np.nanpercentile([r[k] for r in rows], [10, 90])) for k in rows[0]}


def gamma(scene: Scene) -> np.ndarray:
    """A gamma that brings the merge to the result's median."""
    luma, target = np.median(lightness(scene.merged)), np.median(lightness(scene.result))
    return np.rint(255 * (scene.merged / 255.0) ** (np.log(target / 100) / np.log(luma / 100))).astype(np.uint8)


def clahe(scene: Scene) -> np.ndarray:
    """OpenCV's CLAHE on L* of the merge."""
    lab = cv2.cvtColor(scene.merged, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(2.0, (8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def enfuse(scene: Scene) -> np.ndarray:
    """enfuse with its defaults on the same frames; a single exposure has nothing to fuse."""
    if len(scene.taken) == 1:
        return scene.taken[0]
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{folder}/{i}.tif" for i in range(len(scene.taken))]
        for name, frame in zip(names, scene.taken, strict=True):
            cv2.imwrite(name, frame[..., ::-1])
        subprocess.run(["enfuse", "-o", f"{folder}/out.tif", *names], check=True, capture_output=True)
        return cv2.imread(f"{folder}/out.tif")[..., ::-1].copy()


CONTESTANTS: dict[str, Callable[[Scene], np.ndarray]] = {
    "sunroom": lambda s: s.result,
    "gamma": gamma,
    "CLAHE": clahe,
    "enfuse": enfuse,
}


def look(folder: Path, name: str) -> list[Scene]:
    """Every shot of a folder, developed at proxy size by the functions that develop the whole."""
    scenes = []
    for shot in find_shots(folder).shots:
        # Straightened, a picture would no longer lie on its exposures.
        recipe = Recipe.model_validate({"geometry": {"strength": 0}})
        surveyed = survey(shot, recipe)
        drawn = plan(surveyed, recipe)
        proxies = read_proxies(open_shot(shot, max_megapixels=1000))
        source, _ = render_source(drawn, proxies)
        used = [i for i, u in enumerate(drawn.merge.used) if u]
        aligned = []
        for i in used:
            # A merge that uses one exposure is that exposure in the frame of the reference.
            alone = replace(drawn.merge, used=tuple(k == i for k in range(len(proxies))))
            frame, _ = render_source(Plan(alone), proxies)
            aligned.append(cv2.convertScaleAbs(frame, alpha=1 / 257) if frame.dtype == np.uint16 else frame)
        merged = render_edits(drawn.at_strength(0.0), source)
        values = [shot.exposure_values[i] for i in used]
        scene = log_radiance(aligned, values) if len(used) > 1 else np.log2(linear_luminance(aligned[0]) + 2**-10)
        middle = aligned[used.index(shot.reference)]
        title = name if len(proxies) > 1 else shot.name
        scenes.append(Scene(title, aligned, merged, scene, middle, render_edits(drawn, source)))
    return scenes


def row(scene: Scene, shown: np.ndarray) -> dict[str, float]:
    light = lightness(shown)
    merged = np.log2(linear_luminance(scene.merged) + 2**-10)
    places = [(light[a].mean(), light[b].mean()) for a, b in bright_places(scene.radiance)]
    # A core is what is at least 4 EV above the middle of the scene: lamps, skies.
    core = scene.radiance > np.median(scene.radiance) + 4
    return {
        "inverted, merge %": 100 * inverted(merged, shown),
        "inverted, scene %": 100 * inverted(scene.radiance, shown),
        "windows darker": sum(a < b for a, b in places),
        "windows": len(places),
        "core L*": float(np.median(light[core])) if np.count_nonzero(core) > 100 else float("nan"),
        "halo L*": halo(scene.merged, light),
        **levels(shown),
    }


def sheet(scenes: list[Scene], path: Path, height: int) -> None:
    rows = []
    for s in scenes:
        width = round(s.middle.shape[1] * height / s.middle.shape[0])
        strip = [cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in (s.middle, s.merged, s.result)]
        rows.append(np.hstack(strip))
    wide = max(r.shape[1] for r in rows)
    grown = [
        cv2.copyMakeBorder(r, 0, 6, 0, wide - r.shape[1], cv2.BORDER_CONSTANT, value=(255, 255, 255)) for r in rows
    ]
    cv2.imwrite(str(path), np.vstack(grown)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--sets", nargs="*", help="names of brackets; default all")
    options = parser.parse_args()
    samples = [s for f in sorted((ROOT / "samples").iterdir()) if f.is_dir() for s in look(f, f.name)]
    folders = sorted(p for p in (options.data / "brackets").glob("*") if not options.sets or p.name in options.sets)
    scenes = [s for f in folders for s in look(f, f.name)] or samples
    ranges = listing_ranges(options.data / "rooms") if (options.data / "rooms").is_dir() else {}
    rows = {s.name: {who: row(s, make(s)) for who, make in CONTESTANTS.items()} for s in scenes}
    columns = list(next(iter(rows.values()))["sunroom"])
    lines = [*heading("Tone: how the developed pictures look", "python -m benchmarks.quality.tone")]
    lines += ["| set | method | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for name, by in rows.items():
        for who, figures in by.items():
            lines.append(
                f"| {name} | {who} | " + " | ".join(f"{figures[c]:.2f}".rstrip("0").rstrip(".") for c in columns) + " |"
            )
    lines += ["", *goals(rows, ranges)]
    (RESULTS / "tone.md").write_text("\n".join(lines) + "\n")
    sheet(samples, RESULTS / "tone_sheet.jpg", 420)
    sheet(scenes, RESULTS / "tone_sheet_all.jpg", 420)
    print("\n".join(lines))


def goals(rows: dict[str, dict[str, dict[str, float]]], ranges: dict[str, tuple[float, float]]) -> list[str]:
    """Each goal beside what was reached, by sunroom over all sets."""
    own = {name: by["sunroom"] for name, by in rows.items()}
    lines = ["| goal | reached | sets that miss it |", "|---|---|---|"]

    def add(goal: str, key: str, limit: Callable[[float], bool]) -> None:
        values = {n: r[key] for n, r in own.items() if not np.isnan(r[key])}
        missed = [n for n, v in values.items() if not limit(v)]
        spread = f"{min(values.values()):.2f} to {max(values.values()):.2f}"
        lines.append(f"| {goal} | {spread} | {', '.join(missed) or 'none'} |")

    add("tone order against the merge: <= 0.5 % inverted", "inverted, merge %", lambda v: v <= 0.5)
    add("tone order against the scene's radiance: <= 0.5 % inverted", "inverted, scene %", lambda v: v <= 0.5)
    add("no window or lamp darker than the surface around it", "windows darker", lambda v: v == 0)
    add("lamp cores and skies stay bright: L* >= 85", "core L*", lambda v: v >= 85)
    add("halo at strong edges: <= 2 L*", "halo L*", lambda v: v <= 2)
    for key, (low, high) in ranges.items():
        add(
            f"{key} inside p10-p90 of listing photos ({low:.1f} to {high:.1f})",
            key,
            lambda v, a=low, b=high: a <= v <= b,
        )
    return lines


if __name__ == "__main__":
    main()
