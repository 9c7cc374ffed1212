"""The plan of a photo: everything decided on the proxy, written down before a full-resolution pixel is touched.

A plan is resolution-independent (coordinates are divided by the long side of the reference exposure, fields are sampled
over the whole frame), serialises to one small zip, and rendering it again gives the same bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
VERSION = 2
_EPOCH = (1980, 1, 1, 0, 0, 0)
LENS_REACH, LENS_KNOTS = 1.3, 129
"""How far a lens's table reaches, in radii, and how many distances it has."""


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """What a lens did: what an ideal one shows at centre + q lies at centre + zoom q s(zoom |q| / radius) + t(zoom q).

    All in coordinates divided by the long side, upright. radial: (1 or 3, LENS_KNOTS) s of all channels, or of R, G and
    B, at equally spaced distances 0..LENS_REACH radii. tangential: two coefficients of Brown's decentring,
    t = (2 a x y + b (r^2 + 2 x^2), a (r^2 + 2 y^2) + 2 b x y) radius, with x, y, r in radii. zoom: by which the ideal
    picture is enlarged (< 1) so that it has pixels everywhere. gain: (h, w, 1 or 3) float16 by which linear light over
    the frame is multiplied against vignetting, or None. source: who said so.
    """

    source: str
    centre: tuple[float, float]
    radius: float
    radial: NDArray[np.float64]
    tangential: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    gain: NDArray[np.float16] | None = None

    @property
    def bends(self) -> bool:
        """Whether it moves any pixel."""
        return self.zoom != 1 or any(self.tangential) or bool(np.any(self.radial != 1))


@dataclass(frozen=True, slots=True)
class Tone:
    """A per-channel curve followed by a local affine field: out = gain * curve(in) + offset, sRGB-encoded 0..1.

    curve: (N, 3) output at N equally spaced inputs 0..1, or None (identity).
    gain, offset: (h, w, 3) float16 over the frame of the reference exposure, sampled bilinearly with pixel centres at
    +0.5, or both None (identity).
    """

    label: str
    curve: Array | None = None
    gain: NDArray[np.float16] | None = None
    offset: NDArray[np.float16] | None = None


@dataclass(frozen=True, slots=True)
class Warp:
    """Where an output pixel comes from: a homography from output to reference coordinates, then the output's frame.

    homography: (3, 3) on coordinates divided by the long side of the reference. size, frame: (width, height) of output
    and reference, divided by the same, so that 45 MP and proxy give the same picture.
    """

    label: str
    homography: NDArray[np.float64]
    size: tuple[float, float]
    frame: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layer:
    """Something else behind what stands before it: a new sky, through a matte that is told at full resolution.

    All fields are float16 over the frame of the reference exposure, sampled bilinearly with pixel centres at +0.5, in
    the colours of the merged source. inside: (h, w) 1 where all but thin things is replaced. band: (h, w) 1 where a
    pixel's colour between `old` and `front`, (h, w, 3), tells its share; soft: (h, w) the share where it cannot tell.
    shown: (h, w, 3) what is shown instead, sRGB-encoded 0..1. strength: times the matte. origin: "rendered" or "photo".

    Of a photo `shown` is a small version. asset, digest: its path and SHA-256 in hex. placement: (3, 3) reference
    coordinates to the photo's, both divided by their long sides. gain: times its linear light.
    """

    label: str
    inside: NDArray[np.float16]
    band: NDArray[np.float16]
    soft: NDArray[np.float16]
    old: NDArray[np.float16]
    front: NDArray[np.float16]
    shown: NDArray[np.float16]
    strength: float = 1.0
    origin: str = "rendered"
    asset: str = ""
    digest: str = ""
    placement: NDArray[np.float64] | None = None
    gain: float = 1.0


