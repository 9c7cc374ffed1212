from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.develop import Finished, finish, plan, survey
from pipeline.read.shots import find_shots
from pipeline.recipe import Recipe
from pipeline.threads import thread_pool

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def test_opencv_computes_without_ipp_in_the_threads_of_a_pool() -> None:
    with thread_pool(2) as pool:
        assert list(pool.map(lambda _: cv2.ipp.useIPP(), range(8))) == [False] * 8


@pytest.mark.slow
@pytest.mark.parametrize("listing", ["garden_room", "tower_front"])
def test_a_photo_has_the_same_bytes_in_whatever_thread_and_number_of_threads_it_is_made(listing: str) -> None:
    (shot,) = find_shots(SAMPLES / listing).shots
    made: list[Finished] = []

    def develop(threads: int) -> None:
        surveyed = survey(shot, Recipe(), threads=threads)
        made.append(finish(surveyed, plan(surveyed, Recipe()), Recipe(), threads=threads))

    develop(1)
    foreign = threading.Thread(target=develop, args=(2,))
    foreign.start()
    foreign.join()

    here, there = made
    assert np.array_equal(here.source, there.source)
    assert np.array_equal(here.picture, there.picture)
    assert here.plan.to_bytes() == there.plan.to_bytes()
    assert here.figures == there.figures
