"""`sunroom train see`: from folders of labelled pictures to the eyes that ship, with their model card."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from jobs.train import layout
from jobs.train.calibrate import UNKNOWN, calibrated
from jobs.train.layout import Labelled, held_out
from jobs.train.measure import seen_by, summary
from pipeline.codes import SettingsError
from pipeline.see.nets import Network

PICTURES = 160_000
"""Pictures with masks that the shipped network has seen."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: folders of the data layout, where the results go, and how long.

    start: a checkpoint to go on from with other pictures (fine-tuning). threads: of torch, and processes that make
    batches. device: of torch ("cpu", "cuda"); None takes a GPU where there is one.
    """

    data: tuple[Path, ...]
    out: Path
    name: str = "see"
    pictures: int = PICTURES
    seed: int = 0
    start: Path | None = None
    threads: int = 2
    device: str | None = None


def train(order: Order, report: Callable[[str], None]) -> dict[str, Any]:
    """Train, calibrate, measure, and write <name>.onnx, <name>.json and <name>.md to `order.out`.

    The same order goes on from its checkpoint after an interruption. Raises SettingsError where torch is missing, the
    folders hold nothing to learn from, or `out` cannot be written.
    """
    try:
        import torch

        from jobs.train.export import export
        from jobs.train.loop import Course, trained
    except ImportError as error:
        raise SettingsError(f"train: {error.name} is not installed: pip install 'sunroom[train]'") from None
    pictures = layout.read(list(order.data), "train")
    aside = [p for p in pictures if held_out(p)]
    learnt = [p for p in pictures if not held_out(p)]
    report(f"{len(learnt)} pictures to learn from, {len(aside)} kept aside for calibration")
    try:
        order.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--out {order.out}: {error.strerror}") from None
    torch.set_num_threads(order.threads)
    if order.device not in {None, "cpu", "cuda"} or (order.device == "cuda" and not torch.cuda.is_available()):
        raise SettingsError(f"--device {order.device}: there is no such device here")
    device = order.device or ("cuda" if torch.cuda.is_available() else "cpu")
    helpers = 1 if device == "cpu" else max(1, order.threads - 1)
    course = Course(order.pictures, order.seed, helpers, device=device, start=order.start)
    net = trained(learnt, course, order.out / f"{order.name}.pt", report)
    path = order.out / f"{order.name}.onnx"
    difference = export(net, path)
    record = _record(order, learnt, aside, difference)
    write_card(path, aside, record)
    network = Network(path)
    val = layout.read(list(order.data), "val")
    record["validation"] = summary(val, seen_by(network, val))
    write_card(path, aside, record)
    return record


def write_card(path: Path, aside: list[Labelled], record: dict[str, Any]) -> None:
    """Calibrate the network of `path` on the pictures kept aside, and write its .json and .md beside it."""
    card = path.with_suffix(".json")
    if not card.is_file():
        card.write_text(json.dumps({"calibration": UNKNOWN}), encoding="utf-8")
    network = Network(path)
    answers = [network(p.image.astype(np.float32) / np.float32(255)) for p in aside]
    form = {"calibration": calibrated(aside, answers), "record": record}
    card.write_text(json.dumps(form, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(_card(path, form), encoding="utf-8")


def _record(order: Order, learnt: list[Labelled], aside: list[Labelled], difference: float) -> dict[str, Any]:
    sources: dict[str, int] = {}
    for picture in learnt:
        source = picture.file.rsplit("/", 1)[0].removesuffix("/images")
        if source.startswith("sky/"):
            source += f" ({picture.file.rsplit('/', 1)[1].split('_')[0]})"
        sources[source] = sources.get(source, 0) + 1
    start = f" --start {order.start.name}" if order.start else ""
    return {
        "command": f"sunroom train see --data DIR{start} --pictures {order.pictures} --seed {order.seed}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "pictures_seen_with_masks": order.pictures,
        "seed": order.seed,
        "learnt_from": sources,
        "kept_aside": len(aside),
        "labels": {
            "with sky": sum(p.sky is not None for p in learnt),
            "with windows": sum(p.window is not None for p in learnt),
            "without windows": sum(p.windowless for p in learnt),
        },
        "terms": layout.terms(list(order.data)),
        "opencv_against_torch": float(f"{difference:.1e}"),
    }


def _card(path: Path, form: dict[str, Any]) -> str:
    record = form["record"]
    lines = [
        f"# Model card: {path.stem}",
        "",
        "A network of 0.66 million parameters (jobs/train/eye.py) that tells whether a picture is a room, a front,",
        "seen from the air or no photo at all, which room it is, and where sky, window glass and vegetation are.",
        "",
        f"- File: `{path.name}`, {path.stat().st_size / 1e6:.1f} MB, read by OpenCV",
        f"- Made on {record['date']} by `{record['command']}`",
        f"- {record['pictures_seen_with_masks']} pictures seen with masks, and about twice as many for the scene alone",
        f"- Largest difference between OpenCV and torch: {record['opencv_against_torch']}",
        "",
        "## Learnt from",
        "",
        "| folder | pictures |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in sorted(record["learnt_from"].items())),
        "",
        f"{record['labels']['with sky']} with a sky mask, {record['labels']['with windows']} with window polygons,",
        f"{record['labels']['without windows']} certain to show no window; further {record['kept_aside']} were kept",
        "aside for calibration. Skies, windows and drawings made by chance are mixed in (jobs/train).",
    ]
    if record["terms"]:
        lines += ["", "## Terms of the pictures", "", "| source | licence |", "|---|---|"]
        lines += [f"| {source} | {licence} |" for source, licence in record["terms"]]
    if figures := record.get("validation"):
        lines += ["", "## Validation", "", "| figure | value |", "|---|---|"]
        lines += [f"| {name} | {value:.3f} |" for name, value in figures.items()]
    return "\n".join(lines) + "\n"
