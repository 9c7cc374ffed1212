"""Edits from a proxy to full size: how much invented texture gets through, how much of the edit, and the CPU at 45 MP.

    python -m benchmarks.speed.transfer [--quick] [--data DIR]

Known edits are made at full size (the truth) and on a reduced picture, as a proxy would be edited. The reduced edit is
then spoilt as a diffusion model spoils it: blur, a periodic texture, coarse noise. Both are brought to full size by
pipeline.render.transfer.compile_tone and the renderer, by plain enlargement, and by a guided filter on the reduced pair
(He and Sun, Fast Guided Filter, 2015). leak: RMS of what the spoiling changes at full size, over RMS of the spoiling.
It is told twice: as spoilt, and after clipping to the range of a picture, which makes noise on white darken on the
whole, and on black brighten: a change of light, which a transfer has to carry.
Photos of DATA, or the bundled ones. Writes benchmarks/results/transfer.md, unless --quick.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.report import heading
from benchmarks.speed import big_set
from pipeline.plan import Merge, Plan
from pipeline.read.exposures import proxy_size
from pipeline.render.render import render_edits
from pipeline.render.transfer import compile_tone

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "transfer.md"
PHOTOS = ("int_hotel_room_16mp.jpg", "ext_hotel_pool.jpg", "prod_backpack_dog_00.jpg")
MEGAPIXELS, REDUCTION = 3.0, 3
"""Size of the truth, and of the proxy against it."""
Picture = NDArray[np.uint8]
Field = NDArray[np.float32]
"""(h, w, 3) RGB 0..1."""
Edit = Callable[[Field], Field]
Transfer = Callable[[Picture, Field, Field], Field]
"""Full-size original, reduced original, reduced edit to the edit at full size."""


def lift_shadows(x: Field) -> Field:
    """Dark regions brightened by up to 2.6, by an edge-aware base (guided filter of the luma by itself)."""
    scale = 768 / x.shape[1]
    luma = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else luma
    slope, offset = _local_affine(small, small, radius=18, ridge_to=0.0, ridge=0.01)
    base = _enlarged(slope, x.shape) * luma + _enlarged(offset, x.shape)
    return _clipped(x * (1 + 1.6 * np.exp(-np.clip(base, 0, 1) / 0.22))[..., None])


def shift_cast(x: Field) -> Field:
    """A cast that changes from warm on the left to nearly neutral on the right."""
    across = np.linspace(0, 1, x.shape[1], dtype=np.float32)[None, :, None]
    warm = x * np.array([0.88, 1.0, 1.12], np.float32)
    mixed = x @ np.array([[0.98, 0.0, 0.03], [0.03, 1.0, 0.02], [0.0, 0.03, 0.97]], np.float32)
    return _clipped(warm * (1 - across) + mixed * across)


def bend_curve(x: Field) -> Field:
    """One global curve."""
    return _clipped(1.15 * x**0.75 - 0.02)


def equalise(x: Field) -> Field:
    """OpenCV's CLAHE on L*: contrast finer than a proxy can tell, which is meant to stay behind."""
    lab = cv2.cvtColor(x, cv2.COLOR_RGB2LAB)
    light = np.rint(lab[..., 0] * 2.55).astype(np.uint8)
    lab[..., 0] = cv2.createCLAHE(2.0, (8, 8)).apply(light).astype(np.float32) / 2.55
    return _clipped(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def spoilt(edited: Field, rng: np.random.Generator) -> Field:
    """The edit as a model would bring it: blurred, with false texture in the middle, and coarse noise; not clipped."""
    height, width = edited.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pattern = 0.06 * np.sin(0.9 * x) * np.sin(1.1 * y)
    pattern[: height // 4] = pattern[3 * height // 4 :] = 0
    noise = cv2.GaussianBlur(rng.standard_normal(edited.shape, np.float32), (0, 0), 1.2)
    noise *= 0.03 / noise.std()
    return cast(Field, cv2.GaussianBlur(edited, (0, 0), 0.8) + pattern[..., None] + noise)


def compiled(full: Picture, small: Field, edited: Field) -> Field:
    """The product's way."""
    plan = Plan(Merge.single(), (compile_tone(small, edited, "edit"),))
    return render_edits(plan, full, depth=16).astype(np.float32) / np.float32(65535)


def enlarged(full: Picture, _small: Field, edited: Field) -> Field:
    """The edited proxy itself, enlarged (bicubic)."""
    return _clipped(cv2.resize(edited, full.shape[1::-1], interpolation=cv2.INTER_CUBIC))


def guided(full: Picture, small: Field, edited: Field) -> Field:
    """A local affine fit of the edit (radius 8, eps 1e-3), without the low-pass."""
    slope, offset = _local_affine(small, edited, radius=8, ridge_to=1.0, ridge=1e-3)
    return _clipped(_unit(full) * _enlarged(slope, full.shape) + _enlarged(offset, full.shape))


EDITS: dict[str, Edit] = {"shadows": lift_shadows, "cast": shift_cast, "curve": bend_curve, "CLAHE": equalise}
TRANSFERS: dict[str, Transfer] = {"sunroom": compiled, "enlarged": enlarged, "guided filter": guided}


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one transfer of one edit of one photo; PSNR in dB against the edit made at full size."""

    clean: float
    spoilt: float
    leak: float
    clipped: float
    """The leak of the clipped edit, to which `spoilt` and `texture` belong, too."""
    texture: float
    """How much of the truth's fine texture is there; 1 is all."""


def judge(transfer: Transfer, full: Picture, edit: Edit, seed: int) -> Figures:
    """Transfer an edit, clean and spoilt."""
    size = (full.shape[1] // REDUCTION, full.shape[0] // REDUCTION)
    small = _unit(cast(Picture, cv2.resize(full, size, interpolation=cv2.INTER_AREA)))
    truth, wanted = edit(_unit(full)), edit(small)
    bad = spoilt(wanted, np.random.default_rng(seed))
    worse = _clipped(bad)
    clean, dirty, clipped = (transfer(full, small, e) for e in (wanted, bad, worse))
    fine, true = _fine(clipped), _fine(truth)
    return Figures(
        _psnr(clean, truth),
        _psnr(clipped, truth),
        _rms(dirty - clean) / _rms(bad - wanted),
        _rms(clipped - clean) / _rms(worse - wanted),
        float((fine * true).sum() / (true * true).sum()),
    )


def cost(photo: Path, size: tuple[int, int], rounds: int) -> dict[str, float]:
    """Median CPU seconds at full size: reduce to a proxy, compile the edit, render."""
    picture = cast(Picture, cv2.resize(_read(photo), size, interpolation=cv2.INTER_CUBIC))
    seconds: dict[str, list[float]] = {"reduce": [], "compile": [], "render": []}
    for _ in range(rounds):
        start = time.process_time()
        proxy = _unit(cast(Picture, cv2.resize(picture, proxy_size(*size), interpolation=cv2.INTER_AREA)))
        reduced = time.process_time()
        edited = lift_shadows(proxy)
        ready = time.process_time()
        plan = Plan(Merge.single(), (compile_tone(proxy, edited, "edit"),))
        planned = time.process_time()
        render_edits(plan, picture)
        done = time.process_time()
        for part, spent in zip(seconds, (reduced - start, planned - ready, done - planned), strict=True):
            seconds[part].append(spent)
    return {part: median(s) for part, s in seconds.items()}


def _local_affine(x: Field, y: Field, *, radius: int, ridge_to: float, ridge: float) -> tuple[Field, Field]:
    """Slope and offset of y by x in boxes, ridged to a slope; both averaged over the boxes of each pixel."""

    def mean(z: Any) -> Field:
        side = 2 * radius + 1
        return cast(Field, cv2.boxFilter(z, -1, (side, side), borderType=cv2.BORDER_REFLECT))

    mx, my = mean(x), mean(y)
    slope = (mean(x * y) - mx * my + ridge * ridge_to) / (mean(x * x) - mx * mx + ridge)
    return mean(slope), mean(my - slope * mx)


def _enlarged(field: Field, shape: tuple[int, ...]) -> Field:
    return cast(Field, cv2.resize(field, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR))


def _clipped(x: Any) -> Field:
    return np.clip(x, 0, 1).astype(np.float32)


def _unit(picture: Picture) -> Field:
    return picture.astype(np.float32) / np.float32(255)


def _fine(x: Field) -> Field:
    luma = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)
    return cast(Field, luma - cv2.GaussianBlur(luma, (0, 0), 2))


def _rms(x: Field) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def _psnr(x: Field, truth: Field) -> float:
    return float(-20 * np.log10(max(_rms(x - truth), 1e-5)))


def _read(photo: Path) -> Picture:
    with Image.open(photo) as opened:
        return np.asarray(opened.convert("RGB"))


def figures(files: list[Path]) -> dict[tuple[str, str], dict[str, Figures]]:
    """By edit and transfer, then by photo."""
    photos = {p.stem: _shrunk(_read(p)) for p in files}
    return {
        (name, way): {stem: judge(transfer, p, edit, i) for i, (stem, p) in enumerate(photos.items())}
        for name, edit in EDITS.items()
        for way, transfer in TRANSFERS.items()
    }


def report(rows: dict[tuple[str, str], dict[str, Figures]]) -> list[str]:
    """The table of edits and transfers."""
    lines = ["| edit | transfer | PSNR clean | spoilt | leak | leak, clipped | texture |", "|---" * 7 + "|"]
    for (name, way), by in rows.items():
        clean, bad, leak, clipped, texture = (
            fmean(getattr(f, part) for f in by.values()) for part in ("clean", "spoilt", "leak", "clipped", "texture")
        )
        lines.append(f"| {name} | {way} | {clean:.1f} | {bad:.1f} | {leak:.3f} | {clipped:.3f} | {texture:.2f} |")
    return lines


def goals(rows: dict[tuple[str, str], dict[str, Figures]], seconds: dict[str, float]) -> list[str]:
    """Each goal beside what was measured."""
    lines = ["| goal | measured | met |", "|---|---|---|"]
    own = {f"{name}, {p}": f for (name, way), by in rows.items() if way == "sunroom" for p, f in by.items()}
    for title, leaks in (
        ("leak <= 0.10, every edit and photo", {k: f.leak for k, f in own.items()}),
        ("the same, clipped", {k: f.clipped for k, f in own.items()}),
    ):
        worst = max(leaks, key=lambda k: leaks[k])
        lines.append(f"| {title} | {leaks[worst]:.3f} ({worst}) | {_yes(leaks[worst] <= 0.10)} |")
    total, parts = sum(seconds.values()), ", ".join(f"{part} {s:.2f}" for part, s in seconds.items())
    return [*lines, f"| <= 1.2 CPU s at 45 MP | {total:.2f} ({parts}) | {_yes(total <= 1.2)} |"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=big_set.DATA, help="folder with photos/")
    parser.add_argument("--quick", action="store_true", help="one photo, 3 MP instead of 45")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    files = [p for n in PHOTOS if (p := options.data / "photos" / n).is_file()] or big_set.bundled()
    files = files[: 1 if options.quick else None]
    lines = [*heading("Edit transfer", "python -m benchmarks.speed.transfer")]
    rows = figures(files)
    seconds = cost(files[0], big_set.QUICK if options.quick else big_set.SIZE, 1 if options.quick else 3)
    lines += [f"Means over {len(files)} photos; PSNR in dB.", "", *report(rows), "", *goals(rows, seconds)]
    print("\n".join(lines))
    if not options.quick:
        RESULT.write_text("\n".join(lines) + "\n")


def _shrunk(picture: Picture) -> Picture:
    scale = (MEGAPIXELS * 1e6 / (picture.shape[0] * picture.shape[1])) ** 0.5
    if scale >= 1:
        return picture
    return cast(Picture, cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"


if __name__ == "__main__":
    main()
