"""What is written while a job has the terminal, and what is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import os, sys
from jobs.terminal import Fault, own_streams
from pipeline.codes import SettingsError

try:
    with own_streams() as streams:
        print("for the user", file=streams.out)
        os.write(1, b"chatter of a library")
        os.write(2, b"and of another")
        if sys.argv[1:]:
            raise {"ours": ValueError, "theirs": SettingsError}[sys.argv[1]]("what happened")
except (Fault, SettingsError) as error:
    print(error)
"""


def _run(temp: Path, *arguments: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(temp)},
        check=True,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [(), ("theirs",)])
def test_what_libraries_print_is_neither_shown_nor_kept(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said, errors = _run(tmp_path, *arguments)

    assert said == "for the user\n" + ("what happened\n" if arguments else "")
    assert errors == ""
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_ours_says_where_its_details_lie(tmp_path: Path) -> None:
    said, errors = _run(tmp_path, "ours")

    (log,) = tmp_path.iterdir()
    assert said == f"for the user\nValueError: what happened (details in {log})\n"
    assert errors == ""
    kept = log.read_text()
    assert "chatter of a library" in kept
    assert "Traceback" in kept
