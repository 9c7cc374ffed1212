"""Masks: how far they are trusted, and where their edges lie."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pipeline.see.masks import enlarged
from pipeline.see.nets import SHIPPED, Answers, Network
from pipeline.see.scene import look
from pipeline.see.trust import trust

WEIGHTS = np.array(Network(SHIPPED).calibration["sky"])


def answers(mask: np.ndarray, place: tuple[float, float, float, float]) -> Answers:
    masks = np.zeros((3, *mask.shape), np.float32)
    masks[0] = mask
    return Answers(masks, np.float32(place), np.zeros(5, np.float32), np.zeros(2, np.float32))


def half_sky(sharpness: float) -> np.ndarray:
    rows = np.linspace(-1, 1, 128, dtype=np.float32)[:, None] * np.ones((1, 192), np.float32)
    return 1 / (1 + np.exp(rows * sharpness))


def test_a_clear_sky_of_an_exterior_is_trusted_more_than_a_vague_one():
    clear, vague = (trust(answers(half_sky(s), (-3, 4, -4, -4)), "sky", WEIGHTS) for s in (80, 6))

    assert clear > 0.7
    assert vague < clear - 0.2


def test_a_front_without_a_sky_is_trusted_less_than_a_room_without_one():
    """There is no sky in rooms; in a front it may have been missed."""
    nothing = np.full((128, 192), 0.01, np.float32)

    outside, inside = (trust(answers(nothing, p), "sky", WEIGHTS) for p in ((-3, 4, -4, -4), (4, -3, -4, -4)))

    assert outside < inside - 0.05
    assert inside > 0.9


def test_a_sky_found_in_part_is_not_trusted():
    hazy = 0.45 + 0.25 * half_sky(3)

    assert trust(answers(hazy, (-3, 4, -4, -4)), "sky", WEIGHTS) < 0.5


def test_the_enlarged_edge_follows_the_picture():
    proxy = np.full((600, 900, 3), 0.2, np.float32)
    proxy[:237] = 0.8
    coarse = cv2.resize(
        (np.arange(600) < 240).astype(np.float32)[:, None].repeat(900, 1), (192, 128), interpolation=cv2.INTER_AREA
    )

    mask = enlarged(coarse, proxy)

    assert mask.shape == (600, 900)
    edge = np.argmin(mask[:, 450] > 0.5)
    assert abs(edge - 237) <= 1


def test_real_skies_are_found(data: Path):
    """A few pictures of the validation part, far from the limit: the figures are benchmarks/quality/see.py's."""
    overlaps = []
    for path in sorted((data / "sky/val/images").glob("lmf_*"))[::12]:
        true = cv2.imread(str(next((data / "sky/val/masks").glob(f"{path.stem}.*"))), cv2.IMREAD_GRAYSCALE) > 127
        if true.mean() < 0.05:
            continue
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255
        found = look(picture).sky > 0.5
        overlaps.append((found & true).sum() / (found | true).sum())
    assert len(overlaps) >= 5
    assert np.median(overlaps) > 0.8


def test_rooms_have_no_sky(data: Path):
    for path in sorted((data / "rooms/val/bedroom").glob("*"))[:12]:
        seen = look(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255)
        assert seen.sky_fraction < 0.02 or seen.sky_trust < 0.5, path.name
