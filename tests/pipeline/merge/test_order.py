"""The scene's radiance from its exposures."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.merge.order import log_radiance, radiance_of
from pipeline.read.color import from_linear


@pytest.mark.parametrize("step", [1.0, 2.0, 3.0])
def test_noise_in_burnt_skies_makes_no_dark_specks(step: float) -> None:
    """Clipped noise, averaged by JPEG, lies below white: brighter exposures must not be believed there."""
    rng = np.random.default_rng(0)
    sky = np.clip(rng.normal(250, 1.5, (3, 90, 120, 1)), 0, 255) * np.ones(3)
    room = np.round(255 * from_linear(np.float32(0.01) * np.float32([1, 2**step, 4**step])))
    exposures = [
        np.hstack([e, np.full((90, 60, 3), level)]).astype(np.uint8) for e, level in zip(sky, room, strict=True)
    ]
    steps = [0.0, step, 2 * step]

    light = radiance_of(exposures, steps)
    same = log_radiance(exposures, [-step, 0.0, step])

    assert light[:, :118].min() > 0.85
    assert np.exp2(same[:, :118]).min() > 0.5
    assert np.allclose(light[:, 125:], 0.01, rtol=0.1)
