"""Views through windows of bracketed rooms: structure, level, colour, edges; and what is no window.

    python -m benchmarks.quality.windows [--data DIR]

Glass, wall and things that are no windows were outlined by hand (windows_labels.json, as shares of width and height).
Every set is finished with and without the edit. Writes benchmarks/results/windows.md and windows_sheet.jpg.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.report import heading
from pipeline import Recipe, edit
from pipeline.deliver.encode import encode_jpeg
from pipeline.develop import survey
from pipeline.merge.mapping import Mapping
from pipeline.merge.tiles import sample
from pipeline.read.color import to_linear
from pipeline.read.shots import find_shots
from pipeline.see.nets import SHIPPED, Network
from pipeline.see.panes import eight_bits, window_prior

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
LABELS = json.loads(Path(__file__).with_name("windows_labels.json").read_text())
_STILL = {"geometry": {"strength": 0}}
_C3 = 0.03**2 / 2


def polygons(outlines: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) bool inside any of the outlines."""
    mask = np.zeros(shape[:2], np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.round(np.array(outline) * shape[1::-1]).astype(np.int32)], 1)
    return mask > 0


def luma(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image.astype(np.float32) / np.iinfo(image.dtype).max, cv2.COLOR_RGB2GRAY)


def structure(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The structure term of SSIM (Wang et al., 2004), 7x7 windows."""

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, (7, 7))

    va, vb = (np.maximum(mean(x * x) - mean(x) ** 2, 0) for x in (a, b))
    return (mean(a * b) - mean(a) * mean(b) + _C3) / (np.sqrt(va * vb) + _C3)


def exposures_of(folder: Path) -> tuple[list[np.ndarray], int]:
    """The set's exposures aligned at proxy size, and the reference."""
    shot = find_shots(folder).shots[0]
    surveyed = survey(shot, Recipe())
    merge = surveyed.plan.merge
    height, width = surveyed.exposures[0].shape[:2]
    scale = np.diag([float(max(width, height)), float(max(width, height)), 1.0])
    aligned = [
        eight_bits(sample(e, Mapping(scale @ t @ np.linalg.inv(scale)), (0, 0, width, height)))
        for e, t, used in zip(surveyed.exposures, merge.transforms, merge.used, strict=True)
        if used
    ]
    return aligned, sum(merge.used[: merge.reference])


def measured(name: str, folder: Path, eyes: Network) -> tuple[dict[str, float], np.ndarray]:
    """The figures of one set, and with and without the edit side by side."""
    label = LABELS[name]
    (on,) = edit(folder, Recipe.model_validate(_STILL))
    (off,) = edit(folder, Recipe.model_validate(_STILL | {"windows": {"strength": 0}}))
    assert on.after is not None
    assert off.after is not None
    exposures, reference = exposures_of(folder)
    size = exposures[0].shape[1::-1]
    shown, before = (cv2.resize(r.after, size, interpolation=cv2.INTER_AREA) for r in (on, off))
    glass, wall = polygons(label["glass"], shown.shape), polygons([label["wall"]], shown.shape)
    changed = np.abs(shown.astype(int) - before).max(axis=2) > 4
    others = {k: float(changed[polygons([v], shown.shape)].mean()) for k, v in label["not_windows"].items()}
    figures = {"changed, worst thing that is no window": max(others.values())}
    if glass.any():
        figures |= _view(glass, wall, (before, shown), exposures, reference)
        burnt = glass & (exposures[reference].max(axis=2) >= 250) & (exposures[0].max(axis=2) < 250)
        figures["recoverable pixels that the network has"] = float(np.mean(window_prior(exposures, eyes)[burnt] > 0.25))
    return figures, np.hstack([before, shown])


def _view(
    glass: np.ndarray,
    wall: np.ndarray,
    pair: tuple[np.ndarray, np.ndarray],
    exposures: list[np.ndarray],
    reference: int,
) -> dict[str, float]:
    before, shown = pair
    inside = cv2.erode(glass.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    a, b = luma(shown), luma(before)
    levels = np.stack([luma(e) for e in exposures[: reference + 1]])
    fits = np.stack([(e.max(axis=2) < 250) for e in exposures[: reference + 1]])
    best = np.argmin(np.abs(levels - 0.4) + 10 * ~fits, axis=0)
    good = inside & fits.any(axis=0)

    def follows(x: np.ndarray) -> float:
        kept = np.take_along_axis(np.stack([structure(x, dark) for dark in levels]), best[None], 0)[0]
        return float(kept[good].mean())

    linear = to_linear(np.array([np.median(a[glass]), np.median(a[wall])], np.float32))
    lab = cv2.cvtColor(shown.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    neutral = inside & (np.hypot(lab[..., 1], lab[..., 2]) < 12) & (lab[..., 0] > 50)
    rim = cv2.morphologyEx(glass.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((7, 7), np.uint8)) > 0
    flat = rim[:, 1:] & (np.abs(np.diff(b, axis=1)) < 2 / 255)
    step = a - b
    return {
        "structure with the darker exposures": follows(a),
        "structure, without the edit": follows(b),
        "contrast over that without the edit": float(a[inside].std() / b[inside].std()),
        "view's median over the wall's, EV": float(np.log2(linear[0] / linear[1])),
        "b* of what is neutral in it": float(np.median(lab[..., 2][neutral])) if neutral.any() else float("nan"),
        "new step where the frame was flat, levels": float(
            255 * np.percentile(np.abs(np.diff(step, axis=1))[flat], 99)
        ),
    }


GOALS = {
    "structure with the darker exposures": ">= .9",
    "view's median over the wall's, EV": "0 to 1",
    "b* of what is neutral in it": "-6 to 4",
    "new step where the frame was flat, levels": "<= 3",
    "recoverable pixels that the network has": ">= .95",
    "changed, worst thing that is no window": "<= .001",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    folder = parser.parse_args().data / "brackets"
    eyes = Network(SHIPPED)
    found = {name: measured(name, folder / name, eyes) for name in LABELS}
    lines = heading("Window views", "python -m benchmarks.quality.windows")
    lines += ["| figure | goal |" + "".join(f" {name} |" for name in found), "|---" * (len(found) + 2) + "|"]
    for figure in dict.fromkeys(f for figures, _ in found.values() for f in figures):
        values = "".join(f" {figures[figure]:.3f} |" if figure in figures else " |" for figures, _ in found.values())
        lines.append(f"| {figure} | {GOALS.get(figure, '')} |{values}")
    lines += ["", "windows_sheet.jpg: each set without and with the edit.", ""]
    (RESULTS / "windows.md").write_text("\n".join(lines))
    rows = [cv2.resize(p, (1600, round(1600 * p.shape[0] / p.shape[1]))) for _, p in found.values()]
    (RESULTS / "windows_sheet.jpg").write_bytes(encode_jpeg(np.vstack(rows), quality=80))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
