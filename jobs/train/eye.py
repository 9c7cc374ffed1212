"""Eye: one small network whose one encoder answers every question about a proxy.

Residual blocks down to 1/32, plain ones where the picture is large (CPUs move memory slower than they multiply) and
inverted ones (MobileNetV2, Sandler et al., 2018) where it is small; a light decoder (U-Net, Ronneberger et al., 2015)
up to 1/2 for the masks; and one head on the pooled features for place, room and light.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.see.nets import LIGHTS, MASKS, PLACES, ROOMS

DENSE = (*MASKS, "building", "ground")
"""Masks that the network learns; those that only teach the others are cut off when it is exported."""
_WIDTHS = (16, 24, 40, 80, 144)
_BLOCKS = (2, 3, 4, 3)
_DECODER = (64, 48, 32, 16)
_PLAIN = 3
"""Widths of the list up to which blocks are plain; the others are inverted."""


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, *, act: bool = True):
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if act else nn.Sequential(*layers)


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, *, plain: bool) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        if plain:
            self.body = _conv(inputs, outputs, 3, stride)
        else:
            hidden = inputs * (3 if self.residual else 4)
            self.body = nn.Sequential(
                _conv(inputs, hidden, 1),
                _conv(hidden, hidden, 5 if self.residual else 3, stride, hidden),
                _conv(hidden, outputs, 1, act=False),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return x + y if self.residual else y


class _Up(nn.Module):
    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.below = _conv(inputs, outputs, 1, act=False)
        self.beside = _conv(skip, outputs, 1, act=False)
        self.body = nn.Sequential(nn.ReLU(), _conv(outputs, outputs, 3, 1, outputs), _conv(outputs, outputs, 1))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        up = functional.interpolate(self.below(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.body(up + self.beside(skip))


class Eye(nn.Module):
    """(N, 4, H, W) float32 to logits; H and W are multiples of 32.

    The planes are R, G, B (sRGB-encoded 0..1, less .5, times 4) and the height in the frame, -1 at the top to 1.
    Gives masks (N, 5, H/2, W/2) as in DENSE, and (N, 11): PLACES, ROOMS, LIGHTS. `scale` widens every layer.
    """

    def __init__(self, scale: int = 1) -> None:
        super().__init__()
        w, d = ([scale * width for width in widths] for widths in (_WIDTHS, _DECODER))
        self.stem = _conv(4, w[0], 3, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(
                _Residual(w[j], w[j + 1], 2, plain=j < _PLAIN),
                *(_Residual(w[j + 1], w[j + 1], 1, plain=j + 1 < _PLAIN) for _ in range(blocks - 1)),
            )
            for j, blocks in enumerate(_BLOCKS)
        )
        self.everywhere = nn.Linear(w[4], w[4])
        answers = len(PLACES) + len(ROOMS) + len(LIGHTS)
        self.scene = nn.Sequential(
            nn.Linear(w[4] * 2, 128 * scale), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Linear(128 * scale, answers)
        )
        self.up4, self.up3 = _Up(w[4], w[3], d[0]), _Up(d[0], w[2], d[1])
        self.up2, self.up1 = _Up(d[1], w[1], d[2]), _Up(d[2], w[0], d[3])
        self.masks = nn.Conv2d(d[3], len(DENSE), 1)

    def encoded(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Features at 1/2 to 1/32, and the scene's logits."""
        features = [self.stem(x)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        last = features[-1]
        pooled = torch.cat([last.mean((2, 3)), last.amax((2, 3))], 1)
        return features, cast(Tensor, self.scene(pooled))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the masks and of the scene."""
        features, scene = self.encoded(x)
        last = features[4]
        t = torch.relu(last + self.everywhere(last.mean((2, 3)))[:, :, None, None])
        t = self.up2(self.up3(self.up4(t, features[3]), features[2]), features[1])
        return self.masks(self.up1(t, features[0])), scene


def planes(pictures: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 to the network's input."""
    n, h, w, _ = pictures.shape
    y = torch.linspace(-1, 1, h, device=pictures.device).view(1, 1, h, 1).expand(n, 1, h, w)
    rgb = (pictures.permute(0, 3, 1, 2).float() / 255 - 0.5) * 4
    return torch.cat([rgb, y], 1).contiguous(memory_format=torch.channels_last)
