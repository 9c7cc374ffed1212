"""What sessions of Ray leave on this machine, without starting one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Generator
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


def test_too_little_room_for_temporary_files_is_said_before_ray_starts(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_LEAST_TEMP", 1 << 62)
    with pytest.raises(SettingsError, match=f"TMPDIR {temp}: has .* MB free"), session.session(Settings()):
        pass
    assert list(temp.iterdir()) == []
