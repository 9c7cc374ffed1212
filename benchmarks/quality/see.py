"""The eyes on pictures they never saw: sky, scene, room, windows, calibration, cost; the worst ten of each as a sheet.

    python -m benchmarks.quality.see [--data DIR] [--weights FILE] [--name see]

Writes benchmarks/results/<name>.md, and <name>_worst.jpg, which stays out of the repository because of its pictures'
licences. Intervals are 95 % of 1000 bootstrap rounds: the validation parts are small.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import heading
from jobs.train.calibrate import is_right
from jobs.train.layout import Labelled, read
from jobs.train.measure import bootstrap, calibration_error, four, seen_by, sky_overlap
from pipeline.see.nets import PLACES, ROOMS, SHIPPED, Network
from pipeline.see.scene import Seen

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
FREE = ROOT / "jobs" / "train" / "free"
Pair = tuple[Labelled, Seen]
GATE = 0.5
"""Trust in the sky below which no sky is edited (sky.confidence of the recipe)."""


@dataclass
class Table:
    """Rows of figures beside their goals."""

    lines: list[str]
    missed: int = 0

    def add(self, what: str, values: list[float], statistic, goal: float | None = None, *, most: bool = False) -> None:
        """A statistic of `values` with its interval; the goal is the least it may be, or the most."""
        value, low, high = bootstrap(values, statistic)
        shown, verdict = "", ""
        if goal is not None:
            met = value <= goal if most else value >= goal
            self.missed += not met
            shown, verdict = f"{'<=' if most else '>='} {goal:g}", "met" if met else "missed"
        self.lines.append(f"| {what} | {len(values)} | {value:.3f} | {low:.3f} to {high:.3f} | {shown} | {verdict} |")

    def most(self, what: str, count: int, value: float, goal: float | None = None) -> None:
        """One figure without an interval; the goal is the most it may be."""
        shown = "" if goal is None else f"<= {goal:g}"
        verdict = "" if goal is None else "met" if value <= goal else "missed"
        self.missed += verdict == "missed"
        self.lines.append(f"| {what} | {count} | {value:.3f} | | {shown} | {verdict} |")


def below(limit: float):
    return lambda values: float(np.mean(values < limit))


def sky(table: Table, pairs: list[Pair]) -> list[tuple[float, Pair]]:
    """Overlap with the labelled skies."""
    worst: list[tuple[float, Pair]] = []
    for source, prefix, goals in (
        ("LabelMeFacade", "lmf_", (0.88, 0.93, 0.03)),
        ("CamVid", "camvid_", (None, 0.91, None)),
    ):
        of = [(sky_overlap(p, s), (p, s)) for p, s in pairs if f"/{prefix}" in p.file]
        every = [v for v, _ in of if not np.isnan(v)]
        large = [v for v, (p, _) in of if p.sky is not None and np.mean(p.sky > 127) > 0.05]
        table.add(f"sky, {source}, > 5 % sky: IoU mean", large, np.mean, goals[0])
        table.add(f"sky, {source}, > 5 % sky: IoU median", large, np.median, goals[1])
        table.add(f"sky, {source}, > 5 % sky: below .5", large, below(0.5), goals[2], most=True)
        table.add(f"sky, {source}, > 5 % sky: IoU 10th percentile", large, lambda v: np.quantile(v, 0.1))
        table.add(f"sky, {source}, all with sky: IoU mean", every, np.mean)
        worst += [(v, pair) for v, pair in of if not np.isnan(v)]
    fronts = [(sky_overlap(p, s), (p, s)) for p, s in pairs if "rooms/" in p.file and p.place == "exterior"]
    table.add("sky, listing fronts (our masks): IoU mean", [v for v, _ in fronts if not np.isnan(v)], np.mean)
    return worst + [(v, pair) for v, pair in fronts if not np.isnan(v)]


def gate(table: Table, pairs: list[Pair]) -> list[tuple[float, Pair]]:
    """What passes the gate: false skies in rooms, and the skies of listing fronts that are kept."""
    rooms = [(s.sky_fraction * (s.sky_trust >= GATE), (p, s)) for p, s in pairs if p.place == "interior"]
    table.add(
        "interiors with > 2 % false sky behind the gate", [float(v > 0.02) for v, _ in rooms], np.mean, 0.005, most=True
    )
    table.add(
        "interiors with > 2 % false sky in the mask", [float(s.sky_fraction > 0.02) for _, (_, s) in rooms], np.mean
    )
    fronts = [(p, s) for p, s in pairs if p.group.startswith("h") and p.place == "exterior"]
    kept = [float(s.sky_trust >= GATE and s.sky_fraction > 0.002) for _, s in fronts]
    table.add("listing fronts whose sky passes the gate", kept, np.mean, 0.85)
    right = [sky_overlap(p, s) for p, s in fronts if s.sky_trust >= GATE]
    table.add("of those: IoU with our masks below .7", [v for v in right if not np.isnan(v)], below(0.7))
    streets = [(p, s) for p, s in pairs if "/lmf_" in p.file]
    table.add("LabelMeFacade pictures that pass the gate", [float(s.sky_trust >= GATE) for _, s in streets], np.mean)
    passed = [sky_overlap(p, s) for p, s in streets if s.sky_trust >= GATE]
    table.add("of those: IoU below .7", [v for v in passed if not np.isnan(v)], below(0.7))
    known = [(p, s) for p, s in pairs if p.sky is not None or p.place == "interior"]
    correct = [is_right(s.sky, p.sky, "sky") for p, s in known]
    error = calibration_error([s.sky_trust for _, s in known], correct)
    table.most("trust in the sky: expected calibration error", len(known), error, 0.03)
    return [(-v, pair) for v, pair in rooms]


def scene(table: Table, pairs: list[Pair]) -> list[tuple[float, Pair]]:
    """Exterior against interior, and the rest of the places."""
    listing = [(p, s) for p, s in pairs if p.group.startswith("h") and "rooms/" in p.file]
    streets = [(p, s) for p, s in pairs if "/lmf_" in p.file]
    table.add("exterior or interior, listing photos", [float(s.place == p.place) for p, s in listing], np.mean, 0.99)
    table.add("exterior, LabelMeFacade", [float(s.place == "exterior") for _, s in streets], np.mean, 0.98)
    error = calibration_error(
        [max(s.places) for _, s in listing + streets], [s.place == p.place for p, s in listing + streets]
    )
    table.most("exterior or interior: expected calibration error", len(listing + streets), error, 0.03)
    free = [(p, s) for p, s in pairs if p.file.startswith("rooms/val") and not p.group.startswith(("h", "p_"))]
    for place in PLACES:
        of = [float(s.place == place) for p, s in free if p.place == place]
        table.add(f"{place}, free pictures", of, np.mean)
    table.add(
        "not photos left unedited, free pictures",
        [float(not s.is_photo) for p, s in free if p.place == "other"],
        np.mean,
    )
    table.add("photos taken for none", [float(not s.is_photo) for p, s in pairs if p.place != "other"], np.mean)
    outside = [(p, s) for p, s in free if p.night is not None]
    table.add("day or night, free exteriors", [float((s.light == "night") == p.night) for p, s in outside], np.mean)
    return [(s.places[PLACES.index(p.place)], (p, s)) for p, s in listing + streets + free]


def rooms(table: Table, pairs: list[Pair]) -> list[tuple[float, Pair]]:
    """Which room."""
    listing = [(p.room or "exterior", s) for p, s in pairs if p.group.startswith("h") and "rooms/" in p.file]
    table.add("four labels, listing photos", [float(four(s) == label) for label, s in listing], np.mean, 0.85)
    named = [(p, s) for p, s in pairs if p.room]
    right = [float(ROOMS[int(np.argmax(s.rooms))] == p.room) for p, s in named]
    table.add("five rooms", right, np.mean, 0.65)
    sure = [r for r, (_, s) in zip(right, named, strict=True) if s.room != "interior"]
    table.add("five rooms, where one is named", sure, np.mean)
    table.add("rooms that are named", [float(s.room != "interior") for _, s in named], np.mean)
    return [(s.rooms[ROOMS.index(p.room)], (p, s)) for p, s in named]


def windows(table: Table, pairs: list[Pair]) -> list[tuple[float, Pair]]:
    """Overlap with our polygons, and false windows."""
    of: list[tuple[float, Pair]] = []
    false: list[float] = []
    for p, s in pairs:
        if p.window is None or p.place != "interior":
            continue
        found, true = s.windows > 0.5, p.window > 127
        if not true.any():
            false.append(float(found.mean()))
            continue
        found = cv2.resize(found.astype(np.uint8), true.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
        of.append((float((found & true).sum() / (found | true).sum()), (p, s)))
    table.add("windows, our polygons: IoU mean", [v for v, _ in of], np.mean, 0.55)
    table.add("windows, our polygons: IoU median", [v for v, _ in of], np.median)
    known = [(p, s) for p, s in pairs if p.window is not None and p.place == "interior"]
    correct = [is_right(s.windows, p.window, "window") for p, s in known]
    error = calibration_error([s.windows_trust for _, s in known], correct)
    table.most("trust in the windows: expected calibration error", len(known), error)
    table.add("windowless: > 1 % false windows", [float(v > 0.01) for v in false], np.mean, 0.2, most=True)
    return of


def cost(table: Table, weights: Path) -> None:
    """Milliseconds and memory of one look of the network on one thread, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed.see", "--weights", str(weights)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    median, memory, start = map(float, done.stdout.split())
    table.most("network, 1536 x 1024 proxy, 1 thread, ms of CPU", 30, median, 20)
    table.most("memory of a process that loads and runs it, MB", 1, memory, 100)
    table.most("loading it, ms", 1, start)
    table.most("file, MB", 1, weights.stat().st_size / 1e6, 8)


