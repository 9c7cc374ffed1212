"""Where words go: results to stdout, progress to stderr, what libraries print to a log."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TextIO

from jobs.interrupt import Interrupted
from pipeline.codes import PhotoError, SettingsError


class Fault(Exception):
    """Our fault; the message says what happened and where the log lies."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The user's own stdout and stderr, while the process's are turned to a log file."""

    out: TextIO
    err: TextIO


@contextmanager
def own_streams() -> Generator[Streams]:
    """Turn file descriptors 1 and 2 to a log: Ray and its C++ parts write there without asking.

    The log is a file without a name, so that nothing of it is left however the process ends. An exception that is our
    fault is written to it and leaves as Fault, which says where a copy lies.

    Raises
    ------
    SettingsError
        If there is no folder for temporary files.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    log = _log()
    saved = os.dup(1), os.dup(2)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    out, err = (os.fdopen(n, "w", encoding="utf-8", errors="backslashreplace", buffering=1) for n in saved)
    try:
        yield Streams(out, err)
    except (SettingsError, PhotoError, Interrupted):
        raise
    except Exception as error:
        traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        raise Fault(f"{type(error).__name__}: {error} ({_kept(log)})") from error
    finally:
        with suppress(OSError):  # a disk that is full, a reader that went away: what was to be said is lost
            for stream in (sys.stdout, sys.stderr, out, err):
                stream.flush()
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        for stream in (out, err, log):
            with suppress(OSError):
                stream.close()


def _log() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise SettingsError(f"TMPDIR: no temporary file can be written: {error.strerror}") from None


def _kept(log: IO[bytes]) -> str:
    """Copy the log to a file that stays, and say where."""
    try:
        with tempfile.NamedTemporaryFile(prefix="sunroom-", suffix=".log", delete=False) as copy:
            log.seek(0)
            shutil.copyfileobj(log, copy)
    except OSError as error:
        return f"details could not be written: {error.strerror}"
    return f"details in {copy.name}"
