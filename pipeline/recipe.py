"""The recipe: a form with one typed panel per edit, the same in YAML, CLI --set, JSON API and Python.

Panels apply in one fixed order (design: denoise, balance, windows, light, sky, look, warp, sharpen, privacy). A panel
that is not built yet accepts strength 0 only.
"""

from __future__ import annotations

import hashlib
import json
import re
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline import forms
from pipeline.codes import SettingsError

Strength = Annotated[float, Field(ge=0, le=1, description="0 leaves every byte as it is, 1 is the full edit")]
_WEB_FIELD = re.compile(r"\{(listing|name|seq)\}|\{seq:0?[1-9]\}")


def _zero(strength: float) -> float:
    if strength != 0:
        raise ValueError("this panel is not built yet: its strength can only be 0")
    return strength


NotBuilt = Annotated[
    float, AfterValidator(_zero), Field(description="not built yet: accepts 0 only", json_schema_extra={"const": 0})
]


class Panel(BaseModel):
    """Base of all panels: frozen, and unknown options are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Read(Panel):
    """Which files count, and how RAW is decoded."""

    max_megapixels: float = Field(default=300, gt=0, le=2000, description="larger pictures are refused before decoding")
    raw_jpeg: Literal["raw", "jpeg"] = Field(default="raw", description="which twin of RAW+JPEG is edited")


class Merge(Panel):
    """Alignment and fusion of bracketed exposures."""

    align: bool = Field(default=True, description="align hand-held exposures")
    detail: float = Field(default=1.0, ge=0, le=1, description="share of the exposures' fine detail kept in the fusion")


class See(Panel):
    """The network that looks at every photo."""

    weights: str = Field(default="see", min_length=1, description="a shipped network's name, or a file of `train see`")


class Balance(Panel):
    """Removal of a colour cast; warm light stays warm."""

    strength: Strength = 1.0
    warmth: float = Field(default=0.0, ge=-1, le=1, description="preference after balancing: -1 cooler, 1 warmer")


class Light(Panel):
    """Exposure, dark corners, harsh shadows, highlight roll-off."""

    strength: Strength = 1.0
    brightness: float = Field(
        default=0.0, ge=-1, le=1, description="preference: darker (-1) to brighter (1) than the house style"
    )
    contrast: float = Field(default=0.0, ge=-1, le=1, description="preference: flatter (-1) to crisper (1)")


class Geometry(Panel):
    """Straight verticals, a level horizon, and lines that the lens does not bend."""

    strength: Strength = 1.0
    lens: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="what is corrected for its lens: RAW, and pictures whose bent lines prove it; all; nothing",
    )
    fringes: Strength = Field(
        default=1.0, description="share of the violet fringes at burnt edges that goes; nothing at strength 0"
    )
    confidence: float = Field(default=0.7, ge=0, le=1, description="below this confidence in the tilt nothing is done")
    max_pitch: float = Field(
        default=9.0, ge=0, le=20, description="degrees; a camera tilted more was meant to be, and is levelled only"
    )
    max_roll: float = Field(default=6.0, ge=0, le=10, description="degrees; a horizon more askew was meant to be")
    max_crop: float = Field(
        default=0.08,
        ge=0,
        le=0.5,
        description="largest share of the picture lost to the crop; more lowers the strength",
    )


class Windows(Panel):
    """The captured view through blown-out windows, from the darker exposures of a bracketed set."""

    strength: Strength = 1.0
    brightness: float = Field(default=0.0, ge=-1, le=1, description="preference: darker (-1) to brighter (1) views")
    confidence: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="of a window's mask; below it a single photo's burnt window is not reported",
    )


class Sky(Panel):
    """Another sky in the place of a dull one. Pictures that got one say so, and come with `<name>_unaltered.jpg`."""

    strength: Strength = 1.0
    replace: Literal["never", "when_dull", "always"] = Field(
        default="never", description="which skies give way; those at dusk and night never do"
    )
    confidence: float = Field(
        default=0.5, ge=0, le=1, description="below this confidence in the sky's mask the sky stays"
    )
    folder: str | None = Field(
        default=None,
        min_length=1,
        description="folder of your own photos of skies, one for each listing; else rendered",
    )
    photos: dict[str, str] = Field(
        default_factory=dict, description="name and SHA-256 of each picture in folder: noted when a job begins"
    )

    @field_validator("folder")
    @classmethod
    def _wherever_it_is_read(cls, folder: str | None) -> str | None:
        try:
            return None if folder is None else str(Path(folder).expanduser().absolute())
        except RuntimeError as error:  # of a ~user who is not there
            raise ValueError(str(error)) from None

    @property
    def replaces(self) -> bool:
        """Whether any sky may be replaced."""
        return self.strength > 0 and self.replace != "never"


class Look(Panel):
    """One style over a listing."""

    strength: NotBuilt = 0.0


class Privacy(Panel):
    """Blurred faces and number plates."""

    strength: NotBuilt = 0.0


class Detail(Panel):
    """Noise reduction and capture sharpening."""

    strength: NotBuilt = 0.0


class Check(Panel):
    """Limits of the comparison with the merged source, and what happens beyond them."""

    structure: float = Field(
        default=0.74, ge=0, le=1, description="lowest structure of any block once the local tone change is taken out"
    )
    colour: float = Field(
        default=0.7, gt=0, description="highest colour drift of any region (OKLab a, b x100 at the lightness of white)"
    )
    edges: float = Field(
        default=0.45, ge=0, le=1, description="lowest share of edges kept, and not invented, in any block"
    )
    attempts: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(1.0, 0.6, 0.35), min_length=1, description="strengths tried in turn, then merge and geometry only"
    )
    on_fail: Literal["deliver_plain", "quarantine"] = "deliver_plain"

    @field_validator("attempts")
    @classmethod
    def _gentler_each_time(cls, attempts: tuple[float, ...]) -> tuple[float, ...]:
        if any(later >= earlier for earlier, later in pairwise(attempts)):
            raise ValueError("each strength must be lower than the one before")
        return attempts


class Web(Panel):
    """A second, smaller picture from the same render."""

    enabled: bool = False
    long_side: int = Field(default=2048, ge=320, le=16384, description="pixels; never enlarged")
    max_bytes: int | None = Field(default=None, ge=10_000, description="byte cap, met by searching the JPEG quality")
    quality: int = Field(default=88, ge=1, le=100)
    quality_floor: int = Field(default=60, ge=1, le=100)
    resize_filter: Literal["lanczos", "area", "cubic"] = "area"
    sharpen: float = Field(default=0.3, ge=0, le=1, description="output sharpening for the smaller size")
    name: str = Field(
        default="{listing}_{seq:03}",
        max_length=100,
        description="fields: {listing}, {name}, {seq} or {seq:03}; {name} or {seq} must be among them",
    )

    @field_validator("name")
    @classmethod
    def _names_differ(cls, pattern: str) -> str:
        """Each photo of a listing must get a name of its own, in the listing's folder."""
        text = _WEB_FIELD.sub("_", pattern)
        if "{" in text or "}" in text:
            raise ValueError("the fields are {listing}, {name}, {seq}; only seq takes a width, as in {seq:03}")
        if "/" in text or "\\" in text or ".." in text or not text.isprintable():
            raise ValueError("must be a file name without folders, '..' and control characters")
        if all(field[1] == "listing" for field in _WEB_FIELD.finditer(pattern)):
            raise ValueError("must contain {seq} or {name}, or all photos would get one name")
        return pattern

    @model_validator(mode="after")
    def _floor_below_quality(self) -> Self:
        if self.max_bytes and self.quality_floor > self.quality:
            raise ValueError(
                f"quality_floor={self.quality_floor} is above quality={self.quality}, where the search starts"
            )
        return self


