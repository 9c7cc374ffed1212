"""How well are bracketed sets found? Pairwise precision and recall on labelled listings, with and without EXIF.

    python benchmarks/quality/grouping.py --data ../shared/data --listings 12

Each listing mixes the real bracketed sets (brought to one size, as if of one camera) with sets made from single
photos: exposures of 0.7-2 EV steps in any order, noise, hand-held shift and turn, singles between sets, sets shot
twice, sets back to back. File names are shuffled. A pair of files is right when it is in one shot in truth and found.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pipeline.read.shots import Found, find_shots

SIZE = (480, 320)
GOALS = {"exif": 0.99, "no exif": 0.97}
Picture = NDArray[np.uint8]


@dataclass
class Frame:
    """One file to write: its picture, what EXIF says, and the label of its set."""

    picture: Picture
    label: int
    start: float
    exposure: float
    base: float


def load(path: Path) -> Picture:
    """A picture cut to 3:2 around its middle and reduced to SIZE."""
    with Image.open(path) as image:
        image.draft("RGB", (SIZE[0] * 2, SIZE[1] * 2))
        full = np.asarray(image.convert("RGB"))
    if full.shape[0] > full.shape[1]:
        full = np.ascontiguousarray(np.rot90(full))
    h, w = full.shape[:2]
    height, width = min(h, w * 2 // 3), min(w, h * 3 // 2)
    top, left = (h - height) // 2, (w - width) // 2
    cut = full[top : top + height, left : left + width]
    return cv2.resize(cut, SIZE, interpolation=cv2.INTER_AREA).astype(np.uint8)


def expose(picture: Picture, stops: float, rng: np.random.Generator, shake: float) -> Picture:
    """The picture as if exposed otherwise and held by hand: gain in linear light, shot noise, shift and turn."""
    h, w = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), float(rng.normal(0, 0.25 * shake)), 1 + float(rng.normal(0, 0.002)))
    turn[:, 2] += rng.normal(0, 0.004 * shake, 2) * w
    moved = cv2.warpAffine(picture, turn, (w, h), borderMode=cv2.BORDER_REFLECT)
    linear = (moved / 255.0) ** 2.2 * 2**stops
    linear += rng.normal(0, 1, linear.shape) * np.sqrt(np.maximum(linear, 0) * 1e-4 + 1e-6)
    return (np.clip(linear, 0, 1) ** (1 / 2.2) * 255).round().astype(np.uint8)


def ladder(rng: np.random.Generator) -> list[float]:
    """Exposure compensations of one set, in the order of a camera's bracketing."""
    count = int(rng.choice([3, 5, 7], p=[0.45, 0.4, 0.15]))
    step = float(rng.choice([0.7, 1.0, 4 / 3, 2.0])) if count < 7 else float(rng.choice([0.7, 1.0]))
    values = [step * (k - count // 2) for k in range(count)]
    order = rng.choice(["zigzag", "up", "down"])
    return sorted(values, key=abs) if order == "zigzag" else sorted(values, reverse=bool(order == "down"))


def make_frames(
    views: list[Picture], real: list[list[Picture]], rng: np.random.Generator, *, again: bool
) -> list[Frame]:
    """The frames of one listing in order of capture."""
    frames: list[Frame] = []
    clock, label = 0.0, 0
    plan = [("made", v) for v in views] + [("real", s) for s in real]
    shake = float(rng.choice([0, 1, 2]))
    for k in rng.permutation(len(plan)):
        kind, content = plan[k]
        slow = kind == "real" or rng.random() < 0.2
        base = float(rng.uniform(-4, 4))
        single = kind == "made" and rng.random() < 0.3
        if kind == "real":
            pictures, values = content, [2.0 * n for n in range(len(content))]
            order = rng.permutation(len(pictures))
            pictures, values = [pictures[n] for n in order], [values[n] for n in order]
        else:
            values = [0.0] if single else ladder(rng)
            pictures = []
        for _ in range(2 if again and rng.random() < 0.15 else 1):
            shots = pictures or [expose(content, v, rng, shake) for v in values]
            for picture, value in zip(shots, values, strict=True):
                exposure = float(np.clip(2.0 ** (value + base) / 30, 1 / 4000, 4))
                frames.append(Frame(picture, label, clock, exposure, value + base))
                clock += exposure + float(rng.uniform(4, 25) if slow else rng.uniform(0.15, 0.5))
            label += 1
            clock += float(rng.uniform(1.5, 20))
    return frames


def write(frames: list[Frame], folder: Path, rng: np.random.Generator, *, exif: bool, shuffled: bool) -> dict[str, int]:
    """Write the frames as JPEG files; labels by file name."""
    labels: dict[str, int] = {}
    numbers = rng.permutation(len(frames)) if shuffled else np.arange(len(frames))
    fractions = rng.random() < 0.7
    for number, frame in zip(numbers, frames, strict=True):
        name = f"IMG_{number:04d}.jpg"
        labels[name] = frame.label
        # The comment tells a set shot twice from a copy of its files.
        facts = _exif(frame, fractions) if exif else b""
        Image.fromarray(frame.picture).save(folder / name, quality=90, exif=facts, comment=str(number))
    return labels


def _exif(frame: Frame, fractions: bool) -> Image.Exif:
    exif = Image.Exif()
    exif[271], exif[272] = "Canon", "Canon EOS R5"
    start = datetime(2026, 5, 4, 10) + timedelta(seconds=frame.start)
    # The sensitivity takes up what the clipped exposure time cannot.
    iso = 100 * 2.0**frame.base / 30 / frame.exposure
    inner = {33434: frame.exposure, 33437: 8.0, 34855: max(1, round(iso)), 37386: 16.0}
    inner[36867] = start.strftime("%Y:%m:%d %H:%M:%S")
    if fractions:
        inner[37521] = f"{start.microsecond // 10000:02d}"
    exif.get_ifd(0x8769).update(inner)
    return exif


def pairs(found: Found, labels: dict[str, int]) -> Counter[str]:
    """Counts of pairs: right, wrong (found but not true), missed."""
    shot_of: dict[str, int] = {}
    for k, shot in enumerate(found.shots):
        shot_of |= {Path(p).name: k for p in (*shot.sources, *shot.left_out)}
    counts: Counter[str] = Counter()
    for a, b in combinations(sorted(labels), 2):
        true, seen = labels[a] == labels[b], shot_of[a] == shot_of[b]
        counts["right"] += true and seen
        counts["wrong"] += seen and not true
        counts["missed"] += true and not seen
    counts["files"] += len(labels)
    counts["sets"] += sum(n > 1 for n in Counter(labels.values()).values())
    return counts


def run(data: Path, listings: int, seed: int = 0) -> dict[str, dict[str, float]]:
    """Precision and recall for each kind of listing."""
    real = [[load(p) for p in sorted(d.glob("[0-9]*.*"))] for d in sorted((data / "brackets").iterdir())]
    folders = ("photos/listing_*.jpg", "photos/*_hotel_*.jpg", "photos/ext_castle_*.jpg", "rooms/val/**/*.jpg")
    paths = sorted({p for f in folders for p in data.glob(f)})
    kinds = {"exif": (True, True), "no exif, names shuffled": (False, True), "no exif, names in order": (False, False)}
    report: dict[str, dict[str, float]] = {}
    for kind, (exif, shuffled) in kinds.items():
        total: Counter[str] = Counter()
        started = time.process_time()
        for n in range(listings):
            rng = np.random.default_rng([seed, n])
            views = [load(paths[k]) for k in rng.choice(len(paths), 16, replace=False)]
            some = [real[k] for k in rng.choice(len(real), 3, replace=False)]
            frames = make_frames(views, some, rng, again=exif or not shuffled)
            with TemporaryDirectory() as folder:
                labels = write(frames, Path(folder), rng, exif=exif, shuffled=shuffled)
                begun = time.process_time()
                total += pairs(find_shots(Path(folder)), labels)
                total["microseconds"] += round((time.process_time() - begun) * 1e6)
        right = total["right"]
        report[kind] = {
            "precision": round(right / max(1, right + total["wrong"]), 4),
            "recall": round(right / max(1, right + total["missed"]), 4),
            "goal": GOALS["exif" if exif else "no exif"],
            "pairs": right + total["missed"],
            "wrong": total["wrong"],
            "missed": total["missed"],
            "files": total["files"],
            "sets": total["sets"],
            "cpu_ms_per_file": round(total["microseconds"] / 1e3 / total["files"], 2),
        }
        print(kind, report[kind], f"({time.process_time() - started:.0f} CPU s)", flush=True)
    return report


def main() -> None:
    """Run and write benchmarks/results/grouping.json."""
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    parser.add_argument("--listings", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=root / "benchmarks" / "results" / "grouping.json")
    options = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    report = {"date": date.today().isoformat(), "machine": machine, "listings": options.listings, "seed": options.seed}
    options.out.write_text(json.dumps(report | run(options.data, options.listings, options.seed), indent=2) + "\n")


if __name__ == "__main__":
    main()