def sheet(worst: dict[str, list[tuple[float, Pair]]], path: Path) -> None:
    """Ten pictures a row: found sky red, found windows green, labelled outlines white."""
    bands = []
    for name, ranked in worst.items():
        row = [tile(value, pair) for value, pair in sorted(ranked, key=lambda r: r[0])[:10]]
        row += [np.full((200, 240, 3), 255, np.uint8)] * (10 - len(row))
        title = np.full((28, 2400, 3), 255, np.uint8)
        cv2.putText(title, name, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
        bands += [title, np.hstack(row)]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(bands), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])


def tile(value: float, pair: Pair) -> np.ndarray:
    p, s = pair
    shown = p.image.astype(np.float32)
    for mask, colour in ((s.sky, (255, 0, 0)), (s.windows, (0, 255, 0))):
        m = cv2.resize(mask, p.image.shape[1::-1])[..., None]
        shown = shown + 0.45 * m * (np.float32(colour) - shown)
    picture = shown.astype(np.uint8)
    for true in (p.sky, p.window):
        if true is not None:
            contours, _ = cv2.findContours((true > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(picture, contours, -1, (255, 255, 255), 1)
    scale = min(236 / picture.shape[1], 176 / picture.shape[0])
    picture = cv2.resize(picture, None, fx=scale, fy=scale)
    out = np.full((200, 240, 3), 255, np.uint8)
    out[20 : 20 + picture.shape[0], 2 : 2 + picture.shape[1]] = picture
    words = f"{value:.2f} {s.room} t{s.sky_trust:.2f} {Path(p.file).stem[-18:]}"
    cv2.putText(out, words, (2, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--name", default="see")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pictures = read([options.data, FREE], "val")
    pairs = list(zip(pictures, seen_by(Network(options.weights), pictures), strict=True))
    table = Table([])
    worst = {part.__name__: part(table, pairs) for part in (sky, gate, scene, rooms, windows)}
    cost(table, options.weights)
    sheet(worst, RESULTS / f"{options.name}_worst.jpg")
    lines = heading("The eyes on pictures they never saw", f"python -m benchmarks.quality.see --name {options.name}")
    lines += [f"Gate: trust in the sky of {GATE}.", ""]
    lines += ["| figure | pictures | value | 95 % interval | goal | |", "|---|---|---|---|---|---|", *table.lines]
    text = "\n".join(lines) + "\n"
    (RESULTS / f"{options.name}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
