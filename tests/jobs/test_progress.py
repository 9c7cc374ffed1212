"""Progress in plain lines: count, photo, outcome, time left."""

from __future__ import annotations

import io

import pytest

from jobs.progress import Lines, duration, watcher
from pipeline.photo import Result


def test_lines_name_each_photo_once_and_the_last_has_no_time_left() -> None:
    out = io.StringIO()
    progress = watcher(out)
    assert isinstance(progress, Lines)

    progress.start(2, 10.0)
    progress.advance(Result("a", "villa", "IMG_1", (), "delivered", seconds=1.25, warnings=("AMBIGUOUS",)), 4.0)
    progress.advance(
        Result("b", "", "IMG_2", (), "quarantined", code="TRUNCATED", failure={"message": "/p/IMG_2.jpg: ends early"}),
        6.0,
    )
    progress.stop()

    first, second = out.getvalue().splitlines()
    assert first.startswith("[1/2] villa/IMG_1: delivered in 1.2 s (AMBIGUOUS), about ")
    assert second == "[2/2] IMG_2: quarantined, TRUNCATED: /p/IMG_2.jpg: ends early"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (42, "42 s"), (100, "2 min"), (5000, "83 min"), (7800, "2 h 10 min")]
)
def test_durations_are_told_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text
