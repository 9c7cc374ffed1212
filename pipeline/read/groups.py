"""DEST/groups.yaml: what was grouped and why, for people to read, correct and pass back with --groups.

    listings:
      12 Oak Street:
      - files: [12 Oak Street/IMG_0002.JPG, 12 Oak Street/IMG_0001.JPG, 12 Oak Street/IMG_0003.JPG]
        confidence: 0.98
        reason: 3 frames in 0.9 s, EV -2..+2 in steps of 2, same camera and focal length; known by their facts
      - files: [12 Oak Street/IMG_0004.JPG]
        left_out: [12 Oak Street/IMG_0005.JPG]
    skipped: [12 Oak Street/IMG_0006.JPG]
    ignored:
      12 Oak Street/IMG_0001 (1).JPG: a copy of 12 Oak Street/IMG_0001.JPG

Paths are below SOURCE. Each photo that can be read stands in exactly one place: `files` (one shot), `left_out` (belongs
to the shot but is not fused) or `skipped` (not wanted). Only these are read back; confidence, reason, warnings and
ignored (what is no photo, or is one already) are for people. A copy of a photo counts where it is named.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline import forms
from pipeline.codes import SettingsError
from pipeline.photo import Shot

_HEADER = """\
# The shots Sunroom found. To correct them, move files between the lists and pass this file back: --groups FILE.
# Each photo stands in exactly one place: files (one shot), left_out (of that shot, not fused) or skipped.
# What stands under ignored is for your information only.
"""
_SHOWN = 8
"""File names in a message, at most."""
SKIPPED = "skipped in the groups file"
"""Why a photo that the user does not want is ignored."""


class Entry(BaseModel):
    """One shot: its files, and those that belong to it but are not fused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[str, ...] = Field(min_length=1)
    left_out: tuple[str, ...] = ()
    confidence: float = 1.0
    reason: str = ""
    warnings: tuple[str, ...] = ()


class Groups(BaseModel):
    """A groups file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listings: dict[str, tuple[Entry, ...]] = {}
    skipped: tuple[str, ...] = ()
    ignored: Any = None

    def named(self) -> set[str]:
        """Every file that has a place."""
        entries = [e for listing in self.listings.values() for e in listing]
        return {*self.skipped, *(f for e in entries for f in (*e.files, *e.left_out))}


def write(path: Path, shots: Sequence[Shot], source: Path, *, ignored: Iterable[tuple[str, str]] = ()) -> None:
    """Write the groups of `shots` to `path` in one step (a reader sees the old file or the new one).

    `source` is the folder that the shots were found in; `ignored` what else was there, as in Found. OSError is left to
    the caller.
    """
    listings: dict[str, list[dict[str, Any]]] = {}
    for shot in shots:
        entry: dict[str, Any] = {"files": [_relative(f, source) for f in shot.sources]}
        if shot.left_out:
            entry["left_out"] = [_relative(f, source) for f in shot.left_out]
        entry |= {"confidence": shot.confidence, "reason": shot.reason}
        if shot.warnings:
            entry["warnings"] = list(shot.warnings)
        listings.setdefault(shot.listing, []).append(entry)
    form: dict[str, Any] = {"listings": listings}
    rest = dict(ignored)
    if skipped := [f for f, reason in rest.items() if reason == SKIPPED]:
        form["skipped"] = skipped
    if others := {f: reason for f, reason in rest.items() if reason != SKIPPED}:
        form["ignored"] = others
    text = yaml.safe_dump(form, sort_keys=False, allow_unicode=True, width=120)
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(_HEADER + text)
    temporary = Path(file.name)
    temporary.chmod(0o666 & ~_umask())
    temporary.replace(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _relative(path: str, source: Path) -> str:
    return Path(path).relative_to(source.absolute()).as_posix()


def read(path: Path) -> Groups:
    """Read a groups file.

    Raises
    ------
    SettingsError
        If there is no such file or it is not a groups file; the message says where.
    """
    try:
        form = forms.parse(path.read_text(encoding="utf-8"), texts=True) or {}
        return Groups.model_validate(form)
    except OSError as error:
        raise SettingsError(f"--groups {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"--groups {path}: not a text file in UTF-8") from None
    except ValidationError as error:
        raise SettingsError(f"--groups {path}: {forms.faults(error)}") from None
    except ValueError as error:
        raise SettingsError(f"--groups {path}: {error}") from None


def check(given: Groups, path: Path, present: Mapping[str, Collection[str]], unreadable: Collection[str]) -> None:
    """Check that `given` places each file of `present` (readable files by listing) exactly once.

    Files that cannot be read may be named or not.

    Raises
    ------
    SettingsError
        Naming the files that are unknown, named twice, in another listing, or missing.
    """
    listing_of = {f: listing for listing, files in present.items() for f in files}
    named = [(listing, f) for listing, es in given.listings.items() for e in es for f in (*e.files, *e.left_out)]
    counts = Counter([f for _, f in named] + list(given.skipped))
    known = listing_of.keys() | set(unreadable)
    _refuse(path, "no such photo in SOURCE", (f for f in counts if f not in known))
    _refuse(path, "named more than once", (f for f, n in counts.items() if n > 1))
    _refuse(path, "not of the listing it stands in", (f for n, f in named if listing_of.get(f, n) != n))
    _refuse(path, "in SOURCE but not in the file (list it under files or skipped)", listing_of.keys() - counts.keys())


def _refuse(path: Path, what: str, files: Iterable[str]) -> None:
    names = sorted(files)
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise SettingsError(f"--groups {path}: {what}: {', '.join(names[:_SHOWN])}{more}")
