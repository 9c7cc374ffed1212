"""The nouns of the pipeline: what a file says of itself, and a shot of one or several exposures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from math import hypot, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.codes import Failure

Image = NDArray[np.uint8] | NDArray[np.uint16]
"""(H, W, 3) RGB, sRGB-encoded, upright."""
FloatImage = NDArray[np.float32]
"""(H, W, 3) RGB, sRGB-encoded 0..1, or (H, W) mask 0..1."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself before its pixels are decoded.

    width and height are upright (orientation applied). Times are in seconds, focal length in mm; None where unknown.
    """

    path: str
    """Absolute path."""
    relative: str
    """POSIX path below the job's SOURCE."""
    bytes: int
    format: str
    """jpeg, png, tiff, webp or raw."""
    width: int
    height: int
    orientation: int = 1
    depth: int = 8
    exposure_time: float | None = None
    f_number: float | None = None
    iso: float | None = None
    focal_length: float | None = None
    focal_35mm: float | None = None
    """Focal length, mm, that gives the same view on a frame of 36 x 24 mm."""
    captured: datetime | None = None
    """Start of the exposure, camera time, with sub-seconds where the file has them."""
    make: str = ""
    model: str = ""
    serial: str = ""
    lens: str = ""
    flash: bool = False

    @property
    def exposure_value(self) -> float | None:
        """log2(t * ISO / 100 / F^2): one more means twice as bright. Without an f-number the lens counts as f/1."""
        if not self.exposure_time or not self.iso:
            return None
        return log2(self.exposure_time * self.iso / 100 / (self.f_number or 1.0) ** 2)

    @property
    def focal_ratio(self) -> float | None:
        """Focal length over the long side of the frame (frames compare by diagonal); None where the file is silent."""
        if not self.focal_35mm:
            return None
        return self.focal_35mm / hypot(36, 24) * hypot(self.width, self.height) / max(self.width, self.height)


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to deliver: a file, or 2-9 bracketed exposures of one view; small and Arrow-friendly.

    sources are absolute paths or URIs in order of exposure value, darkest first; `reference` indexes the middle one,
    which gives name, metadata, size and white balance.
    """

    id: str
    listing: str
    name: str
    sources: tuple[str, ...]
    exposure_values: tuple[float, ...]
    """Relative to the reference, in EV; 0 for singles. From EXIF or, without it, measured on the pictures."""
    reference: int
    width: int
    height: int
    formats: tuple[str, ...] = ()
    confidence: float = 1.0
    reason: str = ""
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Files that belong to the view but never enter the fusion (flash frames)."""

    @property
    def pixels(self) -> int:
        """Width times height of one exposure."""
        return self.width * self.height

    def to_row(self) -> dict[str, Any]:
        """A flat row for Arrow and JSON (tuples become lists)."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Shot:
        """The inverse of to_row; unknown columns are ignored, numpy values accepted."""
        values: dict[str, Any] = {}
        for f in fields(cls):
            value = row[f.name]
            if isinstance(value, np.generic):
                value = value.item()
            elif isinstance(value, list | tuple | np.ndarray):
                value = tuple(v.item() if isinstance(v, np.generic) else v for v in value)
            values[f.name] = value
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a shot: one entry of summary.json's photos, one small row of the stream.

    scene, room: what it shows (pipeline/see). seconds are wall seconds of the whole way, stages those of its parts.
    output is relative to DEST; `outputs` maps each delivered profile to its path. failure is Failure.to_dict() for a
    quarantined shot.
    """

    id: str
    listing: str
    name: str
    sources: tuple[str, ...]
    status: str
    """delivered or quarantined."""
    code: str = ""
    scene: str = ""
    room: str = ""
    warnings: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    """What is shown otherwise than captured ("sky"); outputs["unaltered"] is the picture without that."""
    attempts: int = 0
    strength: float = 0.0
    qc: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, float] = field(default_factory=dict)
    geometry: dict[str, float] = field(default_factory=dict)
    """Pitch and roll of the camera and what was corrected of them, degrees; crop, the share of the area lost to it."""
    output: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    """Per profile, by which a later run knows the file again (deliver/outcome.py, digest_of)."""
    bytes: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    failure: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def quarantined(cls, shot: Shot, failure: Failure, **figures: Any) -> Result:
        """The result of a shot that could not be delivered; `figures` are further fields (stages, qc ...)."""
        return cls(
            shot.id,
            shot.listing,
            shot.name,
            shot.sources,
            "quarantined",
            code=failure.code,
            warnings=shot.warnings,
            attempts=failure.attempt,
            failure=failure.to_dict(),
            **figures,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Result:
        """The inverse of to_dict; unknown keys are ignored."""
        known: dict[str, Any] = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        known.update({k: tuple(known[k]) for k in ("sources", "warnings", "altered") if k in known})
        return cls(**known)
