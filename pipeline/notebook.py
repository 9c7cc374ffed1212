"""The pipeline for notebooks: photos in, pictures, plans and figures out, nothing written unless asked.

from pipeline import Recipe, edit

results = edit("samples/garden_room")
results[0]                                # before and after, with a slider
results[0].plan.operations                # what was decided
results[0].save("garden_room.jpg")        # as the command line writes it
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipeline.codes import Code, Failure, PhotoError, SettingsError
from pipeline.deliver.figure import figure
from pipeline.deliver.outcome import Finished, deliver_pictures, refusal
from pipeline.deliver.profiles import UNALTERED
from pipeline.develop import Surveyed, coded, finish, plan, prepared, survey
from pipeline.photo import FloatImage, Image, Shot
from pipeline.plan import Plan
from pipeline.read.decode import decode
from pipeline.read.metadata.header import read_header
from pipeline.read.shots import Found, find_shots
from pipeline.recipe import Recipe

PathLike = str | os.PathLike[str]

_log = logging.getLogger(__name__)
_FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".tif": "tiff", ".tiff": "tiff"}
_FIGURES = ("structure_worst", "edges_worst", "colour_worst")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Edited:
    """What became of one shot; `status`, `warnings`, `strength`, `attempts` and `qc` are those of summary.json.

    Pictures are (H, W, 3) RGB, sRGB-encoded, uint8 or uint16, at full resolution. Where the photo failed, `failure`
    says why and what there is no picture of is None.
    """

    shot: Shot
    recipe: Recipe
    before: Image | None = None
    """The reference exposure as shot, upright."""
    source: Image | None = None
    """The plain merge (uint16 for several exposures), straightened as `after` is, against which the edit is checked."""
    after: Image | None = None
    """The edited picture."""
    plan: Plan | None = None
    """As rendered: how the exposures became one, and the operations on them."""
    unaltered: Image | None = None
    """`after` as captured, where it shows another sky."""
    masks: dict[str, FloatImage] = field(default_factory=dict[str, FloatImage])
    """(H, W) float32 0..1 by name: "altered", 1 where `after` shows something else than captured."""
    qc: dict[str, Any] = field(default_factory=dict[str, Any])
    """Figures of the comparison of `after` with `source`."""
    warnings: tuple[str, ...] = ()
    strength: float = 0.0
    """Of the attempt that passed the checks; 0 for the plain merge."""
    attempts: int = 0
    failure: Failure | None = None
    finished: Finished | None = None
    """What `save` writes."""

    @property
    def name(self) -> str:
        """The stem of the reference exposure's file, made unique within its listing."""
        return self.shot.name

    @property
    def status(self) -> str:
        """delivered or quarantined."""
        return "quarantined" if self.failure else "delivered"

    def save(self, path: PathLike) -> Path:
        """Write the edited picture with its metadata, as the command line does, and return where it lies.

        A picture with another sky gets its `<name>_unaltered.jpg` beside it, which is replaced, too, if it exists. One
        of an earlier picture of that name stays where this one has no other sky.

        Parameters
        ----------
        path : a file ending in .jpg, .jpeg, .png, .tif or .tiff, which is replaced if it exists; or, without an
            ending, a folder, made if absent, in which the file is <listing>/<name> in the recipe's format. Quality and
            depth are those of the recipe's deliver panel.

        Raises
        ------
        PhotoError
            The photo's own failure if it has one; WRITE_FAILED, naming the path, also for the path of a source.
        SettingsError
            If the ending is of no format that can be written.
        """
        if self.finished is None or self.failure:
            raise _error_of(self)
        path, recipe = self._target(Path(path).expanduser())
        sources = [Path(s) for s in (*self.shot.sources, *self.shot.left_out)]
        twin = path.with_name(f"{path.stem}{UNALTERED}.jpg")
        try:
            for target in [path, *([twin] if self.unaltered is not None else [])]:
                if target.exists() and any(s.exists() and target.samefile(s) for s in sources):
                    raise PhotoError(Code.WRITE_FAILED, f"{target}: is a source of this photo, which is never replaced")
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=".sunroom-", dir=path.parent) as folder:
                made = self._write(self.finished, Path(folder), recipe)
                made["full"].replace(path)
                if "unaltered" in made:
                    made["unaltered"].replace(twin)
        except OSError as error:
            raise PhotoError(Code.WRITE_FAILED, f"{path}: {error.strerror or error}") from None
        return path

    def _target(self, path: Path) -> tuple[Path, Recipe]:
        """The file to write, and the recipe with its format and without further sizes."""
        ending = path.suffix.casefold()
        if path.is_dir() or not ending:
            extension = {"jpeg": ".jpg", "png": ".png", "tiff": ".tif"}[self.recipe.deliver.format]
            return path / self.shot.listing / f"{self.name}{extension}", self._delivering(self.recipe.deliver.format)
        if ending not in _FORMATS:
            raise SettingsError(f"save: {path}: ends in {ending}; choose one of {', '.join(_FORMATS)}")
        return path, self._delivering(_FORMATS[ending])

    def _delivering(self, format_: str) -> Recipe:
        web = self.recipe.deliver.web.model_copy(update={"enabled": False})
        deliver = self.recipe.deliver.model_copy(update={"format": format_, "web": web})
        return self.recipe.model_copy(update={"deliver": deliver})

    def _write(self, finished: Finished, folder: Path, recipe: Recipe) -> dict[str, Path]:
        donor = read_header(Path(self.shot.sources[self.shot.reference]))
        made = deliver_pictures(finished, self.shot, donor, recipe, folder, sequence=1)
        return {profile: folder / written.path for profile, written in made.items()}

    def __repr__(self) -> str:
        return f"<Edited {_title(self)}: {_summary(self)}>"

    def _repr_html_(self) -> str:
        """Before and after with a slider, as one piece of HTML with the pictures (at most 1024 pixels) in it."""
        return _figure(self)


