"""The small network that looks at every proxy, through OpenCV: one pass, one thread, no torch; panoramas in pieces.

`sunroom train see` makes its two files (jobs/train): `<name>.onnx` and `<name>.json`, the calibration that turns its
answers into probabilities, with the record of how they were made.
"""

from __future__ import annotations

import json
import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.codes import SettingsError
from pipeline.threads import without_ipp

MASKS = ("sky", "window", "vegetation")
PLACES = ("interior", "exterior", "aerial", "other")
ROOMS = ("bedroom", "bathroom", "kitchen", "living_room", "dining_room")
LIGHTS = ("day", "night")
WEIGHTS = Path(__file__).with_name("weights")
SHIPPED = WEIGHTS / "see.onnx"
_AREA = 384 * 256
_STEP = 32
_WIDE, _PIECE, _MOST = 2.4, 1.5, 16
"""Width over height from which a picture is looked at in pieces, of those pieces, and how many there are at most."""

Field = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What the network says of one picture.

    masks: (3, h, w) float32 0..1 as in MASKS, at half the network's input size, over the whole frame. place, room,
    light: logits as in PLACES, ROOMS, LIGHTS.
    """

    masks: NDArray[np.float32]
    place: NDArray[np.float32]
    room: NDArray[np.float32]
    light: NDArray[np.float32]


def input_size(width: int, height: int) -> tuple[int, int]:
    """The network's (width, height) for a picture: about 384 x 256 pixels in its aspect, multiples of 32.

    Strips narrower than 1:4 are squeezed. Wide ones come in pieces.
    """
    aspect = min(max(width / height, 0.25), 4.0)
    columns = max(2, round((_AREA * aspect) ** 0.5 / _STEP))
    rows = max(2, round(_AREA / (columns * _STEP) / _STEP))
    return columns * _STEP, rows * _STEP


def planes(proxy: Field) -> NDArray[np.float32]:
    """(h, w, 3) float32 0..1 to the input (1, 4, H, W): shrunk by area (else bilinear), and the height in the frame."""
    size = input_size(proxy.shape[1], proxy.shape[0])
    shrinks = proxy.shape[1] * proxy.shape[0] > size[0] * size[1]
    flags = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    small: Any = cv2.resize(proxy.astype(np.float32, copy=False), size, interpolation=flags)
    out = np.empty((1, 4, size[1], size[0]), np.float32)
    out[0, :3] = (small.transpose(2, 0, 1) - 0.5) * 4
    out[0, 3] = np.linspace(-1, 1, size[1], dtype=np.float32)[:, None]
    return out


def pieces(width: int, height: int) -> list[tuple[int, int]]:
    """First column and the one after the last of the pieces in which a picture of that size is looked at.

    One for all but panoramas: squeezed, their fronts look like furniture. Each overlaps the next by a third.
    """
    if width <= _WIDE * height:
        return [(0, width)]
    count = min(math.ceil((width / height / _PIECE - 1) * 1.5) + 1, _MOST)
    piece = max(1, round(width / (1 + (count - 1) * 2 / 3)))
    return [(left, left + piece) for left in (round(k * (width - piece) / (count - 1)) for k in range(count))]


def joined(parts: list[Answers], spans: list[tuple[int, int]]) -> Answers:
    """What is said of a picture whose pieces, of one size each, got these answers: masks fade into one another."""
    if len(parts) == 1:
        return parts[0]
    kinds, rows, across = parts[0].masks.shape
    scale = across / (spans[0][1] - spans[0][0])
    starts = [round(left * scale) for left, _ in spans]
    masks, weights = np.zeros((kinds, rows, starts[-1] + across), np.float32), np.zeros(starts[-1] + across, np.float32)
    weight = np.minimum(np.arange(1, across + 1), np.arange(across, 0, -1)).astype(np.float32)
    for part, start in zip(parts, starts, strict=True):
        masks[..., start : start + across] += weight * part.masks
        weights[start : start + across] += weight
    place, room, light = (np.mean([getattr(p, name) for p in parts], axis=0) for name in ("place", "room", "light"))
    return Answers(masks / weights, place, room, light)


class Network:
    """A loaded network. One at a time may look: OpenCV's nets are not safe for several threads."""

    def __init__(self, path: Path) -> None:
        card = path.with_suffix(".json")
        try:
            self.calibration: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))["calibration"]
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except OSError as error:
            raise SettingsError(f"see.weights: {error.filename} cannot be read: {error.strerror}") from None
        except (cv2.error, ValueError, KeyError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise SettingsError(f"see.weights: {path} is not a network of `sunroom train see`: {reason}") from None
        self._lock = threading.Lock()

    def __call__(self, proxy: Field) -> Answers:
        """One pass over (h, w, 3) float32 0..1, sRGB-encoded; over a panorama one for each of its pieces."""
        without_ipp()
        spans = pieces(proxy.shape[1], proxy.shape[0])
        return joined([self._answers(proxy[:, left:right]) for left, right in spans], spans)

    def _answers(self, proxy: Field) -> Answers:
        x = planes(proxy)
        with self._lock:
            self._net.setInput(x, "planes")
            masks, scene = self._net.forward(["masks", "scene"])
        a, b = len(PLACES), len(PLACES) + len(ROOMS)
        return Answers(np.array(masks[0]), scene[0, :a].copy(), scene[0, a:b].copy(), scene[0, b:].copy())


@lru_cache(maxsize=4)
def network(weights: str = "see") -> Network:
    """The network of a shipped name or of a file, loaded once a process. Raises SettingsError."""
    shipped = WEIGHTS / f"{weights}.onnx"
    return Network(shipped if shipped.parent == WEIGHTS and shipped.is_file() else Path(weights))
