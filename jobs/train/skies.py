"""Procedural skies for training, behind the true outline of real pictures; day, dusk and night."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from jobs.train.augment import Field, Rng, chance

_CLEAR = (
    ((52, 104, 178), (168, 204, 232)),
    ((88, 140, 206), (200, 222, 240)),
    ((30, 70, 140), (140, 180, 214)),
    ((120, 160, 205), (214, 226, 236)),
)
_DULL = (
    ((205, 210, 215), (235, 236, 236)),
    ((170, 176, 182), (215, 217, 218)),
    ((128, 134, 142), (186, 190, 193)),
    ((236, 238, 240), (252, 252, 252)),
    ((254, 254, 254), (255, 255, 255)),
)
_DUSK = (
    ((84, 98, 150), (250, 190, 130)),
    ((60, 70, 120), (240, 140, 90)),
    ((120, 130, 180), (255, 205, 190)),
    ((20, 28, 60), (90, 90, 130)),
    ((70, 60, 110), (235, 120, 110)),
    ((10, 14, 34), (38, 44, 78)),
    ((6, 6, 12), (30, 26, 30)),
)


def clouds(h: int, w: int, rng: Rng, *, base: int = 3, octaves: int = 5, gain: float = 0.55, stretch: float = 2.0):
    """Fractal noise (h, w) float32 0..1, wider than high by `stretch`."""
    total, weight, norm = np.zeros((h, w), np.float32), 1.0, 0.0
    for octave in range(octaves):
        k = base * 2**octave
        rows, columns = max(2, min(h, int(k * stretch))), max(2, min(w, k))
        grid = rng.random((rows, columns), dtype=np.float32)
        total += np.float32(weight) * cv2.resize(grid, (w, h), interpolation=cv2.INTER_CUBIC)
        norm += weight
        weight *= gain
    return total / np.float32(norm)


def sky(h: int, w: int, rng: Rng, *, dusk: bool = False) -> Field:
    """A sky (h, w, 3) float32 0..1, sRGB-encoded: a gradient, mostly with clouds, at times with a sun."""
    rows, columns = max(24, h // 2), max(24, w // 2)
    dull = not dusk and chance(rng, 0.45)
    palette = _DUSK if dusk else _DULL if dull else _CLEAR
    zenith, horizon = (np.array(c, np.float32) / 255 for c in palette[rng.integers(len(palette))])
    zenith, horizon = (c + rng.normal(0, 0.025, 3).astype(np.float32) for c in (zenith, horizon))
    tilt = rng.uniform(-0.25, 0.25) * np.linspace(-0.5, 0.5, columns)
    height = (np.linspace(0, 1, rows)[:, None] + tilt) / rng.uniform(0.35, 1.1)
    t = (np.clip(height, 0, 1) ** rng.uniform(0.6, 1.6))[..., None].astype(np.float32)
    made: Any = zenith * (1 - t) + horizon * t
    if chance(rng, 0.75) and float(zenith.min()) < 0.95:
        made = _clouded(made, horizon.astype(np.float32), rng, dusk=dusk)
    if chance(rng, 0.25):
        x, y = rng.uniform(0, 1) * columns, rng.uniform(-0.1, 0.9) * rows
        distance = np.hypot(np.arange(columns)[None] - x, np.arange(rows)[:, None] - y) / columns
        glow = np.exp(-((distance / rng.uniform(0.05, 0.4)) ** 2)) * rng.uniform(0.2, 0.9)
        made = made + (glow[..., None] * [1, 0.97, rng.uniform(0.75, 1)]).astype(np.float32)
    full: Any = cv2.resize(np.clip(made, 0, 1), (w, h), interpolation=cv2.INTER_LINEAR)
    grain = np.float32(rng.uniform(0, 0.012)) * rng.standard_normal((h, w, 1), dtype=np.float32)
    return np.clip(full + grain, 0, 1).astype(np.float32)


def _clouded(made: Field, horizon: Field, rng: Rng, *, dusk: bool) -> Field:
    rows, columns = made.shape[:2]
    noise = clouds(
        rows, columns, rng, base=int(rng.choice([2, 3, 4, 6])), gain=rng.uniform(0.45, 0.65), stretch=rng.uniform(1, 3)
    )
    low = np.quantile(noise, rng.uniform(0.2, 0.85))
    cover = (np.clip((noise - low) / rng.uniform(0.06, 0.4), 0, 1) * rng.uniform(0.3, 1))[..., None]
    shade = clouds(rows, columns, rng, octaves=4)[..., None]
    light = min(1.0, float(made.max()) + rng.uniform(0, 0.15))
    body = np.clip(light - (shade - 0.45) * rng.uniform(0, 1.1), 0, 1)
    if dusk:
        body = body * (horizon * 0.5 + 0.5 * float(made.max()))
    return (made + (body - made) * cover).astype(np.float32)


def under_another_sky(x: Field, mask: Field, rng: Rng, *, dusk: bool = False) -> Field:
    """A picture (h, w, 3) float32 with its sky (mask (h, w) 0..1) replaced and its ground relit."""
    h, w = mask.shape
    new = sky(h, w, rng, dusk=dusk)
    alpha = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 1.4)) if chance(rng, 0.7) else mask
    if chance(rng, 0.5):
        alpha = np.clip((alpha - rng.uniform(0, 0.3)) / rng.uniform(0.6, 0.9), 0, 1)
    inside = mask > 0.5
    ground = x
    if inside.any() and (dusk or chance(rng, 0.6)):
        light, before = new[inside].mean(0), x[inside].mean(0)
        change = (light + 0.15) / (before + 0.15)
        ground = np.clip(x * np.power(change, rng.uniform(0.1, 0.6)).astype(np.float32), 0, 1)
    if not dusk and chance(rng, 0.15):
        far = np.linspace(rng.uniform(0.2, 0.7), 0, h, dtype=np.float32)[:, None, None]
        ground = ground + (new.mean((0, 1)) - ground) * far * (1 - mask[..., None])
    a = alpha[..., None]
    return np.clip(ground * (1 - a) + new * a, 0, 1).astype(np.float32)


def nightfall(x: Field, mask: Field, panes: Field, rng: Rng) -> Field:
    """A day exterior after sunset: another sky, little blue light, lamps behind some of the panes (h, w) 0..1."""
    relit = under_another_sky(x, mask, rng, dusk=True)
    a = mask[..., None]
    dim = cv2.pow(relit, 2.2) * (2 ** rng.uniform(-3.2, -0.8) * np.array([0.8, 0.9, 1.15])).astype(np.float32)
    lamps = (clouds(mask.shape[0], mask.shape[1], rng, base=5, octaves=2, stretch=1) > rng.uniform(0.4, 0.6)).astype(
        np.float32
    ) * panes
    warm = np.array([1.0, rng.uniform(0.55, 0.75), rng.uniform(0.2, 0.4)], np.float32) * rng.uniform(0.3, 1.2)
    dim = dim * (1 - lamps[..., None]) + warm * lamps[..., None]
    glow = cv2.GaussianBlur(lamps, (0, 0), max(1.0, mask.shape[1] * rng.uniform(0.01, 0.05)))
    dim = dim + glow[..., None] * warm * rng.uniform(0, 0.6)
    below = cv2.pow(np.clip(dim, 0, 1), 1 / 2.2)
    return (below * (1 - a) + relit * a).astype(np.float32)
