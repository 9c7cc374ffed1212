"""The stream on a real local Ray: everything comes back once, what kills its worker is told apart."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.session import session
from cluster.settings import Settings
from pipeline.photo import Result, Shot
from pipeline.recipe import Recipe
from pipeline.stream import (
    LARGEST_BLOCK,
    SCHEMA,
    Develop,
    Pool,
    Task,
    alone,
    blocks,
    predicted_bytes,
    predicted_seconds,
    stream,
)


def _shot(name: str, width: int = 900, height: int = 600) -> Shot:
    return Shot(name * 2, "villa/ground floor", name, (f"/photos/{name}.jpg",), (0.0,), 0, width, height, ("jpeg",))


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    with session(Settings()):
        yield


def _work(deadly: str = "") -> Develop:
    """A developer that reports where it ran, and dies of one photo. A local function: pickled by value."""

    def work(shot: Shot, recipe: Recipe, destination: Path, *, sequence: int = 0, threads: int = 1) -> Result:
        if shot.name == deadly:
            os.kill(os.getpid(), signal.SIGSEGV)
        if shot.name.startswith("raises"):
            raise ZeroDivisionError("not caught by develop")
        if shot.name.startswith("hangs"):
            time.sleep(600)
        qc = {"pid": os.getpid(), "cv2": cv2.getNumThreads(), "omp": os.environ.get("OMP_NUM_THREADS")}
        return Result(shot.id, shot.listing, shot.name, shot.sources, "delivered", attempts=sequence, qc=qc)

    return work


def test_a_row_has_exactly_the_fields_of_a_shot_and_its_number() -> None:
    shot = replace(_shot("a"), warnings=("AMBIGUOUS",), left_out=("/photos/flash.jpg",))

    assert SCHEMA.names == [*shot.to_row(), "sequence"]
    (table,) = blocks([Task(shot, 7)], 2)
    (row,) = table.to_pylist()
    assert Shot.from_row(row) == shot
    assert row["sequence"] == 7


@given(
    sizes=st.lists(st.sampled_from([(300, 200), (4000, 3000), (8192, 5464)]), min_size=1, max_size=60),
    workers=st.integers(1, 16),
)
def test_blocks_hold_every_photo_once_in_order_and_large_ones_alone(sizes: list[tuple[int, int]], workers: int) -> None:
    tasks = [Task(_shot(f"p{n}", *size), n) for n, size in enumerate(sizes)]

    tables = [t.to_pylist() for t in blocks(tasks, workers)]

    assert [row["name"] for rows in tables for row in rows] == [t.shot.name for t in tasks]
    assert all(len(rows) <= LARGEST_BLOCK for rows in tables)
    assert all(len(rows) == 1 for rows in tables if rows[0]["width"] > 4000)
    assert len(tables) >= min(len(tasks), workers)


@given(st.integers(100, 9000), st.integers(100, 9000), st.integers(1, 9), st.sampled_from(["jpeg", "raw", "tiff"]))
def test_more_pixels_and_exposures_never_take_less_time_or_memory(
    width: int, height: int, exposures: int, kind: str
) -> None:
    sources = tuple(f"/p/{n}" for n in range(exposures))
    shot = replace(_shot("a", width, height), sources=sources, formats=(kind,) * exposures)
    larger = replace(shot, width=width + 100, sources=(*sources, "/p/x"), formats=(*shot.formats, kind))

    assert predicted_seconds(larger) > predicted_seconds(shot) > 0
    assert predicted_bytes(larger) > predicted_bytes(shot) > 0


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_every_photo_comes_back_once_from_single_threaded_workers(tmp_path: Path) -> None:
    tasks = [Task(_shot(f"p{n}"), n) for n in range(40)]
    giant = Task(replace(_shot("giant", 30_000, 30_000)), 40)

    results = list(stream([*tasks, giant], Recipe(), tmp_path, Pool.connected(41), work=_work()))

    assert Counter(r.id for r in results) == Counter(t.shot.id for t in [*tasks, giant])
    assert {r.name: r.attempts for r in results} == {t.shot.name: t.sequence for t in [*tasks, giant]}
    assert {(r.qc["cv2"], r.qc["omp"]) for r in results} == {(1, "1")}


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_photo_that_kills_its_worker_costs_itself_only_and_is_named(tmp_path: Path) -> None:
    tasks = [Task(_shot(f"p{n}"), n) for n in range(8)]
    raising = Task(_shot("raises"), 8)
    pool = Pool.connected(9)

    results = list(stream([*tasks, raising], Recipe(), tmp_path, pool, one_per_block=True, work=_work(deadly="p3")))
    rest = list(alone([tasks[3]], Recipe(), tmp_path, pool, work=_work(deadly="p3")))

    assert sorted(r.name for r in results) == ["p0", "p1", "p2", "p4", "p5", "p6", "p7", "raises"]
    assert {r.name: r.code for r in results if r.status != "delivered"} == {"raises": "INTERNAL"}
    assert [(r.name, r.status, r.code) for r in rest] == [("p3", "quarantined", "DECODER_CRASH")]
    assert "/photos/p3.jpg" in rest[0].failure["message"]


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_work_without_an_end_is_stopped(tmp_path: Path) -> None:
    pool = replace(Pool.connected(1), patience=3.0)

    results = list(alone([Task(_shot("hangs"), 1)], Recipe(), tmp_path, pool, work=_work()))

    assert [(r.name, r.code) for r in results] == [("hangs", "LOST")]
