"""Ctrl-C at any moment, without breaking what is in hand.

An exception that a signal handler raises may land inside a lock of Ray or of logging, and then nothing ends any more.
So while Ray runs, a signal only sets a flag, and the loop over results looks at it; at other times it interrupts at
once.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")
_LOOK = 0.2
"""Seconds between two looks at the flag."""


class Interrupted(Exception):
    """The job was asked to stop; what is done is kept."""


class Stop:
    """A wish to stop, by a signal or by whoever sets `requested`."""

    def __init__(self) -> None:
        self.requested = False
        self._deferred = False

    def on_signals(self) -> None:
        """Let SIGINT, SIGTERM and SIGHUP express the wish from now on; only in the main thread."""
        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(which) is not signal.SIG_IGN:  # as under nohup, which asks to survive the terminal
                signal.signal(which, self._signalled)

    @contextmanager
    def deferred(self) -> Generator[None]:
        """Inside, a signal sets the flag only; afterwards the wish is raised as Interrupted, whatever it led to."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
            self.check()

    def check(self) -> None:
        """Raise Interrupted if the wish is there."""
        if self.requested:
            raise Interrupted

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        first, self.requested = not self.requested, True
        if first and not self._deferred:
            raise Interrupted


@contextmanager
def ending() -> Generator[threading.Event]:
    """An event for other threads, set when the block is left, whether all is done or something failed."""
    left = threading.Event()
    try:
        yield left
    finally:
        left.set()


def watched(items: Iterator[T], stop: Stop) -> Iterator[T]:
    """The items as they come from a thread of their own; raises Interrupted soon after `stop` is requested."""
    box: queue.SimpleQueue[tuple[T] | BaseException | None] = queue.SimpleQueue()

    def draw() -> None:
        try:
            for item in items:
                box.put((item,))
            box.put(None)
        except BaseException as error:
            box.put(error)

    threading.Thread(target=draw, name="results", daemon=True).start()
    while True:
        stop.check()
        try:
            found = box.get(timeout=_LOOK)
        except queue.Empty:
            continue
        if found is None:
            return
        if isinstance(found, BaseException):
            raise found
        yield found[0]
