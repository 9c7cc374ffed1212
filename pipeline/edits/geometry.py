"""Straight verticals and a level horizon: the picture that a camera held upright would have taken.

The camera is turned upright about its own centre, a homography that bends nothing and, at the right focal length, keeps
squares square. A doubtful tilt is left alone; a steep one (a deliberate look up or down) is levelled only, since half a
correction looks like a mistake. The crop keeps aspect and, by default, the pixel size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.codes import Code
from pipeline.plan import Operation, Warp
from pipeline.recipe import Geometry
from pipeline.see.lines import Tilt, camera
from pipeline.see.scene import Seen

Matrix = NDArray[np.float64]
_STRAIGHT = 0.15
"""Degrees of pitch and roll that nobody sees, and that are not worth an interpolation."""


@dataclass(frozen=True, slots=True)
class Straightened:
    """A Warp or none, what it does in figures for the report, and warning codes."""

    operations: tuple[Operation, ...]
    facts: dict[str, Any]
    warnings: tuple[Code, ...] = ()


def plan(
    size: Sequence[int], seen: Seen, panel: Geometry, focal: float | None = None, *, native: bool = False
) -> Straightened:
    """The Warp that `panel.strength` of the tilt asks for; none for strength 0.

    Parameters
    ----------
    size : (width, height) of the reference, whole: the output is to have them
    focal : focal length over the long side, if known
    native : whether the result shrinks by what is cropped, rather than keep the pixel size of the source
    """
    focal = focal or seen.tilt.focal
    tilt = seen.tilt
    facts: dict[str, Any] = {"pitch": tilt.pitch, "roll": tilt.roll, "confidence": tilt.confidence, "strength": 0.0}
    if panel.strength == 0 or not seen.is_photo:
        return Straightened((), facts)
    if tilt.confidence < panel.confidence:
        return Straightened((), facts, (Code.NO_LINES,))
    askew = abs(tilt.roll) > panel.max_roll
    roll = 0.0 if askew else tilt.roll
    pitch = 0.0 if askew or abs(tilt.pitch) > panel.max_pitch or seen.may_be_aerial else tilt.pitch
    warnings = [Code.CORRECTION_CLAMPED] if (pitch, roll) != (tilt.pitch, tilt.roll) and not seen.may_be_aerial else []
    if max(abs(pitch), abs(roll)) < _STRAIGHT:
        return Straightened((), facts, tuple(warnings))
    long = max(size)
    frame = (size[0] / long, size[1] / long)
    taken_out = _affordable(frame, focal, tilt, (pitch, roll), panel)
    share = _share(taken_out, (pitch, roll))
    if share < panel.strength:
        warnings.append(Code.CROP_EXCESS)
    turn = turned(focal, frame, tilt, taken_out)
    zoom, centre = best_crop(turn, frame)
    out = (frame[0] * zoom, frame[1] * zoom) if native else frame
    homography = turn @ _placed(out, zoom * frame[0] / out[0], centre)
    facts |= {
        "strength": round(share, 3),
        "pitch_corrected": round(taken_out[0], 3),
        "roll_corrected": round(taken_out[1], 3),
        "crop": round(crop_loss(homography, out, frame), 4),
    }
    return Straightened((Warp("straighten", homography, out, frame),), facts, tuple(dict.fromkeys(warnings)))


def turned(focal: float, frame: tuple[float, float], tilt: Tilt, correct: tuple[float, float]) -> Matrix:
    """(3, 3) from a camera with `correct` (pitch, roll) degrees of the tilt taken out to the camera as it was held.

    Coordinates over the long side; both cameras have their principal point in the middle of the frame.
    """
    held = camera(tilt.pitch, tilt.roll)
    wanted = camera(tilt.pitch - correct[0], tilt.roll - correct[1])
    k = np.array([[focal, 0, frame[0] / 2], [0, focal, frame[1] / 2], [0, 0, 1]])
    homography = k @ held @ wanted.T @ np.linalg.inv(k)
    return homography / homography[2, 2]


def best_crop(homography: Matrix, frame: tuple[float, float]) -> tuple[float, tuple[float, float]]:
    """The largest rectangle of the frame's aspect that has pixels everywhere: its size over the frame's, its centre."""
    centre, step = np.array(frame) / 2, 0.25 * min(frame)
    best = _largest(homography, frame, centre)
    while step > 1e-4:
        around = [centre + step * np.array([dx, dy]) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
        sizes = [_largest(homography, frame, c) for c in around]
        k = int(np.argmax(sizes))
        if sizes[k] > best + 1e-9:
            best, centre = sizes[k], around[k]
        else:
            step /= 2
    # A hair inside, so that rounding never samples beyond the border.
    return best * (1 - 2e-4), (float(centre[0]), float(centre[1]))


def _largest(homography: Matrix, frame: tuple[float, float], centre: NDArray[np.float64]) -> float:
    """How large a rectangle around `centre` may be: the four sides of the frame bound each of its corners."""
    w, h = frame
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array(frame) / 2
    # A side of the frame in the output's coordinates: a line l with l . (x, y, 1) >= 0 on the inside.
    sides = np.array([[1.0, 0, 0], [-1, 0, w], [0, 1, 0], [0, -1, h]]) @ homography
    at = sides @ np.array([centre[0], centre[1], 1.0])
    if np.any(at <= 0):
        return 0.0
    slope = sides[:, :2] @ corners.T
    limits = np.where(slope < 0, at[:, None] / np.maximum(-slope, 1e-12), np.inf)
    return float(limits.min())


def _placed(out: tuple[float, float], scale: float, centre: Sequence[float]) -> Matrix:
    """(3, 3) from the output's coordinates to the upright camera's: scaled about the crop's centre."""
    return np.array(
        [[scale, 0, centre[0] - scale * out[0] / 2], [0, scale, centre[1] - scale * out[1] / 2], [0, 0, 1.0]]
    )


