"""Chimneys, posts and gables nearly as pale as the dull sky behind them: kept, refused, or lost in a new sky.

    python -m benchmarks.quality.pale_things [--data DIR]

Painted before the labelled dull skies (sky_labels.json) that the listing recipe replaces: in colours of the sky's own
kind, a little darker or brighter, flat or shaded, with courses of bricks or without. One is lost where more than a
thirtieth of it would show new sky. Things within .04 of the sky's level, which hardly anybody sees, count apart. Writes
benchmarks/results/pale_things.md.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.quality.skies import LABELS, RESULTS, ROOT, proxy
from benchmarks.report import heading
from pipeline.edits import sky
from pipeline.edits.matte import border_of
from pipeline.recipe import Sky
from pipeline.render.remnants import small_matte
from pipeline.see import scene

KINDS = ("chimney", "brick chimney", "post", "gable")
EACH = 6
"""Things before every sky, one at a time."""
WIDTHS = {"chimney": (0.02, 0.07), "brick chimney": (0.02, 0.07), "post": (0.006, 0.012), "gable": (0.08, 0.25)}
"""Of the picture's width."""
HIDDEN, GONE, LOST = 0.04, 0.15, 1 / 30
"""Difference from the sky's level of what is hardly seen; share of new sky from which a pixel is gone, and share of the
pixels within a thing from which that is lost."""


@dataclass(frozen=True)
class Painted:
    """A picture with one thing (h, w, 3) float32, where it is (h, w) 0..1, and its level less the sky's."""

    picture: np.ndarray
    cover: np.ndarray
    off: float


def painted(picture: np.ndarray, inside: np.ndarray, kind: str, rng: np.random.Generator) -> Painted:
    """One thing that stands on the skyline somewhere before the sky (h, w) 0 or 1."""
    height, width = inside.shape
    column = int(rng.choice(np.flatnonzero(inside.mean(axis=0) > 0.15)))
    rows = np.flatnonzero(inside[:, column])
    foot = rows.max() + 0.05 * height
    top = max(4.0, foot - rng.uniform(0.3, 0.9) * (rows.max() - rows.min()))
    half = rng.uniform(*WIDTHS[kind]) * width / 2
    eaves = (top + foot) / 2 if kind == "gable" else top
    outline = [(column - half, foot), (column - half, eaves), (column + half, eaves), (column + half, foot)]
    if kind == "gable":
        outline.insert(2, (column, top))
    fine = np.zeros((4 * height, 4 * width), np.float32)
    cv2.fillPoly(fine, [np.int32(np.array(outline) * 4)], 1.0)
    cover = cv2.GaussianBlur(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA), (0, 0), 0.7)
    colour = np.median(picture[inside > 0], axis=0)
    face = np.clip(colour + rng.uniform(-0.22, 0.12) + rng.normal(0, 0.012, 3), 0, 0.97)
    off = float(np.mean(face - colour))
    texture = np.ones((height, width, 1)) + 0.01 * rng.standard_normal((height, width, 1))
    if kind == "brick chimney":
        texture[:: max(4, height // 110)] *= 0.88
    if rng.uniform() < 0.4:
        across = np.clip((np.arange(width) - column) / (2 * half), -0.5, 0.5)
        texture *= 1 + rng.uniform(-0.4, 0.4) * across[None, :, None]
    shown = picture * (1 - cover[..., None]) + cover[..., None] * face * texture
    return Painted(np.clip(shown, 0, 1).astype(np.float32), cover, off)


def outcome(thing: Painted) -> str:
    """kept, refused or lost."""
    seen = scene.look(thing.picture)
    new = sky.plan(thing.picture, thing.picture, thing.picture, seen, Sky(replace="always"), listing="12 Oak Street")
    if not new.operations:
        return "refused"
    share = small_matte(new.operations[0], thing.picture).share
    cover = cv2.resize(thing.cover, share.shape[::-1], interpolation=cv2.INTER_AREA)
    within = cv2.erode((cover > 0.95).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not within.any():
        within = cover > 0.95 * cover.max()
    return "lost" if np.mean(share[within] > GONE) > LOST else "kept"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    folders = {"data": options.data, "free": ROOT / "jobs" / "train" / "free"}
    rng = np.random.default_rng(0)
    counts = {kind: Counter[str]() for kind in (*KINDS, "hardly seen")}
    skies = 0
    for name, label in json.loads(LABELS.read_text(encoding="utf-8")).items():
        folder, _, rest = name.partition("/")
        if label != "dull" or (picture := proxy(folders[folder] / rest)) is None:
            continue
        seen = scene.look(picture)
        plain = sky.plan(picture, picture, picture, seen, Sky(replace="when_dull"), listing="12 Oak Street")
        border = border_of(picture, seen.sky, seen.vegetation) if plain.operations else None
        if border is None:
            continue
        skies += 1
        inside = (cv2.resize(border.inside, picture.shape[1::-1]) > 0.5).astype(np.uint8)
        for k in range(EACH):
            kind = KINDS[k % len(KINDS)]
            thing = painted(picture, inside, kind, rng)
            counts[kind if abs(thing.off) > HIDDEN else "hardly seen"][outcome(thing)] += 1
    lines = heading("Things as pale as the sky", "python -m benchmarks.quality.pale_things")
    lines += [
        f"Painted before {skies} dull skies that are replaced without them, one at a time. lost: more than a thirtieth",
        "of what is within its outline would show new sky.",
        "",
        "| thing | painted | kept | refused | lost |",
        "|---|---|---|---|---|",
    ]
    for kind, of in counts.items():
        lines.append(f"| {kind} | {of.total()} | {of['kept']} | {of['refused']} | {of['lost']} |")
    (RESULTS / "pale_things.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
