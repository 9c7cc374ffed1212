"""Views through windows of bracketed rooms: structure, level, colour, edges; and what is no window.

    python -m benchmarks.quality.windows [--data DIR]

Glass, wall, what is neutral outside and things that are no windows were outlined by hand (windows_labels.json, as
shares of width and height). Every set is finished with and without the edit; photos of rooms become sets whose darkest
exposure they are, in which all that is bright is burnt in the middle one and could be taken for a view. Writes
benchmarks/results/windows.md and windows_sheet.jpg.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.report import heading
from pipeline import Recipe, edit
from pipeline.deliver.encode import encode_jpeg
from pipeline.develop import survey
from pipeline.merge.mapping import Mapping
from pipeline.merge.order import log_radiance
from pipeline.merge.tiles import sample
from pipeline.read.color import from_linear, to_linear
from pipeline.read.shots import find_shots
from pipeline.see.glass import LIKELY, window_prior
from pipeline.see.nets import SHIPPED, Network
from pipeline.see.panes import eight_bits

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
LABELS = json.loads(Path(__file__).with_name("windows_labels.json").read_text())
_STILL = {"geometry": {"strength": 0}}
_C3 = 0.03**2 / 2
_OUTSIDE = 1.4
"""EV above the wall from which glass shows the outside: bars and frames do not."""
_FLAT, _EVEN = 0.05, 0.15
"""EV from pixel to pixel, and within three of them, below which the exposures show no edge."""
_STEPS = (0.0, 2.0, 4.0)
_LONG = 1536


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


def exposures_of(folder: Path) -> tuple[list[np.ndarray], list[float], int]:
    """The set's exposures aligned at proxy size, their values in EV, and the reference."""
    shot = find_shots(folder).shots[0]
    surveyed = survey(shot, Recipe.model_validate(_STILL))
    merge = surveyed.plan.merge
    height, width = surveyed.exposures[0].shape[:2]
    scale = np.diag([float(max(width, height)), float(max(width, height)), 1.0])
    used = [i for i, u in enumerate(merge.used) if u]
    maps = [Mapping(scale @ merge.transforms[i] @ np.linalg.inv(scale)) for i in used]
    aligned = [
        eight_bits(sample(surveyed.exposures[i], m, (0, 0, width, height))) for i, m in zip(used, maps, strict=True)
    ]
    return aligned, [merge.exposure_values[i] for i in used], used.index(merge.reference)


def as_set(photo: Path, folder: Path) -> Path:
    """A photo as a set of exposures, itself the darkest."""
    picture = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
    scale = min(1.0, _LONG / max(picture.shape))
    linear = to_linear(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) / np.float32(255))
    for i, step in enumerate(_STEPS):
        exposure = from_linear(np.clip(linear * np.float32(2**step), 0, 1))
        exif = Image.Exif()
        exif.get_ifd(34665).update({33434: 2**step / 400, 33437: 8.0, 34855: 100, 36867: f"2026:11:26 12:00:0{i}"})
        Image.fromarray(np.round(255 * exposure).astype(np.uint8)).save(folder / f"{i}.jpg", quality=95, exif=exif)
    return folder


def pair_of(folder: Path) -> np.ndarray:
    """Without and with the edit (2, h, w, 3)."""
    pictures = [edit(folder, Recipe.model_validate(_STILL | {"windows": {"strength": s}})) for s in (0, 1)]
    for results in pictures:
        assert len(results) == 1, f"{folder} is no single set"
        assert results[0].after is not None
    return np.stack([results[0].after for results in pictures])


def changes(pair: np.ndarray, outlines: dict[str, Any]) -> dict[str, float]:
    """The share of each thing that the edit changes."""
    changed = np.abs(pair[1].astype(int) - pair[0]).max(axis=2) > 4
    return {name: float(changed[polygons([outline], changed.shape)].mean()) for name, outline in outlines.items()}


