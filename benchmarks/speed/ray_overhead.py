"""What Ray costs: CPU of `sunroom edit` on photos of 24 MP, beside the same functions in a plain loop.

    python -m benchmarks.speed.ray_overhead [--quick] [--rounds 3] [--data DIR]

Counts the user and system seconds of every process that a run starts (driver, Ray's own, workers), by looking at the
tree of processes several times a second. Start-up is measured apart, on one small photo for each worker, and taken
off. Photos in work at once take more CPU each than one alone, because they share caches and memory: the same loop in as
many processes as Ray has workers shows how much of the difference that is. The photos are real ones, enlarged with
texture and noise (big_set.py), from DATA or the two bundled ones; the runs alternate, medians. Writes
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
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import psutil

from benchmarks.report import heading
from benchmarks.speed import big_set
from cluster.settings import cpus_here
from jobs.summary import summarise, write_json
from pipeline.deliver.gallery import write_report
from pipeline.develop import develop
from pipeline.photo import Result, Shot
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


WAYS = ("sunroom edit", "plain loop", "loop in as many processes")


def loop(source: Path, destination: Path, processes: int) -> None:
    """What `sunroom edit` does with a folder, without Ray and ledger, one thread each."""
    cv2.setNumThreads(1)
    recipe = Recipe()
    shots = find_shots(source).shots
    work = partial(_developed, recipe, destination)
    if processes == 1:
        results = [work(s) for s in shots]
    else:
        with ProcessPoolExecutor(processes) as pool:
            results = list(pool.map(work, shots))
    summary = summarise(results, recipe, run="loop", seconds=sum(r.seconds for r in results))
    write_json(destination / "summary.json", summary)
    write_report(destination, summary, {s.id: s for s in shots}, threads=1)
    if any(r.status != "delivered" for r in results):
        raise SystemExit(f"not delivered: {[r.failure for r in results if r.failure]}")


def _developed(recipe: Recipe, destination: Path, shot: Shot) -> Result:
    return develop(shot, recipe, destination, sequence=1)


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
    ours = bool(command) and (
        command[0].startswith("ray::") or "default_worker.py" in command[-1] or "--loop" in command
    )
    return "workers" if ours else "Ray's own"


def measure(folder: Path, rounds: int) -> dict[str, list[Seconds]]:
    """All ways in turns on the photos of a folder."""
    runs: dict[str, list[Seconds]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as out:
        sunroom = str(Path(sys.executable).with_name("sunroom"))
        plain = [sys.executable, "-m", "benchmarks.speed.ray_overhead", "--loop", str(folder)]
        for i in range(rounds):
            commands = [
                [sunroom, "edit", str(folder), f"{out}/ray{i}"],
                [*plain, f"{out}/loop{i}", "1"],
                [*plain, f"{out}/processes{i}", str(cpus_here())],
            ]
            for way, command in zip(WAYS, commands, strict=True):
                runs[way].append(counted(command))
                print(f"{folder.name}, {way}: {runs[way][-1]}", file=sys.stderr, flush=True)
    return runs


def total(runs: list[Seconds]) -> float:
    """Median CPU seconds of all processes together."""
    return median(sum(r.values()) for r in runs)


def report(photos: int, many: dict[str, list[Seconds]], small: dict[str, list[Seconds]]) -> list[str]:
    """The table of runs by role, and the goal."""
    lines = ["| run | " + " | ".join(ROLES) + " | all, CPU s (range) |", "|---" * (len(ROLES) + 2) + "|"]
    for what, by in ((f"{photos} photos", many), ("a small photo per worker", small)):
        for way, runs in by.items():
            roles = " | ".join(f"{median(r.get(role, 0) for r in runs):.1f}" for role in ROLES)
            sums = [sum(r.values()) for r in runs]
            lines.append(f"| {way}, {what} | {roles} | {median(sums):.1f} ({min(sums):.1f}-{max(sums):.1f}) |")
    edit, plain, processes = WAYS
    start = total(small[edit]) - total(small[plain])
    work = total(many[edit]) - start
    ratio, fair = work / total(many[plain]), work / total(many[processes])
    lines += ["", f"Start-up and end of Ray and its workers: {start:.1f} CPU s a job, however many photos.", ""]
    lines += ["| goal | measured | met |", "|---|---|---|"]
    met = "yes" if ratio <= 1.10 else "**no**"
    lines.append(f"| CPU through Ray, less start-up, <= 1.10 x the plain loop's | {ratio:.3f} | {met} |")
    return [*lines, f"| (the same, against the loop in as many processes) | {fair:.3f} | |"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=big_set.DATA, help="folder with photos/")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="three photos of 3 MP, one round")
    parser.add_argument("--loop", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        source, destination, processes = options.loop
        loop(Path(source), Path(destination), int(processes))
        return
    photos = [p for pattern in PHOTOS for p in sorted((options.data / "photos").glob(pattern))]
    photos = photos or big_set.bundled()
    photos, size = (photos[:3], big_set.QUICK) if options.quick else (photos, SIZE)
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory() as work:
        many, small = Path(work) / "many", Path(work) / "small"
        for folder, files, shape in ((many, photos, size), (small, photos[: cpus_here()], SMALL)):
            folder.mkdir()
            big_set.make(files, folder, shape, moved=False)
        found = len(find_shots(many).shots)
        if found != len(photos):
            raise SystemExit(f"{len(photos)} photos were taken for {found} shots")
        body = [
            *heading(
                f"Ray: {found} photos of {size[0] * size[1] / 1e6:.0f} MP", "python -m benchmarks.speed.ray_overhead"
            ),
            *report(found, measure(many, rounds), measure(small, rounds)),
        ]
    print("\n".join(body))
    if not options.quick:
        RESULT.write_text("\n".join(body) + "\n")


if __name__ == "__main__":
    main()
