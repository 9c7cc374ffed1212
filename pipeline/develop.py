"""The whole way of a photo: survey (read, merge small) -> plan (see, edit) -> finish (render, check, deliver).

Notebook, test, batch and service all call these. Nothing here knows about Ray.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.check.judge import judge
from pipeline.check.metrics import compare
from pipeline.codes import Code, PhotoError
from pipeline.deliver.outcome import Finished, deliver_pictures, quarantine, record, refusal
from pipeline.edits import balance, geometry, lens, light, own_skies, sky, windows
from pipeline.merge.mapping import centre_scale
from pipeline.merge.shot import aligned_merge, refined_merge
from pipeline.merge.tiles import Runner, run_here
from pipeline.photo import Image, Result, Shot
from pipeline.plan import Merge, Operation, Plan, alpha_shape
from pipeline.read.decode import decode_warnings
from pipeline.read.exposures import Opened, open_shot, read_exposures, read_proxies
from pipeline.recipe import Recipe
from pipeline.render.render import render_layers, render_source, render_tones, seen_through
from pipeline.render.tone import shown_after
from pipeline.see import scene
from pipeline.see.dusk import light_value
from pipeline.see.nets import network
from pipeline.threads import without_ipp

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Clock:
    """Wall seconds of each stage, added up."""

    stages: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def __call__(self, stage: str) -> Generator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages[stage] = round(self.stages.get(stage, 0.0) + time.perf_counter() - start, 3)


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A shot at proxy size: the merged picture (h, w, 3) float32 0..1, and a plan that holds its merge only."""

    opened: Opened
    proxy: NDArray[np.float32]
    plan: Plan
    exposures: tuple[Image, ...] = ()
    """The proxies of a bracketed set, darkest first, not aligned."""
    listing: str = ""


def develop(shot: Shot, recipe: Recipe, destination: Path, *, sequence: int = 0, threads: int = 1) -> Result:
    """Files of one shot to delivered pictures below `destination`, or to its quarantine. Never raises."""
    clock = Clock()
    try:
        surveyed = survey(shot, recipe, clock, threads=threads)
        drawn = plan(surveyed, recipe, clock)
        finished = finish(surveyed, drawn, recipe, clock, threads=threads)
        return deliver(finished, surveyed, shot, recipe, destination, clock=clock, sequence=sequence)
    except Exception as error:
        return quarantine(coded(error, shot), shot, destination, stages=clock.stages)


def coded(error: Exception, shot: Shot) -> PhotoError:
    """What went wrong with a shot, with a code; what nobody foresaw is logged and becomes INTERNAL."""
    name = shot.sources[shot.reference]
    if isinstance(error, PhotoError):
        return error
    if isinstance(error, MemoryError):
        return PhotoError(Code.OOM, f"{name}: not enough memory for {shot.pixels / 1e6:.0f} MP")
    _log.error("shot %s (%s)", shot.id, name, exc_info=error)
    return PhotoError(Code.INTERNAL, f"{name}: {type(error).__name__}: {error}")


def survey(shot: Shot, recipe: Recipe, clock: Clock | None = None, *, threads: int = 1) -> Surveyed:
    """Read the exposures at proxy size, align them, merge them. Raises PhotoError."""
    without_ipp()
    clock = clock or Clock()
    with clock("read"):
        opened = open_shot(shot, max_megapixels=recipe.read.max_megapixels)
        reference = opened.headers[shot.reference]
        known = lens.known(reference, recipe.geometry)
        proxies = read_proxies(opened, gain=known and known.gain, threads=threads)
        passed_over = dict.fromkeys(code.name for header in opened.headers for code in decode_warnings(header))
    with clock("merge"):
        corrected = lens.chosen(known, _as_floats(proxies[shot.reference]))
        proxies = [seen_through(corrected.lens, proxy, threads=threads) for proxy in proxies]
        merge, warnings = aligned_merge(proxies, shot, move=recipe.merge.align, detail=recipe.merge.detail)
        height, width = proxies[0].shape[:2]
        warnings = [*shot.warnings, *passed_over, *(code.name for code in corrected.warnings), *warnings]
        facts: dict[str, Any] = {"warnings": warnings} | ({"lens": corrected.facts} if corrected.facts else {})
        plan = Plan(merge, alpha=np.ones(alpha_shape(width, height), np.float32), facts=facts)
        source, _ = render_source(plan, proxies, threads=threads)
        fringes = recipe.geometry.fringes if recipe.geometry.strength > 0 else 0.0
        plan = replace(plan, merge=replace(merge, lens=corrected.lens, fringes=fringes))
    exposures = tuple(proxies) if len(proxies) > 1 else ()
    return Surveyed(opened, _as_floats(source), plan, exposures, shot.listing)


