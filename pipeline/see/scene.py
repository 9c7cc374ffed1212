"""What one glance at the proxy tells the edits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import highest
from pipeline.reduce import reduced
from pipeline.see.dusk import darkness, daylight, dusk_of
from pipeline.see.frame import frame_of
from pipeline.see.horizon import horizon_roll
from pipeline.see.lines import Tilt, tilt_of
from pipeline.see.masks import enlarged, sky_of
from pipeline.see.nets import LIGHTS, PLACES, ROOMS, Network, network
from pipeline.see.page import is_page
from pipeline.see.trust import trust
from pipeline.threads import without_ipp

Field = NDArray[np.floating[Any]]
_NO_PHOTO, _SURELY_NONE, _NO_GRAIN, _LIKELY = 0.8, 0.97, 0.3, 0.6
_DUSK, _MAYBE, _DAY = (0.2, 0.4), 0.055, 0.03
"""Probabilities between which dusk becomes certain; from which it cannot be excluded; below which it is day."""
_MARGIN = 0.15
"""Share of the height or width up to which a frame is a margin around a photo; pages with a photo have wider ones."""
_CERTAIN = 0.9
"""Probability of outdoors from which a scene as dark as a night is one."""
_LIT = ("interior", "exterior")
_MAYBE_AERIAL = 0.05
"""Probability that no picture taken from the ground reaches (none of 1210)."""
_DOUBTFUL = (0.02, 0.1)
"""Probability of outdoors between which a room becomes doubtful enough for its dusk to count in full."""
_BURNT = 250 / 255
_GRAIN = 0.6 / 255
"""Local deviation of luma below which there is no grain."""
_EMPTY = np.zeros((1, 1), np.float32)
_OTHER = tuple(float(place == "other") for place in PLACES)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the edits may know besides the proxy.

    places, rooms, lights: probabilities in the order of PLACES, ROOMS (of an interior), LIGHTS (of an exterior).
    sky, windows, vegetation: (h, w) float32 0..1, of any size over the whole frame; windows is the glass of a room's
    windows, whether blown or not. sky_trust: probability that the sky mask is right; windows_trust likewise.
    burnt: (h, w), where a channel is at its end.
    flat: share of the frame without any grain, as in drawings and burnt skies.
    night: 0..1, how much of the picture lies in darkness that is meant to stay (dusk, a street at night).
    twilight: 0..1, the probability that it is outdoors at dusk or night.
    daylight: 0..1, how surely the exposure that the file tells makes it day outdoors, however dark the picture is.
    """

    places: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
    rooms: tuple[float, ...] = (0.2,) * len(ROOMS)
    lights: tuple[float, ...] = (1.0, 0.0)
    sky: NDArray[np.float32] = field(default_factory=lambda: _EMPTY)
    windows: NDArray[np.float32] = field(default_factory=lambda: _EMPTY)
    vegetation: NDArray[np.float32] = field(default_factory=lambda: _EMPTY)
    sky_trust: float = 0.0
    windows_trust: float = 0.0
    tilt: Tilt = field(default_factory=Tilt)
    burnt: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((1, 1), bool))
    flat: float = 0.0
    night: float = 0.0
    twilight: float = 0.0
    daylight: float = 0.0

    @property
    def place(self) -> str:
        """interior, exterior, aerial or other."""
        return PLACES[int(np.argmax(self.places))]

    @property
    def is_photo(self) -> bool:
        """False where the network is certain of a drawing or the like; where large parts lack grain, likely will do."""
        return self.places[PLACES.index("other")] < (_NO_PHOTO if self.flat >= _NO_GRAIN else _SURELY_NONE)

    @property
    def room(self) -> str:
        """The room, where it is likelier than not; else interior, or what `place` says."""
        if self.place != "interior":
            return self.place
        return ROOMS[int(np.argmax(self.rooms))] if max(self.rooms) >= _LIKELY else "interior"

    @property
    def light(self) -> str:
        """day or night (dusk counts as night)."""
        return LIGHTS[int(np.argmax(self.lights))]

    @property
    def dusk(self) -> float:
        """How surely this is outdoors at dusk or night, 0..1.

        Certain below even odds already: a day that is lifted too little harms less than a dusk that is made day.
        """
        return min(max((self.twilight - _DUSK[0]) / (_DUSK[1] - _DUSK[0]), 0.0), 1.0)

    @property
    def may_be_aerial(self) -> bool:
        """Whether a view from the air cannot be excluded: its verticals are not to be straightened."""
        return self.places[PLACES.index("aerial")] >= _MAYBE_AERIAL

    @property
    def may_be_dusk(self) -> bool:
        """Whether dusk cannot be excluded."""
        return self.twilight >= _MAYBE

    @property
    def stays_dim(self) -> bool:
        """Whether its light is to be lifted by little: at night, and where it may be dusk."""
        return self.night >= 0.5 or self.may_be_dusk

    @property
    def sky_fraction(self) -> float:
        """Share of the frame that is sky."""
        return float(np.mean(self.sky > 0.5))

    def facts(self) -> dict[str, Any]:
        """JSON values for plan and report."""
        return {
            "scene": self.place,
            "room": self.room,
            "light": self.light,
            "confidences": {
                "scene": round(max(self.places), 4),
                "room": round(max(self.rooms) if self.place == "interior" else max(self.places), 4),
                "light": round(max(self.lights), 4),
            },
            "sky": {"confidence": round(self.sky_trust, 4), "fraction": round(self.sky_fraction, 4)},
            "windows": {
                "confidence": round(self.windows_trust, 4),
                "fraction": round(float(np.mean(self.windows > 0.5)), 4),
            },
            "tilt": {
                "pitch_deg": self.tilt.pitch,
                "roll_deg": self.tilt.roll,
                "confidence": self.tilt.confidence,
                "focal_mm": round(36 * self.tilt.focal, 1),
                "focal_confidence": self.tilt.focal_confidence,
            },
        }


