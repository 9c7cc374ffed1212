"""A clear sky in the place of a dull one, as the photo's own camera would see it.

It is our own rendering (clear_sky.py) for the photo's focal length and tilt, so that it pales towards the true horizon;
or a photo of the user's (own_skies.py). Where the old sky is not known to end, it stays. A photo with another sky says
so: develop.py keeps the picture without it, and deliver/ names it in file, metadata and record.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.channels import highest, lowest
from pipeline.codes import Code
from pipeline.edits.clear_sky import radiance
from pipeline.edits.gaps import LONG_SIDE
from pipeline.edits.matte import Border, border_of
from pipeline.edits.own_skies import chosen, in_frame, noted
from pipeline.edits.swallowed import swallowed
from pipeline.edits.veil import brightness as cloud_brightness
from pipeline.edits.veil import veil
from pipeline.plan import Layer
from pipeline.read.color import LUMA, from_linear, to_linear
from pipeline.recipe import Sky
from pipeline.render.remnants import remnants, small_matte
from pipeline.see.dullness import dullness
from pipeline.see.dusk import lamplit
from pipeline.see.lines import Tilt, camera
from pipeline.see.scene import Seen

Field = NDArray[np.floating[Any]]
_TRUSTED, _LOWEST = 0.5, 1.0
"""Confidence in a tilt from which it counts; degrees above the horizon of the lowest sky that is seen."""
_COLUMNS, _SHOWN_COLUMNS = 24, 192
_DAYS = ((95.0, 140.0), (28.0, 55.0), (0.5, 2.2), (1.1, 1.9), (0.0, 0.03), (-0.04, 0.15))
"""Bounds of aside, up, haze, vivid, veil and deep."""
_CONTRAST = 1.35
"""Gamma by which a photo spreads the sky's light about its median."""
_CLOUD = 2.5
"""Luminance of thin cloud, times the clear sky's median."""
_OUTDOORS = 0.8
"""Confidence that this is outdoors, below which no sky is replaced: a room with one is no slip but a scandal."""
_GREY, _MOSTLY = 0.03, 95
"""Range of the channels up to which, in so many percent of its pixels, a picture is black and white, and stays so."""
_WORTH = 0.01
"""Share of the frame below which a sky is left as it is."""
_MOST = {
    "open": 0.05,
    "edgeless": 100,
    "strayed": 0.05,
    "torn": 0.0155,
    "mottled": 0.14,
    "elsewhere": 0.006,
    "parted": 1,
    "unlike": 0.1,
}
"""Limits of what speaks against a border (doubts.py)."""
_GHOSTS, _SCRAPS = 0.15, 0.055
"""Limits of what may be left of the old sky and of things before it (render/remnants.py)."""
_EDGES, _FACE, _SMALL = 34, 900, 0.6
"""Limits, in pixels, of what may go with it (swallowed.py); they shrink with the picture as far as that."""
_GROUND, _ABOVE = (0.3, 0.8), (0.7, 0.8)
"""Upper quartile of the luma of all but the sky in poor and in full light; median luma of skies that go with it."""


@dataclass(frozen=True, slots=True)
class Day:
    """The weather and hour of a clear day, the same for all photos of a listing.

    side: -1 or 1, from which side the sun shines. aside, up: degrees that the sun stands away from where the camera
    looks (more than 90: behind the photographer), and above the horizon. haze: times that of clean air. vivid: times
    the model's saturation. veil: share of the sky overhead that thin cloud hides; weather: its seed. deep: by how much
    its median luma lies below what goes with the scene.
    """

    side: int = 1
    aside: float = 125.0
    up: float = 42.0
    haze: float = 1.5
    vivid: float = 0.95
    veil: float = 0.1
    deep: float = 0.0
    weather: int = 0

    @classmethod
    def of(cls, listing: str) -> Self:
        """Chosen by the listing's name."""
        digest = hashlib.sha256(listing.encode()).digest()
        values = (low + (high - low) * byte / 255 for (low, high), byte in zip(_DAYS, digest[1:7], strict=True))
        return cls(1 if digest[0] & 1 else -1, *values, weather=int.from_bytes(digest[7:11], "big"))


