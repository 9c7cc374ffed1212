"""Make the before/after pictures of README.md from the bundled samples: `python docs/make_pictures.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import Recipe, edit
from pipeline.deliver.encode import encode_jpeg, write_atomic

ROOT = Path(__file__).resolve().parents[1]
WIDTH, GAP = 1200, 8


def side_by_side(before: NDArray[Any], after: NDArray[Any], *, width: int = WIDTH, gap: int = GAP) -> NDArray[np.uint8]:
    """Two uint8 pictures of one shape, reduced by area averaging, with `gap` white pixels between them."""
    part = (width - gap) // 2
    size = (part, round(part * before.shape[0] / before.shape[1]))
    filter_ = cv2.INTER_AREA if part < before.shape[1] else cv2.INTER_CUBIC
    left, right = (cv2.resize(picture, size, interpolation=filter_) for picture in (before, after))
    return np.hstack([left, np.full((size[1], gap, 3), 255, np.uint8), right])


def main() -> None:
    """Write docs/<listing>.jpg for each sample."""
    for result in edit(ROOT / "samples", Recipe.load("listing")):
        if result.before is None or result.after is None:
            raise SystemExit(repr(result))
        picture = side_by_side(result.before, result.after)
        write_atomic(ROOT / "docs" / f"{result.shot.listing}.jpg", encode_jpeg(picture, quality=85))
        print(f"docs/{result.shot.listing}.jpg")


if __name__ == "__main__":
    main()
