"""Plans as files."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.plan import Layer, Merge, Outlook, Plan, Tone, Warp, alpha_shape


def full_plan() -> Plan:
    curve = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
    gain = np.full((2, 3, 3), 1.25, np.float16)
    outlook = Outlook(np.full((2, 3), 0.75, np.float16), -0.5, 8.0, (0.9, 1.0, 1.1), np.full((4, 6), -3.5, np.float16))
    merge = Merge(np.stack([np.eye(3), np.eye(3) * 1.5]), (-2.0, 0.0), (True, False), 1, 0.5, outlook=outlook)
    warp = Warp("straight", np.eye(3), (1.0, 0.66), (1.0, 0.67))
    plane = np.full((2, 3), 0.5, np.float16)
    layer = Layer("sky", plane, plane, plane, gain, gain, gain, 0.8)
    operations = (Tone("a", curve), Tone("b", None, gain, gain), layer, warp)
    return Plan(merge, operations, np.full((2, 2), 0.6, np.float32), {"x": 1})


def test_round_trip_keeps_everything():
    plan = full_plan()
    again = Plan.from_bytes(plan.to_bytes())
    assert again.to_bytes() == plan.to_bytes()
    assert again.merge.used == (True, False)
    assert again.merge.detail == 0.5
    assert again.merge.outlook is not None
    assert again.merge.outlook.share[1, 2] == 0.75
    np.testing.assert_array_equal(again.merge.outlook.indoors, np.full((4, 6), -3.5))
    assert again.merge.outlook.white == -0.5
    assert again.merge.outlook.lift == 8.0
    assert again.merge.outlook.gains == (0.9, 1.0, 1.1)
    assert again.warp is not None
    assert again.warp.size == (1.0, 0.66)
    assert [t.label for t in again.tones] == ["a", "b"]
    assert [(layer.label, layer.strength) for layer in again.layers] == [("sky", 0.8)]
    assert again.alpha[0, 0] == np.float32(0.6)
    assert again.facts == {"x": 1}


def test_pictures_travel_with_the_plan_and_are_not_needed_to_read_it():
    data = full_plan().to_bytes({"provenance": b"png"})
    assert Plan.from_bytes(data).to_bytes() == full_plan().to_bytes()


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04broken"])
def test_what_is_not_a_plan_is_refused(data: bytes):
    with pytest.raises(ValueError, match="not a plan"):
        Plan.from_bytes(data)


def test_alpha_cells_are_a_sixteenth_of_the_long_side():
    assert alpha_shape(8183, 5455) == (11, 16)
    assert alpha_shape(3000, 4000) == (16, 12)
    assert alpha_shape(10, 10_000) == (16, 1)
