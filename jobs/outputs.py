"""The files of a job below DEST: where each photo's go, which are recorded, which are left over.

Only files that a done-record (plans/<shot id>.json) or a run's own plan names are ever removed.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path, PurePosixPath

from pipeline.codes import Code, SettingsError
from pipeline.deliver.profiles import EXTENSIONS, UNALTERED, web_name
from pipeline.photo import Result, Shot
from pipeline.read.shots import Found
from pipeline.recipe import Recipe
from pipeline.stream import Task

_FOLDERS = frozenset({"delivered", "web", "plans"})


def planned(task: Task, recipe: Recipe) -> dict[str, str]:
    """The pictures a task may give: profile to path below DEST (POSIX), as in Result.outputs.

    "unaltered" and "web_unaltered" come only with pictures that show something else than captured.
    """
    shot = task.shot
    full = PurePosixPath("delivered", shot.listing, f"{shot.name}.{EXTENSIONS[recipe.deliver.format]}")
    paths = {"full": str(full)}
    if recipe.deliver.web.enabled:
        name = web_name(recipe.deliver.web.name, listing=shot.listing, name=shot.name, sequence=task.sequence)
        paths["web"] = str(PurePosixPath("web", shot.listing, f"{name}.jpg"))
    if recipe.sky.replaces:
        paths["unaltered"] = str(PurePosixPath("delivered", shot.listing, f"{shot.name}{UNALTERED}.jpg"))
        if "web" in paths:
            paths["web_unaltered"] = paths["web"].removesuffix(".jpg") + f"{UNALTERED}.jpg"
    return paths


def numbered(found: Found, recipe: Recipe, *, taken: Collection[str] = frozenset()) -> list[Task]:
    """The shots with their numbers within their listings, from 1, in the order of the manifest.

    taken: paths below DEST, folded, of pictures that no shot may overwrite. The number that leads to one is passed
    over; a name that does gets a suffix, as a name that two photos share: -<ending>, then -2, -3, ...
    """
    used = {(s.listing, s.name.casefold()) for s in (*found.shots, *(f.shot for f in found.failures))}
    twins = _twins(found.shots, recipe)
    last: Counter[str] = Counter()
    tasks: list[Task] = []
    for shot in found.shots:
        task = _clear_of(taken, twins, Task(shot, last[shot.listing] + 1), recipe, used)
        tasks.append(task)
        used.add((shot.listing, task.shot.name.casefold()))
        last[shot.listing] = task.sequence
    return tasks


def _twins(shots: Iterable[Shot], recipe: Recipe) -> set[str]:
    """Paths below DEST, folded, without their endings, that pictures without alterations may take: no photo's own
    picture goes there, in whatever format."""
    paths = (planned(Task(shot, 1), recipe) for shot in shots)
    return {_stem(folded(path)) for of in paths for profile, path in of.items() if profile.endswith("unaltered")}


def _stem(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))


def _clear_of(
    taken: Collection[str], twins: Collection[str], task: Task, recipe: Recipe, used: Collection[tuple[str, str]]
) -> Task:
    """The task, if it needs that with another number or name; one helps, since deliver.web.name holds either."""

    def held(task: Task) -> list[str]:
        paths = {profile: folded(path) for profile, path in planned(task, recipe).items()}
        return [p for p, path in paths.items() if path in taken or (p in {"full", "web"} and _stem(path) in twins)]

    shot, names = task.shot, _names(task.shot)
    while True:
        name = next(names)
        if name != shot.name and (shot.listing, name.casefold()) in used:
            continue
        other = replace(task, shot=replace(shot, name=name))
        while held(other) == ["web"]:
            following = replace(other, sequence=other.sequence + 1)
            if planned(following, recipe) == planned(other, recipe):
                break
            other = following
        if not held(other):
            return other


def _names(shot: Shot) -> Iterator[str]:
    """Its own name, then others for a file that is taken."""
    yield shot.name
    yield f"{shot.name}-{PurePosixPath(shot.sources[shot.reference]).suffix.removeprefix('.').casefold()}"
    yield from (f"{shot.name}-{number}" for number in count(2))


def is_planned(result: Result, task: Task, recipe: Recipe) -> bool:
    """Whether a result is what this task would give: listing and name, and where delivered each picture's path."""
    if (result.listing, result.name) != (task.shot.listing, task.shot.name):
        return False
    due = planned(task, recipe)
    if "unaltered" not in result.outputs:
        due = {profile: path for profile, path in due.items() if not profile.endswith("unaltered")}
    return result.status != "delivered" or result.outputs == due


