"""The one place where full-resolution pixels are touched: plan + exposures -> pixels, tile by tile, deterministic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.merge import fuse
from pipeline.merge.fringes import without_fringes
from pipeline.merge.mapping import Mapping, straightened
from pipeline.merge.tiles import Box, Runner, boxes, resampled, run_here, sample
from pipeline.photo import Image
from pipeline.plan import Lens, Merge, Outlook, Plan, Warp
from pipeline.render.layers import allowed_in, below, laid, shown_in, under
from pipeline.render.tone import toner
from pipeline.threads import without_ipp


def output_size(warp: Warp | None, width: int, height: int) -> tuple[int, int]:
    """Width and height of the output for a reference exposure of that size."""
    if warp is None:
        return width, height
    long = max(width, height)
    return round(warp.size[0] * long), round(warp.size[1] * long)


def render_source(
    plan: Plan, exposures: Sequence[Image], *, tiles: Runner | None = None, threads: int = 1
) -> tuple[Image, NDArray[np.uint8] | None]:
    """The merged source in the output's frame, and per half-size pixel the exposure of largest weight.

    Parameters
    ----------
    exposures : sequence of (H, W, 3) uint8 or uint16
        Every exposure of the shot, darkest first; those that plan.merge does not use may be empty.

    Returns
    -------
    source : (h, w, 3)
        The exposure itself (no copy) for a single one without Warp, Lens and fringes; uint16 for a merge of several.
    owner : (rows, columns) uint8 or None
        Index into the shot's exposures, at a reduced size; None for a single exposure.
    """
    without_ipp()
    tiles = tiles or run_here(threads)
    merge = plan.merge
    used = [i for i, u in enumerate(merge.used) if u]
    height, width = exposures[merge.reference].shape[:2]
    size = output_size(plan.warp, width, height)
    mappings = [mapping_of(merge, plan.warp, i, max(width, height)) for i in used]
    if len(used) == 1:
        only = exposures[used[0]]
        out = _resampled(only, mappings[0], size, tiles)
        return without_fringes(out, merge.fringes, tiles, in_place=out is not only), None
    still = all(np.array_equal(mapping.matrix, mappings[0].matrix) for mapping in mappings)
    long = float(max(width, height))
    if still and not mappings[0].is_identity:
        # Frames of a tripod: what is fused first is interpolated once, not once for each exposure.
        unmoved = [Mapping(np.eye(3))] * len(used)
        outlook = _outlook_in_exposure(merge, (width, height))
        whole, owner = _fused(merge, exposures, unmoved, (width, height), tiles, outlook=outlook, threads=threads)
        out, owner = _resampled(whole, mappings[0], size, tiles), _owner_through(owner, mappings[0], width, size)
    else:
        outlook = _outlook_in_output(merge, plan.warp, size, long)
        out, owner = _fused(merge, exposures, mappings, size, tiles, outlook=outlook, threads=threads)
    return without_fringes(out, merge.fringes, tiles, in_place=True), owner


def _fused(
    merge: Merge,
    exposures: Sequence[Image],
    mappings: Sequence[Mapping],
    size: tuple[int, int],
    tiles: Runner,
    *,
    outlook: Outlook | None,
    threads: int,
) -> tuple[Image, NDArray[np.uint8]]:
    """The exposures that are used, through a mapping each, as one picture of that size; and their owners."""
    used = [i for i, u in enumerate(merge.used) if u]
    chosen = [exposures[i] for i in used]
    values = [merge.exposure_values[i] for i in used]
    fusion = fuse.prepare(chosen, mappings, values, size=size, detail=merge.detail, outlook=outlook, threads=threads)
    out = np.empty((size[1], size[0], 3), np.uint16)

    def run(box: Box) -> None:
        x0, y0, x1, y1 = box
        tile = fuse.fuse_tile(chosen, fusion, box)
        # Scaled, rounded and clipped in one pass.
        out[y0:y1, x0:x1] = cv2.addWeighted(tile, 257, tile, 0, 0, dtype=cv2.CV_16U)

    tiles(run, boxes(*size))
    return out, np.asarray(used, np.uint8)[fusion.owner]


def _outlook_in_output(merge: Merge, warp: Warp | None, size: tuple[int, int], long: float) -> Outlook | None:
    """merge.outlook over the output's frame of that size; long: the reference's long side."""
    if merge.outlook is None or warp is None:
        return merge.outlook
    homography = _on_pixels(warp.homography, long)

    def moved(field: NDArray[np.float32]) -> Any:
        scale = max(field.shape) / long
        over = np.diag([scale, scale, 1.0])
        through = Mapping(over @ homography @ np.linalg.inv(over))
        return resampled(field, through, [max(1, round(side * scale)) for side in size])

    return _moved(merge.outlook, moved)


def _outlook_in_exposure(merge: Merge, size: tuple[int, int]) -> Outlook | None:
    """merge.outlook, which is in the frame of an ideal lens, over an exposure of that size as it was taken."""
    if merge.outlook is None or merge.lens is None or not merge.lens.bends:
        return merge.outlook
    lens, long = merge.lens, max(size)

    def bent(field: NDArray[np.float32]) -> Any:
        rows, columns = field.shape
        x, y = (np.arange(columns) + 0.5) * size[0] / columns / long, (np.arange(rows) + 0.5) * size[1] / rows / long
        u, v = straightened(lens, *np.meshgrid(x, y))
        across, down = (u * (long * columns / size[0]) - 0.5, v * (long * rows / size[1]) - 0.5)
        maps = across.astype(np.float32), down.astype(np.float32)
        return cv2.remap(field, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    return _moved(merge.outlook, bent)


def _moved(outlook: Outlook, moved: Callable[[NDArray[np.float32]], Any]) -> Outlook:
    share, indoors = (
        None if field is None else moved(field.astype(np.float32)).astype(np.float16)
        for field in (outlook.share, outlook.indoors)
    )
    return replace(outlook, share=share, indoors=indoors)


def render_edits(plan: Plan, source: Image, *, depth: int = 8, tiles: Runner | None = None, threads: int = 1) -> Image:
    """The plan's operations on the merged source (h, w, 3): the picture to deliver, uint8 or uint16 by `depth`."""
    plain = render_tones(plan, source, depth=depth, tiles=tiles, threads=threads)
    return render_layers(plan, source, plain, tiles=tiles, threads=threads)[0]