def edit(paths: PathLike | Iterable[PathLike], recipe: Recipe | None = None, *, threads: int = 2) -> list[Edited]:
    """Edit photos and keep everything in memory: one result per shot.

    Nothing is written. Every result holds its pictures: 6 bytes per pixel for one 8-bit exposure, 12 for several, so
    that 20 bracketed photos of 24 megapixels take 5.8 GB. `sunroom edit` is the way for folders that do not fit.

    Parameters
    ----------
    paths : a folder (each folder in it is a listing), a file, or several of them. Exposures of one view become one
        shot, as on the command line; files of a list are sought within the folders they lie in.
    recipe : `Recipe()` if not given; `Recipe.load` reads shipped and own ones.
    threads : used within one photo; the pictures do not depend on it.

    Returns
    -------
    list of Edited : by listing and capture time; then what could not be read. A photo that fails is a result with its
        `failure`, never an exception.

    Raises
    ------
    SettingsError
        If `threads` is below 1, or see.weights or sky.folder of the recipe cannot be read.
    """
    if threads < 1:
        raise SettingsError(f"threads={threads}: must be 1 or more")
    recipe = prepared(recipe or Recipe())
    results: list[Edited] = []
    for found in _found(paths, recipe):
        results += [_edited(shot, recipe, threads) for shot in found.shots]
        results += [Edited(f.shot, recipe, warnings=f.shot.warnings, failure=f.failure) for f in found.failures]
    return results


