"""Light: a bright, calm picture. Exposure, dark corners, harsh shadows and highlights, without the HDR look.

Luma is split by an edge-aware low-pass (guided filter) into a base and detail. The base goes through one rising curve,
so what was brighter stays brighter; the detail keeps its contrast. The curve is solved per photo: it brings the median
to the house level within bounds, whites to white and blacks to black, and leaves night at night. Most of it is a global
curve (exact for every pixel), the rest a local affine field (render/transfer.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import highest
from pipeline.plan import Operation, Tone
from pipeline.read.color import LUMA, from_linear, to_linear
from pipeline.recipe import Light
from pipeline.reduce import reduced
from pipeline.render.tone import apply_curve
from pipeline.render.transfer import compile_tone
from pipeline.see.scene import Seen

Field = NDArray[np.floating[Any]]
_ROOM = 0.63
"""House level of the median luma (sRGB-encoded): L* 65, the upper third of listing photos of rooms."""
_GROUND = 0.54
"""Likewise outdoors, of all but the sky."""
_LAMP = 0.92
"""Luma of lamps, windows and burnt skies, by which no picture is judged."""
_WHITE = 0.975
_DIMMEST_WHITE = 0.5
_BLACK = 0.06
_DEEPEST = 0.02
_WIDE = 0.08
_SHADOWS, _NO_SHADOW, _GREY, _ANCHORED, _DIMMER = 30, 0.18, 0.06, 0.8, 0.015
"""Percentile of dark things that tells the shadows, and level from which it is none; the level above which a lift makes
a veil of them, so that black follows; the share of what they were that becomes black at most; what that may cost the
median."""
_CONTRAST = 0.5
_GAMMA = (0.4, 1.03)
_LEAST_LIT = 0.6
"""Share of the target below which the median must not stay for the sake of the S of contrast."""
_TOE = 0.1
_FULL = 0.97
_HEADROOM = 0.15
_CLIPPED = 0.05
"""Share of burnt pixels from which a picture counts as too bright."""
_GLOBAL = 0.7
_CURVE = 256
_DETAIL_FLOOR = 0.8
_KNEE = 0.85
_SATURATION, _OUTDOORS = 0.6, 0.95
"""Share of a change of luma that saturation keeps up with: less in rooms, whose shadows have the colour of lamps."""
_FILL = 0.75
_BURNT, _NEWLY_BURNT, _MORE_BURNT = 0.985, 0.03, 0.06
"""Level from which a channel counts as burnt; share of a picture from which the curve is gentler on what is bright; and
the share that may come to be so."""
_NIGHT_LIFT = 0.45
"""EV by which the median of a picture at dusk or night is lifted at most: half an EV, less what a proxy leaves open."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """The solved curve: levels (black to 0, white to 1), a gamma with a bounded toe, and an S of contrast.

    contrast: how much less steep the S is at black, 0..1. pivot: where it crosses the identity, 0.5..1; at 1 it only
    darkens, and what is bright already is not pushed into white.
    """

    black: float
    white: float
    gamma: float
    contrast: float
    pivot: float = 0.5

    def __call__(self, x: Any, share: float = 1.0) -> Any:
        """The curve, or the part of it that `share` of levels, gamma and contrast makes."""
        black, white = self.black * share, 1 + (self.white - 1) * share
        level = np.clip((np.asarray(x) - black) / (white - black), 0, 1.5)
        return _lifted(level, self.gamma**share, self.contrast * share, self.pivot)

    def slope(self, x: Any) -> Any:
        """Its derivative."""
        return (self(x + 0.005) - self(x - 0.005)) / 0.01


def _lifted(level: Any, gamma: Any, contrast: float, pivot: float) -> Any:
    """Levels through the gamma with its toe and the S of contrast (Exposure); level and gamma broadcast."""
    low, high = _TOE**gamma, (1 + _TOE) ** gamma
    bright = (np.power(level + _TOE, gamma) - low) / (high - low)
    inside = np.clip(bright, 0, 1)
    return bright - contrast * inside * (1 - inside) * (1 - inside / pivot)


def plan(proxy: Field, seen: Seen, panel: Light, *, shown: Field | None = None) -> list[Operation]:
    """A global curve and a local field; nothing for strength 0.

    Parameters
    ----------
    proxy : (h, w, 3) float32 0..1, sRGB-encoded, after balance
    shown : (h, w, 3)
        The picture that is lit as that one needs it, if it is another: with clear views through its windows.
    """
    if panel.strength == 0:
        return []
    proxy = np.clip(proxy, 0, 1).astype(np.float32)
    exposure = solve(proxy, seen, panel)
    saturation = _OUTDOORS if seen.place == "exterior" else _SATURATION
    fill = _fill(proxy, seen)
    lit = relit(proxy, exposure, fill, saturation)
    strength = panel.strength * _share(proxy, lit, dim=seen.stays_dim)
    x = np.linspace(0, 1, _CURVE, dtype=np.float32)
    curve = x + strength * (np.minimum(roll_off(exposure(x, _GLOBAL), float(exposure(1.0, _GLOBAL))), 1) - x)
    shared = np.repeat(curve[:, None], 3, axis=1).astype(np.float32)
    if shown is not None:
        shown = np.clip(shown, 0, 1).astype(np.float32)
        proxy, lit = shown, relit(shown, exposure, fill, saturation)
    local = compile_tone(apply_curve(shared, proxy), proxy + strength * (lit - proxy), "light")
    return [Tone("exposure", curve=shared), local]


def _share(proxy: Field, lit: Field, *, dim: bool) -> float:
    """Which share of an edit, 0..1, burns little that was not, and lifts what is dim by no more than dusk allows."""
    before, after = (reduced(p.astype(np.float32), 256) for p in (proxy, lit))

    def median_and_burnt(share: float) -> tuple[float, float]:
        shown = before + np.float32(share) * (after - before)
        return float(np.median(to_linear(shown) @ LUMA)), float(np.mean(highest(shown) > _BURNT))

    median, burnt = median_and_burnt(0)
    most = (2**_NIGHT_LIFT if dim else np.inf) * median, burnt + _MORE_BURNT
    shares = np.linspace(1, 0, 41)
    return next((float(s) for s in shares if all(a <= b for a, b in zip(median_and_burnt(s), most, strict=True))), 0.0)


def solve(proxy: Field, seen: Seen, panel: Light) -> Exposure:
    """The curve that brings this picture to the house levels."""
    small = reduced(proxy, 512)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    median, target = _median(luma, seen, panel)
    contrast = _CONTRAST + 0.4 * panel.contrast
    headroom = float(np.clip((_FULL - np.percentile(luma, 95)) / _HEADROOM, 0, 1))
    pivot = 1 - 0.5 * headroom
    # Stretching does half of the lift at most, the gamma the rest: it lifts corners more, and grey walls are not white.
    dimmest = max(_DIMMEST_WHITE + (0.9 - _DIMMEST_WHITE) * seen.night, min(median / target, 1.0) ** 0.5)
    white = float(np.clip(np.percentile(highest(small), 99) / _WHITE, dimmest, 1))
    black, dark = _blacks(luma)
    return _calmed(Exposure(black, white, 1.0, contrast, pivot), highest(small), dark, median, target)


def _median(luma: Any, seen: Seen, panel: Light) -> tuple[float, float]:
    """The median luma by which a picture is judged, and the level that it is brought to."""
    outdoors = seen.place == "exterior"
    lit = luma < _LAMP
    if outdoors:
        lit &= cv2.resize(seen.sky.astype(np.float32), luma.shape[::-1], interpolation=cv2.INTER_AREA) < 0.5
    median = max(float(np.median(luma[lit] if np.mean(lit) > 0.1 else luma)), 1 / 255)
    target = (_GROUND if outdoors else _ROOM) - 0.32 * seen.night + 0.08 * panel.brightness
    as_it_is = median + 0.08 * panel.brightness
    if seen.stays_dim:
        # Dusk stays dusk, no darker either.
        lifted = from_linear(to_linear(np.array([median], np.float32)) * np.float32(2**_NIGHT_LIFT))
        target = min(max(target, as_it_is), float(lifted[0]))
    elif np.mean(luma > _FULL) < _CLIPPED:
        # A bright room that is not burnt is as it should be: contrast must not make it grey.
        target = max(target, as_it_is)
    return median, target


def _calmed(curve: Exposure, peak: Any, dark: float, median: float, target: float) -> Exposure:
    """The curve, solved; gentler on what is bright where it would burn much of it (peak: (h, w) largest channel)."""
    brightest = np.percentile(peak, np.linspace(0, 100, 201))
    most = float(np.mean(brightest > _BURNT)) + _NEWLY_BURNT
    found = curve
    for gentler in np.linspace(0, 1, 5).tolist():
        white, pivot = (v + gentler * (1 - v) for v in (curve.white, curve.pivot))
        found = _anchored(replace(curve, white=white, pivot=pivot), dark, median, target)
        if np.mean(roll_off(found(brightest), float(found(1.0))) > _BURNT) <= most:
            break
    # Where the strongest gamma leaves the median far too dark (a house before a bright sky), contrast makes way.
    for contrast in np.linspace(found.contrast, 0, 6)[1:].tolist():
        if found(median) >= _LEAST_LIT * target:
            break
        found = _anchored(replace(found, contrast=contrast), dark, median, target)
    return found


def _anchored(curve: Exposure, dark: float, median: float, target: float) -> Exposure:
    """The curve with the gamma that takes the median to the target, and with black where shadows stay `dark`.

    Black follows only while the median gets there: light comes first.
    """
    found = _reaching(curve, median, target)
    least = min(float(found(median)), target) - _DIMMER
    for black in np.linspace(curve.black, max(curve.black, _ANCHORED * dark), 9)[1:].tolist():
        deeper = _reaching(replace(curve, black=black), median, target)
        if found(dark) <= max(dark, _GREY) or deeper(median) < least:
            break
        found = deeper
    return found


def _reaching(curve: Exposure, median: float, target: float) -> Exposure:
    """The curve with the gamma that takes the median to the target, or nearest to it."""
    gammas = np.linspace(*_GAMMA, 121)
    level = np.clip((median - curve.black) / (curve.white - curve.black), 0, 1.5)
    reached = _lifted(level, gammas, curve.contrast, curve.pivot)
    return replace(curve, gamma=float(gammas[int(np.argmin(np.abs(reached - target)))]))


def _blacks(luma: Any) -> tuple[float, float]:
    """The level that becomes black, and that of the shadows: grey where it is darkest, a photo looks washed out.

    Read from what is dark within its surroundings only (gaps, iron, black furniture): a dark corner is a lack of light.
    Both are 0 where nothing is.
    """
    wide = cv2.GaussianBlur(luma, (0, 0), _WIDE * max(luma.shape))
    things = luma[luma < 0.5 * wide]
    if things.size < 0.002 * luma.size:
        return 0.0, 0.0
    deepest, shadows = np.percentile(things, (5, _SHADOWS)).tolist()
    return float(np.clip(deepest - _DEEPEST, 0, _BLACK)), shadows if shadows < _NO_SHADOW else 0.0


def relit(proxy: Field, exposure: Exposure, fill: float, saturation: float) -> NDArray[np.float32]:
    """The edited small picture: base through the curve, detail and saturation kept, inside the gamut.

    fill: extra light on broad shadows and dark corners, the added slope of the base at black. saturation: share of the
    change of luma that it keeps up with.
    """
    luma = cv2.cvtColor(proxy.astype(np.float32), cv2.COLOR_RGB2GRAY)
    base = _base(luma)
    x = np.linspace(0, 1, 1024)
    shown = np.interp(base, x, filled(exposure(x), x, fill)).astype(np.float32)
    keep = np.maximum(exposure.slope(base), _DETAIL_FLOOR)
    target = np.maximum(roll_off(shown + keep * (luma - base), float(exposure(1.0))), 0)
    chroma = proxy - luma[..., None]
    ratio = 1 + saturation * ((target + 0.02) / (luma + 0.02) - 1)
    room = np.maximum(_WHITE - target, 0.01) / np.maximum(highest(chroma), 1e-3)
    ratio = np.minimum(ratio, np.maximum(room, np.minimum(ratio, 1)))
    return np.clip(target[..., None] + chroma * ratio[..., None], 0, 1).astype(np.float32)


def filled(bright: Any, x: Any, fill: float) -> Any:
    """The curve `bright` of rising levels x with the shadows filled; it still rises."""
    return np.maximum.accumulate(bright + fill * x * (1 - x) ** 4)


def _fill(proxy: Field, seen: Seen) -> float:
    """More light for shadows the darker they are; none where they are open already, or at night."""
    shadows = float(np.percentile(cv2.cvtColor(proxy, cv2.COLOR_RGB2GRAY), 5))
    return _FILL * float(np.clip((0.25 - shadows) / 0.15, 0, 1)) * (1 - seen.night)


def roll_off(x: Any, top: float) -> Any:
    """Identity below the knee, then a shoulder that brings `top` to 1 (Reinhard et al., 2002); identity for top 1."""
    u = np.maximum(x - _KNEE, 0) / (1 - _KNEE)
    m = (max(top, 1.0) - _KNEE) / (1 - _KNEE)
    return np.minimum(x, _KNEE) + (1 - _KNEE) * u * (1 + u / m**2) / (1 + u)


def _base(luma: Any) -> Any:
    """Guided filter of luma by itself, radius 3 % of the long side (He et al., 2013), coefficients at reduced size."""
    small = reduced(luma, 512)
    size = 2 * max(round(0.03 * max(small.shape)), 2) + 1

    def mean(x: Any) -> Any:
        return cv2.boxFilter(x, -1, (size, size), borderType=cv2.BORDER_REFLECT)

    m = mean(small)
    variance = mean(small * small) - m * m
    a = variance / (variance + 0.01)
    a, b = mean(a), mean(m - a * m)
    back = (luma.shape[1], luma.shape[0])
    return cv2.resize(a, back, interpolation=cv2.INTER_LINEAR) * luma + cv2.resize(
        b, back, interpolation=cv2.INTER_LINEAR
    )
