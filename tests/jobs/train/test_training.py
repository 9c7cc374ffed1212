"""A whole, tiny training: it learns, goes on after an interruption, and writes files that the pipeline reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import picture

from jobs.train.calibrate import logistic, overlap, temperature
from jobs.train.see import Order, train
from pipeline.see.nets import Network
from pipeline.see.scene import look

pytest.importorskip("torch")


def quiet(_: str) -> None:
    pass


@pytest.mark.slow
def test_a_tiny_training_writes_weights_that_the_pipeline_reads(folder: Path, tmp_path: Path) -> None:
    record = train(Order((folder,), tmp_path / "out", pictures=48, threads=2), quiet)

    assert record["opencv_against_torch"] < 1e-4
    assert {"see.onnx", "see.json", "see.md", "see.pt"} <= {p.name for p in (tmp_path / "out").iterdir()}
    card = (tmp_path / "out" / "see.md").read_text()
    assert "rooms/train/bedroom" in card
    seen = look(picture(3).astype(np.float32) / 255, eyes=Network(tmp_path / "out" / "see.onnx"))
    assert seen.sky.shape == (64, 96)
    assert sum(seen.places) == pytest.approx(1)


@pytest.mark.slow
def test_training_goes_on_where_it_stopped(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from jobs.train import loop

    order = Order((folder,), tmp_path / "out", pictures=48)
    train(order, quiet)
    whole = torch.load(tmp_path / "out/see.pt", weights_only=True)
    steps: list[int] = []
    monkeypatch.setattr(loop, "_follow", lambda *_: steps.append(1))

    train(order, quiet)

    assert whole["step"] == 8
    assert steps == []


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1.5, (4000, 3))
    p = np.exp(true) / np.exp(true).sum(1, keepdims=True)
    labels = [int(rng.choice(3, p=row)) for row in p]

    assert temperature([(3 * row, label) for row, label in zip(true, labels, strict=True)]) == pytest.approx(3, rel=0.1)
    assert temperature([(true[0], 0)]) == 1


def test_logistic_regression_finds_the_odds() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([np.ones(5000), rng.normal(0, 1, 5000)], 1)
    y = (rng.random(5000) < 1 / (1 + np.exp(-(0.5 - 2 * x[:, 1])))).astype(float)

    assert logistic(x, y) == pytest.approx([0.5, -2], abs=0.15)


def test_overlap() -> None:
    a = np.zeros((4, 4))
    a[:2] = 1

    assert overlap(a, a) == 1
    assert overlap(a, 1 - a) == 0
    assert overlap(a, np.ones((4, 4))) == 0.5
    assert overlap(0 * a, 0 * a) == 1
