"""What is left of a photo on disk: its pictures, its plan with provenance, its record; or its quarantine.

DEST/delivered/<listing>/<name>.jpg, DEST/web/...        profiles.py
DEST/plans/<shot id>.plan and <shot id>.json              plan + provenance, and the result (the done-record)
DEST/quarantine/<listing>/<name>/                         failure.json, best attempt, worst crop
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from pipeline.codes import Failure, PhotoError
from pipeline.deliver import provenance
from pipeline.deliver.encode import copy_untouched, encode_jpeg, to_depth, write_atomic
from pipeline.deliver.profiles import Delivered, deliver
from pipeline.photo import Header, Image, Result, Shot
from pipeline.plan import Plan
from pipeline.read.color import is_srgb
from pipeline.read.metadata import read_metadata
from pipeline.recipe import Recipe


def deliver_picture(
    picture: Image, shot: Shot, donor: Header, recipe: Recipe, destination: Path, *, sequence: int, changed: bool
) -> dict[str, Delivered]:
    """Write every profile of a picture; a JPEG that nothing changed is copied byte for byte.

    Parameters
    ----------
    donor : header of the file that gives the metadata
    changed : whether the picture differs from its one source
    """
    metadata = read_metadata(donor.path, donor.format)
    outputs = deliver(
        picture,
        metadata,
        recipe.deliver,
        merged=len(shot.sources) > 1,
        listing=shot.listing,
        name=shot.name,
        sequence=sequence,
        destination=destination,
    )
    if not changed and recipe.deliver.format == "jpeg" and _is_plain_jpeg(donor, metadata.icc):
        full = outputs["full"]
        size = copy_untouched(Path(donor.path), destination / full.path)
        outputs["full"] = replace(full, bytes=size, quality=None, warnings=(), dropped=())
    return outputs


def provenance_plane(owner: NDArray[np.uint8] | None, width: int, height: int, *, adjusted: bool) -> provenance.Plane:
    """Half-size plane of a picture whose exposures' owners are known at a reduced size (None: one exposure)."""
    half = (-(-width // 2), -(-height // 2))
    flags = provenance.ADJUSTED if adjusted else 0
    if owner is None:
        return provenance.new_plane(half[1], half[0], flags=flags)
    return cv2.resize(owner, half, interpolation=cv2.INTER_NEAREST) | np.uint8(flags)


def record(result: Result, plan: Plan, plane: provenance.Plane, recipe: Recipe, destination: Path) -> Result:
    """Save plan, provenance and result beside the pictures; the result, with the shares of the plane."""
    result = replace(result, provenance={k: round(v, 6) for k, v in provenance.shares(plane).items()})
    folder = destination / "plans"
    write_atomic(folder / f"{result.id}.plan", plan.to_bytes({"provenance": provenance.encode(plane, full=True)}))
    values = {"recipe": recipe.fingerprint(), "result": result.to_dict()}
    write_atomic(folder / f"{result.id}.json", (json.dumps(values, indent=1) + "\n").encode())
    return result


def quarantine(
    error: PhotoError,
    shot: Shot,
    destination: Path,
    *,
    stages: Mapping[str, float],
    attempts: int = 0,
    qc: Mapping[str, Any] | None = None,
    evidence: Mapping[str, Image] | None = None,
) -> Result:
    """Write failure.json with references to the originals, and the evidence pictures (name to picture) as JPEGs."""
    failure = Failure.of(error, attempts)
    folder = destination / "quarantine" / shot.listing / shot.name
    values = {**failure.to_dict(), "sources": list(shot.sources), "attempts": attempts, "qc": dict(qc or {})}
    write_atomic(folder / "failure.json", (json.dumps(values, indent=1) + "\n").encode())
    for name, picture in (evidence or {}).items():
        eight: Any = to_depth(picture, 8)
        write_atomic(folder / f"{name}.jpg", encode_jpeg(eight))
    seconds = round(sum(stages.values()), 3)
    return Result.quarantined(shot, failure, qc=dict(qc or {}), seconds=seconds, stages=dict(stages))


def _is_plain_jpeg(header: Header, icc: bytes) -> bool:
    """Whether the file already is what would be delivered: an upright sRGB JPEG."""
    if header.format != "jpeg" or header.orientation != 1 or (icc and not is_srgb(icc)):
        return False
    try:
        return simplejpeg.decode_jpeg_header(Path(header.path).read_bytes())[2] == "YCbCr"
    except (OSError, ValueError):
        return False
