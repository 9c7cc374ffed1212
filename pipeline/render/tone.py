"""Tone operations applied to tiles: curve, then gain * x + offset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.merge.tiles import Box, Upsampler
from pipeline.photo import Image
from pipeline.plan import Operation, Plan, Tone, Warp

Field = NDArray[np.floating[Any]]


def evaluate(tone: Tone, image: Field) -> NDArray[np.float32]:
    """A Tone on a whole small picture: (h, w, 3) float32 0..1, not clipped. For proxies and checks."""
    out: Any = image.astype(np.float32)
    if tone.curve is not None:
        out = apply_curve(tone.curve, out)
    if tone.gain is not None and tone.offset is not None:
        size = (out.shape[1], out.shape[0])
        out = out * cv2.resize(tone.gain.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        out = out + cv2.resize(tone.offset.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return out


def shown_after(operations: Sequence[Operation], proxy: Field) -> NDArray[np.float32]:
    """The proxy (h, w, 3) float32 0..1 as the tones among `operations` leave it."""
    shown: Any = proxy.astype(np.float32)
    for operation in operations:
        if isinstance(operation, Tone):
            shown = np.clip(evaluate(operation, shown), 0, 1)
    return shown


def apply_curve(curve: Field, image: Field) -> NDArray[np.float32]:
    """Per-channel piecewise linear curve (N, 3), N >= 2, on float 0..1; inputs beyond are clamped."""
    knots = np.asarray(curve, np.float32)
    steps = np.diff(knots, axis=0)
    place = np.clip(image.astype(np.float32), 0, 1) * np.float32(len(steps))
    low = np.minimum(place.astype(np.int32), len(steps) - 1)
    place -= low
    channels: list[Any] = [
        knots[:, c].take(low[..., c]) + place[..., c] * steps[:, c].take(low[..., c]) for c in range(3)
    ]
    return np.stack(channels, axis=-1)


def toner(plan: Plan, source: Image, *, depth: int) -> Callable[[Box, Image], Image]:
    """A function of a box and a tile of the source there: after the plan's tones, blended by alpha, in `depth` bits.

    Parameters
    ----------
    source : (H, W, 3) uint8 or uint16
        The merged source in the frame of the output (after Warp).
    depth : 8 or 16
        Bits of the result. Where nothing is allowed or planned, the source's levels come back exactly (rounded when
        16 bits become 8).
    """
    height, width = source.shape[:2]
    cell = max(1, round(max(width, height) / 512))
    grid = (-(-width // cell), -(-height // cell))
    alpha = plan.alpha
    tones = plan.tones if np.any(alpha > 0) else ()
    at = positions(plan.warp, width, height, cell)
    steps = _steps(tones, source, at)
    blend = None if np.all(alpha == 1) else placed(alpha, at)
    top = 255 if depth == 8 else 65535
    white = 255 if source.dtype == np.uint8 else 65535

    def run(box: Box, tile: Image) -> Image:
        if not tones:
            return _requantised(tile, depth)
        up = Upsampler(cell, box, grid)
        value: Any = tile
        scale = 1 / white
        for table, field in steps:
            if table is not None:
                value, scale = _look_up(value, scale, table), 1.0
            if field is not None:
                value = cv2.multiply(value, up(field[0]), scale=scale, dtype=cv2.CV_32F)
                scale = 1.0
                cv2.add(value, up(field[1]), dst=value)
        if blend is not None:
            share = up(blend)[..., None]
            original = tile.astype(np.float32) * np.float32(1 / white)
            value = original + share * (value * np.float32(scale) - original)
            scale = 1.0
            result = _quantised(value, top)
            return np.where(share > 0, result, _requantised(tile, depth))
        return _quantised(value, top * scale)

    return run


def _steps(tones: Sequence[Tone], source: Image, at: NDArray[np.float64]) -> list[tuple[Any, Any]]:
    """Tables and placed fields to apply in turn; curves that follow each other are one table."""
    steps: list[tuple[Any, Any]] = []
    table: NDArray[np.float64] | None = None
    for tone in tones:
        if tone.curve is not None:
            # What a field has moved lies between the levels of 8 bits.
            levels = 256 if source.dtype == np.uint8 and not steps else 65536
            before = np.repeat(np.linspace(0, 1, levels)[:, None], 3, axis=1) if table is None else table
            inputs = np.linspace(0, 1, tone.curve.shape[0])
            table = np.stack([np.interp(before[:, c], inputs, tone.curve[:, c]) for c in range(3)], axis=-1)
        if tone.gain is not None and tone.offset is not None:
            steps.append((table, (placed(tone.gain, at), placed(tone.offset, at))))
            table = None
    if table is not None:
        steps.append((table, None))
    return [(None if t is None else t.astype(np.float32), field) for t, field in steps]


def _look_up(value: Any, scale: float, table: NDArray[np.float32]) -> Any:
    if value.dtype == np.uint8:
        return cv2.LUT(value, table[None])
    if value.dtype != np.uint16:
        value = np.clip(value * np.float32(scale * (len(table) - 1)) + np.float32(0.5), 0, len(table) - 1)
        value = value.astype(np.uint16)
    columns = np.ascontiguousarray(table.T)
    return cv2.merge([np.take(columns[c], channel) for c, channel in enumerate(cv2.split(value))])


def positions(warp: Warp | None, width: int, height: int, cell: int) -> NDArray[np.float64]:
    """Where the centres of the output's cells lie in the reference frame: (rows, columns, 2) as shares of its size."""
    columns, rows = -(-width // cell), -(-height // cell)
    x, y = np.meshgrid((np.arange(columns) + 0.5) * cell / width, (np.arange(rows) + 0.5) * cell / height)
    points = np.stack([x, y], axis=-1)
    if warp is None:
        return points
    moved = cv2.perspectiveTransform((points * warp.size).reshape(-1, 1, 2), warp.homography.astype(np.float64))
    return moved.reshape(rows, columns, 2) / warp.frame


def placed(field: Field, positions: NDArray[np.float64], how: int = cv2.INTER_LINEAR) -> Any:
    """A field (h, w) or (h, w, c) over the reference frame at `positions` of it, by bilinear or other interpolation."""
    rows, columns = field.shape[:2]
    u, v = (positions * (columns, rows) - 0.5).astype(np.float32).transpose(2, 0, 1)
    return cv2.remap(field.astype(np.float32), u, v, how, borderMode=cv2.BORDER_REPLICATE)


def _quantised(value: Any, scale: float) -> Any:
    if scale <= 255:
        return cv2.convertScaleAbs(np.maximum(value, 0), alpha=scale)
    return np.clip(value * np.float32(scale) + np.float32(0.5), 0, 65535).astype(np.uint16)


def _requantised(tile: Image, depth: int) -> Any:
    if tile.dtype == np.uint8:
        return tile if depth == 8 else tile.astype(np.uint16) * np.uint16(257)
    return cv2.convertScaleAbs(tile, alpha=1 / 257) if depth == 8 else tile
