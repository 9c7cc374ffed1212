"""What a person sees while photos are edited: a bar on a terminal, plain lines elsewhere, nothing for a program."""

from __future__ import annotations

import time
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.photo import Result


class Watcher(Protocol):
    """Told of a job's course. Work is measured in predicted seconds, because photos differ a hundredfold in size."""

    def note(self, text: str) -> None:
        """Something a person may want to know."""
        ...

    def start(self, photos: int, work: float) -> None:
        """`photos` are to be edited, `work` predicted seconds in all."""
        ...

    def advance(self, result: Result, work: float) -> None:
        """One photo is finished; it was predicted to take `work` seconds."""
        ...

    def stop(self) -> None:
        """No more will come; also called after an interruption."""
        ...


class Silence:
    """Says nothing."""

    def note(self, text: str) -> None:
        """Ignore it."""

    def start(self, photos: int, work: float) -> None:
        """Ignore it."""

    def advance(self, result: Result, work: float) -> None:
        """Ignore it."""

    def stop(self) -> None:
        """Ignore it."""


class Lines:
    """One line per photo, for logs and pipes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._photos = self._done = 0
        self._work = self._first = self._worked = 0.0
        self._begun = 0.0

    def note(self, text: str) -> None:
        """Print it."""
        print(text, file=self._out, flush=True)

    def start(self, photos: int, work: float) -> None:
        """Remember what is to be done."""
        self._photos, self._work = photos, work

    def advance(self, result: Result, work: float) -> None:
        """Print count, photo, outcome and the time left."""
        self._done += 1
        self._worked += work
        now = time.monotonic()
        if self._done == 1:
            # The pace counts from here: before, workers were starting.
            self._begun, self._first = now, self._worked
        paced = self._worked - self._first
        left = (now - self._begun) * (self._work - self._worked) / paced if paced else self._work - self._worked
        more = f", about {duration(left)} left" if self._done < self._photos else ""
        self.note(f"[{self._done}/{self._photos}] {title(result)}: {outcome(result)}{more}")

    def stop(self) -> None:
        """Nothing to clean up."""


class Bar:
    """A progress bar with the time left; quarantined photos are named above it."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, highlight=False)
        self._bar = Progress(
            TextColumn("{task.fields[done]}/{task.fields[photos]} photos"),
            BarColumn(bar_width=40),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.description}", style="dim"),
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: TaskID | None = None
        self._done = 0

    def note(self, text: str) -> None:
        """Print it above the bar."""
        self._console.print(text, markup=False)

    def start(self, photos: int, work: float) -> None:
        """Show the bar."""
        self._task = self._bar.add_task("starting", total=work, done=0, photos=photos)
        self._bar.start()

    def advance(self, result: Result, work: float) -> None:
        """Move the bar."""
        self._done += 1
        if result.status != "delivered":
            self.note(f"{title(result)}: {outcome(result)}")
        if self._task is not None:
            self._bar.update(self._task, advance=work, done=self._done, description=title(result))

    def stop(self) -> None:
        """Remove the bar."""
        self._bar.stop()


def watcher(out: TextIO) -> Watcher:
    """A bar if `out` is a terminal, else lines."""
    return Bar(out) if out.isatty() else Lines(out)


def photos(number: int, kind: str = "") -> str:
    """'1 photo', '2 delivered photos'."""
    return " ".join([str(number), *([kind] if kind else []), "photo" if number == 1 else "photos"])


def title(result: Result) -> str:
    """listing/name."""
    return f"{result.listing}/{result.name}" if result.listing else result.name


def outcome(result: Result) -> str:
    """What became of a photo, in a few words."""
    if result.status == "delivered":
        return f"delivered in {result.seconds:.1f} s" + (f" ({', '.join(result.warnings)})" if result.warnings else "")
    return f"quarantined, {result.code}: {result.failure.get('message', '')}"


def duration(seconds: float) -> str:
    """'42 s', '3 min', '2 h 10 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