Operation = Tone | Warp | Layer


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Where a merge shows the view through windows, and by which curve.

    share: (h, w) float16 0..1, how much of the view is shown as the scene's own radiance instead of the fused picture.
    white: log2 of the strongest channel's radiance that is shown white, 0 where the darkest exposure ends. lift: by how
    much what is dark is brightened (merge/outlook.py). gains: of linear R, G and B, for the view's own white balance.
    indoors: (H, W) float16, log2 of the radiance of muntins and things before the view, which are shown as fused; far
    below any radiance elsewhere.
    """

    share: NDArray[np.float16]
    white: float = 0.0
    lift: float = 1.0
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    indoors: NDArray[np.float16] | None = None


@dataclass(frozen=True, slots=True)
class Merge:
    """How the exposures become one picture.

    transforms: (n, 3, 3), reference coordinates to exposure i's, divided by the long side. exposure_values: (n,)
    relative to the reference. used: which exposures enter the fusion (a frame that could not be aligned does not).
    lens: what all exposures were taken through; all other coordinates of a plan are those of an ideal lens then.
    fringes: share, 0..1, of violet fringes' colour that is taken out of the merged picture. outlook: the views
    through windows, or None.
    """

    transforms: NDArray[np.float64]
    exposure_values: tuple[float, ...]
    used: tuple[bool, ...]
    reference: int = 0
    detail: float = 1.0
    lens: Lens | None = None
    fringes: float = 0.0
    outlook: Outlook | None = None

    @classmethod
    def single(cls) -> Self:
        """The merge of one exposure: itself."""
        return cls(np.eye(3)[None], (0.0,), (True,))


@dataclass(frozen=True, slots=True)
class Plan:
    """Merge, ordered operations, the alpha grid, and facts.

    alpha: (rows, columns) 0..1, cells of 1/16 of the long side: how much of Tone and Layer is allowed there. facts:
    JSON values (scene, measured figures, warnings) that the report shows.
    """

    merge: Merge
    operations: tuple[Operation, ...] = ()
    alpha: Array = field(default_factory=lambda: np.ones((1, 1), np.float32))
    facts: dict[str, Any] = field(default_factory=dict)

    def at_strength(self, alpha: float) -> Plan:
        """The same plan, every Tone and Layer scaled by `alpha` (0 leaves merge and geometry only)."""
        return replace(self, alpha=np.full_like(self.alpha, np.float32(alpha)))

    @property
    def warp(self) -> Warp | None:
        """The one Warp of the plan, if any."""
        return next((o for o in self.operations if isinstance(o, Warp)), None)

    @property
    def tones(self) -> tuple[Tone, ...]:
        """The Tone operations in order."""
        return tuple(o for o in self.operations if isinstance(o, Tone))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The Layer operations in order; they lie above all tones."""
        return tuple(o for o in self.operations if isinstance(o, Layer))

    def to_bytes(self, pictures: Mapping[str, bytes] | None = None) -> bytes:
        """One zip: plan.json, the arrays as .npy, and further PNGs by name; equal plans give equal bytes (no clock)."""
        arrays: dict[str, NDArray[Any]] = {"transforms": self.merge.transforms, "alpha": self.alpha}
        operations: list[dict[str, Any]] = []
        for i, operation in enumerate(self.operations):
            entry, own = _written(operation)
            arrays |= {f"{i}.{name}": value for name, value in own.items()}
            operations.append(entry)
        merge = asdict(replace(self.merge, transforms=np.empty(0), lens=None, outlook=None))
        del merge["transforms"], merge["outlook"]
        if (outlook := self.merge.outlook) is not None:
            arrays["outlook"] = outlook.share
            arrays |= {} if outlook.indoors is None else {"indoors": outlook.indoors}
            merge["outlook"] = {"white": outlook.white, "lift": outlook.lift, "gains": outlook.gains}
        if self.merge.lens is not None:
            merge["lens"], own = _written(self.merge.lens)
            arrays |= {f"lens.{name}": value for name, value in own.items()}
        form = {"version": VERSION, "merge": merge, "operations": operations, "facts": self.facts}
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr(
                zipfile.ZipInfo("plan.json", _EPOCH), json.dumps(form, indent=1, sort_keys=True), zipfile.ZIP_DEFLATED
            )
            for name in sorted(arrays):
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, np.ascontiguousarray(arrays[name]), allow_pickle=False)
                z.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), buffer.getvalue(), zipfile.ZIP_DEFLATED)
            for name, data in sorted((pictures or {}).items()):
                z.writestr(zipfile.ZipInfo(f"{name}.png", _EPOCH), data, zipfile.ZIP_STORED)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Plan:
        """The inverse of to_bytes. Raises ValueError if `data` is not a plan of this version."""
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as z:
                form = json.loads(z.read("plan.json"))
                arrays = {
                    n.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(z.read(n)), allow_pickle=False)
                    for n in z.namelist()
                    if n.endswith(".npy")
                }
        except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
            raise ValueError(f"not a plan: {error}") from None
        if form.get("version") != VERSION:
            raise ValueError(f"plan version {form.get('version')}, this program reads {VERSION}")
        operations: list[Operation] = []
        for i, entry in enumerate(form["operations"]):
            operations.append(_read(entry, _below(f"{i}.", arrays)))
        m = form["merge"]
        lens = _read(m["lens"], _below("lens.", arrays)) if m.get("lens") else None
        values, used = tuple(m["exposure_values"]), tuple(m["used"])
        fringes = m.get("fringes", 0.0)
        shown = m.get("outlook")
        outlook = None
        if shown:
            curve = shown["white"], shown["lift"], tuple(shown["gains"])
            outlook = Outlook(arrays["outlook"], *curve, indoors=arrays.get("indoors"))
        merge = Merge(arrays["transforms"], values, used, m["reference"], m["detail"], lens, fringes, outlook)
        return cls(merge, tuple(operations), arrays["alpha"], form["facts"])


def alpha_shape(width: int, height: int) -> tuple[int, int]:
    """Rows and columns of an alpha grid with cells of 1/16 of the long side."""
    cell = max(width, height) / 16
    return max(1, round(height / cell)), max(1, round(width / cell))


def _below(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}


def _written(operation: Operation | Lens) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """JSON values and arrays of an operation or a lens."""
    entry: dict[str, Any] = {"kind": type(operation).__name__}
    arrays: dict[str, NDArray[Any]] = {}
    for f in fields(operation):
        value = getattr(operation, f.name)
        if isinstance(value, np.ndarray):
            arrays[f.name] = value
        elif value is not None:
            entry[f.name] = list(value) if isinstance(value, tuple) else value
    return entry, arrays


def _read(entry: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Any:
    """The inverse of _written."""
    kind: Any = {"Tone": Tone, "Warp": Warp, "Layer": Layer, "Lens": Lens}[entry["kind"]]
    values: dict[str, Any] = {name: value for name, value in entry.items() if name != "kind"}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return kind(**values, **arrays)
