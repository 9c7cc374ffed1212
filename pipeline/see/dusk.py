"""Whether an outdoor picture is of dusk or night: what the network says, and what sky and ground look like.

A logistic regression, for the network alone takes every third dusk for a day: a sky that is dim or deep blue, ground
that is darker than by day, and lights that outshine the sky tell the rest. benchmarks/quality/dusk.py fits the weights.
Where the file says how it was exposed, the light of the scene is known, and fused night no longer looks like a day.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.read.color import LUMA, to_linear
from pipeline.reduce import reduced

Field = NDArray[np.floating[Any]]
WEIGHTS = (-1.1, 1.66, -0.71, -0.35, -0.93, -0.09, 0.58, 1.11)
_LONG_SIDE = 512
_SKY, _FOUND = 0.5, 0.02
_LIGHTS = 98
"""Percentile of lightness below the sky that its lights reach."""
_SPOT, _SPOT_WARMTH, _SPOT_LIGHT, _SPOT_SIZE = 20.0, 10.0, 65.0, 0.04
"""How much lighter and warmer than around it a lamp is, in L* and b*, its least L*, and over which share of the long
side that is told."""
_GREY, _NIGHT, _DAY = 0.18, (3.0, 5.0), (7.0, 9.0)
"""Reflectance that exposure meters take for the mean; light values (EV at ISO 100) between which it ceases to be surely
dusk or night outdoors, and between which it becomes surely day: heavy clouds leave 10 to 12, blue hour and lamps -2 to
5."""
_LAMPS, _DIM = 0.0056, 0.42
"""Share of the ground that lamps are, and median luma of the ground, from and up to which they light the scene."""


def dusk_features(proxy: Field, sky: Field, night: float) -> NDArray[np.float64]:
    """(8,) numbers that tell dusk from day, the first of which is 1.

    Parameters
    ----------
    proxy : (h, w, 3) float32 0..1, sRGB-encoded
    sky : (h, w) 0..1
    night : the network's probability of dusk or night
    """
    small, above = _small(proxy, sky)
    lab: Any = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    ground = lab[..., 0][~above] if not above.all() else lab[..., 0].ravel()
    middle, bright, lights = np.percentile(ground, [50, 75, _LIGHTS])
    odds = np.log(np.clip(night, 1e-4, 1 - 1e-4) / np.clip(1 - night, 1e-4, 1))
    common = [1.0, odds, (middle - 45) / 15, (bright - 60) / 15]
    if above.mean() <= _FOUND:
        return np.array([*common, 0.0, 0.0, 0.0, 0.0])
    lightness, warmth = float(np.median(lab[..., 0][above])), float(np.median(lab[..., 2][above]))
    outshone = float(np.clip(lights - lightness, -40, 60))
    return np.array([*common, 1.0, (lightness - 75) / 15, warmth / 15, outshone / 20])


def dusk_of(proxy: Field, sky: Field, night: float) -> float:
    """The probability, 0..1, that an outdoor picture was taken at dusk or night; parameters as dusk_features."""
    return float(1 / (1 + np.exp(-float(dusk_features(proxy, sky, night) @ np.asarray(WEIGHTS)))))


def light_value(proxy: Field, exposure_value: float) -> float:
    """How bright the scene is, as its exposure value at ISO 100: 15 in the sun, 12 below clouds, 5 to 8 in rooms.

    Parameters
    ----------
    proxy : (h, w, 3) float32 0..1, sRGB-encoded
        One exposure as it was taken, not a merge.
    exposure_value : log2(t * ISO / 100 / F^2) of its file
    """
    median = float(np.median(to_linear(reduced(proxy.astype(np.float32), _LONG_SIDE)) @ LUMA))
    return float(np.log2(max(median, 1e-4) / _GREY)) - exposure_value


def darkness(light_value: float) -> float:
    """How surely it is dusk or night outdoors at this light, 0..1; 0 where only the picture can tell."""
    return float(np.interp(light_value, _NIGHT, (1, 0)))


def daylight(light_value: float) -> float:
    """How surely it is day outdoors at this light, 0..1, however dark the picture is; 0 where only that can tell."""
    return float(np.interp(light_value, _DAY, (0, 1)))


def lamplit(proxy: Field, sky: Field) -> bool:
    """Whether lamps are on in what little daylight is left: warm spots that stand out of dim ground.

    proxy, sky as in dusk_features. No sky of midday goes with that.
    """
    small, above = _small(proxy, sky)
    ground = cv2.dilate(above.astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    if not ground.any() or float(np.median(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)[ground])) > _DIM:
        return False
    lab: Any = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    apart = lab - cv2.GaussianBlur(lab, (0, 0), _SPOT_SIZE * max(small.shape))
    warm = (apart[..., 2] > _SPOT_WARMTH) & (lab[..., 1] >= 0)  # sunlit leaves are green
    spots = (apart[..., 0] > _SPOT) & warm & (lab[..., 0] > _SPOT_LIGHT)
    return float(np.mean(spots[ground])) > _LAMPS


def _small(proxy: Field, sky: Field) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The picture at a small size, and where its sky is."""
    small = reduced(proxy.astype(np.float32), _LONG_SIDE)
    return small, cv2.resize(sky.astype(np.float32), small.shape[1::-1], interpolation=cv2.INTER_AREA) > _SKY
