"""Photos that have left SOURCE, archived or on a disk that is not there today: their pictures stay until --prune."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from jobs.destination import stands
from jobs.outputs import files_of, folded
from pipeline.photo import Result


def departed(records: Mapping[str, tuple[str, Result]], source: Path, present: Collection[str]) -> dict[str, Result]:
    """Results of done-records, by shot id, whose photos are no longer below SOURCE.

    present: ids of the shots that are there, by whatever path SOURCE was reached when they were recorded.
    """
    inside: dict[Path, bool] = {}

    def is_there(path: Path) -> bool:
        if path.parent not in inside:
            inside[path.parent] = _lies_below(path.parent, source)
        return inside[path.parent] and os.path.exists(path)  # noqa: PTH110 - False, too, on a disk that does not answer

    results = {shot: result for shot, (_, result) in records.items() if result.sources and shot not in present}
    return {shot: r for shot, r in results.items() if not any(is_there(Path(s)) for s in r.sources)}


def _lies_below(folder: Path, source: Path) -> bool:
    """Whether a folder is SOURCE or lies in it, by its path or, for links to SOURCE, by where it really is.

    A link inside SOURCE leads elsewhere, and yet what it shows is there: so each folder above is asked.
    """
    root = os.path.realpath(source)
    if any(os.path.realpath(p) == root for p in (folder, *folder.parents)):
        return True
    return Path(root) in Path(os.path.realpath(folder)).parents


def pictures(results: Iterable[Result], destination: Path) -> set[str]:
    """Paths below DEST, folded, where pictures of these results lie."""
    return {folded(p) for r in results for p in r.outputs.values() if os.path.lexists(destination / p)}


def kept(gone: Mapping[str, Result], results: Iterable[Result], destination: Path) -> dict[str, Result]:
    """Those of `gone` that still have a picture: one that lies there, and that no current result names as its own."""
    named = {folded(path) for result in results for path in files_of(result)}
    return {shot: result for shot, result in gone.items() if pictures([result], destination) - named}


def intact(results: Iterable[Result], destination: Path) -> int:
    """How many of these results have all their pictures as they were written."""
    return sum(stands(result, destination) for result in results)