def _as_floats(image: Image) -> NDArray[np.float32]:
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


def see(surveyed: Surveyed, recipe: Recipe) -> scene.Seen:
    """What the photo shows. Raises SettingsError where the recipe's weights cannot be read."""
    without_ipp()
    eyes = network(recipe.see.weights)
    return scene.look(surveyed.proxy, focal=_focal(surveyed), light_value=_light_value(surveyed), eyes=eyes)


def prepared(recipe: Recipe) -> Recipe:
    """The recipe with what it names noted, so that all photos of a job get the same: the pictures of sky.folder.

    Raises SettingsError where files that it names cannot be read: once, and not for each photo.
    """
    network(recipe.see.weights)
    sky = recipe.sky
    photos = own_skies.noted(sky.folder) if sky.replaces and sky.folder is not None else {}
    return recipe.model_copy(update={"sky": sky.model_copy(update={"photos": photos})})


def _light_value(surveyed: Surveyed) -> float | None:
    reference = surveyed.plan.merge.reference
    header = surveyed.opened.headers[reference]
    if header.exposure_value is None or header.f_number is None or header.flash:
        return None
    taken = _as_floats(surveyed.exposures[reference]) if surveyed.exposures else surveyed.proxy
    return light_value(taken, header.exposure_value)


def _focal(surveyed: Surveyed) -> float | None:
    merge = surveyed.plan.merge
    ratio = surveyed.opened.headers[merge.reference].focal_ratio
    return None if ratio is None else ratio * centre_scale(merge.lens)


def plan(surveyed: Surveyed, recipe: Recipe, clock: Clock | None = None) -> Plan:
    """See, then let each edit look at the proxy as the edits before it leave it, and add its operations."""
    without_ipp()
    clock = clock or Clock()
    proxy, merge, known = surveyed.proxy, surveyed.plan.merge, surveyed.plan.facts["warnings"]
    operations: list[Operation] = []
    with clock("see"):
        seen = see(surveyed, recipe)
    facts = surveyed.plan.facts | {"seen": seen.facts()}
    if not seen.is_photo:
        bare = replace(merge, lens=None, fringes=0.0)
        return replace(surveyed.plan, merge=bare, facts=facts | {"warnings": [*known, Code.NOT_A_PHOTO.name]})
    with clock("edit"):
        # Balance and light are those of the photo with its views as they are: the room looks the same with this edit.
        operations += balance.plan(proxy, seen, recipe.balance)
        balanced = shown_after(operations, proxy)
        lighting = light.plan(balanced, seen, recipe.light)
        lit = shown_after(lighting, balanced)
        eyes, tones = network(recipe.see.weights), [*operations, *lighting]
        view = windows.find(surveyed.exposures, lit, merge, seen, recipe.windows, tones=tones, eyes=eyes)
        if view.outlook is not None:
            balanced = shown_after(operations, merged_again(surveyed, replace(merge, outlook=view.outlook)))
            lighting = light.plan(shown_after(operations, proxy), seen, recipe.light, shown=balanced)
            view = windows.in_daylight(view, shown_after(lighting, balanced))
            merge = replace(merge, outlook=view.outlook)
        new_sky = sky.plan(proxy, balanced, lit, seen, recipe.sky, listing=surveyed.listing)
        operations += [*lighting, *new_sky.operations]
        # Not the proxy's size, whose aspect is rounded: the output would lose a row.
        reference = surveyed.opened.headers[merge.reference]
        whole = (reference.width, reference.height)
        straight = geometry.plan(whole, seen, recipe.geometry, _focal(surveyed), native=recipe.deliver.size == "native")
        operations += straight.operations
    warnings = [*view.warnings, *new_sky.warnings, *straight.warnings]
    facts |= {"geometry": straight.facts, "sky": new_sky.facts}
    facts |= {"warnings": [*known, *(code.name for code in warnings)]}
    return replace(surveyed.plan, merge=merge, operations=tuple(operations), facts=facts)


