"""Detection and false alarms of the check: wanted edits and damage on every photo, judged with the default limits.

    python -m benchmarks.quality.check [PHOTO ...] [--data DIR] [--megapixels 1.2] [--workers N]

Writes benchmarks/results/check_quality.md. Photos are the full-size ones of DIR/photos and two exposures of each set of
DIR/brackets. Half of them (every other one by name) were used to set the limits; the other half is reported beside it.
So are rooms that no limit was set on (DIR/rooms/val, thumbnails), and damage of other makes (check_unseen.py) on both.
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

from benchmarks.quality.check_edits import DAMAGE, WANTED, Cast, Edit, linear
from benchmarks.quality.check_unseen import UNSEEN, edited
from benchmarks.report import heading
from pipeline.check.drift import oklab
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
    group: str
    faint: bool
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


def find_rooms(data: Path, each: int) -> list[Path]:
    """Evenly chosen thumbnails of every kind of room."""
    rooms: list[Path] = []
    for kind in sorted((data / "rooms" / "val").iterdir()):
        photos = sorted(kind.glob("*.jpg"))
        rooms += photos[:: max(1, len(photos) // each)][:each]
    return rooms


def is_faint(cast: Cast) -> bool:
    """Whether half of the region (mask above 1/2) changed by less than 1 in OKLab x100, lightness included."""
    before, after = (oklab(linear(v)) for v in (cast.clean, cast.after))
    inside = cast.mask[..., 0] > 0.5
    changes = np.linalg.norm(after - before, axis=2)[inside] * 100
    return not inside.any() or float(np.median(changes)) < 1


def try_photo(job: tuple[int, Path, float, str]) -> list[Trial]:
    """Every edit and every damage on one photo, each with its own seed."""
    cv2.setNumThreads(1)
    number, path, megapixels, group = job
    photo = load(path, megapixels)
    trials: list[Trial] = []
    own: dict[str, Edit] = {"Sunroom's own edit": edited}
    tables = [(True, "set", WANTED), (True, "other", own), (False, "set", DAMAGE), (False, "other", UNSEEN)]
    for wanted, made_by, table in tables:
        for name, edit in table.items():
            rng = np.random.default_rng([number, zlib.crc32(name.encode())])
            made = edit(photo, rng)
            figures = compare(made[0], made[1])
            passed = judge(figures, Check()).passed
            faint = isinstance(made, Cast) and is_faint(made)
            held_out = number % 2 == 1 or made_by == "other" or group == "rooms"
            name_of = f"{path.parent.name}/{path.stem}"
            trials.append(Trial(name_of, name, wanted, held_out, group, faint, figures, passed))
    return trials


def rate(trials: Iterable[Trial], *, passed: bool) -> str:
    hits = [t.passed == passed for t in trials]
    return f"{100 * np.mean(hits):.1f} % of {len(hits)}" if hits else "-"


def counted(trials: Iterable[Trial]) -> list[Trial]:
    """Without halo rings and faint casts."""
    return [t for t in trials if t.name != "halo ring" and not t.faint]


def table(trials: list[Trial], *, wanted: bool) -> list[str]:
    word = "false alarms" if wanted else "found"
    heads = ["wanted edit" if wanted else "damage", word, *([] if wanted else ["of faint ones"])]
    lines = [f"| {' | '.join([*heads, 'structure', 'edges', 'colour'])} |", "|---" * (len(heads) + 3) + "|"]
    mine = [t for t in trials if t.wanted == wanted]
    for name in dict.fromkeys(t.name for t in mine):
        some = [t for t in mine if t.name == name and not t.faint]
        faint = "" if wanted else f" {rate((t for t in mine if t.name == name and t.faint), passed=False)} |"
        low, high = (5, 95) if wanted else (50, 50)
        structure, edges = (
            np.percentile([getattr(t.figures, f) for t in some], low) for f in ("structure_worst", "edges_worst")
        )
        colour = np.percentile([t.figures.colour_worst for t in some], high)
        lines.append(f"| {name} | {rate(some, passed=False)} |{faint} {structure:.2f} | {edges:.2f} | {colour:.2f} |")
    return [*lines, ""]


def write(trials: list[Trial], command: str) -> None:
    limits = Check()
    photos, rooms = ([t for t in trials if t.group == g] for g in ("photos", "rooms"))
    lines = heading("Check: detection and false alarms", command)
    lines += [
        f"Limits: structure {limits.structure:g}, edges {limits.edges:g}, colour {limits.colour:g}, each for the worst "
        "block or region. Damage lies on a wanted edit (none, JPEG, brighter, or curve and field; that of other makes "
        "also on Sunroom's own edit, on a film-like curve, on 2800 K to neutral, on +2 EV). Two kinds are reported but "
        "not counted: halo rings, smooth changes of brightness such as a wanted local edit makes too; and faint casts, "
        "where half of the region is so dark or so burnt that it changed by less than 1 in OKLab x100. Nothing else is "
        "left out, also where the random place of the damage is so plain that little of it can be seen.",
        "",
        "| | goal | photos, limits set on | photos or damage held out | rooms of 240 px, held out |",
        "|---|---|---|---|---|",
    ]
    parts = [[t for t in photos if not t.held_out], [t for t in photos if t.held_out], rooms]
    kinds = [
        ("false alarms", "<= 2 %", lambda t: t.wanted),
        ("detection", ">= 95 %", lambda t: not t.wanted),
        ("of it: casts of 12 %", ">= 95 %", lambda t: not t.wanted and "cast" in t.name),
    ]
    for word, goal, belongs in kinds:
        rates = (rate(filter(belongs, counted(part)), passed=False) for part in parts)
        lines.append(f"| {word} | {goal} | {' | '.join(rates)} |")
    lines += ["", "Figures are the 5th percentile (95th for colour) of wanted edits and the median of damage.", ""]
    for title, part in (("Photos of 1.2 MP", photos), ("Rooms of 240 px, on which no limit was set", rooms)):
        lines += [f"## {title}", "", *table(part, wanted=True), *table(part, wanted=False)]
    wrong = [t for t in photos if t.passed != t.wanted]
    lines += ["Judged wrongly, photos:", ""]
    for t in wrong:
        f = t.figures
        what = f"structure {f.structure_worst:.2f}, edges {f.edges_worst:.2f}, colour {f.colour_worst:.2f}"
        lines.append(f"- {t.photo}: {t.name}{', faint' if t.faint else ''} ({what})")
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--megapixels", type=float, default=1.2, help="photos are reduced to this size")
    parser.add_argument("--rooms", type=int, default=8, help="thumbnails of each kind of room")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    groups = {"photos": given.photos or find_photos(given.data), "rooms": find_rooms(given.data, given.rooms)}
    jobs = [(i, path, given.megapixels, group) for group, paths in groups.items() for i, path in enumerate(paths)]
    with ProcessPoolExecutor(given.workers) as pool:
        trials = [t for part in pool.map(try_photo, jobs) for t in part]
    write(trials, "python -m benchmarks.quality.check")
    print(RESULT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
