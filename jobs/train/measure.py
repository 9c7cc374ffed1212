"""Figures of a network on labelled pictures that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.train.calibrate import overlap
from jobs.train.layout import Labelled
from pipeline.see.nets import PLACES, ROOMS, Network
from pipeline.see.scene import Seen, look

Vector = NDArray[np.floating[Any]]


def bootstrap(values: Sequence[float], statistic: Any, *, rounds: int = 1000) -> tuple[float, float, float]:
    """A statistic with its 95 % interval over resampled values."""
    array, rng = np.asarray(values, np.float64), np.random.default_rng(0)
    if array.size == 0:
        return float("nan"), float("nan"), float("nan")
    drawn = [float(statistic(array[rng.integers(0, array.size, array.size)])) for _ in range(rounds)]
    return float(statistic(array)), float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def calibration_error(confidence: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: the mean gap between confidence and share of right answers, over equal bins."""
    c, r = np.asarray(confidence), np.asarray(right, np.float64)
    which = np.minimum((c * bins).astype(int), bins - 1)
    return float(sum(abs(c[which == b].mean() - r[which == b].mean()) * np.mean(which == b) for b in np.unique(which)))


def seen_by(network: Network, pictures: Sequence[Labelled]) -> list[Seen]:
    """What `look` says of each picture."""
    return [look(p.image.astype(np.float32) / np.float32(255), eyes=network) for p in pictures]


def sky_overlap(picture: Labelled, seen: Seen) -> float:
    """Overlap of the found sky with the labelled one; NaN where the picture has none."""
    if picture.sky is None or np.mean(picture.sky > 127) < 0.01:
        return float("nan")
    h, w = picture.sky.shape
    return overlap(cv2.resize(seen.sky, (w, h), interpolation=cv2.INTER_LINEAR), picture.sky / 255)


def summary(pictures: Sequence[Labelled], seen: Sequence[Seen]) -> dict[str, float]:
    """The figures of a model card: sky, scene and room, on these pictures."""
    found: dict[str, float] = {}
    pairs = list(zip(pictures, seen, strict=True))
    for source, prefix in (("labelmefacade", "lmf_"), ("camvid", "camvid_")):
        of = [(p, s) for p, s in pairs if f"/{prefix}" in p.file and p.sky is not None]
        large = [sky_overlap(p, s) for p, s in of if p.sky is not None and np.mean(p.sky > 127) > 0.05]
        if large:
            found |= {
                f"sky {source} > 5 % mean": float(np.mean(large)),
                f"sky {source} > 5 % median": float(np.median(large)),
                f"sky {source} > 5 % below .5": float(np.mean(np.array(large) < 0.5)),
            }
    inside = [s for p, s in pairs if p.place == "interior"]
    found["false sky > 2 % in interiors"] = float(np.mean([s.sky_fraction > 0.02 for s in inside])) if inside else 0.0
    listing = [(p, s) for p, s in pairs if "rooms/" in p.file and p.group.startswith("h")]
    if listing:
        found["exterior or interior, listings"] = float(np.mean([s.place == p.place for p, s in listing]))
        named = [(p.room or "exterior", s) for p, s in listing]
        found["four labels, listings"] = float(np.mean([four(s) == label for label, s in named]))
    rooms = [(p, s) for p, s in pairs if p.room]
    if rooms:
        found["five rooms"] = float(np.mean([ROOMS[int(np.argmax(s.rooms))] == p.room for p, s in rooms]))
    return {name: round(value, 4) for name, value in found.items()}


def four(seen: Seen) -> str:
    """The likeliest of the four labels of the Houses data set."""
    inside = float(seen.places[PLACES.index("interior")])
    labels = {"exterior": float(seen.places[PLACES.index("exterior")])}
    labels |= {room: inside * float(seen.rooms[ROOMS.index(room)]) for room in ("bedroom", "bathroom", "kitchen")}
    return max(labels, key=lambda name: labels[name])
