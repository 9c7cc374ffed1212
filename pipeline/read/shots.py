"""The files of a folder to shots: scan, group, name."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.codes import Code, Failure, PhotoError
from pipeline.photo import Header, Shot
from pipeline.read import groups as groups_file
from pipeline.read.brackets import Group, given_group, group
from pipeline.read.copies import digest_of_ends
from pipeline.read.ladder import in_order, natural
from pipeline.read.scan import Scan, Unread, scan
from pipeline.read.views import View, look
from pipeline.threads import thread_pool, without_ipp


@dataclass(frozen=True, slots=True)
class FailedShot:
    """A file (or a set given by hand) that cannot become a picture: it keeps its place, id and name as a shot."""

    shot: Shot
    failure: Failure


@dataclass(frozen=True, slots=True)
class Found:
    """Everything in a folder: each file is in exactly one shot's sources or left_out, one failure, or ignored.

    shots are ordered by listing, then by capture time and natural file name, or as in the groups file. ignored: (path
    below SOURCE, reason).
    """

    shots: tuple[Shot, ...]
    failures: tuple[FailedShot, ...]
    ignored: tuple[tuple[str, str], ...]


def find_shots(
    source: Path,
    *,
    listing_depth: int = 1,
    raw_jpeg: Literal["raw", "jpeg"] = "raw",
    groups: Path | None = None,
    max_megapixels: float = 300,
    workers: int | None = None,
    files: Iterable[str] | None = None,
) -> Found:
    """Find the shots of a folder: listings, bracketed sets, names.

    Parameters
    ----------
    listing_depth: how many folders below `source` name a listing; loose files are listing "".
    raw_jpeg: which twin of RAW+JPEG counts.
    groups: a groups.yaml to use as it is, instead of finding sets; copies that it names count too.
    max_megapixels: larger pictures fail with TOO_MANY_PIXELS.
    workers: threads for headers and looks; all cores by default. The answer does not depend on it.
    files: paths below `source` that count, whatever their names; by default every photo there.

    Raises
    ------
    SettingsError
        If `source` is not a folder, or `groups` is not a valid groups file for it; the message names the files.
    """
    without_ipp()
    given = groups_file.read(groups) if groups else None
    scanned = scan(
        source,
        listing_depth=listing_depth,
        raw_jpeg=raw_jpeg,
        max_megapixels=max_megapixels,
        workers=workers,
        files=files,
        wanted=given.named() if given else (),
    )
    with thread_pool(workers or os.cpu_count() or 1) as pool:
        looker = Looker(pool)
        if groups is None or given is None:
            made = {n: _group_listing(headers, looker) for n, headers in scanned.listings.items()}
            skipped: list[tuple[str, str]] = []
        else:
            made, skipped = _given_groups(scanned, given, groups, looker)
        unread = [*scanned.unread, *_looked_in_vain(scanned, looker)]
        digests = dict(zip(*_digests(made, unread, pool), strict=True))
    shots, failures = _name_all(made, unread, digests)
    return Found(tuple(shots), tuple(failures), tuple(sorted([*scanned.ignored, *skipped])))


class Looker:
    """Looks at pictures once each, in threads, and remembers those that cannot be decoded."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool
        self.views: dict[str, View] = {}
        self.failures: dict[str, Failure] = {}

    def __call__(self, headers: Sequence[Header]) -> Mapping[str, View]:
        new = [h for h in headers if h.relative not in self.views and h.relative not in self.failures]
        for header, answer in zip(new, self.pool.map(_look, new), strict=True):
            if isinstance(answer, View):
                self.views[header.relative] = answer
            else:
                self.failures[header.relative] = answer
        return {h.relative: self.views[h.relative] for h in headers if h.relative in self.views}


def _look(header: Header) -> View | Failure:
    try:
        return look(header)
    except PhotoError as error:
        return Failure.of(error)
    except Exception as error:  # a file must never end the job
        return Failure.of(PhotoError(Code.INTERNAL, f"{header.path}: {type(error).__name__}: {error}"))


def _group_listing(headers: Sequence[Header], looker: Looker) -> list[Group]:
    """Group until no more files turn out to be broken: a broken frame must not take its set with it."""
    while True:
        sound = [h for h in headers if h.relative not in looker.failures]
        found = group(sound, looker)
        if not any(h.relative in looker.failures for h in sound):
            looker.views.clear()
            return found


def _looked_in_vain(scanned: Scan, looker: Looker) -> list[Unread]:
    return [
        Unread(listing, h.relative, h.path, h.bytes, looker.failures[h.relative])
        for listing, headers in scanned.listings.items()
        for h in headers
        if h.relative in looker.failures
    ]


