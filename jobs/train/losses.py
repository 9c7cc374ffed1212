"""What a network is told: by labels where there are any, and by a wider network's answers everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.see.nets import PLACES, ROOMS

_PLACES, _SCENE = len(PLACES), len(PLACES) + len(ROOMS)
_MASK_WEIGHTS = (1.0, 1.0, 0.4, 0.4, 0.4)
_REGION, _SMOOTHING = 0.5, 0.05
_SCENE_WEIGHT, _LIGHT_WEIGHT = 0.5, 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Logits: masks (n, 5, h, w) or None, scene (n, 11)."""

    masks: Tensor | None
    scene: Tensor


class Targets:
    """The labels of a batch (jobs.train.batches.Batch as tensors), and their share in a mixed one."""

    def __init__(self, share: float, batch: dict[str, Tensor]) -> None:
        self.share = share
        self.masks, self.weights = (batch[name].float() / 255 if name in batch else None for name in _DENSE_PARTS)
        self.place, self.room, self.light = batch["place"], batch["room"], batch["light"]


_DENSE_PARTS = ("masks", "weights")


def mixed(x: Tensor, batch: dict[str, Tensor], *, seed: tuple[int, int]) -> tuple[Tensor, list[Targets]]:
    """Half of the time, pictures mixed in pairs, with both labels (mixup, Zhang et al., 2018)."""
    rng = np.random.default_rng([*seed, 1])
    if rng.random() < 0.5:
        return x, [Targets(1.0, batch)]
    share = float(rng.beta(0.3, 0.3))
    order = torch.from_numpy(rng.permutation(len(x))).to(x.device)
    other = {name: batch[name][order] for name in ("place", "room", "light")}
    return share * x + (1 - share) * x[order], [Targets(share, batch), Targets(1 - share, other)]


def label_loss(told: Answers, targets: list[Targets]) -> Tensor:
    """The loss by the labels; what they do not say costs nothing."""
    loss = told.scene.new_zeros(())
    for t in targets:
        weight = t.share * (_SCENE_WEIGHT if told.masks is not None else 1.0)
        loss = loss + weight * _known_entropy(told.scene[:, :_PLACES], t.place)
        loss = loss + weight * _known_entropy(told.scene[:, _PLACES:_SCENE], t.room)
        loss = loss + t.share * _LIGHT_WEIGHT * _known_entropy(told.scene[:, _SCENE:], t.light)
        if told.masks is not None and t.masks is not None and t.weights is not None:
            loss = loss + _region_loss(told.masks, t.masks, t.weights)
    return loss


def _known_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy summed over the labelled rows, over all rows: without asking the GPU how many there are."""
    total = functional.cross_entropy(logits, label, ignore_index=-1, label_smoothing=_SMOOTHING, reduction="sum")
    return total / len(label)


def _region_loss(logits: Tensor, masks: Tensor, weights: Tensor) -> Tensor:
    """Per mask: cross-entropy, and one minus the soft overlap over the batch (Rahman and Wang, 2016)."""
    axes = (0, 2, 3)
    pixelwise = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none") * weights
    entropy = pixelwise.sum(axes) / weights.sum(axes).clamp(min=1)
    p, t = torch.sigmoid(logits) * weights, masks * weights
    both = (p * t).sum(axes)
    overlap = (both + 1) / (p.sum(axes) + t.sum(axes) - both + 1)
    return ((entropy + _REGION * (1 - overlap)) * logits.new_tensor(_MASK_WEIGHTS)).sum()


def taught_loss(told: Answers, teacher: Answers) -> Tensor:
    """The loss by the teacher's answers to the same pictures, unlabelled ones included.

    Hinton et al., Distilling the knowledge in a neural network, 2015; the same crops for both, as Beyer et al.,
    Knowledge distillation: a good teacher is patient and consistent, 2022.
    """
    loss = told.scene.new_zeros(())
    for a, b in ((0, _PLACES), (_PLACES, _SCENE), (_SCENE, told.scene.shape[1])):
        soft = torch.softmax(teacher.scene[:, a:b], 1)
        weight = _SCENE_WEIGHT if b <= _SCENE else _LIGHT_WEIGHT
        loss = loss + weight * functional.cross_entropy(told.scene[:, a:b], soft)
    if told.masks is not None and teacher.masks is not None:
        soft = torch.sigmoid(teacher.masks)
        pixelwise = functional.binary_cross_entropy_with_logits(told.masks, soft, reduction="none")
        loss = loss + (pixelwise.mean((0, 2, 3)) * told.masks.new_tensor(_MASK_WEIGHTS)).sum()
    return loss
