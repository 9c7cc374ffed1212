"""The sRGB profile that delivered pictures carry."""

from __future__ import annotations

import struct

_COLORANTS = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
"""XYZ of sRGB's primaries, adapted to D50 by Bradford's method (as in the profile of IEC 61966-2-1 by HP)."""
_D50 = (0.96420, 1.0, 0.82491)


def _make_srgb() -> bytes:
    """A display profile of ICC version 2, which every program reads; no clock inside."""
    steps = [i / 1023 for i in range(1024)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in steps]
    curve = b"curv" + bytes(4) + struct.pack(">I1024H", 1024, *(round(65535 * y) for y in linear))
    name = b"sRGB IEC61966-2.1\0"
    texts = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(4 + 4 + 2 + 1 + 67),
        b"cprt": b"text" + bytes(4) + b"No copyright, use freely\0",
    }
    points = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt"), (*_COLORANTS, _D50), strict=True))
    bodies = texts | {tag: b"XYZ " + bytes(4) + struct.pack(">3i", *_fixed(xyz)) for tag, xyz in points.items()}
    offset = 132 + 12 * (len(bodies) + 3)
    table, data = b"", b""
    for tag, body in bodies.items():
        table += struct.pack(">4sII", tag, offset + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        table += struct.pack(">4sII", tag, offset + len(data), len(curve))
    data += curve
    head = struct.pack(">I4sI4s4s4s", offset + len(data), b"", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", *_fixed(_D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(bodies) + 3) + table + data


def _fixed(values: tuple[float, ...]) -> list[int]:
    return [round(v * 65536) for v in values]


SRGB = _make_srgb()
"""An ICC profile of sRGB, 2.6 kB."""
