"""Chance that looks like photography: crops, light, haze, lenses, sensors, JPEG. Its caller seeds all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Field = NDArray[np.float32]
Picture = NDArray[np.uint8]


def chance(rng: Rng, probability: float) -> bool:
    """True with that probability."""
    return bool(rng.random() < probability)


def cropped(
    planes: Sequence[tuple[Any, int]], size: tuple[int, int], rng: Rng, *, least: float = 0.45, turn: float = 4.0
) -> list[Any]:
    """One random crop, mirrored half of the time, of several planes alike.

    Parameters
    ----------
    planes : sequence of ((H, W) or (H, W, 3) uint8, interpolation)
        OpenCV's interpolation: linear for pictures and masks, nearest for class maps.
    size : (width, height) of the result; its aspect is kept within about 25 %.
    least : smallest share of the picture's area.
    turn : degrees, now and then.
    """
    height, width = planes[0][0].shape[:2]
    out_width, out_height = size
    aspect = out_width / out_height * np.exp(rng.uniform(-0.22, 0.22))
    area = rng.uniform(least, 1.0) * min(width * height, width * width / aspect, height * height * aspect)
    w, h = min(float(width), (area * aspect) ** 0.5), min(float(height), (area / aspect) ** 0.5)
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    fit = np.array([[out_width / w, 0, -left * out_width / w], [0, out_height / h, -top * out_height / h], [0, 0, 1]])
    if turn and chance(rng, 0.3):
        rotation = cv2.getRotationMatrix2D((out_width / 2, out_height / 2), rng.uniform(-turn, turn), 1.04)
        fit = np.vstack([rotation, [0, 0, 1]]) @ fit
    if chance(rng, 0.5):
        fit = np.array([[-1, 0, out_width], [0, 1, 0], [0, 0, 1]]) @ fit
    shrink = w / out_width
    made: list[Any] = []
    for plane, interpolation in planes:
        source = plane
        if shrink > 1.5 and interpolation == cv2.INTER_LINEAR:
            source = cv2.GaussianBlur(source, (0, 0), 0.4 * shrink)
        border = cv2.BORDER_REFLECT_101
        made.append(cv2.warpAffine(source, fit[:2], size, flags=interpolation, borderMode=border))
    return made


def photographed(x: Field, rng: Rng, *, strength: float = 1.0) -> Picture:
    """A scene (h, w, 3) float32 0..1, sRGB-encoded, under another light, camera and file quality; uint8."""
    linear = cv2.pow(np.clip(x, 0, 1), 2.2)
    if chance(rng, 0.8):
        cast = np.exp(rng.normal(0, [0.10, 0.0, 0.14]))
        linear = linear * (cast * 2 ** rng.normal(0.05, 0.55 * strength)).astype(np.float32)
    if chance(rng, 0.2):
        linear = _hazed(linear, rng)
    y: Any = cv2.pow(np.clip(linear, 0, 1), 1 / 2.2)
    if chance(rng, 0.4):
        y = cv2.pow(y, float(np.exp(rng.normal(0, 0.25 * strength))))
    if chance(rng, 0.5):
        grey = y.mean(2, keepdims=True)
        y = grey + (y - grey) * np.float32(rng.uniform(0, 0.6) if chance(rng, 0.4) else rng.uniform(0.6, 1.6))
    if chance(rng, 0.3):
        y = 0.5 + (y - 0.5) * np.float32(rng.uniform(0.6, 1.4))
    if chance(rng, 0.15):
        y = y + (y - cv2.GaussianBlur(y, (0, 0), rng.uniform(4, 16))) * np.float32(rng.uniform(0.3, 1.2))
    if chance(rng, 0.15):
        h, w = y.shape[:2]
        corner = np.linspace(-1, 1, w)[None] ** 2 + np.linspace(-1, 1, h)[:, None] ** 2
        y = y * (1 - rng.uniform(0, 0.3) * corner[..., None]).astype(np.float32)
    return _recorded(y, rng)


def _hazed(linear: Field, rng: Rng) -> Field:
    colour = rng.uniform(0.6, 1.0, 3).astype(np.float32)
    share = np.linspace(rng.uniform(0.1, 0.6), rng.uniform(0, 0.2), linear.shape[0], dtype=np.float32)
    mixed = linear * (1 - share[:, None, None]) + colour * share[:, None, None]
    return mixed.astype(np.float32)


def _recorded(y: Any, rng: Rng) -> Picture:
    """Blur, noise and JPEG."""
    h, w = y.shape[:2]
    y = np.clip(y, 0, 1)
    if chance(rng, 0.2):
        y = cv2.GaussianBlur(y, (0, 0), rng.uniform(0.3, 1.6))
    elif chance(rng, 0.25):
        k = rng.uniform(0.35, 0.8)
        small = cv2.resize(y, (max(1, int(w * k)), max(1, int(h * k))), interpolation=cv2.INTER_AREA)
        y = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
    if chance(rng, 0.3):
        grain = np.float32(rng.uniform(0.005, 0.04))
        y = y + grain * rng.standard_normal((h, w, 3 if chance(rng, 0.5) else 1), dtype=np.float32)
    eight = (np.clip(y, 0, 1) * 255).astype(np.uint8)
    if chance(rng, 0.4):
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 93))]
        eight = cv2.imdecode(cv2.imencode(".jpg", eight, quality)[1], cv2.IMREAD_COLOR)
    return eight  # pyright: ignore[reportReturnType]


def blotted(picture: Picture, rng: Rng) -> Picture:
    """A rectangle of one colour over a part of the picture (random erasing, Zhong et al., 2020)."""
    h, w = picture.shape[:2]
    out = picture.copy()
    bh, bw = int(rng.integers(h // 12, h // 3)), int(rng.integers(w // 12, w // 3))
    top, left = int(rng.integers(0, h - bh)), int(rng.integers(0, w - bw))
    out[top : top + bh, left : left + bw] = rng.integers(0, 256, 3)
    return out
