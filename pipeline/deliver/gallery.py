"""The report of a job: before and after of every photo, its figures, its times, and what failed and why.

One self-contained page for a small job (pictures inside), pages of 100 with picture files beside them for a large one.
Pictures are made from reduced decodes, up to 1024 px, and kept in report/images/, so a rerun makes only what is new.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.codes import PhotoError
from pipeline.deliver.encode import write_atomic
from pipeline.photo import Image, Shot
from pipeline.read.decode import decode
from pipeline.read.metadata.header import read_header
from pipeline.threads import thread_pool

LONG_SIDE = 1024
INLINE_BELOW = 50
PAGE = 100
_QUALITY = 82
_JUDGED = {
    "structure_worst": "structure, worst place",
    "edges_worst": "edges, worst place",
    "colour_worst": "colour drift, worst place",
    "ssim": "plain SSIM",
}
_CHANGES = ("adjusted", "composited", "generated", "obscured")


@dataclass(frozen=True, slots=True)
class Card:
    """What the page shows of one photo; before and after are URLs (data: or relative), or empty."""

    title: str
    listing: str
    anchor: str
    photo: Mapping[str, Any]
    exposures: int
    before: str
    after: str
    full: str
    ratio: float
    figures: Sequence[tuple[str, str]]
    """The figures that the limits judge, first."""
    more: Sequence[tuple[str, str]]
    pixels: Sequence[tuple[str, float]]
    """Where the pixels come from: name and share 0..1, without captured ones."""
    unaltered: str
    """URL of the picture without what was altered; empty where nothing was."""
    straightened: str
    """What was done to the geometry, in words; empty for nothing."""
    stages: Sequence[tuple[str, float, float]]
    """Name, seconds, share of the whole 0..1."""


def write_report(destination: Path, summary: Mapping[str, Any], shots: Mapping[str, Shot], *, threads: int = 1) -> Path:
    """Write DEST/report/ from summary.json's values and the shots by id; returns the path of index.html.

    A picture that cannot be read is left out of the page, never an error. threads: pictures made at once. Raises
    PhotoError, WRITE_FAILED.
    """
    folder = destination / "report"
    photos: list[Mapping[str, Any]] = list(summary["photos"])
    inline = len(photos) < INLINE_BELOW
    with thread_pool(threads) as pool:
        jobs = [pool.submit(_pictures, photo, shots.get(photo["id"]), destination) for photo in photos]
        pictures = [job.result() for job in jobs]
    _forget(folder / "images", {path for pair in pictures for path in pair if path})
    cards = [
        _card(n, photo, shots.get(photo["id"]), pair, inline)
        for n, (photo, pair) in enumerate(zip(photos, pictures, strict=True), 1)
    ]
    delivered = [c for c in cards if c.photo["status"] == "delivered"]
    failed = [c for c in cards if c.photo["status"] != "delivered"]
    pages = [delivered[i : i + PAGE] for i in range(0, len(delivered), PAGE)] or [[]]
    names = ["index.html"] + [f"page-{n}.html" for n in range(2, len(pages) + 1)]
    template = _environment().get_template("report.html")
    for number, (name, page) in enumerate(zip(names, pages, strict=True)):
        text = template.render(
            summary=summary, inline=inline, cards=page, failed=failed if number == 0 else [], names=names, number=number
        )
        write_atomic(folder / name, text.encode())
    for old in set(folder.glob("page-*.html")) - {folder / name for name in names}:
        old.unlink()
    return folder / "index.html"


def _pictures(photo: Mapping[str, Any], shot: Shot | None, destination: Path) -> tuple[Path | None, Path | None]:
    """The files of before (the middle exposure as shot) and after (as delivered), made where missing or outdated."""
    images = destination / "report" / "images"
    before = _picture(Path(shot.sources[shot.reference]), images / f"{shot.id}-before.jpg") if shot else None
    after = None
    if photo["status"] == "delivered":
        after = _picture(destination / photo["output"], images / f"{photo['id']}-after.jpg")
    return before, after


def _picture(source: Path, target: Path) -> Path | None:
    try:
        if target.is_file() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            return target
        header = read_header(source)
        scale = max(header.width, header.height) / LONG_SIDE
        image = decode(header, reduce=next((r for r in (8, 4, 2) if scale >= r), 1))
    except (PhotoError, OSError):
        return None
    write_atomic(target, _jpeg(image), durable=False)
    return target


def _jpeg(image: Image) -> bytes:
    """JPEG of a picture (H, W, 3), uint8 or uint16 RGB, reduced by area averaging to at most LONG_SIDE."""
    pixels = np.asarray(image)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    height, width = pixels.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()


def _card(
    number: int, photo: Mapping[str, Any], shot: Shot | None, pair: tuple[Path | None, Path | None], inline: bool
) -> Card:
    before, after = (_url(path, inline) if path else "" for path in pair)
    whole = sum(photo["stages"].values()) or 1.0
    output = photo["output"]
    figures = _figures(photo["qc"])
    return Card(
        title=photo["name"],
        listing=photo["listing"],
        anchor=f"photo-{number}",
        photo=photo,
        exposures=len(photo["sources"]),
        before=before,
        after=after,
        full="../" + quote(output) if output else "",
        unaltered="../" + quote(photo["outputs"]["unaltered"]) if photo["altered"] else "",
        ratio=shot.width / shot.height if shot and shot.height else 1.5,
        figures=[(_JUDGED[n], text) for n, text in figures.items() if n in _JUDGED],
        more=[(n.replace("_", " "), text) for n, text in figures.items() if n not in _JUDGED],
        pixels=[(n, photo["provenance"][n]) for n in _CHANGES if n in photo["provenance"]],
        straightened=_straightened(photo["geometry"]),
        stages=[(name, seconds, seconds / whole) for name, seconds in photo["stages"].items()],
    )


def _straightened(geometry: Mapping[str, float]) -> str:
    if "crop" not in geometry:
        return ""
    turns = f"pitch {geometry['pitch_corrected']:+.1f}°, roll {geometry['roll_corrected']:+.1f}°"
    return f"straightened: {turns}, {geometry['crop']:.1%} cropped"


def _figures(values: Mapping[str, Any]) -> dict[str, str]:
    """The single numbers among QC values as text, the judged ones first; places stay in the summary."""
    numbers = {n: v for n, v in values.items() if isinstance(v, int | float)}
    order = [n for n in _JUDGED if n in numbers] + [n for n in numbers if n not in _JUDGED]
    return {n: f"{numbers[n]:.3f}" for n in order}


def _url(path: Path, inline: bool) -> str:
    if inline:
        return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    return f"images/{quote(path.name)}"


def _forget(images: Path, current: set[Path]) -> None:
    for path in set(images.glob("*.jpg")) - current:
        path.unlink()


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("pipeline.deliver"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
