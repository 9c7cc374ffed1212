"""Violet fringes: how much of planted ones goes, and what happens to pictures that have none planted.

    python -m benchmarks.quality.fringes [--data DIR]

Burnt parts of real photos are made brighter than white in linear light; blue, and less of red, spread from them as
through a lens that focuses them elsewhere. Truth is the same picture without the spread. Chroma errors are distances in
CIE a*b*. Writes benchmarks/results/fringes.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import heading
from pipeline.merge.fringes import without_fringes
from pipeline.merge.tiles import run_here

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
BURNT, BRIGHTER = 0.92, 4.0
"""Encoded value from which a pixel counts as burnt, and how much brighter than white it is made."""
WIDTHS = (0.0004, 0.0008)
"""Of the spread of blue, over the long side; that of red is three quarters."""


def photo(path: Path) -> np.ndarray:
    """(h, w, 3) uint8 RGB."""
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def decoded(image: np.ndarray) -> np.ndarray:
    x = image.astype(np.float32) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def encoded(light: np.ndarray) -> np.ndarray:
    x = np.clip(light, 0, 1)
    return np.round(255 * np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)).astype(np.uint8)


def spread(light: np.ndarray, radius: float) -> np.ndarray:
    """(h, w) blurred by a disc of `radius` pixels."""
    size = int(np.ceil(radius)) * 2 + 1
    y, x = np.mgrid[:size, :size] - size // 2
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return cv2.filter2D(light, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE)


def planted(image: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture with its burnt parts beyond white, without and with fringes."""
    light = decoded(image)
    burnt = cv2.GaussianBlur((image.min(axis=2) >= 255 * BURNT).astype(np.float32), (0, 0), 1)
    light = light * (1 + (BRIGHTER - 1) * burnt[..., None])
    radius = width * max(image.shape[:2])
    fringed = light.copy()
    fringed[..., 2] = np.maximum(spread(light[..., 2], radius), light[..., 2])
    fringed[..., 0] = np.maximum(spread(light[..., 0], 0.75 * radius), light[..., 0])
    return encoded(light), encoded(fringed)


def chroma(image: np.ndarray) -> np.ndarray:
    """(2, h, w) a* and b*."""
    return np.moveaxis(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 1:], -1, 0)


def chroma_error(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.hypot(*(chroma(a) - chroma(b)))


def is_violet(image: np.ndarray) -> np.ndarray:
    a, b = chroma(image)
    return (a > 6) & (b < -6)


def planted_row(path: Path, width: float) -> str | None:
    truth, fringed = planted(photo(path), width)
    before = chroma_error(fringed, truth)
    fringe = (before > 8) & is_violet(fringed)
    if fringe.mean() < 1e-4:
        return None
    after = chroma_error(without_fringes(fringed, 1.0, run_here()), truth)
    worse = np.mean((after > before + 2) & ~fringe)
    return (
        f"| {path.parent.name}/{path.stem} | {2 * width * max(truth.shape):.1f} | {fringe.mean():.2%} | "
        f"{before[fringe].mean():.1f} | {after[fringe].mean():.1f} | {worse:.3%} |"
    )


def untouched_row(path: Path) -> str:
    image = photo(path)
    moved = chroma_error(without_fringes(image, 1.0, run_here()), image)
    return (
        f"| {path.parent.name}/{path.stem} | {np.mean(moved > 2):.3%} | {np.mean(moved > 8):.3%} | {moved.max():.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    cv2.setNumThreads(1)
    photos = [p for kind in ("listing", "int", "ext") for p in sorted((data / "photos").glob(f"{kind}_*.jpg"))]
    sets = [data / "brackets" / f for f in ("red_chair_window/05.jpg", "living_room2/02.jpg", "library_hall/01.jpg")]
    rows = [row for path in photos + sets for width in WIDTHS if (row := planted_row(path, width))]
    text = "\n".join(
        [
            *heading("Violet fringes", "python -m benchmarks.quality.fringes"),
            "Planted fringes of two widths: the share of the picture that turns violet, the error of its chroma before",
            "and after, and the share of other pixels whose chroma got worse by more than 2.",
            "",
            "| photo | width, px | share | before | after | others worse |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "As they are (the castle's have fringes of their own): pixels whose chroma moves by more than 2 and 8.",
            "",
            "| photo | > 2 | > 8 | most |",
            "|---|---|---|---|",
            *(untouched_row(path) for path in photos + sets),
            "",
        ]
    )
    (RESULTS / "fringes.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
