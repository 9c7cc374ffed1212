"""The data that `sunroom train see` learns from, as folders (README, "Train the eyes").

DIR/sky/{train,val}/images/*        and masks/<stem>.*  (255 = sky), classes/<stem>.png (optional; see CLASSES)
DIR/rooms/{train,val}/<label>/*     labels: bedroom, bathroom, kitchen, living_room, dining_room, interior (any room),
                                    exterior, exterior_day, exterior_night (dusk, too), aerial, other (no photos)
DIR/rooms_sky/{train,val}/<label>/<stem>.png   255 = sky, of a picture in DIR/rooms                       (optional)
DIR/windows/{train,val}/images/*    and masks/<stem>.*  (255 = the glass of windows)                      (optional)
LABELS/                             made by hand for pictures of DIR/rooms, and shipped with this package:
    windows.csv, window_polygons.json, sky_fronts/
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.codes import SettingsError
from pipeline.see.nets import PLACES, ROOMS

LABELS = Path(__file__).with_name("labels")
CLASSES = ("other", "building", "car", "door", "pavement", "road", "sky", "vegetation", "window")
"""Numbers in DIR/sky/*/classes; 0 means unknown, and window is a window seen from outside."""
_PLACE_OF = {place: place for place in PLACES} | {"exterior_day": "exterior", "exterior_night": "exterior"}
_NIGHT = {"exterior_day": False, "exterior_night": True}
_LONG_SIDE = 448
_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One picture and what is known of it; None and "" mean unknown.

    image: (h, w, 3) uint8 RGB. sky, window: (h, w) 0..255. classes: (h, w), numbers of CLASSES. place, room: as in
    PLACES and ROOMS. night: of an exterior. windowless: certain to show no window. group: pictures of one property or
    album share it.
    """

    file: str
    image: Plane
    sky: Plane | None = None
    window: Plane | None = None
    classes: Plane | None = None
    place: str = ""
    room: str = ""
    night: bool | None = None
    windowless: bool = False
    group: str = ""


def read(folders: list[Path], part: str) -> list[Labelled]:
    """All pictures of `part` ("train" or "val") in the folders. Raises SettingsError where there are none."""
    found: list[Labelled] = []
    for folder in folders:
        found += _streets(folder, part) + _rooms(folder, part) + _glass(folder, part)
    if not found:
        raise SettingsError(
            f"--data {', '.join(map(str, folders))}: no pictures in sky/{part}, rooms/{part} or windows/{part}"
        )
    return found


def held_out(picture: Labelled, share: float = 0.08) -> bool:
    """Whether a training picture is kept for calibration: by its group, so that no property is on both sides."""
    digest = hashlib.sha256(picture.group.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < share


def terms(folders: list[Path]) -> list[tuple[str, str]]:
    """(source, licence) of what the folders hold, for the model card.

    From DIR/SOURCES.csv (columns pattern, repo, licence) and from the licences that DIR/index.csv names, if present.
    """
    found: list[tuple[str, str]] = []
    for folder in folders:
        for row in _rows(folder / "SOURCES.csv"):
            if any(kind in row["pattern"] for kind in ("sky/", "rooms/", "windows/")):
                found.append((f"{row['pattern']}: {row['repo']}", row["licence"]))
        named = [row["licence"] for row in _rows(folder / "index.csv") if "licence" in row]
        found += [(f"{folder.name}: {named.count(kind)} pictures", kind) for kind in sorted(set(named))]
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _image(path: Path) -> Plane:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SettingsError(f"{path}: cannot be read as a picture")
    return _fitted(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), cv2.INTER_AREA)


def _plane(path: Path, like: Plane, interpolation: int = cv2.INTER_AREA) -> Plane:
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise SettingsError(f"{path}: cannot be read as a mask")
    return np.asarray(cv2.resize(mask, (like.shape[1], like.shape[0]), interpolation=interpolation), np.uint8)


def _fitted(picture: Any, interpolation: int) -> Plane:
    scale = _LONG_SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*") if p.suffix.lower() in _ENDINGS)


def _beside(path: Path, kind: str) -> Path | None:
    return next(iter(sorted((path.parent.parent / kind).glob(f"{path.stem}.*"))), None)


def _streets(folder: Path, part: str) -> list[Labelled]:
    albums = _albums(folder / "sky" / "index.csv")
    found: list[Labelled] = []
    for path in _pictures(folder / "sky" / part / "images"):
        image, mask, classes = _image(path), _beside(path, "masks"), _beside(path, "classes")
        if mask is None:
            raise SettingsError(f"{path}: has no mask beside it in masks/")
        name = path.relative_to(folder).as_posix()
        found.append(
            Labelled(
                name,
                image,
                sky=_plane(mask, image),
                classes=_indices(classes, image) if classes else None,
                place="exterior",
                group=albums.get(name.removeprefix("sky/"), path.stem),
            )
        )
    return found


def _indices(path: Path, like: Plane) -> Plane:
    """A class map: the indices of a palette picture, which OpenCV would turn into colours."""
    from PIL import Image

    with Image.open(path) as picture:
        indices = np.asarray(picture, np.uint8)
    if indices.ndim != 2 or indices.max() >= len(CLASSES):
        raise SettingsError(f"{path}: expected one class number (0 to {len(CLASSES) - 1}) a pixel")
    return np.asarray(cv2.resize(indices, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_NEAREST), np.uint8)


def _albums(index: Path) -> dict[str, str]:
    return {row["file"]: row.get("album") or row["file"] for row in _rows(index)}


def _rooms(folder: Path, part: str) -> list[Labelled]:
    windowless = _windowless(folder)
    polygons = _polygons()
    fronts = _fronts()
    found: list[Labelled] = []
    for label in (*_PLACE_OF, *ROOMS):
        for path in _pictures(folder / "rooms" / part / label):
            name = path.relative_to(folder / "rooms").as_posix()
            image = _image(path)
            picture = Labelled(
                path.relative_to(folder).as_posix(),
                image,
                place=_PLACE_OF.get(label, "interior"),
                room=label if label in ROOMS else "",
                night=_NIGHT.get(label),
                windowless=name in windowless,
                group=_property(path.stem),
            )
            if name in polygons:
                picture = replace(picture, window=_filled(polygons[name], image))
            if name in fronts:
                picture = _front(
                    picture, LABELS / "sky_fronts" / Path(name).parts[0] / f"{path.stem}.png", *fronts[name]
                )
            if (mask := folder / "rooms_sky" / part / label / f"{path.stem}.png").is_file():
                picture = replace(picture, sky=_plane(mask, image))
            found.append(picture)
    return found


def _property(stem: str) -> str:
    house = re.match(r"h\d+", stem)
    return house[0] if house else stem


def _windowless(folder: Path) -> set[str]:
    listed = folder / "rooms" / "windowless_train.txt"
    names = set(listed.read_text(encoding="utf-8").split()) if listed.is_file() else set[str]()
    labels = {row["file"]: row["label"] for row in _rows(LABELS / "windows.csv")}
    return {n for n in names if labels.get(n, "none") == "none"} | {n for n, k in labels.items() if k == "none"}


def _polygons() -> dict[str, list[Any]]:
    """Window polygons by file; an empty list where there is no window."""
    path = LABELS / "window_polygons.json"
    if not path.is_file():
        return {}
    form: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: [w["polygon"] for w in entry["windows"]]
        for name, entry in form.items()
        # A window in a mirror is neither a window to edit nor a wall.
        if entry["sure"] and all(w["kind"] != "mirrored" for w in entry["windows"])
    }


def _filled(polygons: list[Any], image: Plane) -> Plane:
    h, w = image.shape[:2]
    mask = np.zeros((h, w), np.uint8)
    for polygon in polygons:
        points = np.round(np.array(polygon, np.float64) * (w, h) * 16).astype(np.int32)
        cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 4)
    return mask


def _fronts() -> dict[str, tuple[str, str]]:
    return {row["file"]: (row["status"], row["sky"]) for row in _rows(LABELS / "sky_fronts" / "index.csv")}


def _front(picture: Labelled, mask: Path, status: str, sky: str) -> Labelled:
    if status == "bad" or not mask.is_file():
        return replace(picture, night=sky == "dusk")
    return replace(picture, sky=_plane(mask, picture.image), night=sky == "dusk")


def _glass(folder: Path, part: str) -> list[Labelled]:
    found: list[Labelled] = []
    for path in _pictures(folder / "windows" / part / "images"):
        image, mask = _image(path), _beside(path, "masks")
        if mask is None:
            raise SettingsError(f"{path}: has no mask beside it in masks/")
        name = path.relative_to(folder).as_posix()
        found.append(Labelled(name, image, window=_plane(mask, image), place="interior", group=path.stem))
    return found
