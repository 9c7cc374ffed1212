"""Batches to train on. Batch number n of a seed is always the same, whoever makes it: training can stop and go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.train.augment import Field, Picture, Rng, blotted, chance, cropped, photographed
from jobs.train.drawings import drawing
from jobs.train.eye import DENSE
from jobs.train.interiors import interior
from jobs.train.layout import CLASSES, Labelled
from jobs.train.skies import nightfall, sky, under_another_sky
from jobs.train.windows import with_windows
from pipeline.see.nets import PLACES, ROOMS

DENSE_PICTURES, SCENE_PICTURES = 32, 80
_SMALL = (((256, 192), 6.0), ((192, 256), 1.5), ((224, 224), 2.5))
_LARGE = (((384, 256), 5.0), ((352, 288), 3.0), ((256, 384), 1.5), ((320, 320), 2.0))
_SQUARE = 160
_MANY, _MANY_WINDOWLESS = 200, 50
"""Photos of rooms, and of rooms without windows, from which they have their full share; rendered ones take the rest."""
LARGE_FROM = 0.75
"""Share of a course from which batches are large."""
_UNKNOWN = -1
_SKY, _WINDOW, _VEGETATION, _BUILDING, _GROUND = range(len(DENSE))
_OF_CLASS = {_VEGETATION: ("vegetation",), _BUILDING: ("building", "door", "window"), _GROUND: ("pavement", "road")}


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One batch.

    pictures: (n, h, w, 3) uint8. masks, weights: (n, 5, h/2, w/2) uint8, None in a batch for the scene only. place,
    room, light: (n,) int64, -1 where unknown.
    """

    pictures: Picture
    masks: Picture | None
    weights: Picture | None
    place: NDArray[np.int64]
    room: NDArray[np.int64]
    light: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Sample:
    picture: Picture
    sky: Field | None = None
    window: Field | None = None
    classes: Picture | None = None
    place: int = _UNKNOWN
    room: int = _UNKNOWN
    light: int = _UNKNOWN


