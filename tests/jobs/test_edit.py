"""`sunroom edit` as its users run it: a process on real files, with its own Ray."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_COMMAND = [sys.executable, "-c", "from jobs.cli import main; main()"]


def _edit(*arguments: object, cpus: set[int] | None = None, temp: Path) -> subprocess.CompletedProcess[str]:
    def on_cpus() -> None:
        if cpus:
            os.sched_setaffinity(0, cpus)

    return subprocess.run(
        [*_COMMAND, "edit", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=400,
        preexec_fn=on_cpus,
        env={**os.environ, "TMPDIR": str(temp)},
        check=False,
    )


def _processes(folder: Path) -> list[str]:
    """Titles of living processes with an open file below a folder: Ray's overwrite their command and environment."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(folder in f.readlink().parents for f in (process / "fd").iterdir()):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


@pytest.fixture
def temp() -> Iterator[Path]:
    """A folder for temporary files, by whose name the job's processes are known; its path is short enough for Ray."""
    with tempfile.TemporaryDirectory(prefix="s") as folder:
        yield Path(folder)


def _check_invariants(summary: dict[str, Any], dest: Path) -> None:
    counts, photos = summary["counts"], summary["photos"]
    delivered = [p for p in photos if p["status"] == "delivered"]
    assert counts["shots"] == len(photos) == counts["delivered"] + counts["quarantined"]
    assert counts["delivered"] == len(delivered)
    for p in delivered:
        assert (dest / p["output"]).stat().st_size == p["bytes"] > 0
    failures = {f.parent.relative_to(dest / "quarantine").as_posix(): f for f in dest.rglob("failure.json")}
    assert set(failures) == {f"{p['listing']}/{p['name']}" for p in photos if p["status"] != "delivered"}
    for path in failures.values():
        failure = json.loads(path.read_text())
        assert {"code", "message", "stage", "hint", "retryable", "sources", "attempts", "qc"} <= set(failure)


@pytest.mark.slow
def test_a_job_delivers_the_good_names_the_bad_and_resumes(photo: Any, tmp_path: Path, temp: Path) -> None:
    source, dest = tmp_path / "in", tmp_path / "out"
    good = [photo(f"in/{listing}/IMG_{n}.jpg", seed=n) for listing in ("villa", "flat 2") for n in range(2)]
    broken = source / "villa" / "IMG_9.jpg"
    broken.write_bytes(good[0].read_bytes()[:200])

    # One unreadable file among good ones: everything else is delivered, and stdout holds the summary alone.
    first = _edit(source, dest, "--json", temp=temp)
    assert first.returncode == 3, first.stderr
    summary = json.loads(first.stdout)
    assert summary == json.loads((dest / "summary.json").read_text())
    assert summary["counts"] == {
        "shots": 5,
        "delivered": 4,
        "quarantined": 1,
        "warnings": summary["counts"]["warnings"],
    }
    _check_invariants(summary, dest)
    assert re.search(r"\[4/4\] ", first.stderr)
    assert "Traceback" not in first.stderr
    assert "IMG_9" in (dest / "report" / "index.html").read_text()
    assert (dest / "groups.yaml").is_file()
    assert _processes(temp) == []
    assert list(temp.iterdir()) == []

    # A second run has nothing to do and changes no picture.
    times = {p: p.stat().st_mtime_ns for p in (dest / "delivered").rglob("*")}
    second = _edit(source, dest, temp=temp)
    assert second.returncode == 3, second.stderr
    assert "4 of 4 photos already done" in second.stderr
    assert "5 photos: 4 delivered, 1 quarantined" in second.stdout
    assert {p: p.stat().st_mtime_ns for p in (dest / "delivered").rglob("*")} == times

    # Other settings are refused until --update says so.
    other = _edit(source, dest, "--set", "light.strength=0.5", temp=temp)
    assert other.returncode == 2
    assert "--update" in other.stderr

    # What was deleted is made again, what was mended is delivered, and nothing else is touched; on one CPU.
    deleted = dest / summary["photos"][0]["output"]
    deleted.unlink()
    photo("in/villa/IMG_9.jpg", seed=9)
    third = _edit(source, dest, "--json", cpus={min(os.sched_getaffinity(0))}, temp=temp)
    assert third.returncode == 0, third.stderr
    _check_invariants(json.loads(third.stdout), dest)
    assert "[2/2]" in third.stderr
    unchanged = {p: t for p, t in times.items() if p.is_file() and p != deleted}
    assert {p: p.stat().st_mtime_ns for p in unchanged} == unchanged
    assert not (dest / "quarantine").exists()


def _stopped(source: Path, dest: Path, how: signal.Signals, temp: Path) -> tuple[int, str]:
    """Start a job, send it a signal after its first photo; its exit code and what it said."""
    running = subprocess.Popen(
        [*_COMMAND, "edit", str(source), str(dest), "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temp)},
        start_new_session=True,
    )
    assert running.stderr is not None
    said = ""
    for line in running.stderr:
        said += line
        if line.startswith("[1/"):
            break
    assert _processes(temp)
    running.send_signal(how)
    said += running.communicate(timeout=120)[1]
    return running.returncode, said


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_job_goes_on_and_leaves_nothing_behind(
    photo: Any, tmp_path: Path, temp: Path, how: signal.Signals
) -> None:
    source, dest = tmp_path / "in", tmp_path / "out"
    for n in range(5):
        photo(f"in/villa/IMG_{n:02}.jpg", seed=n, size=(900, 600))

    code, said = _stopped(source, dest, how, temp)

    assert code == (-signal.SIGKILL if how == signal.SIGKILL else 130), said
    assert "Traceback" not in said
    if how != signal.SIGKILL:
        assert "run the same command again" in said
        assert _processes(temp) == []
        assert list(temp.iterdir()) == []

    # A killed job cannot clear up behind it: the next one does.
    again = _edit(source, dest, temp=temp)
    assert again.returncode == 0, again.stderr
    assert re.search(r"^\d+ of 5 photos already done", again.stderr, re.MULTILINE)
    _check_invariants(json.loads((dest / "summary.json").read_text()), dest)
    assert _processes(temp) == []
    assert list(temp.iterdir()) == []
    assert [p for p in dest.rglob(".*") if p.is_file()] == []
