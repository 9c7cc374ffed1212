"""CPU time and memory of one 5 x 45 MP shot: merge alone and the whole way, beside enfuse and OpenCV's Mertens.

    python -m benchmarks.speed.main_job [--quick] [--rounds 3]

Every contestant is a process of its own, from files to a JPEG q92, in turns; medians. CPU seconds (all threads, user
and system) and peak memory are those that the system counts for the process, imports included. Two threads each. Writes
benchmarks/results/main_job.md, unless --quick.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, cast

import cv2
import numpy as np

from benchmarks.report import heading
from benchmarks.speed import big_set
from pipeline import develop
from pipeline.deliver.encode import encode_jpeg, write_atomic
from pipeline.photo import Shot
from pipeline.plan import Merge, Plan
from pipeline.read.exposures import open_shot, read_exposures
from pipeline.read.shots import find_shots
from pipeline.recipe import Recipe
from pipeline.render.render import render_edits, render_source

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "main_job.md"
THREADS = 2
CONTESTANTS = {
    "enfuse": "enfuse 4.2, its defaults",
    "opencv": "cv2.createMergeMertens(1, 1, 1)",
    "merge": "sunroom, merge only",
    "job": "sunroom, the whole job",
    "hand-held": "sunroom, the whole job, hand-held frames",
    "front": "sunroom, every edit on a house front",
}
STAGES = ("find", "read", "merge", "see", "edit", "render", "check", "deliver")


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took, and what it says of its parts (CPU seconds)."""

    cpu: float
    wall: float
    peak: float
    """GB (10^9 bytes)."""
    parts: dict[str, float]


class CpuClock(develop.Clock):
    """CPU seconds of each stage instead of wall seconds."""

    @contextmanager
    def __call__(self, stage: str) -> Generator[None]:
        start = time.process_time()
        try:
            yield
        finally:
            self.stages[stage] = self.stages.get(stage, 0.0) + time.process_time() - start


def opencv(files: list[Path], out: Path) -> dict[str, float]:
    """Decode, fuse and write with OpenCV alone; its own threads."""
    cv2.setNumThreads(THREADS)
    frames: Any = [cv2.imread(str(f)) for f in files]
    start = time.process_time()
    fused: Any = cv2.createMergeMertens(1, 1, 1).process(frames)
    seconds = time.process_time() - start
    levels: Any = cv2.convertScaleAbs(np.maximum(fused, 0), alpha=255)
    cv2.imwrite(str(out / "opencv.jpg"), levels, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return {"fuse": seconds}


def merge(shot: Shot, out: Path) -> dict[str, float]:
    """Decode, fuse and write with sunroom's functions, with neither alignment nor edits."""
    exposures = read_exposures(open_shot(shot, max_megapixels=100), [True] * len(shot.sources), threads=THREADS)
    still = np.broadcast_to(np.eye(3), (len(exposures), 3, 3))
    plan = Plan(Merge(still, shot.exposure_values, (True,) * len(exposures), shot.reference))
    start = time.process_time()
    source, _ = render_source(plan, exposures, threads=THREADS)
    seconds = time.process_time() - start
    del exposures
    picture = render_edits(plan, source, threads=THREADS)
    write_atomic(out / "merge.jpg", encode_jpeg(cast(Any, picture), quality=92))
    return {"fuse": seconds}


def job(shot: Shot, out: Path, recipe: Recipe) -> dict[str, float]:
    """The calls of pipeline.develop.develop, timed in CPU seconds."""
    clock = CpuClock()
    surveyed = develop.survey(shot, recipe, clock, threads=THREADS)
    drawn = develop.plan(surveyed, recipe, clock)
    finished = develop.finish(surveyed, drawn, recipe, clock, threads=THREADS)
    result = develop.deliver(finished, surveyed, shot, recipe, out, clock=clock)
    if result.status != "delivered":
        raise SystemExit(f"not delivered: {result.failure}")
    if recipe.sky.replaces and not (finished.altered and finished.plan.warp):
        raise SystemExit("the house front got no new sky, or was not straightened")
    return {**clock.stages, "attempts": float(result.attempts)}


def contest(name: str, folder: Path, out: Path) -> dict[str, float]:
    """The work of a contestant, inside its own process."""
    if name == "opencv":
        return opencv(sorted(folder.glob("*.jpg")), out)
    cv2.setNumThreads(1)
    start = time.process_time()
    (shot,) = find_shots(folder, workers=THREADS).shots
    found = time.process_time() - start
    if name == "merge":
        return {"find": found, **merge(shot, out)}
    parts = job(shot, out, Recipe.load("listing") if name == "front" else Recipe())
    return {"find": found, **parts}


def run(name: str, *, quick: bool) -> Run:
    """One contestant in a process of its own; raises CalledProcessError if it fails."""
    folder = big_set.ensure(moved=name == "hand-held", front=name == "front", quick=quick)
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "benchmarks.speed.main_job", "--contest", name, str(folder), out]
        if name == "enfuse":
            command = [
                "enfuse",
                "--compression=92",
                "--output",
                f"{out}/enfuse.jpg",
                *map(str, sorted(folder.iterdir())),
            ]
        # Waiting threads that spin would count against enfuse on a busy machine.
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "1"}
        start = time.perf_counter()
        # enfuse tells much on stderr.
        chatter = subprocess.DEVNULL if name == "enfuse" else None
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=chatter, text=True
        ) as process:
            text = process.stdout.read() if process.stdout else ""
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
    wall = time.perf_counter() - start
    parts = {} if name == "enfuse" else json.loads(text.splitlines()[-1])
    # Linux counts ru_maxrss in KiB; a child's never starts below its parent's, which is small here.
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024 / 1e9, parts)


