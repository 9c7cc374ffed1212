"""ICC profiles as bytes: their colour space, tone curves and colorants (ICC.1:2022), and minimal ones written here."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

Curve = tuple[str, tuple[float, ...]]
"""("table", samples 0..1 evenly spaced), or ("para", g a b c d e f) of parametricCurveType 4."""


class BadProfile(ValueError):
    """The ICC profile is broken, or does not describe pictures of this kind."""


def profile_space(profile: bytes) -> str:
    """The data colour space of an ICC profile: RGB, GRAY, CMYK, ... Raises BadProfile if this is no profile."""
    if len(profile) < 132 or profile[36:40] != b"acsp":
        raise BadProfile("not an ICC profile")
    return profile[16:20].decode("latin-1").strip()


def has_tables(profile: bytes) -> bool:
    """Whether the profile converts by tables, which come before its curves and colorants."""
    return not {b"A2B0", b"A2B1"}.isdisjoint(_tags(profile))


def colorants(profile: bytes) -> NDArray[np.float64]:
    """The (3, 3) matrix from linear RGB 0..1 to XYZ (D50); columns are red, green, blue. Raises BadProfile."""
    tags = _tags(profile)
    columns = [_tag(tags, name) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    if any(len(c) < 20 for c in columns):
        raise BadProfile("a colorant is cut off")
    return np.array([struct.unpack(">3i", c[8:20]) for c in columns], np.float64).T / 65536


def curve(profile: bytes, channel: str, n: int) -> NDArray[np.float32]:
    """The tone curve of a channel (r, g, b; k: grey), input to linear, at n even inputs 0..1. Raises BadProfile."""
    kind, values = _parse_curve(_tag(_tags(profile), channel.encode() + b"TRC"))
    x = np.linspace(0, 1, n)
    if kind == "table":
        return np.interp(x, np.linspace(0, 1, len(values)), values).astype(np.float32)
    g, a, b, c, d, e, f = values
    return np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f).astype(np.float32)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    profile_space(profile)
    count = int.from_bytes(profile[128:132], "big")
    tags: dict[bytes, bytes] = {}
    for i in range(min(count, 100)):
        entry = profile[132 + 12 * i : 144 + 12 * i]
        if len(entry) == 12:
            start, length = struct.unpack(">II", entry[4:])
            tags[entry[:4]] = profile[start : start + length]
    return tags


def _tag(tags: dict[bytes, bytes], name: bytes) -> bytes:
    if name not in tags:
        raise BadProfile(f"no tag {name.decode()}")
    return tags[name]


def _parse_curve(data: bytes) -> Curve:
    try:
        if data[:4] == b"curv":
            count = int.from_bytes(data[8:12], "big")
            values = struct.unpack(f">{count}H", data[12 : 12 + 2 * count])
            if count < 2:
                return "para", (values[0] / 256 if values else 1.0, 1, 0, 0, 0, 0, 0)
            return "table", tuple(v / 65535 for v in values)
        if data[:4] == b"para":
            kind = int.from_bytes(data[8:10], "big")
            size = (1, 3, 4, 5, 7)[kind]
            return "para", _parametric(kind, [v / 65536 for v in struct.unpack(f">{size}i", data[12 : 12 + 4 * size])])
    except (struct.error, IndexError) as error:
        raise BadProfile(f"broken tone curve: {error}") from None
    raise BadProfile("unknown kind of tone curve")


def _parametric(kind: int, p: list[float]) -> tuple[float, ...]:
    """Any parametricCurveType as type 4: (a x + b)^g + e from d on, c x + f below."""
    if kind == 0:
        return (p[0], 1, 0, 0, 0, 0, 0)
    g, a, b = p[:3]
    if kind in (1, 2):
        offset = p[3] if kind == 2 else 0.0
        return (g, a, b, 0, -b / a if a else 0.0, offset, offset)
    return (*p, 0, 0) if kind == 3 else tuple(p)


def write_matrix_profile(colorants: NDArray[np.float64], gamma: float) -> bytes:
    """A minimal ICC profile (v2, RGB display) of D50-adapted colorants (columns R, G, B) and one gamma."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"rTRC", b"gTRC", b"bTRC")
    points = [*colorants.T, np.array([0.9642, 1.0, 0.8249])]
    bodies = [b"XYZ " + bytes(4) + struct.pack(">3i", *np.rint(p * 65536).astype(int)) for p in points] + [curve] * 3
    offset, table, data = 132 + 12 * len(names), b"", b""
    for name, body in zip(names, bodies, strict=True):
        table += name + struct.pack(">II", offset + len(data), len(body))
        data += body
    head = struct.pack(">I4sI4s4s4s", offset + len(data), b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head = head.ljust(36, b"\0") + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(names)) + table + data


ADOBE_RGB = write_matrix_profile(
    np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]), 563 / 256
)
"""Adobe RGB (1998): cameras mark it in EXIF (interoperability R03) without embedding a profile."""
