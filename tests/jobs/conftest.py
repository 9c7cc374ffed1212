"""Small photos as a camera would leave them, and a job with its ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.edit import Job
from jobs.ledger import Ledger
from pipeline.recipe import Recipe

Photo = Callable[..., Path]


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    """Write a JPEG of a plain room (wall, floor, furniture, grain), and of another view for each seed."""

    def write(relative: str, *, seed: int = 0, size: tuple[int, int] = (480, 320)) -> Path:
        random = np.random.default_rng(seed)
        width, height = size
        picture = np.empty((height, width, 3), np.float32)
        picture[:] = (168, 160, 150)
        picture *= np.linspace(0.45, 1.1, width, dtype=np.float32)[None, :, None]
        picture[height * 2 // 3 :] *= (0.75, 0.6, 0.5)
        for _ in range(40):
            x, y = random.integers(0, width - 60), random.integers(0, height - 50)
            w, h = random.integers(width // 20, width // 6), random.integers(height // 20, height // 5)
            picture[y : y + h, x : x + w] = random.integers(20, 235, 3)
        picture += random.normal(0, 2, picture.shape)
        path = tmp_path / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=93)
        return path

    return write


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "out").mkdir()
    return Job(tmp_path / "in", tmp_path / "out", Recipe())


@pytest.fixture
def ledger(job: Job) -> Iterator[Ledger]:
    with Ledger.at(job.destination / "ledger.sqlite") as opened:
        yield opened
