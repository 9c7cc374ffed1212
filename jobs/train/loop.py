"""The training loop: losses, moving average, checkpoints. Scheduled by pictures seen, never by the clock."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from jobs.train.batches import Batch, Sampler, schedule
from jobs.train.eye import Eye, planes
from jobs.train.layout import Labelled

_RATE, _DECAY, _WARM_UP, _CLIP = 3e-3, 0.02, 60, 5.0
_AVERAGE = 0.998
_SCENE, _REGION, _SMOOTHING = 0.5, 0.5, 0.05
_LIGHT = 0.3
_SAVE_EVERY = 240.0


@dataclass(frozen=True, slots=True)
class Course:
    """What is trained: pictures seen with masks, the seed, and who makes the batches beside this process."""

    pictures: int
    seed: int = 0
    helpers: int = 1
    start: Path | None = None


class _Batches(Dataset[Any]):
    def __init__(self, sampler: Sampler, plan: list[tuple[int, bool, bool, float]]) -> None:
        self.sampler, self.plan = sampler, plan

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> tuple[Batch, float]:
        number, dense, large, done = self.plan[index]
        return self.sampler.batch(number, dense=dense, large=large), done


def trained(pictures: list[Labelled], course: Course, checkpoint: Path, report: Callable[[str], None]) -> Eye:
    """The moving average of the network after its course. Goes on from `checkpoint` if that is of the same course."""
    torch.manual_seed(course.seed)
    net = Eye()
    net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if course.start:
        net.load_state_dict(torch.load(course.start, weights_only=True)["average"])
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY)
    step = _resume(checkpoint, course, net, average, optimiser)
    plan = list(schedule(course.pictures))
    rest = _Batches(Sampler(pictures, course.seed), plan[step:])
    loader: Any = DataLoader(
        rest, batch_size=None, num_workers=course.helpers, prefetch_factor=4 if course.helpers else None
    )
    saved, losses = time.monotonic(), list[float]()
    began, first = time.monotonic(), step
    for batch, done in loader:
        for group in optimiser.param_groups:
            group["lr"] = _rate(step, done, fine_tuning=course.start is not None)
        loss = _loss(net, batch, np.random.default_rng([course.seed, step, 1]))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), _CLIP)
        optimiser.step()
        step += 1
        _follow(average, net, min(_AVERAGE, step / (step + 10)))
        losses.append(float(loss.detach()))
        if step % 200 == 0:
            pace = (time.monotonic() - began) / (step - first)
            left = pace * (len(plan) - step) / 60
            report(f"{step} of {len(plan)} batches, loss {np.mean(losses[-200:]):.4f}, {left:.0f} minutes left")
        if time.monotonic() - saved > _SAVE_EVERY:
            _save(checkpoint, course, (net, average), optimiser, step)
            saved = time.monotonic()
    _save(checkpoint, course, (net, average), optimiser, step)
    return average.eval()


def _rate(step: int, done: float, *, fine_tuning: bool) -> float:
    top = _RATE * (0.3 if fine_tuning else 1.0)
    return top * min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * done)) + 1e-5


def _loss(net: Eye, batch: Batch, rng: np.random.Generator) -> Tensor:
    x = planes(torch.from_numpy(batch.pictures))
    place, room, light = (torch.from_numpy(t) for t in (batch.place, batch.room, batch.light))
    if batch.masks is None or batch.weights is None:
        return _mixed(net, x, place, room, rng)
    masks, scene = net(x)
    loss = _region_loss(masks, torch.from_numpy(batch.masks), torch.from_numpy(batch.weights))
    a, b = 4, 9
    loss = loss + _SCENE * (_known_entropy(scene[:, :a], place) + _known_entropy(scene[:, a:b], room))
    return loss + _LIGHT * _known_entropy(scene[:, b:], light)


def _mixed(net: Eye, x: Tensor, place: Tensor, room: Tensor, rng: np.random.Generator) -> Tensor:
    """The scene's loss, half of the time on pictures mixed in pairs (mixup, Zhang et al., 2018)."""
    if rng.random() < 0.5:
        _, scene = net.encoded(x)
        return _known_entropy(scene[:, :4], place) + _known_entropy(scene[:, 4:9], room)
    share = float(rng.beta(0.3, 0.3))
    order = torch.from_numpy(rng.permutation(len(x)))
    _, scene = net.encoded(share * x + (1 - share) * x[order])
    loss = torch.zeros(())
    for weight, p, r in ((share, place, room), (1 - share, place[order], room[order])):
        loss = loss + weight * (_known_entropy(scene[:, :4], p) + _known_entropy(scene[:, 4:9], r))
    return loss


def _known_entropy(logits: Tensor, label: Tensor) -> Tensor:
    if not bool((label >= 0).any()):
        return torch.zeros(())
    share = (label >= 0).float().mean()
    return share * functional.cross_entropy(logits, label, ignore_index=-1, label_smoothing=_SMOOTHING)


def _region_loss(logits: Tensor, masks: Tensor, weights: Tensor) -> Tensor:
    """Per mask: cross-entropy, and one minus the soft overlap over the batch (Rahman and Wang, 2016)."""
    pixelwise = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none") * weights
    total = torch.zeros(())
    p, t = torch.sigmoid(logits) * weights, masks * weights
    for c in range(logits.shape[1]):
        if float(weights[:, c].sum()) == 0:
            continue
        entropy = pixelwise[:, c].sum() / weights[:, c].sum()
        both = (p[:, c] * t[:, c]).sum()
        overlap = (both + 1) / (p[:, c].sum() + t[:, c].sum() - both + 1)
        total = total + (1.0 if c < 2 else 0.4) * (entropy + _REGION * (1 - overlap))
    return total


def _follow(average: Eye, net: Eye, keep: float) -> None:
    with torch.no_grad():
        for a, b in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
            if a.dtype.is_floating_point:
                a.mul_(keep).add_(b, alpha=1 - keep)
            else:
                a.copy_(b)


def _save(path: Path, course: Course, nets: tuple[Eye, Eye], optimiser: torch.optim.Optimizer, step: int) -> None:
    state = {
        "pictures": course.pictures,
        "seed": course.seed,
        "step": step,
        "net": nets[0].state_dict(),
        "average": nets[1].state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    part = path.with_name(f".{path.name}.part")
    torch.save(state, part)
    part.replace(path)


def _resume(path: Path, course: Course, net: Eye, average: Eye, optimiser: torch.optim.Optimizer) -> int:
    if not path.is_file():
        return 0
    state: dict[str, Any] = torch.load(path, weights_only=True)
    if (state["pictures"], state["seed"]) != (course.pictures, course.seed):
        return 0
    net.load_state_dict(state["net"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
