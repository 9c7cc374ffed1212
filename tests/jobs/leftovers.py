"""What runs leave in DEST, without the pictures: each holds the path of its photo."""

from __future__ import annotations

import json

from jobs.edit import Job, begin_again, leave_only
from jobs.ledger import Ledger
from jobs.outputs import planned
from pipeline.deliver.outcome import digest_of
from pipeline.photo import Result, Shot
from pipeline.recipe import Recipe
from pipeline.stream import Task

WEB = Recipe.load("default", {"deliver.web.enabled": "true"})


def new_task(name: str, sequence: int = 1, *, listing: str = "villa", identity: str = "") -> Task:
    shot = Shot(identity or name, listing, name, (f"/in/{listing}/{name}.jpg",), (0.0,), 0, 600, 400)
    return Task(shot, sequence)


def leave(task: Task, job: Job, ledger: Ledger | None = None) -> Result:
    """What a worker leaves of a photo: pictures, plan and record; and its row, if the driver lived to write it."""
    shot, paths = task.shot, planned(task, job.recipe)
    files = {**paths, "plan": f"plans/{shot.id}.plan"}
    for path in files.values():
        (job.destination / path).parent.mkdir(parents=True, exist_ok=True)
        (job.destination / path).write_text(shot.sources[0])
    digests = {profile: digest_of(job.destination / path) for profile, path in paths.items()}
    result = Result(
        shot.id,
        shot.listing,
        shot.name,
        shot.sources,
        "delivered",
        output=paths["full"],
        outputs=paths,
        digests=digests,
    )
    values = {"recipe": job.recipe.fingerprint(), "result": result.to_dict()}
    (job.destination / "plans" / f"{shot.id}.json").write_text(json.dumps(values))
    if ledger:
        ledger.record(result, job.recipe.fingerprint())
    return result


def run(tasks: list[Task], job: Job, ledger: Ledger) -> set[str]:
    """One run to its end; the ids of the photos that were made anew."""
    known = begin_again(tasks, ledger, job)
    made = {t.shot.id: leave(t, job, ledger) for t in tasks if t.shot.id not in known}
    leave_only([{**known, **made}[t.shot.id] for t in tasks], ledger, job)
    return set(made)


def files(job: Job) -> set[str]:
    found = (p for folder in ("delivered", "web", "plans") for p in (job.destination / folder).rglob("*"))
    return {p.relative_to(job.destination).as_posix() for p in found if p.is_file()}


def expected(tasks: list[Task], recipe: Recipe) -> set[str]:
    plans = {f"plans/{t.shot.id}.{ending}" for t in tasks for ending in ("plan", "json")}
    return plans | {p for t in tasks for p in planned(t, recipe).values()}
