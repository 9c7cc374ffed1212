"""Files of identical content: a second copy of an exposure must neither make a second photo nor break up its set."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from pipeline.photo import Header
from pipeline.read.ladder import natural

_EDGE = 65536


def without_copies(
    headers: Sequence[Header],
    pool: ThreadPoolExecutor,
    *,
    within: Callable[[str], Hashable],
    folder: Callable[[str], Hashable],
    wanted: Collection[str] = (),
) -> tuple[list[Header], list[tuple[str, str]]]:
    """The headers without copies of others, and (relative, reason) of the copies.

    Of files with identical content that are equal in `within` the one in the fullest `folder` stays (sets are sought
    in a folder, and the fullest is the likeliest to hold the whole of one); in one folder that with the shortest name,
    then the first in natural order. Those that are `wanted` stay in any case, and then alone. Both functions take
    paths below SOURCE.
    """
    filled = Counter(folder(h.relative) for h in headers)

    def rank(header: Header) -> tuple[bool, int, int, object, str]:
        name = PurePosixPath(header.relative).name
        seat = -filled[folder(header.relative)]
        return header.relative not in wanted, seat, len(name), natural(header.relative), header.relative

    dropped: dict[str, str] = {}
    for files in _identical(headers, pool, within):
        first, *rest = sorted(files, key=rank)
        dropped |= {h.relative: f"a copy of {first.relative}" for h in rest if h.relative not in wanted}
    return [h for h in headers if h.relative not in dropped], sorted(dropped.items())


def _identical(
    headers: Iterable[Header], pool: ThreadPoolExecutor, within: Callable[[str], Hashable]
) -> list[list[Header]]:
    """Files of equal size, then of equal ends, then of equal content: few are read, and fewer read whole."""
    classes = _classes([list(headers)], lambda hs: [(within(h.relative), h.bytes) for h in hs])
    for digest in (digest_of_ends, _digest):
        classes = _classes(classes, lambda hs, d=digest: list(pool.map(d, (h.path for h in hs))))
    return classes


def _classes(classes: Iterable[list[Header]], keys: Callable[[list[Header]], Sequence[Hashable]]) -> list[list[Header]]:
    """Each class split by key into those of two and more; a file without a key ("") is alone."""
    found: list[list[Header]] = []
    for files in classes:
        by_key: dict[Hashable, list[Header]] = {}
        for header, key in zip(files, keys(files), strict=True):
            by_key.setdefault(key, []).append(header)
        found += [alike for key, alike in by_key.items() if key != "" and len(alike) > 1]
    return found


def digest_of_ends(path: str) -> str:
    """SHA-256 (hex) of the first and last 64 KiB of a file; "" where it cannot be read, which a later stage reports."""
    try:
        with Path(path).open("rb") as file:
            digest = hashlib.sha256(file.read(_EDGE))
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _EDGE))
            digest.update(file.read(_EDGE))
    except OSError:
        return ""
    return digest.hexdigest()


def _digest(path: str) -> str:
    """SHA-256 (hex) of a whole file; "" where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