class Sampler:
    """The training pictures by what they can teach."""

    def __init__(self, pictures: list[Labelled], seed: int) -> None:
        self.seed = seed
        outside = [p for p in pictures if p.place == "exterior"]
        self.streets = [p for p in outside if p.file.startswith("sky/")]
        self.fronts = [p for p in outside if not p.file.startswith("sky/")]
        self.rooms = {room: [p for p in pictures if p.room == room] for room in ROOMS}
        self.inside = [p for p in pictures if p.place == "interior"]
        self.glazed = [p for p in self.inside if p.window is not None]
        self.windowless = [p for p in self.inside if p.windowless]
        self.aerial, self.other = ([p for p in pictures if p.place == place] for place in ("aerial", "other"))
        self.dark = [p for p in outside if p.night]

    def batch(self, number: int, *, dense: bool, large: bool) -> Batch:
        """Batch `number`: with masks, or many squares for the scene only."""
        rng = np.random.default_rng([self.seed, number])
        if dense:
            sizes, weights = zip(*(_LARGE if large else _SMALL), strict=True)
            size = sizes[rng.choice(len(sizes), p=np.array(weights) / sum(weights))]
            made = [self._dense(size, rng) for _ in range(DENSE_PICTURES)]
        else:
            size = _LARGE[rng.integers(len(_LARGE))][0] if large else (_SQUARE, _SQUARE)
            count = SCENE_PICTURES if not large else DENSE_PICTURES
            made = [self._scene(size, rng) for _ in range(count)]
        targets = [_targets(s) for s in made] if dense else None
        return Batch(
            np.stack([s.picture for s in made]),
            np.stack([t[0] for t in targets]) if targets else None,
            np.stack([t[1] for t in targets]) if targets else None,
            np.array([s.place for s in made], np.int64),
            np.array([s.room for s in made], np.int64),
            np.array([s.light for s in made], np.int64),
        )

    def _dense(self, size: tuple[int, int], rng: Rng) -> _Sample:
        """Where there are no streets, fronts teach their share of skies; where rooms are few, rendered ones do."""
        rooms = min(1.0, len(self.inside) / _MANY)
        kinds = (
            (self._street, 0.34 * bool(self.streets)),
            (self._front, (0.15 if self.streets else 0.49) * bool(self.fronts)),
            (self._room, 0.17 * rooms),
            (self._glazed, 0.13 * bool(self.glazed)),
            (self._pasted, 0.12 * min(1.0, len(self.windowless) / _MANY_WINDOWLESS)),
            (self._drawn, 0.03),
            (self._rendered, 0.03 + 0.37 * (1 - rooms)),
            (self._strange, 0.06 * bool(self.aerial or self.other)),
        )
        weights = np.array([w for _, w in kinds])
        return kinds[rng.choice(len(kinds), p=weights / weights.sum())][0](size, rng)

    def _scene(self, size: tuple[int, int], rng: Rng) -> _Sample:
        """Rooms alike often, exteriors of two kinds, and a few of everything else."""
        shares = [*((self.rooms[r], 1.0) for r in ROOMS), (self.fronts, 0.6), (self.streets, 0.5), (self.dark, 0.8)]
        shares += [(self.aerial, 0.2), (self.other, 0.3), (self.inside, 0.2)]
        shares = [(pictures, weight) for pictures, weight in shares if pictures]
        rendered = 0.1 if len(self.inside) >= _MANY else 2.0
        weights = np.array([*(w for _, w in shares), 0.2, rendered])
        k = int(rng.choice(len(weights), p=weights / weights.sum()))
        if k >= len(shares):
            return self._drawn(size, rng) if k == len(shares) else self._rendered(size, rng)
        pool = shares[k][0]
        made = self._plain(pool[rng.integers(len(pool))], size, rng, strength=0.6)
        return replace(made, picture=blotted(made.picture, rng)) if chance(rng, 0.25) else made

    def _plain(self, p: Labelled, size: tuple[int, int], rng: Rng, *, strength: float = 0.8) -> _Sample:
        """A crop of one picture with all that is known of it, under another light and camera."""
        masks = _cropped(p, size, rng)
        return _known(p, photographed(_unit(masks["image"]), rng, strength=strength), masks)

    def _street(self, size: tuple[int, int], rng: Rng) -> _Sample:
        p = self.streets[rng.integers(len(self.streets))]
        masks = _cropped(p, size, rng)
        x, mask = _unit(masks["image"]), _unit(masks["sky"])
        night = False
        if float(mask.max()) > 0 and chance(rng, 0.55):
            night = chance(rng, 0.2)
            if night:
                panes = (
                    (masks["classes"] == CLASSES.index("window")).astype(np.float32) if "classes" in masks else 0 * mask
                )
                x = nightfall(x, mask, panes, rng)
            else:
                x = under_another_sky(x, mask, rng, dusk=chance(rng, 0.15))
        return _known(p, photographed(x, rng, strength=0.4 if night else 1.0), masks, light=int(night))

    def _front(self, size: tuple[int, int], rng: Rng) -> _Sample:
        p = self.fronts[rng.integers(len(self.fronts))]
        masks = _cropped(p, size, rng)
        x = _unit(masks["image"])
        if "sky" in masks and not p.night and masks["sky"].max() > 0 and chance(rng, 0.35):
            x = under_another_sky(x, _unit(masks["sky"]), rng)
        return _known(p, photographed(x, rng, strength=0.8), masks)

    def _room(self, size: tuple[int, int], rng: Rng) -> _Sample:
        return self._plain(self._any_room(rng), size, rng)

    def _any_room(self, rng: Rng) -> Labelled:
        pools = [p for p in self.rooms.values() if p] or [self.inside]
        pool = pools[rng.integers(len(pools))]
        return pool[rng.integers(len(pool))]

    def _glazed(self, size: tuple[int, int], rng: Rng) -> _Sample:
        return self._plain(self.glazed[rng.integers(len(self.glazed))], size, rng)

    def _pasted(self, size: tuple[int, int], rng: Rng) -> _Sample:
        p = self.windowless[rng.integers(len(self.windowless))]
        masks = _cropped(p, size, rng)
        x, window = _unit(masks["image"]), np.zeros(size[::-1], np.float32)
        if chance(rng, 0.7):
            count = int(rng.choice([1, 2, 3], p=[0.45, 0.37, 0.18]))
            x, window = with_windows(x, [self._view(rng) for _ in range(count)], rng)
        made = _known(p, photographed(x, rng, strength=0.6), masks)
        return _Sample(made.picture, made.sky, window, None, made.place, made.room)

    def _view(self, rng: Rng) -> Field:
        """What is seen through a pasted window."""
        pool = self.streets + self.fronts
        if not pool or chance(rng, 0.15):
            return sky(96, 96, rng) * np.float32(rng.uniform(0.5, 1))
        return _unit(pool[rng.integers(len(pool))].image)

    def _drawn(self, size: tuple[int, int], rng: Rng) -> _Sample:
        pool = self.inside + self.fronts
        photo = pool[rng.integers(len(pool))].image if pool else np.zeros((64, 64, 3), np.uint8)
        picture = drawing(size[1], size[0], rng, photo)
        if chance(rng, 0.3):
            picture = photographed(_unit(picture), rng, strength=0.1)
        none = np.zeros(size[::-1], np.float32)
        return _Sample(picture, none, none, place=PLACES.index("other"))

    def _rendered(self, size: tuple[int, int], rng: Rng) -> _Sample:
        views = [self._view(rng) for _ in range(int(rng.integers(0, 4)))]
        pool = self.inside + self.fronts + self.streets + self.aerial
        stuff = [_unit(pool[rng.integers(len(pool))].image) for _ in range(min(6, len(pool)))]
        picture, glass = interior(size[0], size[1], rng, views, stuff)
        none = np.zeros(size[::-1], np.float32)
        return _Sample(photographed(picture, rng, strength=0.7), none, glass, place=PLACES.index("interior"))

    def _strange(self, size: tuple[int, int], rng: Rng) -> _Sample:
        pool = self.aerial if self.aerial and (not self.other or chance(rng, 0.5)) else self.other
        p = pool[rng.integers(len(pool))]
        return self._plain(p, size, rng, strength=0.5)


