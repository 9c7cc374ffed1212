"""Muntins and frames of windows that show a view: as the room's light shows them, or dark against the view.

    python -m benchmarks.quality.muntins [--data DIR] [--seed N]

Windows are rendered into photos of rooms without any, where the wall is plainest: a view through panes with bars that
the room lights, with a lens's flare and a camera's noise, and photographed two stops apart. Every set is finished with
and without the edit of windows; bars and frames are to look the same in both, and one bar as all others. Writes
benchmarks/results/muntins.md and muntins_sheet.jpg.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.quality.windows import RESULTS, ROOT, pair_of
from benchmarks.report import heading
from pipeline.read.color import from_linear, to_linear

VIEWS = ("ext_castle_7102", "ext_hotel_pool", "listing_exterior_house446", "sky_e630201f0bf9f2919480574c6b7f7356")
SCENES, LONG, FINER = 24, 1200, 4
EXPOSURES = (-4.0, -2.0, 0.0, 2.0)
PAINTS = {"white": 1.4, "grey": 0.7, "dark": 0.1}
"""Light from a bar over that from the wall around it."""
FLARE, NEAR_FLARE, NOISE = 0.008, 0.012, 2e-5
SAME, OUTSIDE = 8.0, 10
"""L* by which a bar may differ; levels by which a pane that shows its view does."""


@dataclass(frozen=True)
class Scene:
    """A room's light (h, w, 3), linear, and where (h, w) 0..1 bars, the frame around and panes are."""

    light: np.ndarray
    bars: np.ndarray
    frame: np.ndarray
    panes: np.ndarray


def plainest(room: np.ndarray, size: tuple[int, int]) -> tuple[int, int]:
    """Corner x, y of the box of that width and height in which a room's level varies least, not at its edges."""
    grey = cv2.cvtColor(from_linear(np.clip(room, 0, 1)).astype(np.float32), cv2.COLOR_RGB2GRAY)
    mean, square = (cv2.boxFilter(g, -1, size, anchor=(0, 0), borderType=cv2.BORDER_REPLICATE) for g in (grey, grey**2))
    height, width = grey.shape
    allowed = (square - mean**2 + 0.05 * (mean < 0.3))[
        height // 20 : height // 2, width // 20 : width * 19 // 20 - size[0]
    ]
    y, x = np.unravel_index(np.argmin(allowed), allowed.shape)
    return int(x) + width // 20, int(y) + height // 20


def rendered(room: np.ndarray, view: np.ndarray, paint: float, rng: np.random.Generator) -> Scene:
    """A window somewhere in a room (h, w, 3), both linear."""
    height, width = room.shape[:2]
    size = (int(width * rng.uniform(0.22, 0.36)), int(height * rng.uniform(0.3, 0.42)))
    x, y = plainest(room, size)
    lean = rng.uniform(-0.08, 0.08, 2) * size[1]
    corners = np.array([[x, y + lean[0]], [x + size[0], y], [x + size[0], y + size[1]], [x, y + size[1] + lean[1]]])
    inside, bars, frame = (np.zeros((height * FINER, width * FINER), np.float32) for _ in range(3))
    cv2.fillPoly(inside, [np.int32(corners * FINER)], 1)
    thick = rng.uniform(3, 18)
    for axis, count in enumerate((rng.integers(1, 4), rng.integers(0, 4))):
        a, b, c, d = corners if axis == 0 else corners[[0, 3, 2, 1]]
        for at in np.arange(1, count + 1) / (count + 1):
            ends = np.int32(np.array([a + at * (b - a), d + at * (c - d)]) * FINER)
            cv2.line(bars, ends[0].tolist(), ends[1].tolist(), 1, round(thick * FINER))
    cv2.polylines(frame, [np.int32(corners * FINER)], True, 1, round(max(1.3 * thick, 8) * FINER))
    bars, frame, panes = (
        cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)[..., None]
        for mask in (bars * inside, frame, inside)
    )
    pasted = np.array([[0, 0], [view.shape[1], 0], [view.shape[1], view.shape[0]], [0, view.shape[0]]], np.float32)
    through = cv2.getPerspectiveTransform(pasted, corners.astype(np.float32))
    outside = cv2.warpPerspective(view, through, (width, height), flags=cv2.INTER_AREA)
    wall = np.median(room[y : y + size[1], x : x + size[0]], axis=(0, 1))
    outside = outside * (float(wall.mean()) * 2 ** rng.uniform(2.5, 4.5) / float(np.median(view)))
    light = room * (1 - panes) + outside * panes
    built = np.maximum(bars, frame)
    light = light * (1 - built) + built * paint * wall
    far, near = (cv2.GaussianBlur(light, (0, 0), sigma) for sigma in (width / 25, 2.5))
    light = light * (1 - FLARE - NEAR_FLARE) + far * FLARE + near * NEAR_FLARE
    return Scene(light, (bars * (1 - frame))[..., 0], frame[..., 0], (panes * (1 - built))[..., 0])


