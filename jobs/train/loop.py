"""The training loop: pupils, moving averages, checkpoints. Scheduled by pictures seen, never by the clock."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from jobs.train.batches import LARGE_FROM, Sampler, schedule
from jobs.train.eye import Eye, planes
from jobs.train.layout import Labelled
from jobs.train.losses import Answers, Targets, label_loss, mixed, taught_loss
from jobs.train.restore import first_line, restored, still
from pipeline.codes import SettingsError

_RATE, _DECAY, _WARM_UP, _CLIP = 3e-3, 0.02, 100, 5.0
_FINE_TUNING = 0.1
"""Share of the learning rate."""
_AVERAGE = 0.998
_TAUGHT_FROM, _TAUGHT_FULLY = 0.1, 0.3
_REMEMBERED = 0.2
"""Weight of what a network that ships said before it learnt on."""
_SAVE_EVERY = 240.0


@dataclass(frozen=True, slots=True)
class Course:
    """What is trained: pictures seen with masks, the seed, and who makes the batches beside this process.

    teacher: how much wider the network is that learns beside this one and teaches it what labels do not say; 0 for
    none. start: a checkpoint, or a network that ships (.onnx), to go on from with other pictures. The latter is its own
    teacher: it also learns not to forget.
    """

    pictures: int
    seed: int = 0
    helpers: int = 1
    teacher: int = 2
    device: str = "cpu"
    start: Path | None = None


class Pupil:
    """A network in training, the moving average of its weights, which is what answers, and its optimiser."""

    def __init__(self, scale: int, device: str) -> None:
        self.net = Eye(scale).to(device)
        self.net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.before: Eye | None = None
        self.average = copy.deepcopy(self.net).eval()
        for p in self.average.parameters():
            p.requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=_RATE, weight_decay=_DECAY)
        both = zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True)
        self._followed = [(a, b) for a, b in both if a.dtype.is_floating_point]

    def learn(self, loss: Tensor, rate: float, keep: float) -> None:
        """One step down the loss; the average keeps a share of itself."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), _CLIP)
        self.optimiser.step()
        with torch.no_grad():
            averages, weights = (list(part) for part in zip(*self._followed, strict=True))
            torch._foreach_lerp_(averages, weights, 1 - keep)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]

    def state(self) -> dict[str, Any]:
        """All there is to go on from."""
        parts = {"net": self.net, "average": self.average, "optimiser": self.optimiser}
        return {name: part.state_dict() for name, part in parts.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        for name, part in (("net", self.net), ("average", self.average), ("optimiser", self.optimiser)):
            part.load_state_dict(state[name])


class _Batches(Dataset[Any]):
    def __init__(self, sampler: Sampler, plan: list[tuple[int, bool, bool, float]]) -> None:
        self.sampler, self.plan = sampler, plan

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        number, dense, large, _ = self.plan[index]
        batch = self.sampler.batch(number, dense=dense, large=large)
        named = {name: getattr(batch, name) for name in ("pictures", "masks", "weights", "place", "room", "light")}
        return {name: torch.from_numpy(array) for name, array in named.items() if array is not None}


def trained(pictures: list[Labelled], course: Course, checkpoint: Path, report: Callable[[str], None]) -> Eye:
    """The moving average of the network after its course. Goes on from `checkpoint` if that is of the same course."""
    torch.manual_seed(course.seed)  # of the first weights
    shipped = course.start is not None and course.start.suffix == ".onnx"
    pupils = [Pupil(scale, course.device) for scale in (1, 0 if shipped else course.teacher) if scale]
    if course.start and shipped:
        _restore(pupils[0], course.start)
    elif course.start:
        _begin(pupils, course.start)
    step = _resume(checkpoint, course, pupils)
    plan = list(schedule(course.pictures, large_from=0.0 if course.start else LARGE_FROM))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # helpers share the cores; set before they fork, since OpenCV's threads do not survive that
    loader: Any = DataLoader(
        _Batches(Sampler(pictures, course.seed), plan[step:]),
        batch_size=None,
        num_workers=course.helpers,
        prefetch_factor=4 if course.helpers else None,
        pin_memory=course.device != "cpu",
    )
    saved = began = time.monotonic()
    first, losses = step, list[Tensor]()
    for batch in loader:
        losses.append(_step(pupils, batch, course, step, plan[step][3]))
        step += 1
        if step % 200 == 0:
            left = (time.monotonic() - began) / (step - first) * (len(plan) - step) / 60
            mean = float(torch.stack(losses[-200:]).mean())
            report(f"{step} of {len(plan)} batches, loss {mean:.4f}, {left:.0f} minutes left")
        if time.monotonic() - saved > _SAVE_EVERY:
            _save(checkpoint, course, pupils, step)
            saved = time.monotonic()
    _save(checkpoint, course, pupils, step)
    cv2.setNumThreads(threads)
    return pupils[0].average.cpu()


def _restore(pupil: Pupil, start: Path) -> None:
    """Take over a network that ships, and keep it as it was for a teacher."""
    net = restored(start)
    for part in (pupil.net, pupil.average):
        part.load_state_dict(net.state_dict())
    still(pupil.net)
    pupil.before = copy.deepcopy(pupil.average)


def _begin(pupils: list[Pupil], start: Path) -> None:
    """Take over the averages of another course's checkpoint. Raises SettingsError where that is none."""
    try:
        states = torch.load(start, map_location="cpu", weights_only=True)["pupils"]
        for pupil, state in zip(pupils, states, strict=False):
            pupil.net.load_state_dict(state["average"])
            pupil.average.load_state_dict(state["average"])
    except OSError as error:
        raise SettingsError(f"--start {start}: {error.strerror or error}") from None
    except Exception as error:  # torch raises whatever its unpickler does
        reason = first_line(error)
        raise SettingsError(f"--start {start}: is no checkpoint of `sunroom train see`: {reason}") from None


def _step(pupils: list[Pupil], batch: dict[str, Tensor], course: Course, step: int, done: float) -> Tensor:
    """All pupils learn from one batch, the first also from its teacher, the last or itself before; its loss."""
    torch.manual_seed(course.seed * 1_000_003 + step)  # of dropout, so that a course goes on as it would have
    there = {name: part.to(course.device, non_blocking=True) for name, part in batch.items()}
    x, targets = planes(there["pictures"]), [Targets(1.0, there)]
    if "masks" not in there:
        x, targets = mixed(x, there, seed=(course.seed, step))
    rate = _rate(step, done, fine_tuning=course.start is not None)
    keep = min(_AVERAGE, (step + 1) / (step + 11))
    share = min(max((done - _TAUGHT_FROM) / (_TAUGHT_FULLY - _TAUGHT_FROM), 0.0), 1.0)
    taught: Answers | None = None
    losses: list[Tensor] = []
    if (before := pupils[0].before) is not None:
        share = _REMEMBERED
        with torch.no_grad():
            taught = _answers(before, x, targets)
    for pupil in reversed(pupils):
        told = _answers(pupil.net, x, targets)
        loss = label_loss(told, targets)
        if taught is not None and share > 0:
            loss = loss + share * taught_loss(told, taught)
        pupil.learn(loss, rate, keep)
        losses.append(loss.detach())
        if pupil is not pupils[0] and share > 0:
            with torch.no_grad():
                taught = _answers(pupil.average, x, targets)
    return losses[-1]


def _answers(net: Eye, x: Tensor, targets: list[Targets]) -> Answers:
    """Logits; of the scene alone where there are no masks to learn."""
    if targets[0].masks is None:
        return Answers(None, net.encoded(x)[1])
    return Answers(*net(x))


def _rate(step: int, done: float, *, fine_tuning: bool) -> float:
    top = _RATE * (_FINE_TUNING if fine_tuning else 1.0)
    return top * min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * done)) + 1e-5


def _identity(course: Course) -> list[int | str]:
    return [course.pictures, course.seed, course.teacher, course.start.name if course.start else ""]


def _save(path: Path, course: Course, pupils: list[Pupil], step: int) -> None:
    state = {
        "course": _identity(course),
        "step": step,
        "pupils": [pupil.state() for pupil in pupils],
    }
    part = path.with_name(f".{path.name}.part")
    torch.save(state, part)
    part.replace(path)


def _resume(path: Path, course: Course, pupils: list[Pupil]) -> int:
    if not path.is_file():
        return 0
    try:
        state: dict[str, Any] = torch.load(path, map_location=course.device, weights_only=True)
        if state.get("course") != _identity(course):
            return 0
        for pupil, one in zip(pupils, state["pupils"], strict=True):
            pupil.load(one)
        return int(state["step"])
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # torch raises whatever its unpickler does
        raise SettingsError(
            f"{path}: is no checkpoint to go on from: {first_line(error)}; remove it to begin anew"
        ) from None