def middle(runs: list[Run], part: str | None = None) -> float:
    """Median CPU seconds of a process, or of one part of it."""
    return median(r.cpu if part is None else r.parts.get(part, 0.0) for r in runs)


def report(runs: dict[str, list[Run]]) -> list[str]:
    """Tables of contestants, stages and goals."""
    lines = ["| contestant | CPU s, median (range) | fuse alone, CPU s | wall s | peak GB, median (range) |"]
    lines.append("|---" * 5 + "|")
    for name, rs in runs.items():
        cpu, peaks = [r.cpu for r in rs], [r.peak for r in rs]
        fuse = f"{middle(rs, 'fuse'):.2f}" if "fuse" in rs[0].parts else ""
        lines.append(
            f"| {CONTESTANTS[name]} | {median(cpu):.1f} ({min(cpu):.1f}-{max(cpu):.1f}) | {fuse} "
            f"| {median(r.wall for r in rs):.0f} | {median(peaks):.2f} ({min(peaks):.2f}-{max(peaks):.2f}) |"
        )
    lines += ["", "| stage of the whole job, CPU s | still | hand-held | house front |", "|---|---|---|---|"]
    jobs = [runs["job"], runs["hand-held"], runs["front"]]
    for stage in STAGES:
        lines.append(f"| {stage} | " + " | ".join(f"{middle(rs, stage):.2f}" for rs in jobs) + " |")
    rest = [median(r.cpu - sum(r.parts.get(s, 0) for s in STAGES) for r in rs) for rs in jobs]
    lines.append("| imports, start and end | " + " | ".join(f"{r:.2f}" for r in rest) + " |")
    lines.append("| (renderings: 1 + retries) | " + " | ".join(f"{middle(rs, 'attempts'):.0f}" for rs in jobs) + " |")
    return lines


def goals(runs: dict[str, list[Run]]) -> list[str]:
    """Each goal beside what was measured."""
    cpu = {n: middle(rs) for n, rs in runs.items()}
    peak = {n: median(r.peak for r in rs) for n, rs in runs.items()}
    fuse = middle(runs["merge"], "fuse") / middle(runs["opencv"], "fuse")
    rows = [
        ("fusing <= 1/5 of OpenCV's CPU", f"1/{1 / fuse:.1f}", fuse <= 1 / 5),
        (
            "decode, fuse, encode <= 1/2 of enfuse's CPU",
            f"{cpu['merge'] / cpu['enfuse']:.2f}",
            cpu["merge"] <= 0.5 * cpu["enfuse"],
        ),
        ("its peak below enfuse's", f"{peak['merge']:.2f} / {peak['enfuse']:.2f} GB", peak["merge"] < peak["enfuse"]),
    ]
    for name in ("job", "hand-held"):
        title = CONTESTANTS[name].removeprefix("sunroom, ")
        rows += [
            (f"{title} <= 15 CPU s", f"{cpu[name]:.1f}", cpu[name] <= 15),
            (f"{title} < enfuse alone", f"{cpu[name] / cpu['enfuse']:.2f}", cpu[name] < cpu["enfuse"]),
            (f"{title}, peak <= 2.2 GB", f"{peak[name]:.2f} GB", peak[name] <= 2.2),
        ]
    rows += [
        ("every edit <= 18 CPU s", f"{cpu['front']:.1f}", cpu["front"] <= 18),
        ("every edit, peak <= 2.4 GB", f"{peak['front']:.2f} GB", peak["front"] <= 2.4),
    ]
    table = [f"| {goal} | {value} | {'yes' if met else '**no**'} |" for goal, value, met in rows]
    return ["| goal | measured | met |", "|---|---|---|", *table]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 MP instead of 45, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contest", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contest:
        name, folder, out = options.contest
        print(json.dumps(contest(name, Path(folder), Path(out))))
        return
    runs: dict[str, list[Run]] = {name: [] for name in CONTESTANTS}
    for _ in range(1 if options.quick else options.rounds):
        for name, done in runs.items():
            done.append(run(name, quick=options.quick))
            print(f"{name}: {done[-1]}", file=sys.stderr, flush=True)
    width, height = big_set.QUICK if options.quick else big_set.SIZE
    title = f"The main job: {len(big_set.originals())} exposures of {width} x {height}"
    body = "\n".join([*heading(title, "python -m benchmarks.speed.main_job"), *report(runs), "", *goals(runs)])
    print(body)
    if not options.quick:
        RESULT.write_text(body + "\n")


if __name__ == "__main__":
    main()