@dataclass(frozen=True, slots=True)
class NewSky:
    """A Layer or none, what was found and done in JSON values, and warning codes."""

    operations: tuple[Layer, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    warnings: tuple[Code, ...] = ()


def plan(proxy: Field, balanced: Field, lit: Field, seen: Seen, panel: Sky, *, listing: str) -> NewSky:
    """Another sky, if the panel asks for one here and the old one is known for certain; at dusk and night never.

    Parameters
    ----------
    proxy, balanced, lit : (h, w, 3) float32 0..1, sRGB-encoded
        The merged picture as shot, after its white balance, and after all tones.
    listing : whose photos all get one kind of sky

    Raises
    ------
    SettingsError, PhotoError
        Where the panel's folder of skies, or a photo in it, cannot be read.
    """
    if not panel.replaces or seen.place != "exterior" or seen.may_be_aerial or seen.sky_fraction < _WORTH:
        return NewSky()
    dull = dullness(proxy, balanced, seen)
    facts: dict[str, Any] = {"dull": round(dull, 3)}
    if float(np.percentile(highest(proxy) - lowest(proxy), _MOSTLY)) < _GREY:
        return NewSky(facts=facts)
    dim = max(seen.dusk, seen.night) >= 0.5 or seen.light == "night"
    if dim or (panel.replace == "when_dull" and (dull < 0.5 or lamplit(proxy, seen.sky))):
        return NewSky(facts=facts)
    border = border_of(proxy, seen.sky, seen.vegetation) if max(seen.places) >= _OUTDOORS else None
    if border is None or seen.sky_trust < panel.confidence or _doubtful(border, proxy, seen.vegetation):
        return NewSky(facts=facts, warnings=(Code.SKY_LOW_CONFIDENCE,))
    size = (proxy.shape[1], proxy.shape[0])
    brightness = _brightness(lit, seen)
    if panel.folder is None:
        shown = clear_sky(seen.tilt, size, border.inside, brightness, Day.of(listing))
        return NewSky((layer_of(border, shown, strength=panel.strength),), facts | {"planned": "rendered"})
    photos = panel.photos or noted(panel.folder)
    name = chosen(photos, listing)
    own = in_frame(Path(panel.folder) / name, photos[name], size, border.inside, brightness)
    layer = layer_of(border, own.shown, strength=panel.strength)
    kept = {"asset": own.asset, "digest": own.digest, "placement": own.placement, "gain": own.gain}
    return NewSky((replace(layer, origin="photo", **kept),), facts | {"planned": "photo"})


def _doubtful(border: Border, proxy: Field, vegetation: Field) -> bool:
    if any(getattr(border.doubts, doubt) > most for doubt, most in _MOST.items()):
        return True
    layer = layer_of(border, border.old)
    small = small_matte(layer, proxy)
    left = remnants(small, vegetation)
    if left.ghosts > _GHOSTS:
        return True
    # Pale stone mixes with what is beside it: a closer look tells it from sky.
    if left.scraps > _SCRAPS:
        closer = small_matte(layer, proxy, size=max(proxy.shape))
        if remnants(closer, vegetation).scraps > _SCRAPS:
            return True
    edges, face = swallowed(small, vegetation)
    size = float(np.clip(max(proxy.shape) / LONG_SIDE, _SMALL, 1))
    return edges > _EDGES * size or face > _FACE * size**2


def _brightness(lit: Field, seen: Seen) -> float:
    """Median luma of the new sky: brighter over a brighter scene."""
    luma = lit @ LUMA
    ground = luma[cv2.resize(seen.sky, luma.shape[::-1]) < 0.1]
    light = float(np.percentile(ground, 75)) if ground.size else _GROUND[1]
    return float(np.interp(light, _GROUND, _ABOVE))


def layer_of(border: Border, shown: Field, *, strength: float = 1.0) -> Layer:
    """The Layer that shows (h, w, 3) 0..1, sRGB-encoded, of any size over the frame, where the border has its sky."""
    planes = (border.inside, border.band, border.soft, border.old, border.front, shown)
    inside, band, soft, old, front, new = (np.asarray(f, np.float16) for f in planes)
    return Layer("sky", inside, band, soft, old, front, new, strength)


def clear_sky(tilt: Tilt, size: tuple[int, int], visible: Field, brightness: float, day: Day) -> NDArray[np.float32]:
    """A clear sky over the frame (h, w, 3) float32 0..1, sRGB-encoded, at a small size.

    Parameters
    ----------
    size : (width, height) of the frame in any unit
    visible : (h, w) where it will be seen, of any size
    brightness : level of its median luma there
    """
    tilt = _with_horizon_below(tilt, size, visible)
    sun = _direction(np.radians(day.side * day.aside), np.radians(day.up))
    rows = max(8, round(_COLUMNS * size[1] / size[0]))
    light = radiance(_rays(tilt, size, _COLUMNS, rows), sun, day.haze)
    width, height = _SHOWN_COLUMNS, max(8, round(_SHOWN_COLUMNS * size[1] / size[0]))
    light = cv2.resize(np.log(light).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    light = np.exp(light)
    rays = _rays(tilt, size, width, height)
    hidden = veil(rays, 1 / (width * tilt.focal), day.veil, day.weather)[..., None].astype(np.float32)
    cloud = _CLOUD * np.median(light @ LUMA) * cloud_brightness(rays, sun)[..., None].astype(np.float32)
    light = (1 - hidden) * light + hidden * cloud
    mask = cv2.resize(visible.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.5
    # Cameras render contrast: from zenith to horizon, and from side to side, more than there is.
    luminance = light @ LUMA
    middle = float(np.median(luminance[mask])) if mask.any() else float(np.median(luminance))
    light = light * ((luminance / middle) ** (_CONTRAST - 1))[..., None]
    wanted = float(to_linear(np.array([brightness - day.deep], np.float32))[0])
    # A film's shoulder: the bright horizon pales instead of clipping.
    exposed = 1 - np.exp(light * np.float32(np.log(1 - wanted) / middle))
    grey = (exposed @ LUMA)[..., None]
    return np.clip(from_linear(np.clip(grey + np.float32(day.vivid) * (exposed - grey), 0, 1).astype(np.float32)), 0, 1)


def _rays(tilt: Tilt, size: tuple[int, int], columns: int, rows: int) -> NDArray[np.float64]:
    """Directions (rows, columns, 3), z up, y ahead, of a camera that is held so."""
    long = max(size)
    x = ((np.arange(columns) + 0.5) / columns - 0.5) * size[0] / long
    y = (0.5 - (np.arange(rows) + 0.5) / rows) * size[1] / long
    right, up = np.meshgrid(x, y)
    ahead = np.full_like(right, tilt.focal)
    rays = np.stack([right, -up, ahead], axis=-1) @ camera(tilt.pitch, tilt.roll)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    return np.stack([rays[..., 0], rays[..., 2], -rays[..., 1]], axis=-1)


def _with_horizon_below(tilt: Tilt, size: tuple[int, int], visible: Field) -> Tilt:
    """The tilt, level where it is doubtful; where sky would be below the horizon the camera must look up more."""
    if tilt.confidence < _TRUSTED:
        tilt = replace(tilt, pitch=0.0, roll=0.0)
    rows, columns = visible.shape
    up = np.degrees(np.arcsin(_rays(tilt, size, max(1, columns // 8), max(1, rows // 8))[..., 2]))
    seen = cv2.resize(visible.astype(np.float32), up.shape[::-1], interpolation=cv2.INTER_AREA) > 0.5
    lowest = float(up[seen].min()) if seen.any() else _LOWEST
    return replace(tilt, pitch=tilt.pitch + max(0.0, _LOWEST - lowest))


def _direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    return np.array([np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
