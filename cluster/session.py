"""One Ray for one job: joined at an address, or started on this machine and gone with the job."""

from __future__ import annotations

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

import ray

from cluster.settings import Settings, cpus_here, memory_here
from pipeline.codes import SettingsError

_MEMORY_SHARE = 0.85
_LONGEST_TEMP = 24
"""Ray puts sockets up to 66 characters below its folder, ours is named with 17, and a socket's path may have 107."""

_MARK = "SUNROOM_SESSION"
_LAST_SECONDS = 5.0

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
        If there is no Ray at `settings.address`.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    if settings.address:
        _check_reachable(settings.address)
        try:
            ray.init(address=settings.address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            first = str(error).strip().splitlines()[0]
            raise SettingsError(f"--address {settings.address}: no Ray cluster answers there: {first}") from None
        try:
            yield
        finally:
            ray.shutdown()
        return
    folder = _temporary_folder()
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with _environment({**_QUIET, "RAY_AUTH_TOKEN": _TOKEN, _MARK: folder.name}):
        try:
            ray.init(
                address="local",
                num_cpus=cpus_here(),
                num_gpus=0,
                object_store_memory=settings.object_store,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=str(folder),
                _memory=settings.memory or int(memory_here() * _MEMORY_SHARE),
            )
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, on_sigterm)  # Ray has put its own handler there, which aborts.
            yield
        finally:
            ray.shutdown()
            _outlive(folder.name)
            shutil.rmtree(folder, ignore_errors=True)


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


def _temporary_folder() -> Path:
    base = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="sunroom-", dir=base if len(base) <= _LONGEST_TEMP else "/tmp"))


def _outlive(mark: str) -> None:
    """Return when no process that carries the mark is left; Ray does not wait for its workers, and may overlook one."""
    patience = time.monotonic() + _LAST_SECONDS
    while pids := _marked(mark):
        if time.monotonic() > patience:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _marked(mark: str) -> list[int]:
    """Living processes, other than this one, started with `mark` in their environment; none where /proc is absent."""
    text = f"{_MARK}={mark}".encode()
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if text in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


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
