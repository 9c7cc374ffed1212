"""One Ray for one job: joined at an address, or started on this machine and gone with the job."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray

from cluster.settings import Settings, cpus_here, memory_here
from pipeline.codes import SettingsError

_MEMORY_SHARE = 0.85
_LONGEST_TEMP = 25
"""Ray puts sockets up to 66 characters below its folder, ours is named with 16, and a socket's path may have 107."""

_LEAST_TEMP = 32_000_000
"""Bytes. On a full disk Ray would neither start nor give up."""

_PREFIX = "sunray-"
_LAST_SECONDS = 5.0
_KILLED_SECONDS = 10.0
_WORKERS = ("python", "raylet", "gcs_server")
"""How the names of executables begin that Ray and its workers run."""

_TOKEN = os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(32)
"""One for the life of this process, because Ray keeps the first token it has seen."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


@contextmanager
def session(settings: Settings) -> Generator[None]:
    """A connected Ray inside the `with` block; afterwards disconnected, and stopped if it was started here.

    A Ray started here answers only who knows its random token, keeps its files in a folder that is deleted with it, and
    takes no more of the machine than `settings` allow.

    Raises
    ------
    SettingsError
        If there is no Ray at `settings.address`, or no room for a new one's files.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    if settings.address:
        _check_reachable(settings.address)
        try:
            _init(address=settings.address)
        except (ConnectionError, ValueError, RuntimeError) as error:
            first = str(error).strip().splitlines()[0]
            raise SettingsError(f"--address {settings.address}: no Ray cluster answers there: {first}") from None
        try:
            yield
        finally:
            ray.shutdown()
        return
    with _own_folder() as folder, _environment({**_QUIET, "RAY_AUTH_TOKEN": _TOKEN}):
        try:
            _init(
                address="local",
                num_cpus=cpus_here(),
                num_gpus=0,
                object_store_memory=settings.object_store,
                include_dashboard=False,
                _temp_dir=str(folder),
                _memory=settings.memory or int(memory_here() * _MEMORY_SHARE),
            )
            yield
        finally:
            ray.shutdown()


def _init(**options: Any) -> None:
    """ray.init, after which SIGTERM is answered as before: Ray puts a handler there that exits."""
    before = signal.getsignal(signal.SIGTERM)
    stopped = False
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except SystemExit:
        stopped = True
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
        if stopped:
            signal.raise_signal(signal.SIGTERM)


def _check_reachable(address: str) -> None:
    """Ask the port before Ray does, which would go on asking for minutes."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not (address == "auto" or (colon and port.isdigit())):
        raise SettingsError(f"--address {address}: give host:port of the cluster's head node, as in 10.0.0.1:6379")
    if address == "auto":
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise SettingsError(f"--address {address}: no Ray cluster answers there: {error}") from None


@contextmanager
def _own_folder() -> Generator[Path]:
    """A new folder for a session's files, locked while the block runs; afterwards it and all its processes are gone.

    So are those of sessions that were killed themselves: the kernel let go of their locks.
    """
    base = Path(tempfile.gettempdir())
    base = base if len(str(base)) <= _LONGEST_TEMP else Path("/tmp")
    for left in base.glob(f"{_PREFIX}*/session_latest"):
        with suppress(OSError), _locked(left.parent, wait=False):
            _clear(left.parent, patience=0.0)
    if (free := shutil.disk_usage(base).free) < _LEAST_TEMP:
        raise SettingsError(
            f"TMPDIR {base}: has {free / 1e6:.1f} MB free, Ray needs {_LEAST_TEMP / 1e6:.0f} MB for its files; "
            f"make room, or set TMPDIR to another folder (of at most {_LONGEST_TEMP} characters)"
        )
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    with _locked(folder, wait=True):
        try:
            yield folder
        finally:
            _clear(folder)


@contextmanager
def _locked(folder: Path, *, wait: bool) -> Generator[None]:
    """Hold a folder's lock; Ray's processes do not inherit it. Raises OSError if another has it and wait is False."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def _clear(folder: Path, *, patience: float = _LAST_SECONDS) -> None:
    """Delete a session's folder once its processes are gone; Ray does not wait for them, and may overlook one.

    After `patience` seconds they are killed; one that outlives this, as in a disk's driver, is left to the kernel.
    """
    deadline = time.monotonic() + patience
    while (pids := _using(folder)) and time.monotonic() < deadline + _KILLED_SECONDS:
        if time.monotonic() >= deadline:
            for pid in pids:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def _using(folder: Path) -> list[int]:
    """Ray's living processes, other than this one, that write below a folder; none where /proc is absent.

    They are known by executable and log files, since they write their titles over command line and environment. Who
    only reads there, as `tail -f` or a notebook of the user's, is none of them.
    """
    below = f"{folder.resolve()}{os.sep}"
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "exe").readlink().name.startswith(_WORKERS) and _writes(process, below):
                found.append(int(process.name))
    return [pid for pid in found if pid != os.getpid()]


def _writes(process: Path, below: str) -> bool:
    """Whether a process of /proc has a file open to write whose path begins with `below`."""
    for file in os.scandir(process / "fd"):
        with suppress(OSError):  # closed meanwhile
            if os.readlink(file).startswith(below):  # noqa: PTH115
                flags = (process / "fdinfo" / file.name).read_text().split("flags:")[1].split()[0]
                if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
                    return True
    return False


@contextmanager
def _environment(values: dict[str, str]) -> Generator[None]:
    """`values` in os.environ inside the block (Ray's processes inherit them), the old ones again afterwards."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in [n for n in os.environ if n.startswith("RAY_") and n not in before]:
            del os.environ[name]
        os.environ.update({n: before[n] for n in values if n in before})
