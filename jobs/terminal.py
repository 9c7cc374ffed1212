"""Where words go: results to stdout, progress to stderr, what libraries print to a log file."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

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
    """Turn file descriptors 1 and 2 to a log file: Ray and its C++ parts write there without asking.

    The log is deleted at the end. An exception that is our fault is written to it and leaves as Fault, the log stays.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    handle, name = tempfile.mkstemp(prefix="sunroom-", suffix=".log")
    saved = os.dup(1), os.dup(2)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    out, err = (os.fdopen(n, "w", encoding="utf-8", errors="backslashreplace", buffering=1) for n in saved)
    keep = False
    try:
        yield Streams(out, err)
    except (SettingsError, PhotoError, Interrupted):
        raise
    except Exception as error:
        keep = True
        traceback.print_exc()
        raise Fault(f"{type(error).__name__}: {error} (details in {name})") from error
    finally:
        for stream in (sys.stdout, sys.stderr, out, err):
            stream.flush()
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        out.close()
        err.close()
        if not keep:
            Path(name).unlink(missing_ok=True)