def _found(paths: PathLike | Iterable[PathLike], recipe: Recipe) -> list[Found]:
    """The shots of each folder, and those of the files together, sought below the folder that holds them all."""
    given = [paths] if isinstance(paths, str | os.PathLike) else paths
    # Without following links, which keep their own names and places.
    absolute = [Path(os.path.abspath(Path(p).expanduser())) for p in given]  # noqa: PTH100
    folders = [p for p in absolute if p.is_dir()]
    files = [p for p in absolute if p not in folders]
    options: Any = {"raw_jpeg": recipe.read.raw_jpeg, "max_megapixels": recipe.read.max_megapixels}
    found = [find_shots(folder, **options) for folder in dict.fromkeys(folders)]
    if files:
        home = Path(os.path.commonpath([p.parent for p in files]))
        below = [p.relative_to(home).as_posix() for p in files]
        found.append(find_shots(home, files=below, **options))
    for folder, inside in zip(dict.fromkeys(folders), found, strict=False):
        if not inside.shots and not inside.failures:
            _log.warning("%s: no photos found", folder)
    return found


def _edited(shot: Shot, recipe: Recipe, threads: int) -> Edited:
    """One shot through the whole way, as develop.develop takes it, with arrays at the end instead of files."""
    try:
        surveyed = survey(shot, recipe, threads=threads)
        finished = finish(surveyed, plan(surveyed, recipe), recipe, threads=threads)
        return _outcome(surveyed, finished, shot, recipe)
    except Exception as error:
        return Edited(shot, recipe, warnings=shot.warnings, failure=Failure.of(coded(error, shot)))


def _outcome(surveyed: Surveyed, finished: Finished, shot: Shot, recipe: Recipe) -> Edited:
    refused = refusal(finished, shot, recipe)
    shown = finished.rejected if refused and finished.rejected else finished
    failure = Failure.of(refused, shown.attempts) if refused else None
    return Edited(
        shot,
        recipe,
        before=_as_shot(surveyed, finished, shot),
        source=finished.source,
        after=None if refused else finished.picture,
        unaltered=finished.unaltered,
        masks=_masks(finished),
        plan=shown.plan,
        qc=shown.figures.to_dict(),
        warnings=shown.warnings,
        strength=0.0 if refused else finished.strength,
        attempts=shown.attempts,
        failure=failure,
        finished=None if refused else finished,
    )


def _masks(finished: Finished) -> dict[str, FloatImage]:
    if finished.covered is None:
        return {}
    height, width = finished.picture.shape[:2]
    whole = np.repeat(np.repeat(finished.covered, 2, axis=0), 2, axis=1)[:height, :width]
    return {"altered": whole.astype(np.float32)}


def _as_shot(surveyed: Surveyed, finished: Finished, shot: Shot) -> Image:
    """The reference exposure; the source itself where nothing was merged or warped."""
    if len(shot.sources) == 1 and finished.plan.warp is None and finished.plan.merge.lens is None:
        return finished.source
    opened = surveyed.opened
    return decode(opened.headers[shot.reference], raw=opened.raw, max_megapixels=opened.max_megapixels)


def _error_of(edited: Edited) -> PhotoError:
    failure = edited.failure
    if failure is None:
        return PhotoError(Code.INTERNAL, f"{edited.name}: there is no picture")
    return PhotoError(Code[failure.code], failure.message)


def _title(edited: Edited) -> str:
    return "/".join(part for part in (edited.shot.listing, edited.name) if part)


def _summary(edited: Edited) -> str:
    """One line: what came out, of how many exposures, how strong, and what is to know."""
    if edited.failure:
        return f"{edited.status}, {edited.failure.code}: {edited.failure.message}. {edited.failure.hint}"
    exposures = f"{len(edited.shot.sources)} exposures" if len(edited.shot.sources) > 1 else "1 exposure"
    return ", ".join([edited.status, exposures, f"strength {edited.strength:g}", *edited.warnings])


def _figure(edited: Edited) -> str:
    caption = f"{escape(_summary(edited))}{_judged(edited)}"
    if edited.before is None or edited.after is None:
        return figure(_title(edited), caption)
    return figure(_title(edited), caption, pictures=(edited.before, edited.after))


def _judged(edited: Edited) -> str:
    """The figures that the recipe's limits judge."""
    shown = [f"{name.replace('_', ' ')} {edited.qc[name]:.3f}" for name in _FIGURES if name in edited.qc]
    return f"<br>{escape(', '.join(shown))}" if shown else ""
