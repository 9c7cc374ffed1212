"""A small data set in the layout that training reads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.jobs.train.pictures import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of the layout: streets with sky, rooms, a front, a plan, and a window."""
    for part in ("train", "val"):
        for name, label in (
            ("h1_a", "bedroom"),
            ("h2_b", "kitchen"),
            ("h3_c", "exterior"),
            ("plan", "other"),
            ("air", "aerial"),
        ):
            path = tmp_path / "rooms" / part / label / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture(len(name) + len(label)))
        for kind in ("sky", "windows"):
            for sub in ("images", "masks"):
                (tmp_path / kind / part / sub).mkdir(parents=True)
            for k in range(3):
                mask = np.zeros((64, 96), np.uint8)
                mask[: 16 + 8 * k] = 255
                cv2.imwrite(str(tmp_path / kind / part / "images" / f"{k}.jpg"), picture(k))
                cv2.imwrite(str(tmp_path / kind / part / "masks" / f"{k}.png"), mask)
    return tmp_path
