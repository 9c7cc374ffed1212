"""Dull skies told from good ones, and which of them the listing recipe replaces.

    python -m benchmarks.quality.skies [--data DIR]

Labels by eye: sky_labels.json, of pictures in shared/data ("data/") and of the free ones that the repository trains on
("free/"): good (blue, or clouds with some blue), dusk (or night), dull (overcast, hazy white, burnt) and between, where
one may think either way, which is not counted. Writes benchmarks/results/skies.md and, for looking at, skies_wrong.jpg.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import heading
from pipeline.codes import Code
from pipeline.deliver.encode import encode_jpeg
from pipeline.edits import balance, sky
from pipeline.read.exposures import proxy_size
from pipeline.recipe import Balance, Sky
from pipeline.render.tone import shown_after
from pipeline.see import scene
from pipeline.see.dullness import dullness

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
LABELS = Path(__file__).with_name("sky_labels.json")
KINDS = ("good", "dusk", "dull", "between")


def proxy(path: Path) -> np.ndarray | None:
    """The picture as it is looked at, (h, w, 3) float32 0..1; None where it is not here."""
    read = cv2.imread(str(path))
    if read is None:
        return None
    size = proxy_size(read.shape[1], read.shape[0])
    return cv2.resize(read, size, interpolation=cv2.INTER_AREA)[..., ::-1].astype(np.float32) / 255


def judged(picture: np.ndarray) -> tuple[float, str]:
    """How dull its sky is, and what the listing recipe does about it: replaced, doubtful or left."""
    seen = scene.look(picture)
    balanced = shown_after(balance.plan(picture, seen, Balance()), picture)
    new = sky.plan(picture, balanced, balanced, seen, Sky(replace="when_dull"), listing="12 Oak Street")
    done = "replaced" if new.operations else "doubtful" if Code.SKY_LOW_CONFIDENCE in new.warnings else "left"
    return dullness(picture, balanced, seen), done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    folders = {"data": options.data, "free": ROOT / "jobs" / "train" / "free"}
    dull: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    done: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    wrong: list[np.ndarray] = []
    for name, kind in json.loads(LABELS.read_text(encoding="utf-8")).items():
        folder, _, rest = name.partition("/")
        picture = proxy(folders[folder] / rest)
        if picture is None:
            print(f"not here: {name}")
            continue
        how_dull, what = judged(picture)
        dull[kind].append(how_dull >= 0.5)
        done[kind][what] += 1
        if kind != "between" and (how_dull >= 0.5) != (kind == "dull"):
            print(f"{name}: {kind}, judged {how_dull:.2f}, {what}")
            wrong.append(_small(picture))
    kept = [*dull["good"], *dull["dusk"]]
    replaced = done["good"]["replaced"] + done["dusk"]["replaced"]
    lines = heading("Dull skies", "python -m benchmarks.quality.skies")
    lines += [
        "| figure | value | of | goal |",
        "|---|---|---|---|",
        f"| dull skies found | {np.mean(dull['dull']):.3f} | {len(dull['dull'])} | >= .90 |",
        f"| good or dusk skies taken for dull | {np.mean(kept):.3f} | {len(kept)} | |",
        f"| good or dusk skies replaced | {replaced / len(kept):.3f} | {len(kept)} | <= .01 |",
        "",
        "What the listing recipe does: replaced; doubtful, with SKY_LOW_CONFIDENCE; left. Most of these pictures have",
        "240 to 480 pixels, where the outline of a sky is a large part of it.",
        "",
        "| label | pictures | judged dull | replaced | doubtful | left |",
        "|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        counts = " | ".join(str(done[kind][what]) for what in ("replaced", "doubtful", "left"))
        lines.append(f"| {kind} | {len(dull[kind])} | {sum(dull[kind])} | {counts} |")
    (RESULTS / "skies.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if wrong:
        (RESULTS / "skies_wrong.jpg").write_bytes(encode_jpeg(np.concatenate(wrong, axis=1), quality=88))
    print("\n".join(lines))


def _small(picture: np.ndarray) -> np.ndarray:
    """Into 240 x 240."""
    out = np.zeros((240, 240, 3), np.uint8)
    scale = 240 / max(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    out[: size[1], : size[0]] = np.rint(255 * cv2.resize(picture, size, interpolation=cv2.INTER_AREA)).astype(np.uint8)
    return out


if __name__ == "__main__":
    main()
