"""What is to be left alone, as the listing recipe edits it: pictures from the air, dusk and night, no photos.

    python -m benchmarks.quality.left_alone [--data DIR]

The free pictures of jobs/train/free by their labels, and the fronts at dusk among the labelled skies of the validation
parts. Wrong is: from the air, a correction of verticals, or another sky; at dusk or night, another sky, the median
lifted by more than .5 EV, or warm lights that lose more than a third of their colour; of what is no photo, any change.
Pictures that the network learnt from are counted apart. Writes benchmarks/results/left_alone.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.edited import edited
from benchmarks.report import heading
from pipeline.read.color import LUMA, to_linear

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "left_alone.md"
FREE = ROOT / "jobs" / "train" / "free" / "rooms"
KINDS = {"aerial": "from the air", "exterior_night": "dusk or night", "other": "no photo"}
GOAL = 1 / 20
_LIFT, _KEPT, _GLOW, _WRITTEN = 0.5, 2 / 3, (60.0, 15.0), 2.0
"""EV; share of the chroma; L* and b* from which a pixel is a warm light; levels by which writing a JPEG changes it."""


def labelled(data: Path) -> list[tuple[str, bool, Path]]:
    """Kind, whether the network learnt from it, and file."""
    found = [
        (kind, part == "train", path)
        for kind in KINDS
        for part in ("val", "train")
        for path in sorted((FREE / part / kind).glob("*"))
    ]
    labels = json.loads(Path(__file__).with_name("sky_labels.json").read_text())
    dusk = [data / name.removeprefix("data/") for name, label in labels.items() if label == "dusk" and "/val/" in name]
    return found + [("exterior_night", False, path) for path in sorted(dusk) if path.is_file() and data in path.parents]


def wrong(kind: str, photo: dict[str, Any], before: np.ndarray, after: np.ndarray) -> str:
    """What was done that should not have been; nothing where all is well. Pictures (h, w, 3) uint8 RGB."""
    if photo["altered"]:
        return "another sky"
    if kind == "aerial":
        return "verticals" if photo["geometry"].get("pitch_corrected") else ""
    if kind == "other":
        # It is written anew where the input was no JPEG.
        same = before.shape == after.shape and float(np.abs(before.astype(np.int16) - after).mean()) < _WRITTEN
        return "" if same and "NOT_A_PHOTO" in photo["warnings"] else "edited"
    lift = np.log2(_median(after) / _median(before))
    if lift > _LIFT + 0.02:
        return f"lifted by {lift:.2f} EV"
    kept = _glow(after, before)
    return f"warm lights keep {kept:.2f}" if kept < _KEPT else ""


def _median(picture: np.ndarray) -> float:
    return max(float(np.median(to_linear(picture.astype(np.float32) / np.float32(255)) @ LUMA)), 1e-4)


def _glow(after: np.ndarray, before: np.ndarray) -> float:
    """Share of their b* that warm lights keep; 1 where there are none."""
    lab = [cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (before, after)]
    lights = (lab[0][..., 0] > _GLOW[0]) & (lab[0][..., 2] > _GLOW[1])
    if lights.mean() < 0.001:
        return 1.0
    return float(np.median(lab[1][lights][:, 2]) / np.median(lab[0][lights][:, 2]))


def faults(kind: str, files: list[Path]) -> list[str]:
    """What the recipe does wrong to each; light is compared without straightening, pixel by pixel."""
    with tempfile.TemporaryDirectory() as scratch:
        source, done = Path(scratch, "in"), Path(scratch, "out")
        for i, path in enumerate(files):
            (source / f"{i:04d}").mkdir(parents=True)
            shutil.copy(path, source / f"{i:04d}")
        settings = ["geometry.strength=0"] if kind == "exterior_night" else []
        photos = sorted(edited(source, done, *settings), key=lambda photo: photo["listing"])
        return [
            photo["code"] or wrong(kind, photo, read(path), read(done / photo["output"]))
            for photo, path in zip(photos, files, strict=True)
        ]


def read(path: Path) -> np.ndarray:
    image: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    pictures = labelled(options.data)
    found: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for kind in KINDS:
        own = [(learnt, path) for k, learnt, path in pictures if k == kind]
        for (learnt, path), what in zip(own, faults(kind, [path for _, path in own]), strict=True):
            found[kind, learnt].append(what)
            if what:
                print(f"{kind}, {'learnt from' if learnt else 'never seen'}, {path.name}: {what}")
    text = "\n".join(report(found))
    RESULT.write_text(text + "\n", encoding="utf-8")
    print(text)


def report(found: dict[tuple[str, bool], list[str]]) -> list[str]:
    lines = heading("What is to be left alone", "python -m benchmarks.quality.left_alone")
    lines += ["As the recipe `listing` edits it. Goal: a wrong edit on at most one, and on at most one in 20.", ""]
    lines += ["| kind | pictures | left alone | goal | wrong edits |", "|---|---|---|---|---|"]
    for (kind, learnt), edits in sorted(found.items(), key=lambda item: (item[0][1], item[0][0])):
        wrong_ones = sum(map(bool, edits))
        name = KINDS[kind] + (", learnt from" if learnt else ", never seen")
        bad = sorted({e.split(" by ")[0].split(" keep ")[0] for e in edits if e})
        verdict = "met" if wrong_ones <= max(1, GOAL * len(edits)) else "**missed**"
        share = 1 - wrong_ones / len(edits)
        lines.append(f"| {name} | {len(edits)} | {share:.3f} | {verdict} | {', '.join(bad)} |")
    return lines


if __name__ == "__main__":
    main()
