"""The lens taken out of a picture: distortion, lateral colour and vignetting, as the file or a database tells them.

A mosaic comes as the lens drew it. Cameras and converters correct what they write as pictures, so that those are
corrected only if asked for, or where lines that are bent prove that nobody has. Nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.codes import Code
from pipeline.merge.mapping import filling, straightened
from pipeline.photo import Header
from pipeline.plan import Lens
from pipeline.read.lens.opcodes import embedded, is_developed
from pipeline.read.lens.profiles import profile
from pipeline.recipe import Geometry
from pipeline.see.curvature import bend_of, edges_of

Field = NDArray[np.floating[Any]]
_LEFT = 0.5
"""Share of a proven bend that may be left for a profile to be that of the lens as it was used."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a photo's lens before its pixels are read.

    lens: as the file or the database has it, or None. told: whether the user or the kind of file wants it corrected
    without further proof. frame: width and height over the long side.
    """

    lens: Lens | None
    told: bool
    frame: tuple[float, float]

    @property
    def gain(self) -> NDArray[np.float16] | None:
        """Against vignetting, which leaves no trace that proves it: only where no doubt is."""
        return self.lens.gain if self.lens is not None and self.told else None


@dataclass(frozen=True, slots=True)
class Corrected:
    """The lens to take out, or None; what was found, in JSON values; and warning codes."""

    lens: Lens | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    warnings: tuple[Code, ...] = ()


def known(header: Header, panel: Geometry) -> Known | None:
    """What file and database say of the lens; None where it is to be left. header: of a shot's reference."""
    if panel.lens == "never" or panel.strength == 0:
        return None
    own = embedded(header) if header.format == "raw" else None
    told = panel.lens == "always" or own is not None or not is_developed(header)
    found = own or profile(header)
    long = max(header.width, header.height)
    frame = (header.width / long, header.height / long)
    return Known(None if found is None else _partly(found, panel.strength), told, frame)


def chosen(what: Known | None, proxy: Field) -> Corrected:
    """The lens to take out of a picture. proxy: (h, w, 3) float32 0..1, sRGB-encoded, as the lens drew it."""
    if what is None:
        return Corrected()
    if what.told:
        return _taken(what.lens, what.frame, {}) if what.lens else Corrected(warnings=(Code.LENS_UNKNOWN,))
    edges = edges_of(proxy)
    bend = bend_of(edges)
    if not bend.is_proven:
        return Corrected()
    facts = {"bend": round(bend.amount, 4), "bend_error": round(bend.error, 4)}
    if what.lens is not None:
        lens = replace(what.lens, gain=None)
        left = bend_of(edges, lambda points: _unbent(lens, points, what.frame))
        if not left.is_proven and abs(left.amount) <= _LEFT * abs(bend.amount):
            return _taken(lens, what.frame, facts | {"bend_left": round(left.amount, 4)})
    return Corrected(None, facts, (Code.LENS_UNKNOWN,))


def _taken(lens: Lens, frame: tuple[float, float], facts: dict[str, Any]) -> Corrected:
    lens = filling(lens, frame) if lens.bends else lens
    return Corrected(lens, facts | {"source": lens.source, "zoom": round(lens.zoom, 4), "light": lens.gain is not None})


def _partly(lens: Lens, strength: float) -> Lens:
    """The lens, `strength` of whose faults are taken out."""
    if strength == 1:
        return lens
    a, b = lens.tangential
    gain = None if lens.gain is None else (lens.gain.astype(np.float32) ** strength).astype(np.float16)
    radial = 1 + strength * (lens.radial - 1)
    return replace(lens, radial=radial, tangential=(a * strength, b * strength), gain=gain)


def _unbent(lens: Lens, points: NDArray[np.float64], frame: tuple[float, float]) -> NDArray[np.float64]:
    """Points of the picture (n, 2), in halves of the diagonal from its middle, where an ideal lens would have them."""
    middle, half = np.array(frame) / 2, float(np.hypot(*frame)) / 2
    return (np.stack(straightened(lens, *(points * half + middle).T), axis=1) - middle) / half
