"""Many shots through `develop` on Ray: one row per photo, small metadata in, small results out.

Pixels never enter a row. Results come as they are finished. What a dying worker took with it is missing among them: the
caller, who has the manifest, runs it again (jobs/edit.py).
"""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.data.exceptions import ExecutionTimeoutError
from ray.exceptions import OutOfMemoryError, RayError, WorkerCrashedError

from pipeline.codes import Code, Failure, PhotoError
from pipeline.develop import develop
from pipeline.photo import Result, Shot
from pipeline.recipe import Recipe

Block = Any
"""A pyarrow.Table of SCHEMA (pyarrow ships no types)."""

_log = logging.getLogger(__name__)

Develop = Callable[..., Result]
"""`develop(shot, recipe, destination, *, sequence, threads) -> Result`, which never raises."""

BLOCK_SECONDS = 0.5
LARGEST_BLOCK = 32
_RESERVED_CPU = 0.5
_ONE_THREAD = {"env_vars": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "ERROR"}}
_TEXT = pa.list_(pa.string())
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "listing": pa.string(),
        "name": pa.string(),
        "sources": _TEXT,
        "exposure_values": pa.list_(pa.float64()),
        "reference": pa.int32(),
        "width": pa.int32(),
        "height": pa.int32(),
        "formats": _TEXT,
        "confidence": pa.float64(),
        "reason": pa.string(),
        "warnings": _TEXT,
        "left_out": _TEXT,
        "sequence": pa.int32(),
    }
)
"""A row: Shot.to_row() and the photo's number in its listing."""


@dataclass(frozen=True, slots=True)
class Task:
    """A shot and its number in the listing, from 1."""

    shot: Shot
    sequence: int

    def to_row(self) -> dict[str, object]:
        """One row of SCHEMA."""
        return {**self.shot.to_row(), "sequence": self.sequence}


