"""Every photo of shared/data before and after the listing recipe, on contact sheets for looking at.

    python -m benchmarks.quality.contact_sheets [--data DIR] [--all]

Each bracket is a listing, and each single photo one of its own; of the small pictures for training the validation parts
alone are shown, unless --all is given. Writes benchmarks/results/contact/ (not in the repository: most of the photos
have no free licence) and, beside the sheets, each photo's outcome.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.edited import edited

ROOT = Path(__file__).resolve().parents[2]
SHEETS = ROOT / "benchmarks" / "results" / "contact"
_SMALL = {"rooms": "rooms/{part}/*/*.jpg", "skies": "sky/{part}/images/*"}
_TOLD = ("listing", "name", "status", "code", "warnings")
_CELL, _ACROSS, _DOWN, _CAPTION = (250, 190), 4, 8, 18


def laid_out(data: Path, parts: tuple[str, ...], into: Path) -> None:
    """Copies of the photos, one folder for each bracket and each single photo: into/kind/listing/file."""
    for folder in sorted(p for p in (data / "brackets").iterdir() if p.is_dir()):
        shutil.copytree(folder, into / "brackets" / folder.name)
    for photo in sorted((data / "photos").glob("*.*")):
        # Masks are no photos, nor are pictures of a network's output.
        if photo.suffix in {".jpg", ".webp"} and not photo.stem.endswith("mask"):
            copied(photo, into / "photos")
    for kind, pattern in _SMALL.items():
        for part in parts:
            for photo in sorted(data.glob(pattern.format(part=part))):
                copied(photo, into / kind)


def copied(photo: Path, into: Path) -> None:
    (into / photo.stem).mkdir(parents=True, exist_ok=True)
    shutil.copy(photo, into / photo.stem / photo.name)


def cell(picture: Path) -> np.ndarray:
    """A picture within its cell, (height, width, 3) uint8 BGR."""
    out = np.full((_CELL[1], _CELL[0], 3), 40, np.uint8)
    read = cv2.imread(str(picture)) if picture.is_file() else None
    if read is not None:
        scale = min(_CELL[0] / read.shape[1], _CELL[1] / read.shape[0])
        small = cv2.resize(read, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        out[: small.shape[0], : small.shape[1]] = small[: _CELL[1], : _CELL[0]]
    return out


def pair(photo: dict[str, Any], images: Path) -> np.ndarray:
    """Before and after side by side, with name and outcome below."""
    both = np.hstack([cell(images / f"{photo['id']}-{side}.jpg") for side in ("before", "after")])
    words = " ".join([photo["name"], photo["code"] or photo["status"], *photo["altered"], *photo["warnings"]])
    caption = np.full((_CAPTION, both.shape[1], 3), 255, np.uint8)
    cv2.putText(caption, words[:90], (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([both, caption])


def sheets(photos: list[dict[str, Any]], images: Path, name: str) -> None:
    per = _ACROSS * _DOWN
    for first in range(0, len(photos), per):
        pairs = [pair(photo, images) for photo in photos[first : first + per]]
        pairs += [np.full_like(pairs[0], 40)] * (-len(pairs) % _ACROSS)
        rows = [np.hstack(pairs[i : i + _ACROSS]) for i in range(0, len(pairs), _ACROSS)]
        cv2.imwrite(str(SHEETS / f"{name}_{first // per:02d}.jpg"), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--all", action="store_true", help="the training parts of rooms and skies too")
    options = parser.parse_args()
    shutil.rmtree(SHEETS, ignore_errors=True)
    SHEETS.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "in")
        laid_out(options.data, ("val", "train") if options.all else ("val",), source)
        outcomes: list[str] = []
        for kind in sorted(source.iterdir()):
            done = Path(scratch, "out", kind.name)
            photos = edited(kind, done)
            sheets(photos, done / "report" / "images", kind.name)
            outcomes += [json.dumps({key: photo[key] for key in _TOLD}) for photo in photos]
        (SHEETS / "outcomes.jsonl").write_text("\n".join(outcomes) + "\n")
    print(f"{len(outcomes)} photos: {SHEETS}")


if __name__ == "__main__":
    main()
