"""Where a pixel of the output lies in an exposure: a homography, and then what the lens did to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.plan import LENS_REACH, Lens

Matrix = NDArray[np.float64]
Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """matrix: (3, 3) output pixels to pixels of an exposure as an ideal lens would give it, centres at +0.5.

    lens: what turns those into pixels of the exposure, or None; long: its long side in pixels, needed with a lens.
    """

    matrix: Matrix
    lens: Lens | None = None
    long: float = 1.0

    @property
    def is_identity(self) -> bool:
        """Whether every pixel stays where it is."""
        return self.lens is None and bool(np.array_equal(self.matrix, np.eye(3)))

    def at(self, x: Array, y: Array) -> list[tuple[Array, Array]]:
        """Columns and rows in the exposure of the output's (x, y), which broadcast: once, or for each channel."""
        t = self.matrix
        scale = 1 / (t[2, 0] * x + (t[2, 1] * y + t[2, 2]))
        u, v = (t[0, 0] * x + (t[0, 1] * y + t[0, 2])) * scale, (t[1, 0] * x + (t[1, 1] * y + t[1, 2])) * scale
        if self.lens is None:
            return [(u, v)]
        return [(a * self.long, b * self.long) for a, b in bent(self.lens, u / self.long, v / self.long)]

    def reduced(self, factor: float) -> Mapping:
        """The same between pictures that are both `factor` times smaller."""
        scale = np.diag([factor, factor, 1.0])
        return replace(self, matrix=np.linalg.inv(scale) @ self.matrix @ scale, long=self.long / factor)


def bent(lens: Lens, u: Array, v: Array) -> list[tuple[Array, Array]]:
    """Coordinates, divided by the long side, of what an ideal lens shows at (u, v): once, or for each channel."""
    x, y = (u - lens.centre[0]) * (lens.zoom / lens.radius), (v - lens.centre[1]) * (lens.zoom / lens.radius)
    square = x * x + y * y
    far = np.sqrt(square)
    knots = np.linspace(0, LENS_REACH, lens.radial.shape[1])
    a, b = lens.tangential
    across, down = 2 * a * x * y + b * (square + 2 * x * x), a * (square + 2 * y * y) + 2 * b * x * y
    found: list[tuple[Array, Array]] = []
    for table in lens.radial:
        scale = np.interp(far, knots, table)
        moved = (x * scale + across) * lens.radius, (y * scale + down) * lens.radius
        found.append((moved[0] + lens.centre[0], moved[1] + lens.centre[1]))
    return found


def straightened(lens: Lens, a: Array, b: Array) -> tuple[Array, Array]:
    """Where an ideal lens shows what the lens has at (a, b), both over the long side: bent() of green, undone."""
    u, v = a, b
    for _ in range(12):
        spots = bent(lens, u, v)
        x, y = spots[len(spots) // 2]
        u, v = u + a - x, v + b - y
    return u, v


def filling(lens: Lens, frame: Sequence[float]) -> Lens:
    """The lens with the zoom at which the ideal picture is as large as can be and has pixels everywhere.

    frame: (width, height) over the long side.
    """
    along = np.linspace(0, 1, 65)
    sides = [(along, 0 * along), (along, 0 * along + 1), (0 * along, along), (0 * along + 1, along)]
    u, v = (np.concatenate([side[i] for side in sides]) * frame[i] for i in (0, 1))

    def fills(zoom: float) -> bool:
        spots = bent(replace(lens, zoom=zoom), u, v)
        return all(np.all((a >= 0) & (a <= frame[0]) & (b >= 0) & (b <= frame[1])) for a, b in spots)

    low, high = 0.5, 1.25
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if fills(middle) else (low, middle)
    return replace(lens, zoom=low)


def centre_scale(lens: Lens | None) -> float:
    """By how much the middle of the picture is enlarged when the lens is taken out of it."""
    return 1.0 if lens is None else 1 / (lens.zoom * float(lens.radial[lens.radial.shape[0] // 2, 0]))
