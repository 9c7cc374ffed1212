"""What is left of a photo on disk: its pictures, its plan with provenance, its record; or its quarantine.

DEST/delivered/<listing>/<name>.jpg, DEST/web/...        profiles.py
DEST/delivered/<listing>/<name>_unaltered.jpg             of a picture that shows something else, what was captured
DEST/plans/<shot id>.plan and <shot id>.json              plan + provenance, and the result (the done-record)
DEST/quarantine/<listing>/<name>/                         failure.json, best attempt, worst crop
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from pipeline.check.judge import Verdict, worst_crop
from pipeline.check.metrics import Figures
from pipeline.codes import Code, Failure, PhotoError
from pipeline.deliver import provenance, xmp
from pipeline.deliver.encode import copy_untouched, encode_jpeg, to_depth, write_atomic
from pipeline.deliver.profiles import UNALTERED, Delivered, deliver
from pipeline.photo import Header, Image, Result, Shot
from pipeline.plan import Plan
from pipeline.read.color import is_srgb
from pipeline.read.copies import digest_of_ends
from pipeline.read.metadata.embedded import read_metadata
from pipeline.recipe import Check, Recipe
from pipeline.threads import without_ipp


@dataclass(frozen=True, slots=True)
class Finished:
    """Full-resolution pictures and what the checks say of them.

    source: the plain merge (after Warp). owner: exposure of largest weight at reduced size, None for a single exposure.
    plan: as rendered. rejected: the gentlest edited attempt where none passed (then picture is the plain merge).
    unaltered: the picture without its layers, and covered, (ceil(H / 2), ceil(W / 2)) uint8, 1 where they show; both
    None where nothing was replaced.
    """

    source: Image
    picture: Image
    owner: NDArray[np.uint8] | None
    plan: Plan
    figures: Figures
    verdict: Verdict
    strength: float
    attempts: int
    rejected: Finished | None = None
    unaltered: Image | None = None
    covered: NDArray[np.uint8] | None = None

    @property
    def altered(self) -> tuple[str, ...]:
        """What the picture shows otherwise than captured."""
        return () if self.covered is None else tuple(dict.fromkeys(layer.label for layer in self.plan.layers))

    @property
    def adjusted(self) -> bool:
        """Whether light or colour of the whole picture were edited."""
        return self.strength > 0 and bool(self.plan.tones)

    @property
    def captured(self) -> bool:
        """Whether the picture, but for its layers, still is its one source pixel by pixel."""
        merge = self.plan.merge
        resampled = self.plan.warp is not None or merge.lens is not None
        return not self.adjusted and not resampled and not merge.fringes and sum(merge.used) <= 1

    @property
    def warnings(self) -> tuple[str, ...]:
        """Names of codes: what reading and merging met, and which limits kept every edit out of the picture."""
        found = list(self.plan.facts["warnings"])
        if self.rejected:
            found += [Code.RETRIES_EXHAUSTED.name, *(c.name for c in self.rejected.verdict.codes)]
        return tuple(dict.fromkeys(found))


def refusal(finished: Finished, shot: Shot, recipe: Recipe) -> PhotoError | None:
    """Why a picture is not to be delivered: no edit of it passed, and check.on_fail asks for quarantine then."""
    if finished.rejected is None or recipe.check.on_fail != "quarantine":
        return None
    reasons = "; ".join(finished.rejected.verdict.reasons)
    return PhotoError(Code.RETRIES_EXHAUSTED, f"{shot.sources[shot.reference]}: {reasons}")


def deliver_pictures(
    finished: Finished, shot: Shot, donor: Header, recipe: Recipe, destination: Path, *, sequence: int
) -> dict[str, Delivered]:
    """Write every profile of a picture, and what was captured beside what was altered.

    A plain JPEG whose pixels did not change is copied byte for byte. donor: header of the file that gives the metadata.
    """
    without_ipp()
    metadata = read_metadata(donor.path, donor.format)
    declared = xmp.declared(metadata.xmp, metadata.extended_xmp)
    captured = declared or (xmp.MERGED if len(shot.sources) > 1 else xmp.EDITED)
    place: Any = {"listing": shot.listing, "name": shot.name, "sequence": sequence, "destination": destination}
    outputs = deliver(
        finished.picture,
        metadata,
        recipe.deliver,
        source_type=xmp.stronger(captured, _composite(finished.plan)) if finished.altered else captured,
        **place,
    )
    if finished.unaltered is not None:
        jpeg = recipe.deliver.model_copy(update={"format": "jpeg"})
        twins = deliver(finished.unaltered, metadata, jpeg, source_type=captured, suffix=UNALTERED, **place)
        outputs["unaltered"] = twins.pop("full")
        outputs |= {f"{profile}_unaltered": twin for profile, twin in twins.items()}
    unchanged = "unaltered" if finished.altered else "full"
    is_jpeg = unchanged == "unaltered" or recipe.deliver.format == "jpeg"
    if finished.captured and is_jpeg and _is_plain_jpeg(donor, metadata.icc):
        written = outputs[unchanged]
        size = copy_untouched(Path(donor.path), destination / written.path)
        outputs[unchanged] = replace(written, bytes=size, quality=None, warnings=(), dropped=())
    return outputs


def _composite(plan: Plan) -> str:
    captured = all(layer.origin == "photo" for layer in plan.layers)
    return xmp.COMPOSITE_CAPTURE if captured else xmp.COMPOSITE_SYNTHETIC


def provenance_plane(finished: Finished) -> provenance.Plane:
    """Half-size plane of a finished picture: its exposures' owners, and what was done to each pixel."""
    height, width = finished.picture.shape[:2]
    half = (-(-width // 2), -(-height // 2))
    flags = provenance.ADJUSTED if finished.adjusted else 0
    if finished.owner is None:
        plane = provenance.new_plane(half[1], half[0], flags=flags)
    else:
        plane = cv2.resize(finished.owner, half, interpolation=cv2.INTER_NEAREST) | np.uint8(flags)
    if finished.covered is not None:
        rendered = any(layer.origin == "rendered" for layer in finished.plan.layers)
        pasted = provenance.COMPOSITED | (provenance.GENERATED if rendered else 0)
        plane = plane | finished.covered * np.uint8(pasted)
    return plane


def record(
    finished: Finished,
    outputs: Mapping[str, Delivered],
    shot: Shot,
    recipe: Recipe,
    destination: Path,
    *,
    stages: Mapping[str, float],
) -> Result:
    """Save plan, provenance and result beside the pictures that `outputs` name; the result."""
    plane = provenance_plane(finished)
    result = Result(
        shot.id,
        shot.listing,
        shot.name,
        shot.sources,
        "delivered",
        scene=finished.plan.facts["seen"]["scene"],
        room=finished.plan.facts["seen"]["room"],
        geometry=finished.plan.facts.get("geometry", {}),
        warnings=tuple(dict.fromkeys([*finished.warnings, *(w for o in outputs.values() for w in o.warnings)])),
        altered=finished.altered,
        attempts=finished.attempts,
        strength=finished.strength,
        qc=finished.figures.to_dict(),
        provenance={k: round(v, 6) for k, v in provenance.shares(plane).items()},
        output=outputs["full"].path,
        outputs={profile: output.path for profile, output in outputs.items()},
        digests={profile: digest_of(destination / output.path) for profile, output in outputs.items()},
        bytes=outputs["full"].bytes,
        seconds=round(sum(stages.values()), 3),
        stages=dict(stages),
    )
    folder = destination / "plans"
    stored = finished.plan.to_bytes({"provenance": provenance.encode(plane, full=True)})
    write_atomic(folder / f"{result.id}.plan", stored)
    values = {"recipe": recipe.fingerprint(), "result": result.to_dict()}
    write_atomic(folder / f"{result.id}.json", (json.dumps(values, indent=1) + "\n").encode())
    return result


def digest_of(path: Path) -> str:
    """20 hex digits that change with a file's size, its first or its last 64 KiB; "" where it cannot be read."""
    ends = digest_of_ends(str(path))
    return hashlib.sha256(f"{path.stat().st_size} {ends}".encode()).hexdigest()[:20] if ends else ""


def quarantine(
    error: PhotoError,
    shot: Shot,
    destination: Path,
    *,
    stages: Mapping[str, float],
    rejected: Finished | None = None,
    limits: Check | None = None,
) -> Result:
    """Write failure.json with references to the originals; of a picture that was rejected, JPEGs that show why.

    What cannot be written is left out, since the result says it too: a full disk must not hide the first failure.
    """
    attempts, qc = (rejected.attempts, rejected.figures.to_dict()) if rejected else (0, dict[str, Any]())
    failure = Failure.of(error, attempts)
    folder = destination / "quarantine" / shot.listing / shot.name
    values = {**failure.to_dict(), "sources": list(shot.sources), "attempts": attempts, "qc": qc}
    with suppress(PhotoError):
        write_atomic(folder / "failure.json", (json.dumps(values, indent=1) + "\n").encode())
        if rejected:
            crop = worst_crop(rejected.source, rejected.picture, rejected.figures, limits=limits)
            for name, picture in (("best_attempt", rejected.picture), ("worst_crop", crop)):
                eight: Any = to_depth(picture, 8)
                write_atomic(folder / f"{name}.jpg", encode_jpeg(eight))
    return Result.quarantined(shot, failure, qc=qc, seconds=round(sum(stages.values()), 3), stages=dict(stages))


def _is_plain_jpeg(header: Header, icc: bytes) -> bool:
    """Whether the file already is what would be delivered: an upright sRGB JPEG."""
    if header.format != "jpeg" or header.orientation != 1:
        return False
    try:
        if icc and not is_srgb(icc):
            return False
        return simplejpeg.decode_jpeg_header(Path(header.path).read_bytes())[2] == "YCbCr"
    except (OSError, ValueError):  # BadProfile is one: that of a grey or CMYK picture, which is delivered in RGB
        return False
