"""Mattes of skies against known ones: roofs, wires and foliage before dull skies, each against guided filters.

    python -m benchmarks.quality.sky_mattes [--data DIR]

Real fronts are cut off below their outline, wires and trees made by chance stand before a made sky; all is mixed in
linear light at twice the size, reduced, made noisy and saved as JPEG. So every share of sky is known. The guided
filters (He et al., 2013) work on the same network's mask at full size; the best of a grid per kind counts.
Writes benchmarks/results/sky_mattes.md and, for looking at, sky_mattes_sheet.jpg.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import heading
from jobs.train.skies import clouds
from pipeline.deliver.encode import encode_jpeg
from pipeline.edits import sky
from pipeline.edits.matte import border_of
from pipeline.edits.sky import layer_of
from pipeline.plan import Merge, Plan
from pipeline.read.color import from_linear, to_linear
from pipeline.recipe import Sky
from pipeline.reduce import reduced
from pipeline.render.layers import laid, matte
from pipeline.see import scene
from pipeline.see.masks import guided

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
KINDS = ("roof", "wires", "foliage")
_LONG = 2400
_BLUE = np.array([0.45, 0.62, 0.85], np.float32)
_GRID = [(r, eps) for r in (4, 8, 16, 32) for eps in (1e-4, 1e-3, 1e-2)]


def outline(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(h, w) float32, 1 where the front is: a polygon below the skyline that the network sees."""
    proxy = reduced(photo, 1024)
    sky = scene.look(proxy.astype(np.float32) / 255).sky
    sky = cv2.resize(sky, (proxy.shape[1], proxy.shape[0])) > 0.3
    height, width = sky.shape
    deepest = np.where(sky.any(axis=0), height - sky[::-1].argmax(axis=0), 0)
    deepest = np.minimum(deepest, int(0.7 * height)) + int(rng.integers(10, 24))
    line = np.stack([np.arange(width), deepest], axis=1).astype(np.int32)
    line = cv2.approxPolyDP(line[:, None], 4, closed=False)[:, 0]
    # Only downwards: what the polygon cuts must be the front's own pixels.
    corners = np.concatenate([line, [[width, int(deepest[-1])], [width, height], [0, height]]])
    scale = photo.shape[1] / width
    mask = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(corners * scale * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def wires(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(h, w) float32 share of 2-5 hanging wires and an aerial."""
    height, width = shape
    mask = np.zeros(shape, np.uint8)
    for _ in range(int(rng.integers(2, 6))):
        (left, right), sag = rng.uniform(0.02, 0.35, 2), rng.uniform(0.005, 0.04)
        x = np.linspace(0, 1, 60)
        y = left + (right - left) * x + sag * 4 * x * (1 - x)
        points = np.stack([x * width, y * height], axis=1)
        cv2.polylines(
            mask, [np.round(points * 16).astype(np.int32)], False, 255, int(rng.integers(2, 7)), cv2.LINE_AA, 4
        )
    return mask.astype(np.float32) / 255


def foliage(shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) float32 share of a tree at one side, and its colour (h, w, 3) linear: twigs, leaves and holes."""
    height, width = shape
    mask, colour = np.zeros(shape, np.uint8), np.zeros((*shape, 3), np.float32)
    side = rng.choice([0.06, 0.94])
    bark, leaf = np.array([0.035, 0.027, 0.02]), np.array([0.05, 0.1, 0.025]) * rng.uniform(0.5, 2.5)
    bare = rng.random() < 0.35
    ends: list[tuple[float, float]] = []

    def branch(x: float, y: float, angle: float, length: float, thick: float) -> None:
        x2, y2 = x + length * np.cos(angle), y - length * np.sin(angle)
        for image, value in ((mask, 255), (colour, bark.tolist())):
            cv2.line(image, (round(x), round(y)), (round(x2), round(y2)), value, max(1, round(thick)), cv2.LINE_AA)
        if thick < 1.6:
            ends.append((x2, y2))
            return
        for _ in range(int(rng.integers(2, 4))):
            branch(x2, y2, angle + rng.normal(0, 0.5), length * rng.uniform(0.6, 0.85), thick * rng.uniform(0.5, 0.7))

    branch(side * width, 0.75 * height, np.pi / 2 + rng.normal(0, 0.1), 0.17 * height, 0.016 * width)
    for x, y in () if bare else ends:
        for _ in range(int(rng.integers(4, 22))):
            at = (round(x + rng.normal(0, 0.012 * width)), round(y + rng.normal(0, 0.012 * width)))
            axes = (round(rng.uniform(0.0012, 0.004) * width), round(rng.uniform(0.0008, 0.002) * width))
            tint = (leaf * rng.uniform(0.4, 1.8)).tolist()
            turn = rng.uniform(0, 180)
            cv2.ellipse(mask, at, axes, turn, 0, 360, 255, -1, cv2.LINE_AA)
            cv2.ellipse(colour, at, axes, turn, 0, 360, tint, -1)
    known = (mask > 0).astype(np.uint8)
    near = cv2.dilate(colour, np.ones((3, 3), np.uint8))
    return mask.astype(np.float32) / 255, np.where(known[..., None] * (colour.sum(2, keepdims=True) == 0), near, colour)


def composite(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A picture (h, w, 3) uint8, its share of sky (h, w), and the zone (h, w) bool of each kind."""
    photo = cv2.resize(photo, None, fx=(s := 2 * _LONG / max(photo.shape)), fy=s, interpolation=cv2.INTER_CUBIC)
    photo = photo[: photo.shape[0] // 2 * 2, : photo.shape[1] // 2 * 2]
    shape = photo.shape[:2]
    level = rng.uniform(0.6, 1.02)
    sky = level + rng.uniform(0, 0.12) * (clouds(shape[0] // 8, shape[1] // 8, rng) - 0.5)
    sky = cv2.resize(sky.astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    sky = to_linear(np.clip(sky[..., None] * (1 + rng.normal(0, 0.01, 3)), 0, 1).astype(np.float32))
    front, lines = outline(photo, rng), wires(shape, rng)
    tree, green = foliage(shape, rng)
    share = np.ones(shape, np.float32)
    picture = sky
    for cover, colour in ((lines, np.float32(rng.uniform(0.003, 0.05))), (front, to_linear(photo / np.float32(255)))):
        picture = picture + cover[..., None] * (colour - picture)
        share = share * (1 - cover)
    picture = picture + tree[..., None] * (green - picture)
    share = share * (1 - tree)
    small = [reduced(a, _LONG) for a in (cv2.GaussianBlur(picture, (0, 0), 0.8), cv2.GaussianBlur(share, (0, 0), 0.8))]
    encoded = from_linear(np.clip(small[0], 0, 1))
    noisy = encoded + rng.normal(0, rng.uniform(0.002, 0.01), encoded.shape).astype(np.float32)
    jpeg = encode_jpeg(np.round(255 * np.clip(noisy, 0, 1)).astype(np.uint8), quality=93)
    zones = dict(zip(KINDS, (_zone(front, 8), _zone(lines, 6), _zone(tree, 6)), strict=True))
    zones["wires"] &= reduced(np.maximum(front, tree), _LONG) < 0.02
    zones["roof"] &= reduced(tree, _LONG) < 0.02
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return np.ascontiguousarray(decoded), small[1], zones


def _zone(cover: np.ndarray, radius: int) -> np.ndarray:
    """Around the edges of what covers the sky."""
    small = reduced(cover, _LONG)
    edge = ((small > 0.02) & (small < 0.98)).astype(np.uint8)
    return cv2.dilate(edge, np.ones((2 * radius + 1,) * 2, np.uint8)) > 0


def ours(picture: np.ndarray, proxy: np.ndarray) -> tuple[np.ndarray | None, scene.Seen]:
    """The full-size matte as the pipeline makes it, None where it finds no sky; and what was seen."""
    seen = scene.look(proxy)
    border = border_of(proxy, seen.sky, seen.vegetation)
    if border is None:
        return None, seen
    plan = Plan(Merge.single(), (layer_of(border, np.zeros((2, 2, 3), np.float16)),))
    out = np.zeros(picture.shape[:2], np.float32)
    (over,) = laid(plan, picture)
    for y in range(0, picture.shape[0], 512):
        for x in range(0, picture.shape[1], 512):
            box = (x, y, min(x + 512, picture.shape[1]), min(y + 512, picture.shape[0]))
            if (found := matte(over, picture, box)) is not None:
                out[box[1] : box[3], box[0] : box[2]] = found[0]
    return out, seen


def fringe(picture: np.ndarray, found: np.ndarray, truth: np.ndarray, zone: np.ndarray) -> np.ndarray:
    """CIE 1976 differences (n,) to a blue sky of what is open sky in truth, 3 to 8 pixels from any edge of a kind."""
    edges = ((truth > 0.004) & (truth < 0.996)) | ((truth <= 0.004) & zone)
    away = cv2.distanceTransform(1 - edges.astype(np.uint8), cv2.DIST_L2, 5)
    at = zone & (truth >= 0.996) & (away > 2) & (away <= 8)
    if not at.any():
        return np.zeros(0)
    share = found[at][:, None]
    shown = share * _BLUE + (1 - share) * picture[at].astype(np.float32) / 255
    lab = [cv2.cvtColor(v.reshape(1, -1, 3).astype(np.float32), cv2.COLOR_RGB2LAB)[0] for v in (shown, _BLUE[None])]
    return np.linalg.norm(lab[0] - lab[1], axis=1)


def fronts(data: Path) -> list[np.ndarray]:
    """Pictures of fronts large enough to cut."""
    files = [ROOT / "samples/tower_front/tower_front.jpg", data / "brackets/building_facade/01.jpg"]
    files += [data / "photos" / f"ext_castle_{n}.jpg" for n in ("7100", "7102")]
    return [cv2.imread(str(f))[..., ::-1] for f in files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--each", type=int, default=4, help="composites per front")
    options = parser.parse_args()
    errors: dict[str, dict[str, list[float]]] = {kind: {} for kind in KINDS}
    fringes: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    rows: list[np.ndarray] = []
    missed = done = 0
    for k, photo in enumerate(fronts(options.data)):
        for n in range(options.each):
            picture, truth, zones = composite(photo, np.random.default_rng([k, n]))
            proxy = reduced(picture, 1536).astype(np.float32) / 255
            found, seen = ours(picture, proxy)
            if found is None:
                missed += 1
                continue
            replaced = bool(sky.plan(proxy, proxy, proxy, seen, Sky(replace="always"), listing="").operations)
            done += replaced
            p = cv2.resize(seen.sky, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
            guide = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
            mattes = {"ours": found} | {
                f"guided r={r} eps={e:g}": np.clip(guided(guide, p, r, e), 0, 1) for r, e in _GRID
            }
            for kind, zone in zones.items():
                if replaced:
                    fringes[kind].append(fringe(picture, found, truth, zone))
                for name, made in mattes.items():
                    errors[kind].setdefault(name, []).append(float(np.abs(made - truth)[zone].mean()))
            print(
                k, n, round(seen.sky_trust, 2), {kind: round(errors[kind]["ours"][-1], 4) for kind in KINDS}, flush=True
            )
            if n == 0:
                views = [picture, *(np.repeat((255 * m).astype(np.uint8)[..., None], 3, 2) for m in (truth, found))]
                rows.append(np.hstack([reduced(v, 900) for v in views]))
    lines = heading("Mattes of skies against known ones", "python -m benchmarks.quality.sky_mattes")
    lines += [
        "Mean absolute error of the share of sky around edges of each kind; goal: at most half of a guided filter's.",
        f"{len(errors['roof']['ours'])} composites; no certain sky was found in further {missed}.",
        "",
        "| kind | ours | best guided filter | ours / guided | goal |",
        "|---|---|---|---|---|",
    ]
    for kind in KINDS:
        means = {name: float(np.mean(v)) for name, v in errors[kind].items()}
        mine = means.pop("ours")
        best = min((v, name) for name, v in means.items())
        lines.append(f"| {kind} | {mine:.4f} | {best[0]:.4f} ({best[1]}) | {mine / best[0]:.2f} | .50 |")
    lines += [
        "",
        f"What is left of the old sky more than 2 pixels from edges, in the {done} composites whose sky is replaced:",
        "its difference to a blue sky, dE.",
        "",
        "| kind | mean | 90th percentile | share above 1 | goal for the mean |",
        "|---|---|---|---|---|",
    ]
    for kind in KINDS:
        e = np.concatenate(fringes[kind])
        lines.append(f"| {kind} | {e.mean():.2f} | {np.quantile(e, 0.9):.2f} | {np.mean(e > 1):.3f} | <= 1 |")
    (RESULTS / "sky_mattes.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    width = min(r.shape[1] for r in rows)
    sheet = np.vstack([r[:, :width] for r in rows])
    (RESULTS / "sky_mattes_sheet.jpg").write_bytes(encode_jpeg(np.ascontiguousarray(sheet), quality=88))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
