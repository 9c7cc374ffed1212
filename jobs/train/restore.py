"""A network that ships back into torch, so that it can learn on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from jobs.train.export import TOLERANCE, parity
from jobs.train.eye import Eye
from pipeline.codes import SettingsError


def restored(path: Path) -> Eye:
    """The network of a file that `export` wrote. Raises SettingsError where it is another or none.

    Its normalisations are folded into the convolutions before them: here they only add what is left of them.
    """
    try:
        graph: Any = onnx.load(str(path)).graph
    except OSError as error:
        raise SettingsError(f"--start {path}: {error.strerror or error}") from None
    except Exception as error:  # onnx raises whatever its parser does
        raise SettingsError(f"--start {path}: is no ONNX file: {first_line(error)}") from None
    arrays = {part.name: torch.from_numpy(numpy_helper.to_array(part).copy()) for part in graph.initializer}
    nodes = [node for node in graph.node if node.op_type in {"Conv", "Gemm"}]
    net = Eye()
    layers = _layers(net)
    try:
        if len(nodes) != len(layers):
            raise ValueError(f"{len(nodes)} layers instead of {len(layers)}")
        for node, (layer, norm) in zip(nodes, layers, strict=True):
            _fill(layer, norm, arrays[node.input[1]], arrays[node.input[2]])
        difference = parity(net, path)
    except (KeyError, IndexError, ValueError, RuntimeError, cv2.error) as error:
        raise SettingsError(f"--start {path}: is no network of `sunroom train see`: {first_line(error)}") from None
    if difference > TOLERANCE:
        raise SettingsError(f"--start {path}: is no network of `sunroom train see`: answers differ by {difference:.1e}")
    return net


def first_line(error: Exception) -> str:
    """What an error says, of which libraries write pages; its kind where it says nothing."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def still(net: nn.Module) -> None:
    """Keep normalisations as they are while the rest learns: a restored network has none of its own."""
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()


def _layers(net: Eye) -> list[tuple[nn.Conv2d | nn.Linear, nn.BatchNorm2d | None]]:
    """Convolutions and dense layers in the order in which they work, each with the normalisation behind it."""
    order: list[nn.Module] = []
    parts = [part for part in net.modules() if isinstance(part, nn.Conv2d | nn.Linear | nn.BatchNorm2d)]

    def note(part: nn.Module, _inputs: object, _output: object) -> None:
        order.append(part)

    hooks = [part.register_forward_hook(note) for part in parts]
    net.eval()
    with torch.no_grad():
        net(torch.zeros(1, 4, 64, 64))
    for hook in hooks:
        hook.remove()
    after = [*order[1:], None]
    return [
        (part, norm if isinstance(norm, nn.BatchNorm2d) else None)
        for part, norm in zip(order, after, strict=True)
        if isinstance(part, nn.Conv2d | nn.Linear)
    ]


def _fill(layer: nn.Conv2d | nn.Linear, norm: nn.BatchNorm2d | None, weight: torch.Tensor, bias: torch.Tensor) -> None:
    with torch.no_grad():
        if layer.weight.shape != weight.shape:
            raise ValueError(f"a layer of {tuple(weight.shape)} instead of {tuple(layer.weight.shape)}")
        layer.weight.copy_(weight)
        if norm is None:
            layer.bias.copy_(bias)  # pyright: ignore[reportOptionalMemberAccess]
        else:
            norm.running_mean.zero_()  # pyright: ignore[reportOptionalMemberAccess]
            norm.running_var.fill_(1 - norm.eps)  # pyright: ignore[reportOptionalMemberAccess]
            norm.weight.fill_(1)
            norm.bias.copy_(bias)
