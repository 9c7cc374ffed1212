"""What sessions of Ray leave on this machine, without starting one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster import session
from cluster.settings import Settings
from pipeline.codes import SettingsError

_own_folder = session._own_folder  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def temp(monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """The folder for temporary files, short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="s") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def _session_of(base: Path, name: str) -> Path:
    folder = base / name
    (folder / "session_1").mkdir(parents=True)
    (folder / "session_latest").symlink_to(folder / "session_1")
    return folder


def test_a_killed_session_is_cleared_with_its_processes_and_a_living_one_is_not(temp: Path) -> None:
    dead, mine = _session_of(temp, "sunray-dead"), temp / "sunray-project"
    mine.mkdir()
    code = "import sys, time; f = open(sys.argv[1], 'w'); print(flush=True); time.sleep(600)"
    left = subprocess.Popen([sys.executable, "-c", code, dead / "session_1" / "log"], stdout=subprocess.PIPE)
    assert left.stdout is not None
    left.stdout.readline()

    with _own_folder() as first:
        (first / "session_latest").mkdir()
        assert left.wait(timeout=20) != 0
        assert not dead.exists()
        with _own_folder() as second:
            assert first.exists()
            assert first != second
        assert not second.exists()
    assert [p.name for p in temp.iterdir()] == ["sunray-project"]


_PYTHON = "import sys, time; f = open(sys.argv[1], sys.argv[2]); print(flush=True); time.sleep(600)"


@contextmanager
def _reading(*command: object) -> Generator[subprocess.Popen[bytes]]:
    reader = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE)
    try:
        assert reader.stdout is not None
        reader.stdout.readline()
        yield reader
    finally:
        reader.kill()
        reader.wait()


def test_who_only_reads_the_logs_of_a_killed_session_lives_on(temp: Path) -> None:
    dead = _session_of(temp, "sunray-dead")
    log = dead / "session_1" / "log"
    log.write_text("started\n")

    with _reading("tail", "-f", log) as tail, _reading(sys.executable, "-c", _PYTHON, log, "r") as own:
        with _own_folder():
            assert not dead.exists()
        assert tail.poll() is None
        assert own.poll() is None


def test_a_process_that_cannot_be_killed_does_not_hold_the_job_for_ever(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = _session_of(temp, "sunray-dead")
    monkeypatch.setattr(session, "_KILLED_SECONDS", 0.2)

    command = [sys.executable, "-c", _PYTHON, dead / "session_1" / "log", "w"]
    with _reading(*command) as stuck, monkeypatch.context() as patched:
        patched.setattr(os, "kill", lambda *_: None)
        with _own_folder():
            assert stuck.poll() is None


def test_too_little_room_for_temporary_files_is_said_before_ray_starts(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_LEAST_TEMP", 1 << 62)
    with pytest.raises(SettingsError, match=f"TMPDIR {temp}: has .* MB free"), session.session(Settings()):
        pass
    assert list(temp.iterdir()) == []