def look(
    proxy: Field, *, focal: float | None = None, light_value: float | None = None, eyes: Network | None = None
) -> Seen:
    """One glance at (h, w, 3) float32 0..1, sRGB-encoded.

    focal: focal length over the long side, if known. light_value: how bright the scene is (dusk.light_value), if known.
    eyes: another network than the one that ships.
    """
    without_ipp()
    eyes = eyes or network()
    if is_page(proxy):
        return replace(_seen(proxy, focal, light_value, eyes), places=_OTHER)
    frame = frame_of(proxy)
    if not any(frame):
        return _seen(proxy, focal, light_value, eyes)
    height, width = proxy.shape[:2]
    top, bottom, left, right = frame
    if max(top / height, bottom / height, left / width, right / width) > _MARGIN:
        return _within(_seen(proxy, focal, light_value, eyes), frame)
    inside = np.ascontiguousarray(proxy[top : height - bottom, left : width - right])
    return _framed(_seen(inside, focal, light_value, eyes), frame)


def _seen(proxy: Field, focal: float | None, light_value: float | None, eyes: Network) -> Seen:
    answers = eyes(proxy)
    places = softmax(answers.place / eyes.calibration["place"])
    size = (proxy.shape[1], proxy.shape[0])
    windows, vegetation = (cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in answers.masks[1:])
    seen = Seen(
        places=tuple(places.tolist()),
        rooms=tuple(softmax(answers.room / eyes.calibration["room"]).tolist()),
        lights=tuple(softmax(answers.light).tolist()),
        sky=enlarged(sky_of(answers, places), proxy),
        windows=np.asarray(windows),
        vegetation=np.asarray(vegetation),
        sky_trust=trust(answers, "sky", eyes.calibration["sky"]),
        windows_trust=trust(answers, "window", eyes.calibration["windows"]),
        tilt=tilt_of(proxy, focal),
        burnt=np.asarray(highest(proxy) >= _BURNT),
        flat=_flat(proxy),
    )
    if seen.place == "aerial":
        roll, sure = horizon_roll(seen.sky)
        if sure > 0:
            seen = replace(seen, tilt=replace(seen.tilt, roll=round(roll, 3), confidence=round(sure, 3)))
    outside = _outside(1 - float(places[PLACES.index("interior")]))
    twilight = outside * dusk_of(proxy, seen.sky, seen.lights[LIGHTS.index("night")])
    if light_value is not None and seen.place == "exterior":
        # A room taken for outdoors is as dark as a street: where that is not certain, dusk is not either.
        dark, bright = darkness(light_value), daylight(light_value)
        night = max(seen.lights[LIGHTS.index("night")], dark) * (1 - bright)
        seen = replace(seen, lights=(1 - night, night), daylight=bright)
        twilight = max(twilight, dark * (1.0 if max(seen.places) >= _CERTAIN else _DUSK[0])) * (1 - bright)
    seen = replace(seen, twilight=twilight)
    # A dark room is one to be lit; so are a front and a lawn in the shade below a bright sky.
    dark = _night(proxy) * min(max(twilight / _DAY, 0.0), 1.0) if seen.place in _LIT else _night(proxy)
    return replace(seen, night=max(dark, seen.dusk))


def _framed(seen: Seen, frame: tuple[int, int, int, int]) -> Seen:
    """What was seen inside a frame, over all of the picture. It stays upright, for its frame would lean."""
    size = seen.burnt.shape[::-1]

    def padded(mask: Any) -> Any:
        inside = np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR))
        return cv2.copyMakeBorder(inside, *frame, cv2.BORDER_CONSTANT, value=0)

    sky, windows, vegetation, burnt = (padded(m) for m in (seen.sky, seen.windows, seen.vegetation, seen.burnt))
    tilt = replace(seen.tilt, confidence=0.0)
    return replace(seen, sky=sky, windows=windows, vegetation=vegetation, burnt=burnt > 0.5, tilt=tilt)


def _outside(probability: float) -> float:
    """How much a dusk counts, given the probability of outdoors: by night the network takes lit facades for rooms."""
    least, most = _DOUBTFUL
    return max(probability, min((probability - least) / (most - least), 1.0))


def _within(seen: Seen, frame: tuple[int, int, int, int]) -> Seen:
    """No sky in a wide plain frame, as on a page; and a picture in one stays upright."""
    top, bottom, left, right = frame
    height, width = seen.sky.shape
    sky = np.zeros_like(seen.sky)
    picture = np.s_[top : height - bottom, left : width - right]
    sky[picture] = seen.sky[picture]
    return replace(seen, sky=sky, tilt=replace(seen.tilt, confidence=0.0))


def softmax(logits: Field) -> NDArray[np.float64]:
    """Probabilities (k,) of logits (k,)."""
    e = np.exp(np.asarray(logits, np.float64) - float(np.max(logits)))
    return e / e.sum()


def _flat(proxy: Field) -> float:
    luma: Any = cv2.cvtColor(proxy.astype(np.float32, copy=False), cv2.COLOR_RGB2GRAY)
    mean = cv2.blur(luma, (3, 3))
    return float(np.mean(cv2.blur(luma * luma, (3, 3)) - mean * mean < _GRAIN**2))


def _night(proxy: Field) -> float:
    """Much black and little light: dark trees before a day's sky are no night."""
    small = reduced(proxy.astype(np.float32), 512)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    black = min(max((float(np.mean(luma < 0.12)) - 0.1) / 0.25, 0.0), 1.0)
    dim = min(max((0.66 - float(np.percentile(luma, 75))) / 0.1, 0.0), 1.0)
    return black * dim
