"""Pitch and roll from lines: error on known warps of real photos, wrong tilts accepted, coverage, what is left over.

    python -m benchmarks.quality.tilt [--data DIR] [--fit]

A photo is turned by a known pitch and roll about its camera's centre and cropped to the pixels that are left (no border
whose edge could tell); the truth is its own estimate, turned alike. Each photo is turned three times. Its focal length
is the file's, else that of its vanishing points, else 24 mm. --fit prints the weights of the confidence
(pipeline/see/lines.py) fitted on the training pictures; figures are of the others. Focal lengths from vanishing points
are compared with those of the photos' inner 80 %, which must be longer by a quarter, and with the files' own. Writes
benchmarks/results/tilt.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import heading
from jobs.train.calibrate import logistic
from pipeline.edits.geometry import Straightened, plan
from pipeline.read.metadata.header import read_header
from pipeline.recipe import Geometry
from pipeline.see.lines import Evidence, Tilt, camera, measured, tilt_of, vertical_of
from pipeline.see.scene import Seen
from pipeline.see.segments import segments

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
TURNS = 3
PITCH, ROLL = 7.0, 3.0
"""Largest turns, degrees."""
_SIZES = (768, 480, 240)


@dataclass(frozen=True)
class Turned:
    """One photo, turned: what was found less the truth, and what the edit made of it."""

    kind: str
    name: str
    interior: bool
    steep: bool
    pitch_error: float
    roll_error: float
    confidence: float
    evidence: Evidence | None
    verticals: bool
    corrected: bool
    left_over: float
    blind: float
    """Degrees by which verticals at the sides lean afterwards where nothing told the focal length."""


def photos(data: Path, part: str) -> list[tuple[str, Path]]:
    """Photos by kind: whole listing photos and bracket frames for validation, small pictures of either part."""
    small = [("rooms", p) for p in sorted((data / "rooms" / part).glob("*/*"))[:: 4 if part == "val" else 12]]
    small += [
        ("streets", p) for p in sorted((data / "sky" / part / "images").glob("lmf*"))[:: 3 if part == "val" else 6]
    ]
    if part != "val":
        return small
    whole = [p for kind in ("listing", "int", "ext") for p in sorted((data / "photos").glob(f"{kind}_*"))]
    sets = [data / "brackets" / f for f in ("red_chair_window/05.jpg", "living_room2/02.jpg", "house_window/02.jpg")]
    sets += [data / "brackets" / f for f in ("library_hall/01.jpg", "building_facade/01.jpg")]
    return [("photos", p) for p in whole + sets] + small


def picture(path: Path, long: int = 1536) -> np.ndarray:
    """(h, w, 3) float32 0..1 at proxy size, or with a smaller long side."""
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    scale = min(1.0, long / max(image.shape[:2]))
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def turn(image: np.ndarray, pitch: float, roll: float, focal: float) -> tuple[np.ndarray, float, np.ndarray]:
    """The photo by a camera turned further, cropped about its centre; its focal length; the turn (3, 3)."""
    h, w = image.shape[:2]
    long = max(h, w)
    frame = (w / long, h / long)
    rotation = camera(pitch, roll) @ camera(0, 0).T
    k = np.array([[focal, 0, frame[0] / 2], [0, focal, frame[1] / 2], [0, 0, 1]])
    back = k @ rotation.T @ np.linalg.inv(k)
    back /= back[2, 2]
    low, high = 0.0, 1.0
    for _ in range(20):
        zoom = (low + high) / 2
        corners = np.array(
            [[frame[0] / 2 * (1 + a * zoom), frame[1] / 2 * (1 + b * zoom), 1] for a in (-1, 1) for b in (-1, 1)]
        )
        seen = corners @ back.T
        x, y = (seen[:, :2] / seen[:, 2:]).T
        inside = x.min() >= 0 and y.min() >= 0 and x.max() <= frame[0] and y.max() <= frame[1]
        low, high = (zoom, high) if inside else (low, zoom)
    size = (max(32, round(w * low)), max(32, round(h * low)))
    place = np.array(
        [[1 / long, 0, frame[0] / 2 - size[0] / 2 / long], [0, 1 / long, frame[1] / 2 - size[1] / 2 / long], [0, 0, 1]]
    )
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    matrix = np.linalg.inv(half) @ np.diag([long, long, 1.0]) @ back @ place @ half
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    turned = cv2.warpPerspective(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(turned, 0, 1), focal * long / max(size), rotation


def angles(vertical: np.ndarray) -> tuple[float, float]:
    """Pitch and roll of a camera in whose frame the world's down is `vertical`."""
    return (
        float(np.degrees(np.arctan2(-vertical[2], np.hypot(vertical[0], vertical[1])))),
        float(np.degrees(np.arctan2(vertical[0], vertical[1]))),
    )