def crop_loss(homography: Matrix, out: tuple[float, float], frame: tuple[float, float]) -> float:
    """Share of the source's area that the output does not show, 0..1."""
    corners = np.array([[0, 0, 1], [out[0], 0, 1], [out[0], out[1], 1], [0, out[1], 1]]) @ homography.T
    x, y = (corners[:, :2] / corners[:, 2:]).T
    area = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return max(0.0, 1 - area / (frame[0] * frame[1]))


def _affordable(
    frame: tuple[float, float], focal: float, tilt: Tilt, correct: tuple[float, float], panel: Geometry
) -> tuple[float, float]:
    """What of pitch and roll can be corrected, up to the panel's strength, with a crop within panel.max_crop.

    A lower strength keeps the roll first: verticals that lean one way look wrong, those that lean alike on either side
    look like a camera held up or down.
    """

    def loss(pitch: float, roll: float) -> float:
        turn = turned(focal, frame, tilt, (pitch, roll))
        zoom, centre = best_crop(turn, frame)
        return crop_loss(turn @ _placed(frame, zoom, centre), frame, frame)

    pitch, roll = correct[0] * panel.strength, correct[1] * panel.strength
    if loss(pitch, roll) <= panel.max_crop:
        return pitch, roll
    roll *= _largest_share(lambda share: loss(0, roll * share) <= panel.max_crop)
    pitch *= _largest_share(lambda share: loss(pitch * share, roll) <= panel.max_crop)
    return pitch, roll


def _largest_share(fits: Callable[[float], bool]) -> float:
    """The largest share, 0..1, that fits, as all smaller ones do."""
    low, high = 0.0, 1.0
    if fits(high):
        return high
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _share(taken_out: tuple[float, float], of: tuple[float, float]) -> float:
    """The smaller of the shares of pitch and roll that are taken out."""
    return min(part / whole for part, whole in zip(taken_out, of, strict=True) if whole)
