"""summary.json: the whole job in one file, whatever number of runs it took."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.deliver.encode import write_atomic
from pipeline.photo import Result
from pipeline.recipe import Recipe


def summarise(results: Sequence[Result], recipe: Recipe, *, run: str, seconds: float) -> dict[str, Any]:
    """The job as JSON values: counts (shots = delivered + quarantined) and one entry per photo, in the job's order.

    `seconds` are wall seconds of all runs of the job together; `warnings` counts photos that carry any.
    """
    status = Counter(r.status for r in results)
    return {
        "run": run,
        "recipe": recipe.name,
        "fingerprint": recipe.fingerprint(),
        "engine": recipe.engine,
        "counts": {
            "shots": len(results),
            "delivered": status["delivered"],
            "quarantined": len(results) - status["delivered"],
            "warnings": sum(bool(r.warnings) for r in results),
        },
        "seconds": round(seconds, 3),
        "photos": [r.to_dict() for r in results],
    }


def write_json(path: Path, values: object) -> None:
    """Write JSON whole or not at all: a reader never sees half a file. Raises PhotoError, WRITE_FAILED."""
    write_atomic(path, (json.dumps(values, indent=1) + "\n").encode())
