"""The files of one camera compared by small pictures: which show one view, and where one set ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np

from pipeline.photo import Header
from pipeline.read import ladder
from pipeline.read.views import Agreement, View, agreement, stops_between

Look = Callable[[Sequence[Header]], Mapping[str, View]]
"""Views by Header.relative; a file that cannot be looked at is missing from the answer."""
_WINDOW = 12
"""Frames ahead in time with which a frame is compared: the longest set in use, and then some."""
_UNTIMED_WINDOW = 200
"""The same without capture times, where file names say little: a bound on the comparisons in a huge flat folder."""
_MAX_SET = 16
_SURELY_CLOSER, _SHIFT_COST = 0.03, 0.02
"""Median lead in closeness that tells places apart; closeness lost per look pixel (1/128 of the long side)."""


def same_lens(a: Header, b: Header) -> bool:
    """Equal focal lengths, or within 2 % (zoom lenses report coarsely)."""
    x, y = a.focal_length, b.focal_length
    return x == y or (x is not None and y is not None and abs(x - y) <= 0.02 * max(x, y))


def exif_values(files: Sequence[Header]) -> list[float]:
    """Exposure values as EXIF has them, 0 where it has none."""
    return [h.exposure_value or 0.0 for h in files]


class Pictures:
    """Files of one camera and size, in order of capture, compared by their pictures.

    `among_all` looks at every file, not only at those that the facts allow to be of one set.
    """

    def __init__(self, files: Sequence[Header], look: Look, *, among_all: bool = False) -> None:
        self.files = files
        self.timed = files[0].captured is not None
        candidates = sorted({k for pair in self._candidates() for k in pair})
        candidates = list(range(len(files))) if among_all else candidates
        self.views = look([files[k] for k in candidates]) if candidates else {}
        self.known: dict[tuple[int, int], Agreement | None] = {}
        self.guessed: set[int] = set()
        """Files of a view shot more than once of which neither order nor pictures tell the set."""

    def sets(self) -> list[list[int]]:
        """Indices of files that are one set, in order of capture; every file once."""
        found: list[list[int]] = []
        for members in self._one_view_each():
            parts = self._split(members)
            ordered = self.timed or self._in_one_order([part for part in parts if len(part) > 1])
            found += parts if ordered else self._by_place(members)
        return found

    def _candidates(self) -> list[tuple[int, int]]:
        return [(i, j) for i in range(len(self.files)) for j in self._partners(i)]

    def _partners(self, i: int) -> list[int]:
        a = self.files[i]
        last = min(len(self.files), i + 1 + (_WINDOW if self.timed else _UNTIMED_WINDOW))
        return [j for j in range(i + 1, last) if same_lens(a, self.files[j]) and self._may_link(i, j)]

    def _may_link(self, i: int, j: int) -> bool:
        a, b = self.files[i], self.files[j]
        pause = ladder.gap(a, b)
        x, y = a.exposure_value, b.exposure_value
        return (pause is None or pause <= ladder.MAX_GAP) and (x is None or y is None or abs(x - y) >= ladder.DISTINCT)

    def compare(self, i: int, j: int) -> Agreement | None:
        """Agreement of two files, the shift taking j to i; None where one cannot be looked at."""
        key = (i, j)
        if key not in self.known:
            a, b = (self.views.get(self.files[k].relative) for k in key)
            self.known[key] = agreement(a, b) if a is not None and b is not None else None
        return self.known[key]

    def _one_view_each(self) -> list[list[int]]:
        """Files linked by certain agreement; one that cannot be compared may join those next to it in time."""
        place = list(range(len(self.files)))
        found = [(pair, link) for pair in self._candidates() if (link := self.compare(*pair)) is not None and link.same]
        for (i, j), _ in sorted(found, key=lambda f: (-f[1].score, f[0])):
            low, high = sorted((place[i], place[j]))
            if low != high and not self._conflict([k for k, p in enumerate(place) if p in (low, high)], place):
                place = [low if p == high else p for p in place]
        joined = True
        while joined:
            joined = False
            sizes = Counter(place)
            for k in (k for k in range(len(place)) if sizes[place[k]] == 1):
                host = self._host(k, place)
                if host is not None:
                    place[k], joined = place[host], True
                    break
        members: dict[int, list[int]] = {}
        for k, p in enumerate(place):
            members.setdefault(p, []).append(k)
        return list(members.values())

    def _conflict(self, members: Sequence[int], place: Sequence[int]) -> bool:
        """Whether two sets, united, hold neighbours in brightness that certainly show different views.

        One mistaken link would otherwise unite all exposures of two rooms.
        """
        files = [self.files[k] for k in members]
        if all(h.exposure_value is not None for h in files):
            keys = exif_values(files)
        else:
            keys = [v.level if (v := self.views.get(h.relative)) is not None else 0.0 for h in files]
        order = [members[n] for n in np.argsort(keys, kind="stable")]
        crossing = [sorted(pair) for pair in pairwise(order) if place[pair[0]] != place[pair[1]]]
        return any((link := self.compare(i, j)) is not None and link.different for i, j in crossing)

    def _host(self, k: int, place: Sequence[int]) -> int | None:
        """The neighbour in time whose set takes in a frame that is too dark or too bright to compare, by the facts.

        The frame continues the ladder of the set within a minute, or follows within 10 s (a lone frame: as fast as
        automatic bracketing).
        """
        own = self.files[k].exposure_value
        if not self.timed or own is None:
            return None
        options: list[tuple[bool, float, int]] = []
        for j in (k - 1, k + 1):
            if not 0 <= j < len(self.files) or not same_lens(self.files[k], self.files[j]):
                continue
            near = [m for m in range(max(0, k - _WINDOW), min(len(place), k + _WINDOW + 1)) if place[m] == place[j]]
            values = exif_values([self.files[m] for m in near])
            pause = ladder.gap(self.files[min(j, k)], self.files[max(j, k)])
            closest = near[int(np.argmin([abs(v - own) for v in values]))]
            found = self.compare(min(closest, k), max(closest, k))
            if pause is None or (found is not None and found.different):
                continue
            continues = len(near) > 1 and ladder.distinct([*values, own]) and ladder.step([*values, own]) is not None
            if pause <= (60 if continues else 10 if len(near) > 1 else ladder.BURST_GAP):
                options.append((not continues, pause, j))
        return min(options)[2] if options else None

    def values(self, members: Sequence[int]) -> tuple[list[float], bool]:
        """Exposure values of files of one view, and whether they were measured for want of EXIF."""
        files = [self.files[k] for k in members]
        if all(h.exposure_value is not None for h in files):
            return exif_values(files), False
        levels = [v.level if (v := self.views.get(h.relative)) is not None else 0.0 for h in files]
        order = [int(n) for n in np.argsort(levels, kind="stable")]
        values = [0.0] * len(members)
        for before, after in pairwise(order):
            values[after] = values[before] + self._stops(members[before], members[after])
        return values, True

    def _stops(self, i: int, j: int) -> float:
        a, b = self.views.get(self.files[i].relative), self.views.get(self.files[j].relative)
        if a is None or b is None:
            return 0.0
        found = self.compare(min(i, j), max(i, j))
        x, y = found.shift if found else (0, 0)
        return max(0.0, stops_between(a, b, (x, y) if i < j else (-x, -y)))

    def _split(self, members: list[int]) -> list[list[int]]:
        """The cheapest partition of a view's files, in order of capture, into sets (dynamic programming)."""
        values, _ = self.values(members)
        best: list[tuple[float, int]] = [(0.0, 0)]
        for end in range(1, len(members) + 1):
            options = [
                (best[start][0] + self._cost(members[start:end], values[start:end]), start)
                for start in range(max(0, end - _MAX_SET), end)
            ]
            best.append(min(options))
        parts: list[list[int]] = []
        end = len(members)
        while end:
            start = best[end][1]
            parts.append(members[start:end])
            end = start
        return parts[::-1]

    def _in_one_order(self, parts: Sequence[Sequence[int]]) -> bool:
        """Sets of one view were shot in one order of exposures: without times, proof that names follow capture."""
        return len({tuple(np.argsort(self.values(part)[0], kind="stable")) for part in parts}) <= 1

    def _by_place(self, members: Sequence[int]) -> list[list[int]]:
        """A view's files by the place of the camera: those most alike first, no exposure twice in a set."""
        ev = dict(zip(members, self.values(members)[0], strict=True))
        sets = {k: [k] for k in members}
        for i, j in sorted(combinations(members, 2), key=lambda pair: (-self._closeness(*pair), pair)):
            union = sorted({*sets[i], *sets[j]})
            if ladder.distinct([ev[k] for k in union]):
                sets |= dict.fromkeys(union, union)
        margins: list[float] = []
        for part in sets.values():
            rivals = [k for k in members if k not in part]
            for i, j in pairwise(sorted(part, key=ev.__getitem__)):
                others = [self._closeness(i, k) for k in rivals if abs(ev[k] - ev[j]) < ladder.DISTINCT]
                margins += [self._closeness(i, j) - other for other in others]
        if not margins or float(np.median(margins)) < _SURELY_CLOSER:
            self.guessed.update(members)
        return [part for k, part in sets.items() if k == part[0]]

    def _closeness(self, i: int, j: int) -> float:
        """Agreement less what a shift costs: the camera stands still within a set more often than between two."""
        found = self.compare(min(i, j), max(i, j))
        return found.score - _SHIFT_COST * float(np.hypot(*found.shift)) if found else -1.0

    def _cost(self, part: list[int], values: list[float]) -> float:
        total = ladder.cost(values, [self.files[k] for k in part])
        if len(part) == 1 or total == float("inf"):
            return total
        if any(link is not None and link.different for link in self.links(part, values)):
            return float("inf")
        return total

    def links(self, part: Sequence[int], values: Sequence[float]) -> list[Agreement | None]:
        """Agreement of each exposure with the next brighter one."""
        order = [part[n] for n in np.argsort(values, kind="stable")]
        return [self.compare(min(i, j), max(i, j)) for i, j in pairwise(order)]
