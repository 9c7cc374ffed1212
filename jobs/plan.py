"""What `edit` would do, before it does it: which files belong together and why, and how long it will take."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from cluster.settings import Settings, cpus_here
from jobs.edit import survey
from jobs.progress import duration
from pipeline.develop import prepared
from pipeline.photo import Shot
from pipeline.recipe import Recipe
from pipeline.stream import predicted_bytes, predicted_seconds

_START = 12.0
"""Seconds until the first photo is in work: Ray and its workers."""


def plan(source: Path, recipe: Recipe, *, listing_depth: int = 1, groups: Path | None = None) -> dict[str, Any]:
    """The job as JSON values: counts, expected seconds on this machine, and per photo its files, confidence and reason.

    Raises SettingsError if SOURCE holds no photos, or the recipe names files that cannot be read, as `edit` would.
    """
    found = survey(source, prepared(recipe), listing_depth=listing_depth, groups=groups)
    work = sum(predicted_seconds(s) for s in found.shots)
    workers = min(Settings.load().workers or cpus_here(), max(1, len(found.shots)))
    longest = max((predicted_seconds(s) for s in found.shots), default=0.0)
    return {
        "source": str(source),
        "counts": {
            "shots": len(found.shots) + len(found.failures),
            "files": sum(len(s.sources) + len(s.left_out) for s in found.shots) + len(found.failures),
            "brackets": sum(len(s.sources) > 1 for s in found.shots),
            "unreadable": len(found.failures),
            "ignored": len(found.ignored),
        },
        "workers": workers,
        "seconds": round(_START + max(work / workers, longest), 1) if found.shots else 0.0,
        "photos": [_photo(s, source) for s in found.shots],
        "failures": [{"listing": f.shot.listing, "name": f.shot.name, **f.failure.to_dict()} for f in found.failures],
        "ignored": [{"file": file, "reason": reason} for file, reason in found.ignored],
    }


def _photo(shot: Shot, source: Path) -> dict[str, Any]:
    return {
        "id": shot.id,
        "listing": shot.listing,
        "name": shot.name,
        "files": [_below(f, source) for f in shot.sources],
        "left_out": [_below(f, source) for f in shot.left_out],
        "exposure_values": [round(v, 2) for v in shot.exposure_values],
        "size": [shot.width, shot.height],
        "confidence": shot.confidence,
        "reason": shot.reason,
        "warnings": list(shot.warnings),
        "seconds": round(predicted_seconds(shot), 2),
        "bytes": predicted_bytes(shot),
    }


def _below(path: str, source: Path) -> str:
    return Path(path).relative_to(source.absolute()).as_posix()


def show(found: dict[str, Any], out: TextIO) -> None:
    """Print a plan as a table and a closing line."""
    console = Console(file=out, highlight=False, width=None if out.isatty() else 160)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("listing")
    table.add_column("photo")
    table.add_column("files", justify="right")
    table.add_column("size", justify="right")
    table.add_column("sure", justify="right")
    table.add_column("expected", justify="right")
    table.add_column("why", overflow="fold")
    for photo in found["photos"]:
        width, height = photo["size"]
        why = "; ".join([photo["reason"] or "single exposure", *photo["warnings"]])
        cells = [photo["listing"], photo["name"], str(len(photo["files"])), f"{width} x {height}"]
        table.add_row(*cells, f"{photo['confidence']:.0%}", f"{photo['seconds']:.1f} s", why)
    for failure in found["failures"]:
        table.add_row(failure["listing"], failure["name"], "1", "", "", "", f"{failure['code']}: {failure['message']}")
    console.print(table)
    counts = found["counts"]
    photos = "1 photo" if counts["shots"] == 1 else f"{counts['shots']} photos"
    console.print(
        f"\n{photos} ({counts['brackets']} of several exposures) from {counts['files']} files; "
        f"{counts['unreadable']} unreadable, {counts['ignored']} other files ignored; "
        f"expected time with {found['workers']} workers: about {duration(found['seconds'])}",
        markup=False,
    )