def two_verticals(image: np.ndarray) -> bool:
    """Whether two upright segments of a sixth of the height stand a quarter of the width apart."""
    found = segments(image)
    lines = found.where(found.upright)
    width, height = (side / max(image.shape[:2]) for side in (image.shape[1], image.shape[0]))
    at = lines.middle[lines.length > height / 6, 0]
    return len(at) >= 2 and float(np.ptp(at)) > 0.25 * width


def measure(kind: str, path: Path, rng: np.random.Generator, long: int = 1536) -> list[Turned]:
    image = picture(path, long)
    known = read_header(path).focal_ratio
    first = tilt_of(image, known)
    focal = first.focal
    words = ("bathroom", "bedroom", "kitchen", "int_", "red_chair", "living", "house_window", "library")
    interior = path.parent.name != "exterior" and (kind == "rooms" or any(w in path.as_posix() for w in words))
    found = []
    for _ in range(TURNS):
        pitch, roll = rng.uniform(-PITCH, PITCH), rng.uniform(-ROLL, ROLL)
        turned, now, rotation = turn(image, pitch, roll, focal)
        tilt = tilt_of(turned, now)
        true = angles(rotation @ vertical_of(first.pitch, first.roll))
        evidence = measured(segments(turned), turned.shape[0] / max(turned.shape[:2]), now)[2]
        straight = plan(turned.shape[1::-1], Seen(tilt=tilt), Geometry(max_crop=0.5), now)
        untold = plan(turned.shape[1::-1], Seen(tilt=tilt_of(turned)), Geometry(max_crop=0.5))
        left = max(
            abs(t - straight.facts.get(k, 0.0))
            for t, k in zip(true, ("pitch_corrected", "roll_corrected"), strict=True)
        )
        steep = abs(true[0]) > Geometry().max_pitch or abs(true[1]) > Geometry().max_roll
        corrected = bool(straight.operations) or max(map(abs, true)) < 0.5
        found.append(
            Turned(
                kind,
                path.name,
                interior and not steep,
                steep or abs(tilt.pitch) > Geometry().max_pitch or abs(tilt.roll) > Geometry().max_roll,
                tilt.pitch - true[0],
                tilt.roll - true[1],
                min(tilt.confidence, first.confidence),
                evidence,
                two_verticals(turned),
                corrected,
                left,
                lean(untold, true, turned.shape[1::-1], now),
            )
        )
    return found


def lean(straight: Straightened, true: tuple[float, float], size: Sequence[int], focal: float) -> float:
    """The most that verticals lean, in degrees, at the middle of the straightened picture's left and right sides."""
    frame = np.array(size) / max(size)
    down = vertical_of(*true)
    point = np.array([focal * down[0] + frame[0] / 2 * down[2], focal * down[1] + frame[1] / 2 * down[2], down[2]])
    for operation in straight.operations:
        point = np.linalg.inv(operation.homography) @ point
    x, y = np.array([0.0, frame[0]]) * point[2], frame[1] / 2 * point[2]
    return float(np.degrees(np.arctan(np.abs((point[0] - x) / (point[1] - y)))).max())


@dataclass(frozen=True)
class Focal:
    """One photo: its focal length and that of its inner part times .8, by their vanishing points; the file's."""

    kind: str
    whole: Tilt
    inner: Tilt
    file: float | None


def focal_of(kind: str, path: Path) -> Focal:
    image = picture(path)
    h, w = image.shape[:2]
    inner = image[round(0.1 * h) : round(0.9 * h), round(0.1 * w) : round(0.9 * w)]
    return Focal(kind, tilt_of(image), tilt_of(np.ascontiguousarray(inner)), read_header(path).focal_ratio)


