"""A folder to listings: which files count, which twin of RAW+JPEG, what their headers say, what cannot be read."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.codes import Code, Failure, PhotoError, SettingsError
from pipeline.photo import Header
from pipeline.read.copies import without_copies
from pipeline.read.metadata.header import read_header
from pipeline.threads import thread_pool

# fmt: off
PICTURES = frozenset({
    "jpg", "jpeg", "jpe", "jfif", "mpo", "png", "tif", "tiff", "webp", "heic", "heif", "hif", "avif", "gif", "bmp",
    "psd", "jxl", "jp2", "j2k", "ppm", "pgm",
})
"""Endings of picture files (lower case); those that cannot be decoded become failures, not silence."""
RAWS = frozenset({
    "3fr", "ari", "arw", "bay", "cap", "cr2", "cr3", "crw", "dcr", "dcs", "dng", "erf", "fff", "gpr", "iiq", "k25",
    "kdc", "mdc", "mef", "mos", "mrw", "nef", "nrw", "orf", "pef", "ptx", "pxn", "r3d", "raf", "raw", "rw2", "rwl",
    "rwz", "sr2", "srf", "srw", "x3f",
})
"""Endings of camera RAW files (lower case)."""
_SIDECARS = frozenset({
    "xmp", "dop", "thm", "pp3", "cos", "on1", "vrd", "arp", "xml", "aae", "json", "yaml", "yml", "txt", "csv",
})
_VIDEOS = frozenset({"mov", "mp4", "m4v", "avi", "mts", "m2ts", "mkv", "lrv"})
# fmt: on
_CAMERA_FOLDER = re.compile(
    r"dcim|raws?|jpe?gs?|\d{3}(?:canon|eos\w\w|msdcf|nikon|nd\w{3}|ncd\w\w|nz\w{3}|olymp|omsys|pentx|media|apple|andro"
    r"|_pana|_fuji|ricoh|gopro|hasbl|leica|sigma|phase|casio|kodak|sscam|photo|sharp)|\d{3}_\d{4}",
    re.IGNORECASE,
)
_DCF_FOLDER = re.compile(r"\d{3}\w{5}")
"""Any DCF folder name; only below DCIM, since an 8-digit listing number looks the same."""
_SKIPPED_FOLDERS = frozenset({"@eadir", "__macosx", "lost+found", "$recycle.bin", "system volume information"})
_SHAPES = 0.02


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that cannot be read, with its place."""

    listing: str
    relative: str
    path: str
    bytes: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Scan:
    """What a folder holds.

    listings: headers by listing, both in stable order. ignored: (path below SOURCE, reason); a folder that is skipped
    as a whole is one entry ending in "/".
    """

    listings: dict[str, list[Header]] = field(default_factory=dict[str, list[Header]])
    unread: tuple[Unread, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()


def scan(
    source: Path,
    *,
    listing_depth: int = 1,
    raw_jpeg: Literal["raw", "jpeg"] = "raw",
    max_megapixels: float = 300,
    workers: int | None = None,
    files: Iterable[str] | None = None,
    wanted: Collection[str] = (),
) -> Scan:
    """Walk `source` and read the headers of its photos; or of `files` alone, paths below it, whatever their names.

    A listing is the first `listing_depth` folders of a file's path without camera folders (DCIM, 100CANON, RAW, JPG);
    loose files are listing "" and are delivered without a sub-folder. Links are followed once. Of files with identical
    content a listing has one, or those of `wanted` (paths below `source`).

    Raises
    ------
    SettingsError
        If `source` is not a folder or `listing_depth` is below 1.
    """
    if not source.is_dir():
        raise SettingsError(f"SOURCE {source}: not a folder")
    if listing_depth < 1:
        raise SettingsError(f"listing_depth {listing_depth}: must be 1 or more")
    source = source.absolute()  # so that every message names a file in the same way
    ignored: list[tuple[str, str]] = []
    files = sorted(_pictures(source, ignored) if files is None else set(files))
    with thread_pool(workers or os.cpu_count() or 1) as pool:
        answers = list(pool.map(partial(_read, source, max_megapixels), files))
        headers = [a for a in answers if isinstance(a, Header)]
        home = partial(listing_of, depth=listing_depth)
        headers, copies = without_copies(headers, pool, within=home, folder=home_folder, wanted=wanted)
    unread = [
        Unread(listing_of(_printable(f), listing_depth), _printable(f), str(source / _printable(f)), size, a)
        for f, a, size in zip(files, answers, map(_size, (source / f for f in files)), strict=True)
        if isinstance(a, Failure)
    ]
    kept, twins = _without_twins(headers, raw_jpeg)
    listings: dict[str, list[Header]] = {}
    for header in kept:
        listings.setdefault(listing_of(header.relative, listing_depth), []).append(header)
    passed = sorted((_printable(f), reason) for f, reason in (*ignored, *copies, *twins))
    return Scan(dict(sorted(listings.items())), tuple(unread), tuple(passed))


def listing_of(relative: str, depth: int = 1) -> str:
    """The listing of a path below SOURCE: its first folders that are no camera's, "" for loose files."""
    return "/".join(_homes(relative)[:depth])


def home_folder(relative: str) -> str:
    """The folder of a file without camera folders: twins and sets are sought within it."""
    return "/".join(_homes(relative))


def _homes(relative: str) -> list[str]:
    homes: list[str] = []
    in_dcim = False
    for part in PurePosixPath(relative).parts[:-1]:
        camera = _CAMERA_FOLDER.fullmatch(part) or (in_dcim and _DCF_FOLDER.fullmatch(part))
        in_dcim = in_dcim or part.casefold() == "dcim"
        if not camera:
            homes.append(part)
    return homes


def _pictures(source: Path, ignored: list[tuple[str, str]]) -> Iterator[str]:
    """Paths of picture files below `source`; the others go to `ignored`. Real folders come before links to them."""
    seen: set[tuple[int, int]] = set()
    folders: list[str] = [""]
    links: list[str] = []
    while folders or links:
        folder = folders.pop(0) if folders else links.pop(0)
        try:
            status = (source / folder).stat()
            names = sorted(p.name for p in (source / folder).iterdir())
        except OSError as error:
            ignored.append((f"{folder}/", f"the folder cannot be read: {error.strerror}"))
            continue
        if (status.st_dev, status.st_ino) in seen:
            ignored.append((f"{folder}/", "a link to a folder that is read already"))
            continue
        seen.add((status.st_dev, status.st_ino))
        if "ledger.sqlite" in names:
            ignored.append((f"{folder}/", "the results of an earlier run"))
            continue
        for name in names:
            relative = f"{folder}/{name}".removeprefix("/")
            path = source / relative
            if path.is_dir():
                if name.startswith(".") or name.casefold() in _SKIPPED_FOLDERS:
                    ignored.append((f"{relative}/", "a hidden or system folder"))
                else:
                    (links if path.is_symlink() else folders).append(relative)
            elif reason := _why_ignored(name):
                ignored.append((relative, reason))
            elif path.exists() and not path.is_file():
                ignored.append((relative, "not a regular file"))
            else:
                yield relative


def _why_ignored(name: str) -> str:
    if name.startswith("."):
        return "a hidden file"
    ending = name.rpartition(".")[2].casefold() if "." in name else ""
    if ending in PICTURES or ending in RAWS:
        return ""
    return "a sidecar file" if ending in _SIDECARS else "a video" if ending in _VIDEOS else "not a photo by its name"


def _printable(relative: str) -> str:
    """The path with bytes that are not UTF-8 escaped, so that it can be stored and shown."""
    return relative.encode("utf-8", "backslashreplace").decode()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(source: Path, max_megapixels: float, relative: str) -> Header | Failure:
    path = source / relative
    try:
        if _printable(relative) != relative:
            raise PhotoError(
                Code.UNREADABLE, f"{_printable(relative)}: the file name is not valid UTF-8, rename the file"
            )
        header = read_header(path, relative)
        if header.width * header.height > max_megapixels * 1e6:
            size = f"{header.width} x {header.height}"
            raise PhotoError(
                Code.TOO_MANY_PIXELS, f"{path}: {size} pixels are more than read.max_megapixels={max_megapixels:g}"
            )
    except PhotoError as error:
        return Failure.of(error)
    except Exception as error:  # a file must never end the job
        return Failure.of(PhotoError(Code.INTERNAL, f"{path}: {type(error).__name__}: {error}"))
    return header


def _without_twins(
    headers: Sequence[Header], raw_jpeg: Literal["raw", "jpeg"]
) -> tuple[list[Header], list[tuple[str, str]]]:
    """RAW+JPEG of one stem, folder, shape and, where both tell it, (nearly) one time count once."""
    by_stem: dict[tuple[str, str], list[Header]] = {}
    for header in headers:
        stem = unicodedata.normalize("NFC", PurePosixPath(header.relative).stem).casefold()
        by_stem.setdefault((home_folder(header.relative), stem), []).append(header)
    dropped: dict[str, str] = {}
    for files in by_stem.values():
        for raw, jpeg in _pairs(files):
            loser, winner = (jpeg, raw) if raw_jpeg == "raw" else (raw, jpeg)
            dropped[loser.relative] = f"the twin of {winner.relative} (read.raw_jpeg={raw_jpeg})"
    return [h for h in headers if h.relative not in dropped], list(dropped.items())


def _pairs(files: Iterable[Header]) -> Iterator[tuple[Header, Header]]:
    jpegs = [h for h in files if h.format == "jpeg"]
    for raw in (h for h in files if h.format == "raw"):
        twins = [h for h in jpegs if _one_time(raw, h) and _one_shape(raw, h)]
        # Beside its RAW first, else in a folder of its own (JPG/).
        twins.sort(key=lambda h: (PurePosixPath(h.relative).parent != PurePosixPath(raw.relative).parent, h.relative))
        if twins:
            jpegs.remove(twins[0])
            yield raw, twins[0]


def _one_time(a: Header, b: Header) -> bool:
    if a.captured is None or b.captured is None:
        return True
    return abs((a.captured.replace(tzinfo=None) - b.captured.replace(tzinfo=None)).total_seconds()) <= 2


def _one_shape(a: Header, b: Header) -> bool:
    """Long side to short side within 2 %: a RAW may have a border, and lie on its side."""
    one, other = (max(h.width, h.height) / max(1, min(h.width, h.height)) for h in (a, b))
    return abs(one - other) <= _SHAPES * max(one, other)