def _given_groups(
    scanned: Scan, given: groups_file.Groups, path: Path, looker: Looker
) -> tuple[dict[str, list[Group]], list[tuple[str, str]]]:
    headers = {h.relative: h for files in scanned.listings.values() for h in files}
    present = {listing: [h.relative for h in files] for listing, files in scanned.listings.items()}
    groups_file.check(given, path, present, [u.relative for u in scanned.unread])
    made: dict[str, list[Group]] = {}
    for listing, entries in given.listings.items():
        for entry in entries:
            g = _given(entry, headers, looker, f"given in {path.name}")
            if any(h.relative in looker.failures for h in (g.files if g else ())):
                g = _given(entry, headers, looker, f"given in {path.name}")
            if g is not None:
                made.setdefault(listing, []).append(g)
    return made, [(f, groups_file.SKIPPED) for f in given.skipped if f in headers]


def _given(entry: groups_file.Entry, headers: Mapping[str, Header], looker: Looker, reason: str) -> Group | None:
    """The group of an entry's sound files; None where none is left."""
    names = (*entry.files, *entry.left_out)
    files = [headers[f] for f in names if f in headers and f not in looker.failures]
    fused = [h for h in files if h.relative in entry.files] or files[:1]
    spare = [h for h in files if h not in fused]
    return given_group(in_order(fused), spare, looker, reason=reason) if fused else None


def _name_all(
    made: Mapping[str, Sequence[Group]], unread: Sequence[Unread], digests: Mapping[str, str]
) -> tuple[list[Shot], list[FailedShot]]:
    shots: list[Shot] = []
    failures: list[FailedShot] = []
    for listing in sorted({*made, *(u.listing for u in unread)}):
        groups = made.get(listing, ())
        broken = [u for u in unread if u.listing == listing]
        names = unique_names([g.files[g.reference].relative for g in groups] + [u.relative for u in broken])
        for g, name in zip(groups, names, strict=False):
            shot = _shot(listing, name, g, digests)
            failure = _size_mismatch(g)
            if failure is None:
                shots.append(shot)
            else:
                failures.append(FailedShot(shot, failure))
        for u, name in zip(broken, names[len(groups) :], strict=True):
            identity = shot_id(listing, [(u.relative, u.bytes, digests[u.path])])
            failures.append(FailedShot(Shot(identity, listing, name, (u.path,), (0.0,), 0, 0, 0), u.failure))
    return shots, failures


def _shot(listing: str, name: str, g: Group, digests: Mapping[str, str]) -> Shot:
    middle = g.files[g.reference]
    return Shot(
        id=shot_id(listing, [(h.relative, h.bytes, digests[h.path]) for h in g.files]),
        listing=listing,
        name=name,
        sources=tuple(h.path for h in g.files),
        exposure_values=g.exposure_values,
        reference=g.reference,
        width=middle.width,
        height=middle.height,
        formats=tuple(h.format for h in g.files),
        confidence=g.confidence,
        reason=g.reason,
        warnings=g.warnings,
        left_out=tuple(h.path for h in g.left_out),
    )


def _size_mismatch(g: Group) -> Failure | None:
    sizes = sorted({(h.width, h.height) for h in g.files})
    if len(sizes) == 1:
        return None
    text = ", ".join(f"{w} x {h}" for w, h in sizes)
    names = ", ".join(h.relative for h in g.files)
    return Failure.of(PhotoError(Code.SIZE_MISMATCH, f"{names}: one set, but pictures of {text} pixels"))


def shot_id(listing: str, files: Iterable[tuple[str, int, str]]) -> str:
    """20 hex digits of SHA-256 over the listing and, per file, path below SOURCE, size and digest of both ends.

    Neither the order of the files nor the Unicode form of their names matters.
    """
    digest = hashlib.sha256()
    rows = sorted((unicodedata.normalize("NFC", f), str(size), ends) for f, size, ends in files)
    for part in (unicodedata.normalize("NFC", listing), *(p for row in rows for p in row)):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:20]


def _digests(
    made: Mapping[str, Sequence[Group]], unread: Sequence[Unread], pool: ThreadPoolExecutor
) -> tuple[list[str], list[str]]:
    paths = [h.path for groups in made.values() for g in groups for h in g.files] + [u.path for u in unread]
    return paths, list(pool.map(digest_of_ends, paths))


def unique_names(paths: Sequence[str]) -> list[str]:
    """A name for each path below SOURCE: its stem; of equal ones (case-folded, NFC) all but the first get a suffix.

    The first is the first in natural order of the whole path. The suffix is -<ending>,
    then -2, -3, ... No suffixed name equals another file's own stem.
    """
    stems = {p: unicodedata.normalize("NFC", PurePosixPath(p).stem) for p in paths}
    taken = {stem.casefold() for stem in stems.values()}
    given: dict[str, str] = {}
    used: set[str] = set()
    for path in sorted(paths, key=lambda p: (natural(p), p)):
        stem, ending = stems[path], PurePosixPath(path).suffix.removeprefix(".").casefold()
        name, count = stem, 1
        if name.casefold() in used:
            name = f"{stem}-{ending}"
        while name.casefold() in used or (name != stem and name.casefold() in taken):
            count += 1
            name = f"{stem}-{count}"
        used.add(name.casefold())
        given[path] = name
    return [given[p] for p in paths]