def focal_lines(rows: list[Focal]) -> list[str]:
    out = ["| photos | n | told | told twice | differ, median | p90 | most |", "|---|---|---|---|---|---|---|"]
    for kind in ("photos", "rooms", "streets", "all"):
        of = [r for r in rows if kind in (r.kind, "all")]
        told = [r for r in of if r.whole.focal_confidence > 0.5]
        twice = [r for r in told if r.inner.focal_confidence > 0.5]
        off = np.array([abs(r.inner.focal * 0.8 / r.whole.focal - 1) for r in twice] or [np.nan])
        out.append(
            f"| {kind} | {len(of)} | {len(told)} | {len(twice)} | {np.median(off):.3f} | {np.quantile(off, 0.9):.3f} | "
            f"{off.max():.3f} |"
        )
    known = [r for r in rows if r.file and r.whole.focal_confidence > 0.5]
    off = ", ".join(f"{r.whole.focal / r.file - 1:+.2f}" for r in known if r.file)
    return [*out, "", f"Against the file's own, where both tell one: {off or 'none'}."]


def fit(rows: list[Turned]) -> np.ndarray:
    """Weights of the confidence: the probability that pitch is right within a degree and roll within 0.6."""
    known = [r for r in rows if r.evidence]
    x = np.stack([r.evidence.features() for r in known])
    return logistic(x, np.array([float(abs(r.pitch_error) < 1 and abs(r.roll_error) < 0.6) for r in known]))


def lines_of(rows: list[Turned], gate: float) -> list[str]:
    out = [
        "| photos | turns | accepted | pitch median | p90 | roll median | p90 | worst | > 1.5 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in ("photos", "rooms", "streets", "all"):
        of = [r for r in rows if kind in (r.kind, "all") and not r.steep]
        kept = [r for r in of if r.confidence >= gate]
        p, q = (np.abs([getattr(r, f) for r in kept]) for f in ("pitch_error", "roll_error"))
        worst = np.maximum(p, q)
        out.append(
            f"| {kind} | {len(of)} | {len(kept) / len(of):.2f} | {np.median(p):.2f} | {np.quantile(p, 0.9):.2f} | "
            f"{np.median(q):.2f} | {np.quantile(q, 0.9):.2f} | {worst.max():.1f} | {np.mean(worst > 1.5):.3f} |"
        )
    return out


def coverage_lines(data: Path, rows: list[Turned]) -> list[str]:
    """Interiors with two visible verticals: how many are corrected, by the size of the picture."""
    whole = [path for kind, path in photos(data, "val") if kind == "photos"]
    sets = {"all": rows, "small pictures of rooms": [r for r in rows if r.kind == "rooms"]}
    sets["whole photos"] = [r for r in rows if r.kind == "photos"]
    for long in _SIZES:
        sets[f"the same at {long} pixels"] = [
            r for i, path in enumerate(whole) for r in measure("photos", path, np.random.default_rng(i), long)
        ]
    out = ["| interiors | turns | corrected | left over, median |", "|---|---|---|---|"]
    for name, of in sets.items():
        inside = [r for r in of if r.interior and r.verticals]
        done = [r.left_over for r in inside if r.corrected]
        out.append(
            f"| {name} | {len(inside)} | {len(done) / max(len(inside), 1):.2f} | {np.median(done or [np.nan]):.2f} |"
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    part = "train" if options.fit else "val"
    rows = [
        r
        for i, (kind, path) in enumerate(photos(options.data, part))
        for r in measure(kind, path, np.random.default_rng(i))
    ]
    if options.fit:
        print(len(rows), "turns; weights", np.round(fit(rows), 3).tolist())
        return
    gate = Geometry().confidence
    blind = [r.blind for r in rows if not r.steep and r.confidence >= gate]
    text = "\n".join(
        [
            *heading("Tilt from lines, on known turns of real photos", "python -m benchmarks.quality.tilt"),
            f"Turns of up to {PITCH:.0f} degrees of pitch and {ROLL:.0f} of roll; accepted at a confidence of {gate}.",
            "What lies beyond geometry.max_pitch and max_roll is not corrected and left out. Errors in degrees;",
            "goals: median <= 0.2, p90 <= 0.8, none accepted wrong by more than 1.5.",
            "",
            *lines_of(rows, gate),
            "",
            "Interiors with two visible verticals (goals: 0.8 of them corrected, left over 0.2 degrees):",
            "",
            *coverage_lines(options.data, rows),
            "",
            "## Where nothing tells the focal length",
            "",
            f"Verticals at the sides of the accepted lean, after the correction, by {np.median(blind):.2f} degrees "
            f"(median; p90 {np.quantile(blind, 0.9):.2f}).",
            "",
            "Focal lengths from vanishing points: how many photos tell one, and by what share that of their inner part",
            "differs.",
            "",
            *focal_lines([focal_of(kind, path) for kind, path in photos(options.data, part)]),
            "",
        ]
    )
    (RESULTS / "tilt.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
