"""Detection and false alarms of the check: wanted edits and damage on every photo, judged with the default limits.

    python -m benchmarks.quality.check [PHOTO ...] [--data DIR] [--megapixels 1.2] [--workers N]

Writes benchmarks/results/check_quality.md. Photos are the full-size ones of DIR/photos and two exposures of each set of
DIR/brackets. Half of them (every other one by name) were used to set the limits; the other half is reported beside it.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.quality.check_edits import DAMAGE, WANTED
from benchmarks.report import heading
from pipeline.check.judge import judge
from pipeline.check.metrics import Figures, compare
from pipeline.recipe import Check

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "check_quality.md"


@dataclass(frozen=True)
class Trial:
    """One edit of one photo, as judged."""

    photo: str
    name: str
    wanted: bool
    held_out: bool
    figures: Figures
    passed: bool


def find_photos(data: Path) -> list[Path]:
    """Full-size photos without masks, and two middle exposures of each bracketed set."""
    photos = [p for p in sorted((data / "photos").glob("*.jpg")) if ".mask" not in p.name]
    for folder in sorted((data / "brackets").iterdir()):
        exposures = sorted(p for p in folder.iterdir() if p.suffix in (".jpg", ".png"))
        middle = len(exposures) // 2
        photos += exposures[max(0, middle - 1) : middle + 1]
    return photos


def load(path: Path, megapixels: float) -> np.ndarray:
    photo = cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]
    if "memorial" in path.parent.name:
        photo = photo[24:-24, 24:-24]  # the set's own registration border, pure blue, is no picture
    scale = (megapixels * 1e6 / (photo.shape[0] * photo.shape[1])) ** 0.5
    if scale < 1:
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(photo)


def try_photo(job: tuple[int, Path, float]) -> list[Trial]:
    """Every edit and every damage on one photo, each with its own seed."""
    cv2.setNumThreads(1)
    number, path, megapixels = job
    photo = load(path, megapixels)
    trials: list[Trial] = []
    for wanted, table in ((True, WANTED), (False, DAMAGE)):
        for name, edit in table.items():
            rng = np.random.default_rng([number, zlib.crc32(name.encode())])
            figures = compare(*edit(photo, rng))
            passed = judge(figures, Check()).passed
            trials.append(Trial(f"{path.parent.name}/{path.stem}", name, wanted, number % 2 == 1, figures, passed))
    return trials


def rate(trials: Iterable[Trial], *, passed: bool) -> str:
    hits = [t.passed == passed for t in trials]
    return f"{100 * np.mean(hits):.1f} % of {len(hits)}" if hits else "-"


def table(trials: list[Trial], *, wanted: bool) -> list[str]:
    word = "false alarms" if wanted else "found"
    lines = [
        f"| {'wanted edit' if wanted else 'damage'} | {word} | structure | edges | colour |",
        "|---|---|---|---|---|",
    ]
    mine = [t for t in trials if t.wanted == wanted]
    for name in dict.fromkeys(t.name for t in mine):
        some = [t for t in mine if t.name == name]
        low, high = (5, 95) if wanted else (50, 50)
        structure, edges = (
            np.percentile([getattr(t.figures, f) for t in some], low) for f in ("structure_worst", "edges_worst")
        )
        colour = np.percentile([t.figures.colour_worst for t in some], high)
        lines.append(f"| {name} | {rate(some, passed=False)} | {structure:.2f} | {edges:.2f} | {colour:.2f} |")
    return [*lines, ""]


def write(trials: list[Trial], command: str) -> None:
    limits = Check()
    lines = heading("Check: detection and false alarms", command)
    lines += [
        f"Limits: structure {limits.structure:g}, edges {limits.edges:g}, colour {limits.colour:g}, each for the worst "
        "block or region. Damage lies on a wanted edit (none, JPEG, brighter, or curve and field). Every photo counts, "
        "also where the random place of the damage is so plain that little of it can be seen. Halo rings, smooth "
        "changes of brightness, are reported but not counted: a wanted local edit makes such changes too.",
        "",
        "| | goal | all | limits set on | held out |",
        "|---|---|---|---|---|",
    ]
    for wanted, word, goal in ((True, "false alarms", "<= 2 %"), (False, "detection", ">= 95 %")):
        mine = [t for t in trials if t.wanted == wanted]
        if not wanted:
            mine = [t for t in mine if t.name != "halo ring"]
        halves = ([t for t in mine if t.held_out == half] for half in (False, True))
        lines.append(f"| {word} | {goal} | {' | '.join(rate(part, passed=False) for part in (mine, *halves))} |")
    lines += ["", "Figures are the 5th percentile (95th for colour) of wanted edits and the median of damage.", ""]
    lines += table(trials, wanted=True) + table(trials, wanted=False)
    wrong = [t for t in trials if t.passed != t.wanted]
    lines += ["Judged wrongly:", ""]
    for t in wrong:
        f = t.figures
        what = f"structure {f.structure_worst:.2f}, edges {f.edges_worst:.2f}, colour {f.colour_worst:.2f}"
        lines.append(f"- {t.photo}: {t.name} ({what})")
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--megapixels", type=float, default=1.2, help="photos are reduced to this size")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    photos = given.photos or find_photos(given.data)
    jobs = [(i, path, given.megapixels) for i, path in enumerate(photos)]
    with ProcessPoolExecutor(given.workers) as pool:
        trials = [t for part in pool.map(try_photo, jobs) for t in part]
    write(trials, "python -m benchmarks.quality.check")
    print(RESULT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