def with_warnings_of(result: Result, shot: Shot) -> Result:
    """The result with what the grouping warns of now: a corrected groups file may clear a frame, or flag one."""
    kept = [w for w in result.warnings if w not in Code.__members__ or Code[w].stage != "group"]
    return replace(result, warnings=tuple(dict.fromkeys((*shot.warnings, *kept))))


def check_unique(tasks: Sequence[Task], recipe: Recipe) -> None:
    """Raise SettingsError if two photos would get one file, also where a disk does not tell capitals from small."""
    owners: dict[str, str] = {}
    for task in tasks:
        source = task.shot.sources[task.shot.reference]
        for profile, path in planned(task, recipe).items():
            other = owners.setdefault(folded(path), source)
            if other != source:
                remedy = "deliver.web.name must tell them apart" if profile == "web" else "rename a file or its folder"
                raise SettingsError(f"{other} and {source} would both be written to {path}: {remedy}")


def done_records(destination: Path) -> dict[str, tuple[str, Result]]:
    """Recipe fingerprint and result that workers noted beside the plans, by shot id; what is no record is left out."""
    found: dict[str, tuple[str, Result]] = {}
    for path in (destination / "plans").glob("*.json"):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            recipe, result = str(values["recipe"]), Result.from_dict(values["result"])
            if result.id == path.stem:
                files_of(result)
                found[result.id] = (recipe, result)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def drop_records(shots: Iterable[str], destination: Path) -> None:
    """Remove done-records before their photos are made anew: they no longer tell the truth once that has begun."""
    for shot in shots:
        (destination / "plans" / f"{shot}.json").unlink(missing_ok=True)


def files_of(result: Result) -> set[str]:
    """Paths below DEST of a delivered result: pictures, plan and done-record; none of a quarantined one."""
    if result.status != "delivered":
        return set()
    return {result.output, *result.outputs.values(), f"plans/{result.id}.plan", f"plans/{result.id}.json"}


def to_be_made(tasks: Iterable[Task], recipe: Recipe, destination: Path) -> set[str]:
    """Paths that `tasks` will write and where nothing lies yet: what lies there afterwards is this job's."""
    paths = {p for t in tasks for p in (*planned(t, recipe).values(), f"plans/{t.shot.id}.plan")}
    return {p for p in paths if not os.path.lexists(destination / p)}


def remove_stale(made: Iterable[str], results: Iterable[Result], destination: Path) -> None:
    """Remove what earlier runs made and `results` no longer name, and the folders that this leaves empty.

    made: paths below DEST; those that do not lie in delivered/, web/ or plans/ are not touched.
    """
    current: Mapping[str, str] = {folded(p): p for r in results for p in files_of(r)}
    for path in sorted(made):
        parts = PurePosixPath(path).parts
        if len(parts) < 2 or parts[0] not in _FOLDERS or ".." in parts:
            continue
        file, kept = destination / path, current.get(folded(path))
        with suppress(OSError):  # gone already, or a folder now
            if kept is not None and (kept == path or file.samefile(destination / kept)):
                continue
            file.unlink()
            for folder in list(PurePosixPath(path).parents)[:-1]:
                (destination / folder).rmdir()


def folded(path: str) -> str:
    """One form of all paths that are one file where a disk does not tell capitals from small."""
    return unicodedata.normalize("NFC", path).casefold()
