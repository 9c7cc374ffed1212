"""Dusk and night among outdoor pictures: fits the weights of pipeline.see.dusk, and tells how well they do.

    python -m benchmarks.quality.dusk [--data DIR]

Fitted on the training parts of the free pictures (jobs/train/free), of the labelled skies (sky_labels.json) and of
fronts and streets, which are taken for day; told on the validation parts. Writes benchmarks/results/dusk.md and prints
the weights.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import heading
from jobs.train.calibrate import logistic
from pipeline.see import scene
from pipeline.see.dusk import WEIGHTS, dusk_features
from pipeline.see.nets import LIGHTS

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "dusk.md"
FREE = ROOT / "jobs" / "train" / "free" / "rooms"
_DAYS = ("rooms/{part}/exterior/*.jpg", "sky/{part}/images/lmf_*")
_EVERY = 3
_RATES = (0.01, 0.02, 0.05)
_LONG = 768


def labelled(data: Path, part: str) -> list[tuple[Path, bool]]:
    """Outdoor pictures of a part, and whether they show dusk or night."""
    found = [(p, k.endswith("night")) for k in ("exterior_day", "exterior_night") for p in (FREE / part / k).glob("*")]
    labels = json.loads(Path(__file__).with_name("sky_labels.json").read_text())
    known = {data / name.removeprefix("data/"): label == "dusk" for name, label in labels.items()}
    found += [(p, dusk) for p, dusk in known.items() if f"/{part}/" in str(p) and p.is_file()]
    for pattern in _DAYS:
        found += [(p, False) for p in sorted(data.glob(pattern.format(part=part)))[::_EVERY] if p not in known]
    return sorted(found)


def told(path: Path) -> np.ndarray:
    """The features of a picture."""
    picture = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    scale = min(1.0, _LONG / max(picture.shape))
    proxy = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) / np.float32(255)
    seen = scene.look(proxy)
    return dusk_features(proxy, seen.sky, seen.lights[LIGHTS.index("night")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    x, y = {}, {}
    for part in ("train", "val"):
        pictures = labelled(data, part)
        x[part], y[part] = np.stack([told(p) for p, _ in pictures]), np.array([dusk for _, dusk in pictures])
    fitted = [round(float(w), 2) for w in logistic(x["train"], y["train"].astype(float))]
    print("fitted:", fitted)
    if tuple(fitted) != WEIGHTS:
        print("pipeline/see/dusk.py has others:", WEIGHTS)
    lines = heading("Dusk and night told from day", "python -m benchmarks.quality.dusk")
    nights, days = y["val"].sum(), (~y["val"]).sum()
    lines += [f"{nights} pictures of dusk or night and {days} of day, none of them learnt from.", ""]
    lines += [
        "| share of days taken for dusk | found by the network alone | with sky and ground |",
        "|---|---|---|",
    ]
    for rate in _RATES:
        cells = [found(score, y["val"], rate) for score in (x["val"][:, 1], x["val"] @ np.asarray(WEIGHTS))]
        lines.append(f"| {rate:.2f} | " + " | ".join(f"{c:.3f}" for c in cells) + " |")
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def found(score: np.ndarray, dusk: np.ndarray, rate: float) -> float:
    """The share of dusks above the score that a share `rate` of days exceeds."""
    return float(np.mean(score[dusk] > np.quantile(score[~dusk], 1 - rate)))


if __name__ == "__main__":
    main()
