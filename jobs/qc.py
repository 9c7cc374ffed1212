"""The comparison of an edit with its source, whoever made it: the same figures and limits that our own results meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from cluster.settings import cpus_here
from pipeline.check.judge import judge
from pipeline.check.metrics import compare
from pipeline.codes import PhotoError, SettingsError
from pipeline.read.decode import decode
from pipeline.read.metadata.header import read_header
from pipeline.read.scan import PICTURES, RAWS
from pipeline.recipe import Recipe


def qc(before: Path, after: Path, recipe: Recipe) -> dict[str, Any]:
    """Compare two pictures, or two folders by the names in them, with the limits of the recipe's panel `check`.

    The answer is JSON values: passed, and per pair passed, codes, reasons and figures. A pair that cannot be compared
    has not passed; its code says why. unmatched: pictures that only one of the folders has, such as the other exposures
    of a set.

    Raises
    ------
    SettingsError
        If a path does not exist, one is a folder and the other a file, or the folders share no names.
    """
    pairs, unmatched = _pairs(before, after)
    photos = [_pair(b, a, recipe) for b, a in pairs]
    return {"passed": all(p["passed"] for p in photos), "photos": photos, "unmatched": list(map(str, unmatched))}


def show(found: dict[str, Any], out: TextIO) -> None:
    """Print the verdicts as lines."""
    for photo in found["photos"]:
        f = photo["figures"]
        shown = (
            f"structure {f['structure']:.3f} (worst {f['structure_worst']:.3f}), edges worst {f['edges_worst']:.3f}, "
            f"colour drift {f['colour_p95']:.2f} (worst {f['colour_worst']:.2f}), ssim {f['ssim']:.3f}"
            if f
            else ""
        )
        print(f"{'passed' if photo['passed'] else 'FAILED'}  {photo['after']}  {shown}", file=out)
        for code, reason in zip(photo["codes"], photo["reasons"], strict=True):
            print(f"        {code}: {reason}", file=out)
    for path in found["unmatched"]:
        print(f"not compared  {path}", file=out)


def _pair(before: Path, after: Path, recipe: Recipe) -> dict[str, Any]:
    found: dict[str, Any] = {"before": str(before), "after": str(after)}
    try:
        limit = recipe.read.max_megapixels
        source, result = (decode(read_header(path), max_megapixels=limit) for path in (before, after))
        figures = compare(source, result, workers=cpus_here())
    except PhotoError as error:
        return {**found, "passed": False, "codes": [error.code.name], "reasons": [error.message], "figures": {}}
    verdict = judge(figures, recipe.check)
    return {
        **found,
        "passed": verdict.passed,
        "codes": [c.name for c in verdict.codes],
        "reasons": list(verdict.reasons),
        "figures": figures.to_dict(),
    }


def _pairs(before: Path, after: Path) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Pictures to compare, and those that only one of the folders has."""
    for name, path in (("BEFORE", before), ("AFTER", after)):
        if not path.exists():
            raise SettingsError(f"{name} {path}: no such file or folder")
    if before.is_dir() != after.is_dir():
        raise SettingsError(f"BEFORE {before} and AFTER {after}: give two files, or two folders")
    if not before.is_dir():
        return [(before, after)], []
    sources, results = _by_name(before), _by_name(after)
    if not sources.keys() & results.keys():
        raise SettingsError(f"BEFORE {before} and AFTER {after}: no picture has the same name in both")
    alone = sorted(sources.keys() ^ results.keys())
    return (
        [(source, results[name]) for name, source in sources.items() if name in results],
        [sources.get(name) or results[name] for name in alone],
    )


def _by_name(folder: Path) -> dict[str, Path]:
    """Pictures below a folder, by their path without the ending. Raises SettingsError if two would have one name."""
    endings = PICTURES | RAWS
    found: dict[str, Path] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix[1:].casefold() in endings):
        other = found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
        if other != path:
            raise SettingsError(f"{other} and {path}: two pictures of one name; give files instead of folders")
    return found