@dataclass(frozen=True, slots=True)
class Pool:
    """How many photos are in work at once, and what each worker may take.

    workers, and least: the most and the fewest. cpus: reserved by each, so that half a CPU stays free for Ray itself.
    threads: inside one photo. memory, largest: bytes that all nodes together and the largest one have to reserve.
    patience: seconds without any finished photo before the rest is given up.
    """

    workers: int
    cpus: float
    memory: int
    largest: int
    least: int = 1
    threads: int = 1
    patience: float = 120.0

    @classmethod
    def connected(cls, photos: int, *, workers: int | None = None, least: int = 1, patience: float = 120.0) -> Pool:
        """A pool for `photos` photos on the Ray this process is connected to."""
        nodes = [n["Resources"] for n in ray.nodes() if n["Alive"]]
        cpus = sum(n.get("CPU", 0.0) for n in nodes)
        count = min(workers or max(1, int(cpus)), max(1, photos))
        return cls(
            workers=count,
            cpus=max(0.01, min(1.0, (cpus - _RESERVED_CPU) / count)),
            memory=int(sum(n.get("memory", 0.0) for n in nodes)),
            largest=int(max(n.get("memory", 0.0) for n in nodes)),
            least=min(least, count),
            threads=max(1, int(cpus) // count) if len(nodes) == 1 else 1,
            patience=patience,
        )


def predicted_seconds(shot: Shot) -> float:
    """CPU seconds one photo will take, roughly: for block sizes, the estimate before a run, and the time left.

    Fitted on an AMD EPYC core: 4 s for 45 megapixels, 13 s for five exposures of them, 1.4 s for four of 0.4.
    """
    megapixels, exposures = shot.pixels / 1e6, len(shot.sources)
    merge = exposures * (0.35 + 0.04 * megapixels) if exposures > 1 else 0.0
    return 0.5 + 0.08 * megapixels + merge + 0.43 * megapixels * sum(f == "raw" for f in shot.formats)


def predicted_bytes(shot: Shot) -> int:
    """Bytes of memory the worker of one photo will need, roughly, with a fifth to spare.

    The process, the decoded exposures, source and picture, and the strips of merge and RAW development.
    """
    depth = 1 if all(f in ("jpeg", "webp") for f in shot.formats) else 2
    strips = 12 * (len(shot.sources) > 1) + 10 * ("raw" in shot.formats)
    return int(400e6 + shot.pixels * (3 * depth * len(shot.sources) + 6 * depth + strips))


def stream(
    tasks: Sequence[Task],
    recipe: Recipe,
    destination: Path,
    pool: Pool,
    *,
    one_per_block: bool = False,
    work: Develop = develop,
) -> Iterator[Result]:
    """Develop `tasks` and yield each Result as it is finished; Ray must be connected.

    A photo that kills its worker is tried once more and then left out, with the rows of its block; so are all that are
    unfinished when nothing has finished for `pool.patience` seconds.
    """
    for lane in _lanes(tasks, pool):
        need = min(max(predicted_bytes(t.shot) for t in lane), pool.largest)
        workers = max(1, min(pool.workers, pool.memory // need))
        _configure(max(pool.patience, 5 * max(predicted_seconds(t.shot) for t in lane)))
        tables = [_table([t]) for t in lane] if one_per_block else blocks(lane, workers)
        with warnings.catch_warnings():
            # Ray deprecates the two last options without another way to say them; without them a photo that kills its
            # worker would be retried for ever.
            warnings.simplefilter("ignore")
            graph = ray.data.from_arrow(tables).map_batches(
                _Developer,
                fn_constructor_args=(recipe, destination, pool.threads, work),
                batch_size=None,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(
                    min_size=min(pool.least, workers),
                    initial_size=workers,
                    max_size=workers,
                    max_tasks_in_flight_per_actor=1,
                ),
                num_cpus=pool.cpus,
                memory=need,
                runtime_env=_ONE_THREAD,
                max_restarts=-1,
                max_task_retries=1,
            )
        try:
            batches: Iterable[Block] = graph.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow")
            for batch in batches:
                yield from (Result.from_dict(json.loads(text)) for text in batch["result"].to_pylist())
        except (RayError, ExecutionTimeoutError) as error:
            _log.error("the stream ended early, the rest will be run again: %s", error)


def alone(
    tasks: Sequence[Task], recipe: Recipe, destination: Path, pool: Pool, *, work: Develop = develop
) -> Iterator[Result]:
    """Develop each task in a fresh process of its own; what dies even there is a quarantined Result that says how.

    For photos that `stream` lost twice: OOM if the process was stopped for lack of memory, DECODER_CRASH if it died of
    itself, LOST if it found no end within `pool.patience` or its machine vanished.
    """
    remote = ray.remote(max_retries=0, max_calls=1, num_cpus=pool.cpus, runtime_env=_ONE_THREAD)(_develop_row)
    waiting = list(tasks)
    running: dict[ray.ObjectRef[str], tuple[Task, float]] = {}
    while waiting or running:
        while waiting and len(running) < pool.workers:
            task = waiting.pop(0)
            options = remote.options(memory=min(predicted_bytes(task.shot), pool.largest))
            ref = options.remote(task.to_row(), recipe, destination, pool.threads, work)
            running[ref] = (task, time.monotonic() + max(pool.patience, 5 * predicted_seconds(task.shot)))
        done, _ = ray.wait(list(running), num_returns=1, timeout=1.0)
        for ref in done:
            task, _ = running.pop(ref)
            yield _outcome(ref, task.shot)
        for ref in [r for r, (_, deadline) in running.items() if time.monotonic() > deadline]:
            task, _ = running.pop(ref)
            ray.cancel(ref, force=True)
            yield lost(task.shot, Code.LOST, "found no end, and was stopped")


def lost(shot: Shot, code: Code, what: str) -> Result:
    """The quarantined result of a photo that no worker could finish; `what` completes "The work on <file> ..."."""
    failure = Failure.of(PhotoError(code, f"the work on {shot.sources[shot.reference]} {what}"))
    return Result.quarantined(shot, failure)


def blocks(tasks: Sequence[Task], workers: int) -> list[Block]:
    """The tasks as Ray Data blocks: large photos one per block, small ones together, enough blocks for all workers."""
    fair = max(1, len(tasks) // (4 * workers))
    tables: list[Block] = []
    start = 0
    while start < len(tasks):
        rows = round(BLOCK_SECONDS / predicted_seconds(tasks[start].shot))
        end = start + max(1, min(rows, LARGEST_BLOCK, fair))
        tables.append(_table(tasks[start:end]))
        start = end
    return tables


def _lanes(tasks: Sequence[Task], pool: Pool) -> list[list[Task]]:
    """Photos for which the memory suffices at full width, then those that need more: one giant slows only its kind."""
    share = pool.memory / pool.workers
    lanes = [
        [t for t in tasks if predicted_bytes(t.shot) <= share],
        [t for t in tasks if predicted_bytes(t.shot) > share],
    ]
    return [lane for lane in lanes if lane]


def _configure(patience: float) -> None:
    """Set what the next dataset copies when it is created."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.enable_auto_log_stats = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1
    context.execution_no_progress_timeout_s = patience
    context.max_consecutive_actor_init_deaths = 3
    # With one block in flight per actor a busy pool is at 100 %, and must still grow back after losses.
    context.autoscaling_config.actor_pool_util_upscaling_threshold = 1.0


class _Developer:
    """The worker: holds the recipe, develops one block of photos after the other, and never raises."""

    def __init__(self, recipe: Recipe, destination: Path, threads: int, work: Develop) -> None:
        self.recipe, self.destination, self.threads, self.work = recipe, destination, threads, work

    def __call__(self, batch: Block) -> Block:
        rows = batch.to_pylist()
        results = [_develop_row(row, self.recipe, self.destination, self.threads, self.work) for row in rows]
        return pa.table({"id": [row["id"] for row in rows], "result": results})


def _develop_row(row: dict[str, Any], recipe: Recipe, destination: Path, threads: int, work: Develop) -> str:
    """One row through `work`, as Result JSON; an exception, which develop never lets out, becomes INTERNAL."""
    cv2.setNumThreads(1)
    shot = Shot.from_row(row)
    try:
        result = work(shot, recipe, destination, sequence=row["sequence"], threads=threads)
    except Exception as error:
        _log.exception("%s", shot.sources[shot.reference])
        result = lost(shot, Code.INTERNAL, f"failed: {type(error).__name__}: {error}")
    return json.dumps(result.to_dict())


def _outcome(ref: ray.ObjectRef[str], shot: Shot) -> Result:
    try:
        return Result.from_dict(json.loads(ray.get(ref)))
    except OutOfMemoryError:
        return lost(shot, Code.OOM, "was stopped because memory ran out")
    except WorkerCrashedError:
        return lost(shot, Code.DECODER_CRASH, "crashed its process")
    except RayError as error:
        return lost(shot, Code.LOST, f"was lost: {str(error).strip().splitlines()[0]}")


def _table(tasks: Sequence[Task]) -> Block:
    return pa.Table.from_pylist([t.to_row() for t in tasks], schema=SCHEMA)
