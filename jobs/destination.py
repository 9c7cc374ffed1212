"""DEST as a place: who may write there, what of it still stands, and its quarantine."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from jobs.summary import write_json
from pipeline.codes import Code, SettingsError
from pipeline.deliver.encode import PART
from pipeline.deliver.outcome import digest_of
from pipeline.photo import Result

_EVIDENCE = ("failure.json", "best_attempt.jpg", "worst_crop.jpg")


def check_source(source: Path) -> None:
    """Raise SettingsError unless SOURCE is a folder that can be read."""
    _not_a_bucket("SOURCE", source)
    if not os.path.exists(source):  # noqa: PTH110 - False, too, below a closed folder and on a disk that is stale
        raise SettingsError(f"SOURCE {source}: no such folder")
    if not source.is_dir():
        raise SettingsError(f"SOURCE {source}: not a folder; give the folder that holds the photo")
    if not os.access(source, os.R_OK | os.X_OK):
        raise SettingsError(f"SOURCE {source}: may not be read by this user")


def check_destination(destination: Path, source: Path, *, may_lie_inside: bool = True) -> None:
    """Raise SettingsError if DEST cannot be made, or lies where the next run would take it for photos; makes nothing.

    may_lie_inside: DEST will hold ledger.sqlite, by which the search for photos knows and skips it inside SOURCE.
    """
    _not_a_bucket("DEST", destination)
    target, origin = destination.resolve(), source.resolve()
    if target == origin or (origin in target.parents and not may_lie_inside):
        raise SettingsError(f"DEST {destination}: lies in SOURCE, where results would be taken for photos")
    present = next(p for p in (target, *target.parents) if os.path.exists(p))  # noqa: PTH110 - False, too, below a closed folder
    if not present.is_dir():
        raise SettingsError(f"DEST {destination}: is a file, or below one; give a folder")
    if not os.access(present, os.W_OK | os.X_OK):
        raise SettingsError(f"DEST {destination}: cannot be written: no permission, or a disk that is read only")


def make_destination(destination: Path) -> None:
    """Make DEST if it is absent; raise SettingsError if that cannot be."""
    try:
        destination.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"DEST {destination}: cannot be made: {error.strerror}") from None


@contextmanager
def only_writer(destination: Path) -> Generator[None]:
    """Hold DEST against a second run; the kernel lets go even if this process is killed.

    Raises SettingsError if another run holds it.
    """
    handle = os.open(destination, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"DEST {destination}: another run is writing there; wait for it, or stop it") from None
        except OSError:
            pass  # some network file systems know no locks: then the user alone keeps two runs apart
        yield
    finally:
        os.close(handle)


def stands(result: Result, destination: Path) -> bool:
    """Whether a recorded result holds: its plan and pictures lie there as they were written, its failure stays one.

    A picture is known by its size and both ends (digest_of), so that no run has to read every byte again.
    """
    if result.status != "delivered":
        return not result.failure.get("retryable", False) and result.code != Code.INTERNAL.name
    found = {profile: digest_of(destination / path) for profile, path in result.outputs.items()}
    planned = (destination / "plans" / f"{result.id}.plan").is_file()
    return planned and found == result.digests and all(found.values())


def quarantine_folder(result: Result, destination: Path) -> Path:
    """Where a quarantined result says why."""
    return destination / "quarantine" / result.listing / result.name


def quarantine(result: Result, destination: Path) -> None:
    """Write failure.json of a result that no worker has written: not readable, or lost."""
    values = {
        **result.failure,
        "sources": list(result.sources),
        "attempts": result.attempts,
        "qc": result.qc,
    }
    write_json(quarantine_folder(result, destination) / "failure.json", values)


def clear_parts(destination: Path) -> None:
    """Remove what a killed run left half-written."""
    for folder in ("delivered", "web", "plans", "quarantine", "report"):
        for path in (destination / folder).rglob(f".*{PART}"):
            path.unlink(missing_ok=True)
    for path in [*destination.glob(f".*{PART}"), *destination.glob(".groups.yaml.*")]:
        path.unlink(missing_ok=True)


def clear_quarantine(results: Iterable[Result], destination: Path) -> None:
    """Remove the failures of photos that are not quarantined any more, and the folders they leave empty."""
    current = {quarantine_folder(r, destination) for r in results if r.status != "delivered"}
    root = destination / "quarantine"
    for path in list(root.rglob("failure.json")):
        if path.parent not in current:
            for name in _EVIDENCE:
                (path.parent / name).unlink(missing_ok=True)
    for folder in sorted((p for p in root.rglob("*") if p.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    if root.is_dir() and not any(root.iterdir()):
        root.rmdir()


def _not_a_bucket(name: str, path: Path) -> None:
    # A path holds one slash where the URI has two.
    if bucket := re.match(r"(s3|gs|az):/", str(path)):
        typed = f"{bucket[0]}/{str(path)[bucket.end() :]}"
        raise SettingsError(f"{name} {typed}: buckets are not built yet; give a folder of this machine")