def photographed(scene: Scene, folder: Path, rng: np.random.Generator) -> None:
    for i, stop in enumerate(EXPOSURES):
        light = np.clip(scene.light * 2.0**stop, 0, 1)
        light = np.clip(light + rng.standard_normal(light.shape) * np.sqrt(light * NOISE + 1e-7), 0, 1)
        exif = Image.Exif()
        exif.get_ifd(34665).update({33434: 2.0**stop / 30, 33437: 8.0, 34855: 100, 36867: f"2026:11:28 12:00:0{i}"})
        picture = Image.fromarray(np.round(255 * from_linear(light)).astype(np.uint8))
        picture.save(folder / f"{i}.jpg", quality=93, exif=exif)


def figures(scene: Scene, pair: np.ndarray) -> dict[str, float]:
    """Of a picture without and with the edit (2, h, w, 3): how far it changes bars, frame and panes."""
    lightness = [cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0] for p in pair]
    change = cv2.subtract(lightness[1], lightness[0])
    # Edges of a bar of few pixels are no more than half of it.
    core = scene.bars > max(0.99 * float(scene.bars.max()), 0.6)
    low, middle, high = np.percentile(change[core], [10, 50, 90])
    shown = np.abs(pair[1].astype(int) - pair[0]).max(axis=2) > OUTSIDE
    return {
        "bars": float(middle),
        "uneven": float(high - low),
        "frame": float(np.percentile(np.abs(change[scene.frame > 0.99]), 95)),
        "panes": float(shown[scene.panes > 0.99].mean()),
    }


def scenes(data: Path, seed: int) -> list[tuple[str, Scene]]:
    rooms = sorted((data / "rooms/windowless_train.txt").read_text().split())
    rng = np.random.default_rng(seed)

    def linear(path: Path, long: int) -> np.ndarray:
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        scale = long / max(picture.shape)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return to_linear(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how) / np.float32(255))

    made = []
    for i, name in enumerate(rng.choice(rooms, SCENES, replace=False)):
        paint = list(PAINTS)[i % len(PAINTS)]
        view = linear(data / "photos" / f"{VIEWS[i // len(PAINTS) % len(VIEWS)]}.jpg", LONG)
        made.append((paint, rendered(linear(data / "rooms" / name, LONG), view, PAINTS[paint], rng)))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seed", type=int, default=0, help="of the windows; only those of 0 are written down")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rows: dict[str, list[dict[str, float]]] = {paint: [] for paint in PAINTS}
    sheet = []
    rng = np.random.default_rng(1)
    for paint, scene in scenes(args.data, args.seed):
        with tempfile.TemporaryDirectory() as folder:
            photographed(scene, Path(folder), rng)
            pair = pair_of(Path(folder))
        rows[paint].append(figures(scene, pair))
        sheet.append(np.hstack([cropped(scene, p) for p in pair]))
        print(paint, {k: round(v, 2) for k, v in rows[paint][-1].items()}, flush=True)
    lines = [
        *heading("Muntins, with the edit of windows against without", "python -m benchmarks.quality.muntins"),
        *table(rows),
        "",
        f"{SCENES} rendered windows, bars of 3 to 18 pixels in pictures of {LONG}; those whose view is shown, in L*. "
        "Uneven: from the 10th to the 90th percentile of all that is bar in a window; frame: 95th percentile of "
        "the change either way. muntins_sheet.jpg: each window without and with the edit.",
    ]
    half = -(-len(sheet) // 4)
    columns = [np.vstack((sheet + [sheet[0] * 0] * 4)[k * half : (k + 1) * half]) for k in range(4)]
    print("\n".join(lines))
    name = "muntins" if args.seed == 0 else f"muntins_{args.seed}"
    cv2.imwrite(str(RESULTS / f"{name}_sheet.jpg"), cv2.cvtColor(np.hstack(columns), cv2.COLOR_RGB2BGR))
    if args.seed == 0:
        (RESULTS / "muntins.md").write_text("\n".join(lines) + "\n")


def table(rows: dict[str, list[dict[str, float]]]) -> list[str]:
    lines = [
        "| paint | windows | view shown | bars changed, median | most | by over 8 | uneven, worst | frame, worst |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for paint, all_of in rows.items():
        shown = [row for row in all_of if row["panes"] > 0.3]
        bars = [row["bars"] for row in shown]
        most = max(bars, key=abs)
        off = sum(abs(b) > SAME for b in bars)
        worst = [max(row[name] for row in shown) for name in ("uneven", "frame")]
        lines.append(
            f"| {paint} | {len(all_of)} | {len(shown)} | {np.median(bars):+.1f} | {most:+.1f} | {off} | "
            f"{worst[0]:.1f} | {worst[1]:.1f} |"
        )
    return lines


def cropped(scene: Scene, picture: np.ndarray) -> np.ndarray:
    x, y, w, h = cv2.boundingRect((scene.panes > 0.5).astype(np.uint8))
    around = picture[max(y - h // 5, 0) : y + h + h // 5, max(x - w // 5, 0) : x + w + w // 5]
    return cv2.resize(around, (320, 240), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main()