_NAMES = ("image", "sky", "window", "classes")


def _planes(p: Labelled) -> list[tuple[Any, int]]:
    return [
        (p.image, cv2.INTER_LINEAR),
        (p.sky, cv2.INTER_LINEAR),
        (p.window, cv2.INTER_LINEAR),
        (p.classes, cv2.INTER_NEAREST),
    ]


def _cropped(p: Labelled, size: tuple[int, int], rng: Rng) -> dict[str, Any]:
    """One crop of the picture and of its masks, by name."""
    named = [(name, plane) for name, plane in zip(_NAMES, _planes(p), strict=True) if plane[0] is not None]
    least = 0.5 if p.place == "interior" else 0.4
    return dict(zip([n for n, _ in named], cropped([plane for _, plane in named], size, rng, least=least), strict=True))


def _unit(eight: Any) -> Field:
    return eight.astype(np.float32) * np.float32(1 / 255)


def _known(p: Labelled, picture: Picture, masks: dict[str, Any], light: int = _UNKNOWN) -> _Sample:
    """What a crop shows: there is no sky in rooms, and no glass of rooms outside."""
    none = np.zeros(picture.shape[:2], np.float32)
    inside = p.place in {"interior", "other"}
    if p.night is not None and light == _UNKNOWN:
        light = int(p.night)
    return _Sample(
        picture,
        _unit(masks["sky"]) if "sky" in masks else none if inside else None,
        _unit(masks["window"]) if "window" in masks else none if p.windowless or p.place != "interior" else None,
        masks.get("classes"),
        PLACES.index(p.place),
        ROOMS.index(p.room) if p.room else _UNKNOWN,
        light,
    )


def _targets(s: _Sample) -> tuple[Picture, Picture]:
    """Masks and weights (5, h/2, w/2) of a sample, uint8: they travel between processes."""
    h, w = s.picture.shape[:2]
    masks, weights = (np.zeros((len(DENSE), h, w), np.uint8) for _ in range(2))
    for channel, mask in ((_SKY, s.sky), (_WINDOW, s.window)):
        if mask is not None:
            masks[channel], weights[channel] = np.round(255 * mask), 255
    if s.classes is not None:
        for channel, names in _OF_CLASS.items():
            masks[channel] = 255 * np.isin(s.classes, [CLASSES.index(n) for n in names])
            weights[channel] = 255 * (s.classes > 0)
    elif s.place != PLACES.index("exterior") and s.place != PLACES.index("aerial"):
        weights[_BUILDING], weights[_GROUND] = 255, 255
    half = [cv2.resize(m.transpose(1, 2, 0), (w // 2, h // 2), interpolation=cv2.INTER_AREA) for m in (masks, weights)]
    return half[0].transpose(2, 0, 1), half[1].transpose(2, 0, 1)


def schedule(pictures: int, large_from: float = LARGE_FROM) -> Iterator[tuple[int, bool, bool, float]]:
    """(batch number, dense, large, share done) until `pictures` have been seen with masks.

    Batches with masks and for the scene alone take turns; the last ones are larger, at the size that is used later
    (Touvron et al., Fixing the train-test resolution discrepancy, 2019).
    """
    for number in range(2 * (pictures // DENSE_PICTURES)):
        done = number / (2 * (pictures // DENSE_PICTURES))
        yield number, number % 2 == 0, done >= large_from, done