def merged_again(surveyed: Surveyed, merge: Merge) -> NDArray[np.float32]:
    """The proxy as `merge` makes it of the exposures' proxies, in which the lens is out already."""
    again = replace(surveyed.plan, merge=replace(merge, lens=None, fringes=0.0))
    return _as_floats(render_source(again, surveyed.exposures)[0])


def finish(
    surveyed: Surveyed,
    drawn: Plan,
    recipe: Recipe,
    clock: Clock | None = None,
    *,
    tiles: Runner | None = None,
    threads: int = 1,
) -> Finished:
    """Render at full resolution; where the checks fail, render again more gently; at last plain. Raises PhotoError."""
    without_ipp()
    clock, tiles = clock or Clock(), tiles or run_here(threads)
    with clock("read"):
        gain = drawn.merge.lens.gain if drawn.merge.lens else None
        exposures = read_exposures(surveyed.opened, drawn.merge.used, gain=gain, threads=threads)
    with clock("merge"):
        drawn = replace(drawn, merge=refined_merge(drawn.merge, exposures))
        source, owner = render_source(drawn, exposures, tiles=tiles, threads=threads)
        if any(source is exposure for exposure in exposures):
            # No fringe was found: the plan says so, and the photo still counts as captured.
            drawn = replace(drawn, merge=replace(drawn.merge, fringes=0.0))
        del exposures
    attempts = recipe.check.attempts if drawn.tones or drawn.layers else ()

    def attempt(number: int, strength: float) -> Finished:
        attempted = drawn.at_strength(strength)
        with clock("render"):
            captured = render_tones(attempted, source, depth=recipe.deliver.depth, tiles=tiles)
        with clock("check"):
            figures = compare(source, captured, tones=attempted.tones, workers=threads)
            verdict = judge(figures, recipe.check)
        return Finished(source, captured, owner, attempted, figures, verdict, strength, number)

    finished = None
    for number, strength in enumerate(attempts, start=1):
        finished = attempt(number, strength)
        if finished.verdict.passed:
            with clock("render"):
                return composed(finished, tiles)
    plain = attempt(len(attempts) + 1, 0.0)
    return plain if finished is None else replace(plain, rejected=finished)


def composed(finished: Finished, tiles: Runner) -> Finished:
    """A picture that passed its checks with the plan's layers laid over it, if there are any."""
    picture, covered = render_layers(finished.plan, finished.source, finished.picture, tiles=tiles)
    if covered is None or not covered.any():
        return finished
    return replace(finished, picture=picture, unaltered=finished.picture, covered=covered)


def deliver(
    finished: Finished,
    surveyed: Surveyed,
    shot: Shot,
    recipe: Recipe,
    destination: Path,
    *,
    clock: Clock | None = None,
    sequence: int = 0,
) -> Result:
    """Write the pictures, the plan and the record; or the quarantine, if the recipe asks for it. Raises PhotoError."""
    clock = clock or Clock()
    if refused := refusal(finished, shot, recipe):
        rejected, limits = finished.rejected, recipe.check
        return quarantine(refused, shot, destination, stages=clock.stages, rejected=rejected, limits=limits)
    donor = surveyed.opened.headers[shot.reference]
    with clock("deliver"):
        outputs = deliver_pictures(finished, shot, donor, recipe, destination, sequence=sequence)
    return record(finished, outputs, shot, recipe, destination, stages=clock.stages)
