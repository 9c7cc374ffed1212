"""What Ray costs: CPU of `sunroom edit` on photos of 24 MP, beside the same functions in a plain loop.

    python -m benchmarks.speed.ray_overhead [--quick] [--rounds 3] [--data DIR]

Counts the user and system seconds of every process that a run starts (driver, Ray's own, workers), by looking at the
tree of processes several times a second. Start-up is measured apart, on one small photo, and taken off. The photos are
real ones, enlarged with texture and noise (big_set.py); both runs alternate, medians. Needs DATA/photos. Writes
benchmarks/results/ray_overhead.md, unless --quick.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import psutil

from benchmarks.report import heading
from benchmarks.speed import big_set
from jobs.summary import summarise, write_json
from pipeline.deliver.gallery import write_report
from pipeline.develop import develop
from pipeline.read.shots import find_shots
from pipeline.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "ray_overhead.md"
PHOTOS = ("listing_*.jpg", "int_hotel_*.jpg", "ext_hotel_pool.jpg", "ext_castle_7100.jpg")
SIZE, SMALL = (6000, 4000), (600, 400)
ROLES = ("driver", "workers", "Ray's own")
_PERIOD = 0.2
Seconds = dict[str, float]
"""CPU seconds by role."""


@dataclass(frozen=True, slots=True)
class Runs:
    """CPU seconds of every round, of `sunroom edit` and of the plain loop."""

    ray: list[Seconds]
    loop: list[Seconds]


def loop(source: Path, destination: Path) -> None:
    """What `sunroom edit` does with a folder, without Ray and ledger, in this process and thread."""
    cv2.setNumThreads(1)
    recipe = Recipe()
    shots = find_shots(source).shots
    results = [develop(s, recipe, destination, sequence=i) for i, s in enumerate(shots, start=1)]
    summary = summarise(results, recipe, run="loop", seconds=sum(r.seconds for r in results))
    write_json(destination / "summary.json", summary)
    write_report(destination, summary, {s.id: s for s in shots}, threads=1)
    if any(r.status != "delivered" for r in results):
        raise SystemExit(f"not delivered: {[r.failure for r in results if r.failure]}")


def counted(command: Sequence[str]) -> Seconds:
    """Run a command; CPU seconds of it and of all it starts. Raises CalledProcessError if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "ERROR"}
    seen: dict[psutil.Process, tuple[str, float]] = {}
    with psutil.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as root:
        while root.poll() is None:
            for process in _tree(root, seen):
                try:
                    times = process.cpu_times()
                    role = "driver" if process.pid == root.pid else _role(process)
                except psutil.Error:
                    continue
                # A process that has just been forked still has its parent's name: the last look counts.
                seen[process] = (role, times.user + times.system)
            time.sleep(_PERIOD)
        if root.returncode:
            raise subprocess.CalledProcessError(root.returncode, list(command))
    seconds: Seconds = defaultdict(float)
    for role, spent in seen.values():
        seconds[role] += spent
    return dict(seconds)


def _tree(root: psutil.Popen, seen: dict[psutil.Process, tuple[str, float]]) -> set[psutil.Process]:
    """The process, its descendants, and those that were descendants before their parents ended."""
    found = {psutil.Process(root.pid), *seen}
    with suppress(psutil.Error):
        found.update(root.children(recursive=True))
    return {p for p in found if p.is_running()}


def _role(process: psutil.Process) -> str:
    command = process.cmdline()
    worker = bool(command) and (command[0].startswith("ray::") or "default_worker.py" in " ".join(command))
    return "workers" if worker else "Ray's own"


def measure(folder: Path, rounds: int) -> Runs:
    """Both ways in turns on the photos of a folder."""
    runs = Runs([], [])
    sunroom = str(Path(sys.executable).with_name("sunroom"))
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as out:
            runs.ray.append(counted([sunroom, "edit", str(folder), f"{out}/ray"]))
            module = "benchmarks.speed.ray_overhead"
            runs.loop.append(counted([sys.executable, "-m", module, "--loop", str(folder), f"{out}/loop"]))
        print(f"{folder.name}: {runs.ray[-1]} {runs.loop[-1]}", file=sys.stderr, flush=True)
    return runs


def total(runs: list[Seconds]) -> float:
    """Median CPU seconds of all processes together."""
    return median(sum(r.values()) for r in runs)


def report(photos: int, many: Runs, one: Runs) -> list[str]:
    """The table of runs by role, and the goal."""
    lines = ["| run | " + " | ".join(ROLES) + " | all, CPU s (range) |", "|---" * (len(ROLES) + 2) + "|"]
    named = {
        f"sunroom edit, {photos} photos": many.ray,
        f"plain loop, {photos} photos": many.loop,
        "sunroom edit, one small photo": one.ray,
        "plain loop, one small photo": one.loop,
    }
    for name, runs in named.items():
        roles = " | ".join(f"{median(r.get(role, 0) for r in runs):.1f}" for role in ROLES)
        sums = [sum(r.values()) for r in runs]
        lines.append(f"| {name} | {roles} | {median(sums):.1f} ({min(sums):.1f}-{max(sums):.1f}) |")
    start = total(one.ray) - total(one.loop)
    ratio = (total(many.ray) - start) / total(many.loop)
    lines += ["", f"Start-up and end of Ray and its workers: {start:.1f} CPU s a job, whatever its size.", ""]
    lines += ["| goal | measured | met |", "|---|---|---|"]
    met = "yes" if ratio <= 1.10 else "**no**"
    return [*lines, f"| CPU through Ray, less start-up, <= 1.10 x the loop's | {ratio:.3f} | {met} |"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=big_set.DATA, help="folder with photos/")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="three photos of 3 MP, one round")
    parser.add_argument("--loop", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        loop(*options.loop)
        return
    photos = [p for pattern in PHOTOS for p in sorted((options.data / "photos").glob(pattern))]
    if not photos:
        raise SystemExit(f"no photos in {options.data / 'photos'}")
    photos, size = (photos[:3], big_set.QUICK) if options.quick else (photos, SIZE)
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory() as work:
        many, one = Path(work) / "many", Path(work) / "one"
        for folder, files, shape in ((many, photos, size), (one, photos[:1], SMALL)):
            folder.mkdir()
            big_set.make(files, folder, shape, moved=False)
        found = len(find_shots(many).shots)
        if found != len(photos):
            raise SystemExit(f"{len(photos)} photos were taken for {found} shots")
        body = [
            *heading(
                f"Ray: {found} photos of {size[0] * size[1] / 1e6:.0f} MP", "python -m benchmarks.speed.ray_overhead"
            ),
            *report(found, measure(many, rounds), measure(one, rounds)),
        ]
    print("\n".join(body))
    if not options.quick:
        RESULT.write_text("\n".join(body) + "\n")


if __name__ == "__main__":
    main()