def view(label: dict[str, Any], pair: np.ndarray, folder: Path, eyes: Network) -> dict[str, float]:
    """The figures of a set with a view."""
    exposures, values, reference = exposures_of(folder)
    size = exposures[0].shape[1::-1]
    before, shown = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pair)
    glass, wall = polygons(label["glass"], shown.shape), polygons([label["wall"]], shown.shape)
    a, b = luma(shown), luma(before)
    radiance = log_radiance(exposures, values)
    outside = glass & (radiance > np.median(radiance[wall]) + _OUTSIDE)
    inside = cv2.erode(glass.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    linear = to_linear(np.array([np.median(a[outside]), np.median(a[wall])], np.float32))
    lab = cv2.cvtColor(shown.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    # Where nothing in it is known to be neutral, what looks so.
    seems = inside & (np.hypot(lab[..., 1], lab[..., 2]) < 12) & (lab[..., 0] > 50)
    neutral = polygons(label["neutral"], shown.shape) if "neutral" in label else seems
    rim = cv2.morphologyEx(glass.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((7, 7), np.uint8)) > 0
    flat = rim[:, 1:] & (np.abs(np.diff(b, axis=1)) < 2 / 255) & (np.abs(np.diff(radiance, axis=1)) < _FLAT)
    step = np.abs(np.diff(a - b, axis=1))
    # A frame's own edge, blurred over some pixels, is flat from each of them to the next.
    near = np.ones((7, 7), np.uint8)
    even = flat & (cv2.morphologyEx(radiance.astype(np.float32), cv2.MORPH_GRADIENT, near)[:, 1:] < _EVEN)
    burnt = glass & (exposures[reference].max(axis=2) >= 250) & (exposures[0].max(axis=2) < 250)
    return {
        "structure with the darker exposures": follows(a, exposures[: reference + 1], inside),
        "structure, without the edit": follows(b, exposures[: reference + 1], inside),
        "contrast over that without the edit": float(a[inside].std() / b[inside].std()),
        "burnt in the picture though not in the darkest exposure": float(np.mean(shown[burnt].max(axis=1) >= 253)),
        "view's median over the wall's, EV": float(np.log2(linear[0] / linear[1])),
        "b* of what is neutral in it": float(np.median(lab[..., 2][neutral])),
        "new step along the frame where exposures are flat, levels": float(255 * np.percentile(step[flat], 99)),
        "the same, where the scene has no edge within 3 pixels": float(255 * np.percentile(step[even], 99))
        if even.any()
        else 0.0,
        "recoverable pixels that the network has": float(np.mean(window_prior(exposures, eyes)[burnt] > LIKELY[0])),
    }


def follows(shown: np.ndarray, exposures: list[np.ndarray], inside: np.ndarray) -> float:
    """Mean structure, inside, in common with the exposure that shows each pixel best."""
    levels = np.stack([luma(e) for e in exposures])
    fits = np.stack([e.max(axis=2) < 250 for e in exposures])
    best = np.argmin(np.abs(levels - 0.4) + 10 * ~fits, axis=0)
    kept = np.take_along_axis(np.stack([structure(shown, dark) for dark in levels]), best[None], 0)[0]
    return float(kept[inside & fits.any(axis=0)].mean())


GOALS = {
    "structure with the darker exposures": ">= .9",
    "view's median over the wall's, EV": "0 to 1",
    "b* of what is neutral in it": "-6 to 4",
    "new step along the frame where exposures are flat, levels": "<= 3",
    "recoverable pixels that the network has": ">= .95",
}
_TOUCHED = 0.001


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    eyes = Network(SHIPPED)
    figures: dict[str, dict[str, float]] = {}
    others: dict[str, dict[str, float]] = {}
    rows: list[np.ndarray] = []
    for kind, labels in LABELS.items():
        for name, label in labels.items():
            with tempfile.TemporaryDirectory() as made:
                photo = data / kind / f"{name}.jpg"
                folder = data / kind / name if kind == "brackets" else as_set(photo, Path(made))
                pair = pair_of(folder)
                if label.get("glass"):
                    figures[name] = view(label, pair, folder, eyes)
            others[name] = changes(pair, label["not_windows"])
            both = np.hstack(list(pair))
            rows.append(cv2.resize(both, (1600, round(1600 * both.shape[0] / both.shape[1]))))
    (RESULTS / "windows_sheet.jpg").write_bytes(encode_jpeg(np.vstack(rows), quality=80))
    text = "\n".join(written(figures, others))
    (RESULTS / "windows.md").write_text(text)
    print(text)


def written(figures: dict[str, dict[str, float]], others: dict[str, dict[str, float]]) -> list[str]:
    """The lines of windows.md."""
    lines = heading("Window views", "python -m benchmarks.quality.windows")
    lines += ["| figure | goal |" + "".join(f" {name} |" for name in figures), "|---" * (len(figures) + 2) + "|"]
    for figure in next(iter(figures.values())):
        values = "".join(f" {of[figure]:.3f} |" for of in figures.values())
        lines.append(f"| {figure} | {GOALS.get(figure, '')} |{values}")
    count = sum(len(of) for of in others.values())
    touched = [f"{name}: {thing} {c:.3f}" for name, of in others.items() for thing, c in of.items() if c > _TOUCHED]
    lines += [
        "",
        f"Of {count} things that are no windows (televisions, mirrors, lamps, framed glass, fridges, worktops,",
    ]
    lines += [f"floors ...), changed over more than {_TOUCHED:.1%} of their area (goal: none): {len(touched)}.", ""]
    lines += [f"- {line}" for line in touched]
    return [*lines, "", "windows_sheet.jpg: each set without and with the edit.", ""]


if __name__ == "__main__":
    main()