class Deliver(Panel):
    """Format and size of the full picture, and further sizes."""

    format: Literal["jpeg", "png", "tiff"] = "jpeg"
    quality: int = Field(default=92, ge=1, le=100, description="of JPEG; PNG and TIFF lose nothing")
    subsampling: Literal["4:2:0", "4:4:4"] = Field(
        default="4:2:0", description="colour resolution of JPEG, the web one too"
    )
    depth: Literal[8, 16] = Field(default=8, description="bits per channel; 16 for PNG and TIFF only")
    size: Literal["original", "native"] = Field(
        default="original", description="of a straightened picture: the source's pixels, or those left by its crop"
    )
    web: Web = Web()

    @model_validator(mode="after")
    def _depth_fits_the_format(self) -> Self:
        if self.depth == 16 and self.format == "jpeg":
            raise ValueError("depth=16 needs format=png or format=tiff: a JPEG has 8 bits per channel")
        return self

    @model_validator(mode="after")
    def _web_is_wanted_or_not(self) -> Self:
        if (given := self.web.model_fields_set) and "enabled" not in given:
            raise ValueError(
                f"web.{min(given)} was given without web.enabled: set it true, or false to keep it for later"
            )
        return self


class Recipe(Panel):
    """Everything a user can set; `Recipe()` is the house default."""

    name: str = "default"
    engine: Literal["classical"] = "classical"
    seed: int = Field(default=0, ge=0)
    read: Read = Read()
    merge: Merge = Merge()
    see: See = See()
    balance: Balance = Balance()
    windows: Windows = Windows()
    light: Light = Light()
    sky: Sky = Sky()
    look: Look = Look()
    geometry: Geometry = Geometry()
    detail: Detail = Detail()
    privacy: Privacy = Privacy()
    check: Check = Check()
    deliver: Deliver = Deliver()

    def fingerprint(self) -> str:
        """16 hex digits that name these settings (the recipe's own name does not count)."""
        form = json.dumps(self.model_dump(mode="json", exclude={"name"}), sort_keys=True)
        return hashlib.sha256(form.encode()).hexdigest()[:16]

    @classmethod
    def load(cls, name_or_path: str | Path = "default", overrides: dict[str, str] | None = None) -> Self:
        """The recipe of a shipped name or a YAML file, with `panel.option=value` overrides.

        Raises
        ------
        SettingsError
            If there is no such recipe, or a setting is unknown or out of its bounds; the message names it.
        """
        form = _read_form(str(name_or_path))
        for key, text in (overrides or {}).items():
            _put(form, key, text)
        try:
            return cls.model_validate(form)
        except ValidationError as error:
            raise SettingsError(f"recipe: {forms.faults(error)}") from None

    def to_yaml(self) -> str:
        """The whole form as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def recipe_names() -> list[str]:
    """Names of the shipped recipes."""
    folder = resources.files("pipeline") / "recipes"
    return sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml"))


def _read_form(name: str) -> dict[str, Any]:
    if name in recipe_names():
        text = (resources.files("pipeline") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        path = Path(name)
        if not path.is_file():
            raise SettingsError(
                f"recipe: no file and no shipped recipe named {name!r} (shipped: {', '.join(recipe_names())})"
            )
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise SettingsError(f"recipe {name}: not a text file in UTF-8") from None
        except OSError as error:
            raise SettingsError(f"recipe {name}: cannot be read: {error.strerror}") from None
    try:
        form = forms.parse(text) or {}
    except ValueError as error:
        raise SettingsError(f"recipe {name}: {error}") from None
    if not isinstance(form, dict):
        raise SettingsError(f"recipe {name}: expected panels with options, found {type(form).__name__}")
    return form


def _put(form: dict[str, Any], key: str, text: str) -> None:
    *panels, option = key.split(".")
    place: Any = form
    for panel in panels:
        place = place.setdefault(panel, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict) or not panels:
        raise SettingsError(f"--set {key}: expected panel.option=value")
    try:
        value = forms.parse(text)
    except ValueError:
        if not _WEB_FIELD.match(text):
            raise SettingsError(f"--set {key}: cannot read value {text!r}") from None
        value = text
    # In YAML {name} is a mapping; here it is a name's field, which needs no quotes.
    place[option] = text if isinstance(value, dict) and not any(value.values()) else value