def render_tones(plan: Plan, source: Image, *, depth: int = 8, tiles: Runner | None = None, threads: int = 1) -> Image:
    """The plan's tones alone on the merged source (h, w, 3): what was captured, uint8 or uint16 by `depth`."""
    without_ipp()
    tiles = tiles or run_here(threads)
    height, width = source.shape[:2]
    out: Any = np.empty(source.shape, np.uint8 if depth == 8 else np.uint16)
    tone = toner(plan, source, depth=depth)

    def run(box: Box) -> None:
        x0, y0, x1, y1 = box
        out[y0:y1, x0:x1] = tone(box, source[y0:y1, x0:x1])

    tiles(run, boxes(width, height))
    return out


def render_layers(
    plan: Plan, source: Image, plain: Image, *, tiles: Runner | None = None, threads: int = 1
) -> tuple[Image, NDArray[np.uint8] | None]:
    """The plan's layers over what render_tones made of the source.

    Returns
    -------
    picture : (h, w, 3), dtype as plain
        `plain` itself where there is nothing to lay.
    covered : (ceil(h / 2), ceil(w / 2)) uint8 or None
        1 where any of the four pixels shows some of a layer.
    """
    without_ipp()
    if not plan.layers or not np.any(plan.alpha > 0):
        return plain, None
    tiles = tiles or run_here(threads)
    height, width = source.shape[:2]
    out: Any = plain.copy()
    covered = np.zeros((-(-height // 2), -(-width // 2)), np.uint8)
    tone = toner(plan, source, depth=8 if plain.dtype == np.uint8 else 16)
    over = laid(plan, source)

    def run(box: Box) -> None:
        x0, y0, x1, y1 = box
        tile, done = source[y0:y1, x0:x1], plain[y0:y1, x0:x1]
        any_here = np.zeros(tile.shape[:2], bool)
        for layer in over:
            if (found := below(tile, layer, source, box)) is not None:
                allowed = allowed_in(layer, box)
                done = under(tone(box, found[0]), found[1], shown_in(layer, box), done, allowed)
                any_here |= found[1] * allowed > 0
        if any_here.any():
            out[y0:y1, x0:x1] = done
            even = np.pad(any_here, ((0, (y1 - y0) % 2), (0, (x1 - x0) % 2)))
            halves = even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2]
            covered[y0 // 2 : -(-y1 // 2), x0 // 2 : -(-x1 // 2)] = halves

    tiles(run, boxes(width, height))
    return out, covered


def seen_through(lens: Lens | None, image: Image, *, threads: int = 1) -> Image:
    """A picture (H, W, 3) of any size as an ideal lens would have given it, of the same size."""
    height, width = image.shape[:2]
    if lens is None or not lens.bends:
        return image
    return _resampled(image, Mapping(np.eye(3), lens, float(max(width, height))), (width, height), run_here(threads))


def mapping_of(merge: Merge, warp: Warp | None, index: int, long: int) -> Mapping:
    """Output pixels to pixels of exposure `index`, for frames of that long side."""
    lens = merge.lens if merge.lens and merge.lens.bends else None
    transform = merge.transforms[index] @ (np.eye(3) if warp is None else warp.homography.astype(np.float64))
    if np.array_equal(transform, np.eye(3)):
        return Mapping(transform, lens, float(long))
    return Mapping(_on_pixels(transform, float(long)), lens, float(long))


def _on_pixels(transform: NDArray[np.floating[Any]], long: float) -> NDArray[np.float64]:
    """A (3, 3) transform of coordinates divided by the long side, of pixels."""
    scale = np.diag([long, long, 1.0])
    return scale @ transform.astype(np.float64) @ np.linalg.inv(scale)


def _owner_through(owner: NDArray[np.uint8], mapping: Mapping, width: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Owners (rows, columns) of a frame that is `width` wide, in the output of `size`, reduced alike."""
    factor = width / owner.shape[1]
    reduced = (max(1, round(size[0] / factor)), max(1, round(size[1] / factor)))
    return resampled(owner, mapping.reduced(factor), reduced, nearest=True)


def _resampled(image: Image, mapping: Mapping, size: tuple[int, int], tiles: Runner) -> Image:
    if mapping.is_identity and size == (image.shape[1], image.shape[0]):
        return image
    out: Any = np.empty((size[1], size[0], 3), image.dtype)

    def run(box: Box) -> None:
        x0, y0, x1, y1 = box
        out[y0:y1, x0:x1] = sample(image, mapping, box)

    tiles(run, boxes(*size))
    return out
