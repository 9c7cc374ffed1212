"""A whole, tiny training: it learns, goes on after an interruption, and writes files that the pipeline reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.train.batches import DENSE_PICTURES
from jobs.train.calibrate import logistic, overlap, temperature
from jobs.train.see import Order, train
from pipeline.codes import SettingsError
from pipeline.see.nets import SHIPPED, WEIGHTS, Network
from pipeline.see.scene import look
from tests.jobs.train.pictures import picture

pytest.importorskip("torch")


def quiet(_: str) -> None:
    pass


def _with_other_weights(path: Path, to: Path) -> None:
    """The network of a file with its first layer emptied, which is still a well-formed file."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(path))
    first = model.graph.initializer[0]
    first.CopyFrom(onnx.numpy_helper.from_array(np.zeros((3, 3), np.float32), first.name))
    onnx.save(model, str(to))


@pytest.mark.slow
def test_a_tiny_training_writes_weights_that_the_pipeline_reads(folder: Path, tmp_path: Path) -> None:
    record = train(Order((folder,), tmp_path / "out", pictures=64, threads=2), quiet)

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
    from jobs.train.layout import read

    pictures, course = read([folder], "train"), loop.Course(2 * DENSE_PICTURES, helpers=0)
    whole = loop.trained(pictures, course, tmp_path / "whole.pt", quiet)
    monkeypatch.setattr(loop, "_SAVE_EVERY", -1.0)
    step, made = loop._step, []

    def breaking(*given: Any) -> Any:
        made.append(step(*given))
        if len(made) == 3:
            raise KeyboardInterrupt
        return made[-1]

    monkeypatch.setattr(loop, "_step", breaking)
    with pytest.raises(KeyboardInterrupt):
        loop.trained(pictures, course, tmp_path / "parts.pt", quiet)
    assert torch.load(tmp_path / "parts.pt", weights_only=True)["step"] == 2

    parts = loop.trained(pictures, course, tmp_path / "parts.pt", quiet)

    assert len(made) == 5
    x = torch.rand(1, 4, 64, 64)
    assert torch.allclose(whole(x)[0], parts(x)[0], atol=1e-3)
    assert torch.allclose(whole(x)[1], parts(x)[1], atol=1e-3)


def test_a_network_that_ships_is_restored_exactly() -> None:
    from jobs.train.export import TOLERANCE, parity
    from jobs.train.restore import restored

    for name in ("see", "see-free"):
        assert parity(restored(WEIGHTS / f"{name}.onnx"), WEIGHTS / f"{name}.onnx") < TOLERANCE


@pytest.mark.slow
def test_a_network_that_ships_learns_on_and_does_not_forget(folder: Path, tmp_path: Path) -> None:
    import torch

    from jobs.train import loop
    from jobs.train.eye import planes
    from jobs.train.layout import read
    from jobs.train.restore import restored

    course = loop.Course(4 * DENSE_PICTURES, helpers=0, start=SHIPPED)
    learnt = loop.trained(read([folder], "train"), course, tmp_path / "see.pt", quiet)

    x = planes(torch.from_numpy(picture(3)[None, :64, :96]))
    now, then = (torch.sigmoid(net(x)[0]) for net in (learnt, restored(SHIPPED)))
    assert not torch.equal(now, then)
    assert (now - then).abs().mean() < 0.1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"device": "toaster"}, "--device toaster"),
        ({"start": "junk.pt"}, "junk.pt: is no"),
        ({"start": "none.pt"}, "none.pt: No such"),
        ({"start": "junk.onnx"}, "junk.onnx: is no"),
        ({"start": "none.onnx"}, "none.onnx: No such"),
        ({"start": "tilted.onnx"}, "tilted.onnx: is no network"),
    ],
)
def test_wrong_orders_are_refused_by_name(folder: Path, tmp_path: Path, options: dict[str, str], named: str) -> None:
    for name in ("junk.pt", "junk.onnx"):
        (tmp_path / name).write_bytes(b"junk")
    _with_other_weights(SHIPPED, tmp_path / "tilted.onnx")
    given: dict[str, Any] = {k: tmp_path / v if k == "start" else v for k, v in options.items()}

    with pytest.raises(SettingsError, match=named):
        train(Order((folder,), tmp_path / "out", pictures=32, **given), quiet)


def test_a_damaged_checkpoint_is_named(folder: Path, tmp_path: Path) -> None:
    from jobs.train import loop
    from jobs.train.layout import read

    checkpoint = tmp_path / "see.pt"
    checkpoint.write_bytes(b"PK\x03\x04 half a file")

    with pytest.raises(SettingsError, match=r"see\.pt: is no checkpoint"):
        loop.trained(read([folder], "train"), loop.Course(2 * DENSE_PICTURES, helpers=0), checkpoint, quiet)


def test_a_pupil_is_drawn_to_its_teacher_where_nothing_is_labelled() -> None:
    import torch

    from jobs.train.losses import Answers, Targets, label_loss, taught_loss

    rng = torch.Generator().manual_seed(0)
    told = Answers(torch.randn(2, 5, 8, 8, generator=rng, requires_grad=True), torch.randn(2, 11, generator=rng))
    teacher = Answers(torch.randn(2, 5, 8, 8, generator=rng), torch.randn(2, 11, generator=rng))
    unknown = torch.full((2,), -1)
    blank = {"place": unknown, "room": unknown, "light": unknown}
    blank |= {name: torch.zeros(2, 5, 8, 8, dtype=torch.uint8) for name in ("masks", "weights")}

    assert label_loss(told, [Targets(1.0, blank)]) == 0
    assert taught_loss(told, teacher) > taught_loss(teacher, teacher)
    (slope,) = torch.autograd.grad(taught_loss(told, teacher), told.masks)
    assert torch.equal(slope > 0, torch.sigmoid(told.masks) > torch.sigmoid(teacher.masks))


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
