"""A trained network to the file that ships: ONNX for OpenCV, and a check that both say the same."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from jobs.train.eye import Eye
from pipeline.see.nets import MASKS

TOLERANCE = 1e-4
"""Most that OpenCV and torch may differ by."""


class _Shipped(nn.Module):
    """The masks that ship as probabilities, and the scene's logits."""

    def __init__(self, net: Eye) -> None:
        super().__init__()
        self.net = net

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        masks, scene = self.net(planes)
        return torch.sigmoid(masks[:, : len(MASKS)]), scene


def export(net: Eye, path: Path) -> float:
    """Write the network as ONNX for pictures of any size (multiples of 32).

    Returns the largest difference between torch's and OpenCV's answers, over three sizes. Raises RuntimeError where it
    is more than rounding.
    """
    shipped = _Shipped(net).eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter by tracing is the one whose files OpenCV reads without another package.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            shipped,
            (torch.rand(1, 4, 256, 384),),
            buffer,  # pyright: ignore[reportArgumentType]
            dynamo=False,
            input_names=["planes"],
            output_names=["masks", "scene"],
            opset_version=17,
            dynamic_axes={"planes": {2: "h", 3: "w"}},
        )
    path.write_bytes(buffer.getvalue())
    difference = parity(net, path)
    if difference > TOLERANCE:
        raise RuntimeError(f"{path}: OpenCV and torch differ by {difference:.1e}")
    return difference


def parity(net: Eye, path: Path) -> float:
    """The largest difference between a network's answers in torch and those of its file in OpenCV."""
    shipped, loaded = _Shipped(net).eval(), cv2.dnn.readNetFromONNX(str(path))
    rng, worst = np.random.default_rng(0), 0.0
    for height, width in ((256, 384), (384, 256), (288, 352)):
        x = rng.uniform(-2, 2, (1, 4, height, width)).astype(np.float32)
        loaded.setInput(x, "planes")
        ours = loaded.forward(["masks", "scene"])
        with torch.no_grad():
            theirs = shipped(torch.from_numpy(x))
        worst = max(worst, *(float(np.abs(a - b.numpy()).max()) for a, b in zip(ours, theirs, strict=True)))
    return worst
