"""Detection and false alarms of the check: wanted edits and damage on every photo, judged with the default limits.

    python -m benchmarks.quality.check [PHOTO ...] [--data DIR] [--megapixels 1.2] [--workers N]

Writes benchmarks/results/check_quality.md. Photos are the full-size ones of DIR/photos and two exposures of each set of
DIR/brackets: the limits were set on them. Reported beside it: damage of other makes (check_unseen.py), other photos
(halls, two objects, frames of a film), and room thumbnails (DIR/rooms/val).
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
    made_by: str
    group: str
    faint: bool
    figures: Figures
    passed: bool


class Source(NamedTuple):
    """A photo, or a frame of a film."""

    path: Path
    frame: int | None = None

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}" + ("" if self.frame is None else f" frame {self.frame}")


def find_photos(data: Path) -> list[Source]:
    """Full-size photos without masks, and two middle exposures of each bracketed set."""
    photos = [p for p in sorted((data / "photos").glob("*.jpg")) if ".mask" not in p.name]
    for folder in sorted((data / "brackets").iterdir()):
        exposures = sorted(p for p in folder.iterdir() if p.suffix in (".jpg", ".png"))
        middle = len(exposures) // 2
        photos += exposures[max(0, middle - 1) : middle + 1]
    return [Source(p) for p in photos]


def find_unseen(data: Path) -> list[Source]:
    """Photos that no limit was set on: halls, two objects in many places, camera samples, frames of a bedroom."""
    photos = [*sorted((data / "photos").glob("*.webp")), *sorted((data / "photos").glob("subject_*/*.jpg"))]
    photos += [data / "ingest" / f"{name}.jpg" for name in ("photo_exif_2725x2225", "orient_landscape_1", "exif_bad")]
    return [Source(p) for p in photos] + [Source(data / "video" / "room_walk.mp4", n) for n in range(40, 1080, 105)]


def find_rooms(data: Path, each: int) -> list[Source]:
    """Evenly chosen thumbnails of every kind of room."""
    rooms: list[Path] = []
    for kind in sorted((data / "rooms" / "val").iterdir()):
        photos = sorted(kind.glob("*.jpg"))
        rooms += photos[:: max(1, len(photos) // each)][:each]
    return [Source(p) for p in rooms]


def load(source: Source, megapixels: float) -> np.ndarray:
    if source.frame is None:
        photo = cv2.imread(str(source.path), cv2.IMREAD_COLOR)[..., ::-1]
    else:
        film = cv2.VideoCapture(str(source.path))
        film.set(cv2.CAP_PROP_POS_FRAMES, source.frame)
        photo = film.read()[1][..., ::-1]
    if "memorial" in source.name:
        photo = photo[24:-24, 24:-24]  # the set's own registration border, pure blue, is no picture
    scale = (megapixels * 1e6 / (photo.shape[0] * photo.shape[1])) ** 0.5
    if scale < 1:
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(photo)


def is_faint(cast: Cast) -> bool:
    """Whether half of the region (mask above 1/2) changed by less than 1 in OKLab x100, lightness included."""
    before, after = (oklab(linear(v)) for v in (cast.clean, cast.after))
    inside = cast.mask[..., 0] > 0.5
    changes = np.linalg.norm(after - before, axis=2)[inside] * 100
    return not inside.any() or float(np.median(changes)) < 1


def try_photo(job: tuple[int, Source, float, str]) -> list[Trial]:
    """Every edit and every damage on one photo, each with its own seed."""
    cv2.setNumThreads(1)
    number, source, megapixels, group = job
    photo = load(source, megapixels)
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
            trials.append(Trial(source.name, name, wanted, made_by, group, faint, figures, passed))
    return trials


def rate(trials: Iterable[Trial], *, passed: bool) -> str:
    hits = [t.passed == passed for t in trials]
    return f"{100 * np.mean(hits):.1f} % of {len(hits)}" if hits else "-"


def table(trials: list[Trial], *, wanted: bool) -> list[str]:
    heads = ["wanted edit", "false alarms"] if wanted else ["damage", "found", "of faint ones"]
    lines = [f"| {' | '.join([*heads, 'structure', 'edges', 'colour'])} |", "|---" * (len(heads) + 3) + "|"]
    low, high = (5, 95) if wanted else (50, 50)
    for name in dict.fromkeys(t.name for t in trials if t.wanted == wanted):
        mine = [t for t in trials if t.wanted == wanted and t.name == name]
        rates = [rate((t for t in mine if not t.faint), passed=False)]
        if not wanted:
            rates.append(rate((t for t in mine if t.faint), passed=False))
        worst = [
            (t.figures.structure_worst, t.figures.edges_worst, t.figures.colour_worst) for t in mine if not t.faint
        ]
        values = [np.percentile(v, p) for v, p in zip(np.transpose(worst), (low, low, high), strict=True)]
        lines.append(f"| {' | '.join([name, *rates, *(f'{v:.2f}' for v in values)])} |")
    return [*lines, ""]


def summary(trials: list[Trial]) -> list[str]:
    """One row per goal: every group of photos, and damage of other makes on the first."""
    counted = [t for t in trials if t.name != "halo ring" and not t.faint]
    columns = [
        [t for t in counted if t.group == "photos" and t.made_by == "set"],
        [t for t in counted if t.group == "photos" and t.made_by == "other"],
        [t for t in counted if t.group == "unseen"],
        [t for t in counted if t.group == "rooms"],
    ]
    rows: list[tuple[str, str, Callable[[Trial], bool]]] = [
        ("false alarms", "<= 2 %", lambda t: t.wanted),
        ("detection", ">= 95 %", lambda t: not t.wanted),
        ("of it: casts of 12 % of a region", ">= 95 %", lambda t: "cast" in t.name and "surface" not in t.name),
        ("of it: casts of 12 % of one whole surface", "", lambda t: "cast" in t.name and "surface" in t.name),
    ]
    lines = ["| | goal | photos | photos, other damage | unseen photos | unseen rooms of 240 px |", "|---" * 6 + "|"]
    for word, goal, belongs in rows:
        rates = [rate((t for t in part if belongs(t)), passed=False) for part in columns]
        lines.append(f"| {' | '.join([word, goal, *rates])} |")
    return [*lines, ""]


def write(trials: list[Trial], command: str) -> None:
    limits = Check()
    lines = heading("Check: detection and false alarms", command)
    lines += [
        f"Limits: structure {limits.structure:g}, edges {limits.edges:g}, colour {limits.colour:g}, each for the worst "
        "block or region. Damage lies on a wanted edit (none, JPEG, brighter, or curve and field; that of other makes "
        "also on Sunroom's own edit, on a film-like curve, on 2800 K to neutral, on +2 EV), and the edit's plan is not "
        "known to the check. Two kinds are reported but not counted: halo rings, smooth changes of brightness such as "
        "a wanted local edit makes too; and faint casts: half of the region is so dark or so burnt that it changed by "
        "less than 1 in OKLab x100, lightness included. Nothing else is left out, also where the random place of the "
        "damage is so plain that little of it can be seen.",
        "",
        "Limits were set on the photos and on rooms of other houses, with these kinds of damage in other places (casts "
        "of all shapes too). The unseen photos were looked at once: the slack "
        "for strong colours was widened after it. A cast of one whole surface is told apart from a wanted change of "
        "that colour by its size only, so it is found less often where the surface is strongly coloured.",
        "",
        *summary(trials),
        "Figures are the 5th percentile (95th for colour) of wanted edits and the median of damage.",
        "",
    ]
    titles = {"photos": "Photos", "unseen": "Unseen photos", "rooms": "Unseen rooms of 240 px"}
    for group, title in titles.items():
        part = [t for t in trials if t.group == group]
        lines += [f"## {title}", "", *table(part, wanted=True), *table(part, wanted=False)]
    lines += ["## Judged wrongly, rooms of 240 px aside", ""]
    for t in trials:
        if t.passed != t.wanted and t.group != "rooms":
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
    groups = {"photos": [Source(p) for p in given.photos]}
    if not given.photos:
        rooms = find_rooms(given.data, given.rooms)
        groups = {"photos": find_photos(given.data), "unseen": find_unseen(given.data), "rooms": rooms}
    jobs = [(i, path, given.megapixels, group) for group, paths in groups.items() for i, path in enumerate(paths)]
    with ProcessPoolExecutor(given.workers) as pool:
        trials = [t for part in pool.map(try_photo, jobs) for t in part]
    write(trials, "python -m benchmarks.quality.check")
    print(RESULT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
