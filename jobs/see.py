"""`sunroom see`: what each photo of SOURCE shows, as JSON and masks in DEST; nothing is edited."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np

from cluster.settings import Settings, cpus_here
from jobs.destination import check_destination
from jobs.edit import survey as find
from jobs.outputs import numbered
from pipeline.codes import Failure, PhotoError
from pipeline.deliver.encode import write_atomic
from pipeline.develop import coded, see, survey
from pipeline.photo import Shot
from pipeline.recipe import Recipe
from pipeline.see.nets import network
from pipeline.see.scene import Seen
from pipeline.stream import Task
from pipeline.threads import thread_pool


def look(source: Path, destination: Path, recipe: Recipe, *, listing_depth: int = 1) -> list[dict[str, Any]]:
    """Write DEST/<listing>/<name>.json, .sky.png and .windows.png of every photo (brackets are merged small first).

    Returns one entry per photo: listing, name, sources, and what the JSON says, or `failure`. Masks are 8 bit, of the
    proxy's size: 255 = certainly sky; certainly window glass whose light is burnt.

    Raises
    ------
    SettingsError
        If SOURCE holds no photos, DEST cannot hold results, or see.weights cannot be read.
    PhotoError
        WRITE_FAILED where DEST cannot be written.
    """
    found = find(source, recipe, listing_depth=listing_depth)
    check_destination(destination, source, may_lie_inside=False)
    # Masks are those of the picture as it is.
    as_shot = recipe.geometry.model_copy(update={"lens": "never"})
    recipe = recipe.model_copy(update={"geometry": as_shot})
    network(recipe.see.weights)  # wrong weights are one error, not one per photo
    tasks = numbered(found, recipe)

    def one(task: Task) -> dict[str, Any]:
        return _one(task.shot, destination, recipe)

    with thread_pool(Settings.load().workers or cpus_here()) as pool:
        entries = list(pool.map(one, tasks))
    refused = [_entry(f.shot, {"failure": f.failure.to_dict()}) for f in found.failures]
    return entries + refused


def show(entries: Sequence[dict[str, Any]], out: TextIO) -> None:
    """Print a line per photo."""
    for entry in entries:
        name = "/".join(filter(None, (entry["listing"], entry["name"])))
        if failure := entry.get("failure"):
            print(f"{name}: {failure['code']}: {failure['message']}", file=out)
            continue
        tilt = entry["tilt"]
        print(
            f"{name}: {entry['room']} ({entry['confidences']['room']:.0%}), {entry['light']}, "
            f"sky {entry['sky']['fraction']:.0%} ({entry['sky']['confidence']:.0%} sure), "
            f"windows {entry['windows']['fraction']:.0%}, "
            f"pitch {tilt['pitch_deg']:+.1f}, roll {tilt['roll_deg']:+.1f} ({tilt['confidence']:.0%} sure)",
            file=out,
        )


def _one(shot: Shot, destination: Path, recipe: Recipe) -> dict[str, Any]:
    try:
        seen = see(survey(shot, recipe), recipe)
    except Exception as error:
        failure: PhotoError = coded(error, shot)
        return _entry(shot, {"failure": Failure.of(failure).to_dict()})
    entry = _entry(shot, seen.facts())
    folder = destination / shot.listing
    _write_masks(folder / shot.name, seen)
    write_atomic(folder / f"{shot.name}.json", (json.dumps(seen.facts(), indent=1) + "\n").encode())
    return entry


def _entry(shot: Shot, facts: dict[str, Any]) -> dict[str, Any]:
    return {"listing": shot.listing, "name": shot.name, "sources": list(shot.sources), **facts}


def _write_masks(stem: Path, seen: Seen) -> None:
    for kind, mask in (("sky", seen.sky), ("windows", seen.windows)):
        eight = np.rint(mask * 255).astype(np.uint8)
        data = cv2.imencode(".png", eight)[1].tobytes()
        write_atomic(stem.with_name(f"{stem.name}.{kind}.png"), data)
