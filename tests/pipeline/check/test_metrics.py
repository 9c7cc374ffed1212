"""What the comparison lets pass and what it finds, on generated rooms and on real photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from pipeline.check.judge import judge
from pipeline.check.metrics import compare, ssim
from pipeline.check.scan import scan
from pipeline.check.structure import box, structure
from pipeline.codes import Code, PhotoError
from pipeline.photo import Image
from pipeline.plan import Tone
from pipeline.recipe import Check

LIMITS = Check()


def make_room(seed: int = 0, *, width: int = 720, height: int = 480) -> Image:
    """A textured room: walls with plaster, a floor with boards, furniture and pictures; sRGB 8 bit."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / width
    light = 0.75 - 0.35 * np.hypot(x - 0.3, y - 0.2)
    picture = np.stack([light, light * 0.97, light * 0.93], 2)
    floor = y > 0.45
    boards = 0.12 * np.sin(x * 120) + 0.05 * np.sin(x * 400 + y * 90)
    picture[floor] = (np.stack([light * 0.8, light * 0.6, light * 0.42], 2) * (1 + boards)[..., None])[floor]
    for _ in range(14):
        left, top = int(rng.integers(0, width - 90)), int(rng.integers(20, height - 90))
        wide, tall = rng.integers(20, 90, 2)
        colour = rng.uniform(0.15, 0.8, 3) * rng.uniform(0.5, 1) + 0.05
        stripes = 1 + 0.25 * np.sin(np.arange(wide) * rng.uniform(0.3, 1.2))[None, :, None]
        picture[top : top + tall, left : left + wide] = (colour * stripes)[:, :, :]
    plaster = cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), 1.5)
    picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.7)
    picture += (0.012 * plaster / plaster.std())[..., None].astype(np.float32)
    picture += rng.normal(0, 0.004, picture.shape).astype(np.float32)
    return to_bytes(picture)


def to_bytes(encoded: np.ndarray) -> Image:
    return np.clip(np.rint(encoded * 255), 0, 255).astype(np.uint8)


def to_linear(image: Image) -> np.ndarray:
    v = image.astype(np.float32) / np.iinfo(image.dtype).max
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def from_linear(light: np.ndarray) -> Image:
    v = np.clip(light, 0, 1)
    return to_bytes(np.where(v <= 0.0031308, v * 12.92, 1.055 * np.maximum(v, 1e-9) ** (1 / 2.4) - 0.055))


def roll_off(light: np.ndarray, knee: float = 0.8) -> np.ndarray:
    over = 1 - np.exp(-(np.maximum(light, knee) - knee) / (1 - knee))
    return np.where(light < knee, light, knee + (1 - knee) * over)


def jpeg(image: Image, quality: int = 92) -> Image:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x221111]
    data = cv2.imencode(".jpg", image[..., ::-1], options)[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def spot(image: Image, place: tuple[int, int, int, int], soft: float = 3.0) -> np.ndarray:
    """(H, W, 1) mask of a rectangle left, top, right, bottom with soft edges."""
    mask = np.zeros(image.shape[:2], np.float32)
    mask[place[1] : place[3], place[0] : place[2]] = 1
    return cv2.GaussianBlur(mask, (0, 0), soft)[..., None]


def tungsten(image: Image) -> Image:
    """The room under a 2800 K lamp, as a camera set to daylight records it; red clips, blue almost vanishes."""
    return from_linear(to_linear(image) * np.array([1.75, 0.9, 0.25]))


WANTED = {
    "nothing": lambda a: (a, a.copy()),
    "jpeg": lambda a: (a, jpeg(a)),
    "white balance 2800 K": lambda a: (
        tungsten(a),
        from_linear(to_linear(tungsten(a)) / np.array([1.75, 0.9, 0.25])),
    ),
    "lift 2 EV": lambda a: (
        from_linear(to_linear(a) / 4),
        jpeg(from_linear(roll_off(to_linear(from_linear(to_linear(a) / 4)) * 4))),
    ),
    "gamma .6": lambda a: (a, to_bytes((a / 255) ** 0.6)),
    "s-curve": lambda a: (a, jpeg(to_bytes(a / 255 - 0.08 * np.sin(2 * np.pi * a / 255)))),
}


def _vignette(a: Image) -> tuple[Image, Image]:
    y, x = np.mgrid[-1 : 1 : a.shape[0] * 1j, -1 : 1 : a.shape[1] * 1j]
    fall = (1 / (1 + 0.45 * (x * x + y * y)) ** 2)[..., None]
    dark = from_linear(to_linear(a) * fall)
    return dark, from_linear(to_linear(dark) / fall)


WANTED["vignette removed"] = _vignette

PLACE = (180, 60, 380, 240)


def _cast(a: Image, channel: int, gain: float = 1.12) -> Image:
    k = np.ones(3)
    k[channel] = gain
    return from_linear(to_linear(a) * (1 + spot(a, PLACE, 10) * (k - 1)))


def _moved(a: Image, by: float = 4) -> Image:
    mask = spot(a, PLACE, 6)[..., 0]
    y, x = np.mgrid[0 : a.shape[0], 0 : a.shape[1]].astype(np.float32)
    return cv2.remap(a, x - by * mask, y - by * mask, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _object(a: Image) -> Image:
    b = a.copy()
    b[100:150, 250:310] = cv2.resize(a[330:430, 100:220], (60, 50), interpolation=cv2.INTER_AREA)
    return b


def _texture(a: Image) -> Image:
    y, x = np.mgrid[0 : a.shape[0], 0 : a.shape[1]]
    waves = (np.sin(x / 1.2) * np.sin(y / 1.2))[..., None] * 0.06
    return to_bytes(a / 255 + spot(a, PLACE) * waves)


def _blurred(a: Image) -> Image:
    mask = spot(a, (100, 300, 400, 470))
    return to_bytes(a / 255 * (1 - mask) + cv2.GaussianBlur(a, (0, 0), 3) / 255 * mask)


DAMAGE = {
    "red cast": (lambda a: _cast(a, 0), Code.COLOR_DRIFT),
    "green cast": (lambda a: _cast(a, 1), Code.COLOR_DRIFT),
    "blue cast": (lambda a: _cast(a, 2), Code.COLOR_DRIFT),
    "repainted": (lambda a: to_bytes(a / 255 * (1 + spot(a, PLACE, 1) * np.array([-0.2, 0, 0.15]))), Code.COLOR_DRIFT),
    "moved": (_moved, Code.SSIM_LOW),
    "shifted": (lambda a: np.roll(a, (3, 0), (0, 1)), Code.SSIM_LOW),
    "object added": (_object, Code.SSIM_LOW),
    "texture invented": (_texture, Code.SSIM_LOW),
    "region blurred": (_blurred, Code.SSIM_LOW),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", list(WANTED))
def test_wanted_edit_passes_at_full_strength(name: str, seed: int) -> None:
    before, after = WANTED[name](make_room(seed))
    verdict = judge(compare(before, after), LIMITS)
    assert verdict.passed, verdict.reasons


@pytest.mark.parametrize("name", list(DAMAGE))
def test_damage_is_found_with_its_code(name: str) -> None:
    damage, code = DAMAGE[name]
    room = make_room(2)
    verdict = judge(compare(room, damage(room)), LIMITS)
    assert code in verdict.codes


@pytest.mark.parametrize("name", ["red cast", "moved", "texture invented"])
def test_damage_is_found_under_a_wanted_lift(name: str) -> None:
    room = make_room(3)
    lifted = to_bytes((DAMAGE[name][0](room) / 255) ** 0.75)
    assert not judge(compare(room, lifted), LIMITS).passed


def test_worst_place_points_at_the_damage() -> None:
    room = make_room(4)
    figures = compare(room, _texture(room))
    left, top, right, bottom = figures.structure_place
    assert PLACE[0] <= (left + right) / 2 <= PLACE[2]
    assert PLACE[1] <= (top + bottom) / 2 <= PLACE[3]
    left, top, right, bottom = compare(room, _cast(room, 1)).colour_place
    assert PLACE[0] - 20 <= (left + right) / 2 <= PLACE[2] + 20
    assert PLACE[1] - 20 <= (top + bottom) / 2 <= PLACE[3] + 20


def test_declared_curve_is_explained_and_declared_local_cast_is_not() -> None:
    room = make_room(5)
    levels = np.linspace(0, 1, 256, dtype=np.float32)
    curve = np.stack([levels**0.8, levels**0.9, levels], 1)
    curved = to_bytes(np.stack([np.interp(room[..., c] / 255, levels, curve[:, c]) for c in range(3)], 2))
    plain = Tone("look", curve=curve)
    assert compare(room, curved, tones=[plain]).colour_worst < LIMITS.colour
    gain = np.ones((48, 72, 3), np.float16)
    gain[6:24, 18:38, 0] = 1.08
    field = cv2.resize(gain.astype(np.float32), (720, 480), interpolation=cv2.INTER_LINEAR)
    cast = Tone("cast", gain=gain, offset=np.zeros_like(gain))
    figures = compare(room, to_bytes(room / 255 * field), tones=[cast])
    assert figures.colour_worst > LIMITS.colour


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    depth=st.sampled_from([np.uint8, np.uint16]),
    seed=st.integers(0, 2**16),
)
def test_a_picture_compared_with_itself_is_perfect(height: int, width: int, depth: type, seed: int) -> None:
    top = np.iinfo(depth).max
    a = np.random.default_rng(seed).integers(0, top, (height, width, 3), dtype=depth, endpoint=True)
    f = compare(a, a.copy())
    assert f.ssim == pytest.approx(1, abs=1e-6)
    assert f.structure_worst == pytest.approx(1, abs=1e-4)
    assert (f.edges_worst, f.edge_precision, f.edge_recall, f.changed) == (1, 1, 1, 0)
    assert f.colour_worst < 0.05
    for left, t, right, bottom in (f.structure_place, f.edges_place, f.colour_place):
        assert 0 <= left < right
        assert 0 <= t < bottom


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(step=st.integers(3, 12), vertical=st.booleans())
def test_shift_fails_in_both_directions(step: int, vertical: bool) -> None:
    room = make_room(6, width=360, height=240)
    moved = np.roll(room, step, axis=0 if vertical else 1)
    assert not judge(compare(room, moved), LIMITS).passed
    assert not judge(compare(moved, room), LIMITS).passed


@settings(max_examples=25, deadline=None)
@given(height=st.integers(7, 300), width=st.integers(7, 1100), seed=st.integers(0, 99), wide=st.booleans())
def test_ssim_equals_scikit_image(height: int, width: int, seed: int, wide: bool) -> None:
    rng = np.random.default_rng(seed)
    a = cv2.GaussianBlur(rng.integers(0, 256, (height, width), dtype=np.uint8), (0, 0), 1.5)
    b = np.clip(a * 0.9 + rng.normal(5, 3, a.shape), 0, 255).astype(np.uint8)
    if wide:
        a, b = a.astype(np.uint16) * 257, b.astype(np.uint16) * 250
    top = 65535 if wide else 255
    assert ssim(a, b, data_range=top) == pytest.approx(structural_similarity(a, b, data_range=top), abs=2e-5)


def test_plain_ssim_of_a_comparison_equals_scikit_image_on_the_luma() -> None:
    room = make_room(7)
    other = jpeg(room, 60)
    planes = (cv2.cvtColor(v, cv2.COLOR_RGB2GRAY) for v in (room, other))
    assert compare(room, other).ssim == pytest.approx(structural_similarity(*planes), abs=2e-5)
    assert ssim(room, other, data_range=255) == pytest.approx(compare(room, other).ssim, abs=1e-9)


def test_workers_do_not_change_the_figures() -> None:
    room = make_room(8, width=1300, height=600)
    lifted = to_bytes((room / 255) ** 0.8)
    assert compare(room, lifted, workers=3) == compare(room, lifted)


def test_depths_may_differ() -> None:
    room = make_room(9)
    f = compare(room, room.astype(np.uint16) * 257)
    assert f.changed == 0
    assert f.ssim == pytest.approx(1, abs=1e-5)
    assert f.structure_worst > 0.99


@pytest.mark.slow
def test_large_pictures_are_also_compared_on_a_proxy() -> None:
    room = make_room(10, width=360, height=240)
    big = cv2.resize(room, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    blob = to_bytes(big / 255 + spot(big, (1200, 500, 1230, 900), 12) * 0.15)
    cells = scan(big, blob).cells
    assert box(structure(cells), 9).min() > LIMITS.structure
    assert compare(big, blob).structure_worst < LIMITS.structure


def test_changed_counts_pixels() -> None:
    room = make_room(11)
    other = room.copy()
    other[10:20, 30:50, 2] ^= 1
    assert compare(room, other).changed == pytest.approx(200 / (480 * 720))


def test_sizes_that_differ_are_an_error() -> None:
    room = make_room(12, width=192, height=128)
    with pytest.raises(PhotoError, match="192x128") as caught:
        compare(room, room[:, 1:])
    assert caught.value.code is Code.SIZE_MISMATCH


def test_figures_as_json_values() -> None:
    room = make_room(13, width=192, height=128)
    values = compare(room, room).to_dict()
    assert values["ssim"] == 1
    assert isinstance(values["structure_place"], list)


def test_dark_lifted_noise_is_not_new_texture() -> None:
    room = make_room(14)
    rng = np.random.default_rng(0)
    dark = from_linear(to_linear(room) / 16 + rng.normal(0, 3e-4, room.shape))
    lifted = from_linear(roll_off(to_linear(dark) * 8))
    verdict = judge(compare(dark, lifted), LIMITS)
    assert verdict.passed, verdict.reasons


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["listing_bedroom_house503.jpg", "listing_kitchen_house255.jpg", "listing_exterior_house446.jpg", "car_red.jpg"],
)
def test_real_photo_passes_wanted_edits_and_fails_damage(data: Path, name: str) -> None:
    photo = np.ascontiguousarray(cv2.imread(str(data / "photos" / name))[:680, :1000, ::-1])
    for before, after in (WANTED[n](photo) for n in ("jpeg", "lift 2 EV", "s-curve")):
        verdict = judge(compare(before, after), LIMITS)
        assert verdict.passed, verdict.reasons
    for n in ("moved", "texture invented", "region blurred", "repainted"):
        assert not judge(compare(photo, DAMAGE[n][0](photo)), LIMITS).passed, n


def _burnt_wall(a: Image) -> Image:
    """The room with a bright wall at the left, just below clipping."""
    wall = spot(a, (0, 0, 220, 300), 4)
    return to_bytes(a / 255 * (1 - wall) + wall * (0.915 + 0.02 * (a / 255 - 0.5)))


def _dyed_wall(a: Image) -> Image:
    """The room with a blue wall at the left."""
    wall = spot(a, (0, 0, 320, 300), 2)
    return to_bytes(a / 255 * (1 - wall) + wall * (np.array([0.48, 0.55, 0.62]) + 0.05 * (a / 255 - 0.5)))


@pytest.mark.parametrize("gain", [(1.12, 1, 0.88), (0.88, 1, 1.12), (1, 1.12, 1), (1, 0.88, 1)])
@pytest.mark.parametrize("room", [_burnt_wall, _dyed_wall, lambda a: a], ids=["bright wall", "blue wall", "room"])
def test_local_cast_is_found_on_any_visible_surface(room: Callable[[Image], Image], gain: tuple[float, ...]) -> None:
    before = room(make_room(15))
    place = spot(before, (20, 30, 200, 220), 8)
    after = from_linear(to_linear(before) * (1 + place * (np.array(gain) - 1)))
    assert Code.COLOR_DRIFT in judge(compare(before, after), LIMITS).codes


def test_burnt_highlights_may_stay_white_when_the_room_is_balanced() -> None:
    room = tungsten(make_room(16))
    room[20:140, 400:560] = 255
    neutral = from_linear(to_linear(room) / np.array([1.5, 0.9, 0.4]))
    neutral[room.min(2) > 250] = 255
    verdict = judge(compare(room, neutral), LIMITS)
    assert verdict.passed, verdict.reasons


def test_rounding_in_black_corners_is_no_drift() -> None:
    room = make_room(17)
    room[:240, :360] //= 24
    verdict = judge(compare(room, jpeg(to_bytes((room / 255) ** 1.3))), LIMITS)
    assert verdict.passed, verdict.reasons


@pytest.mark.parametrize("name", ["white balance 2800 K", "lift 2 EV", "gamma .6"])
def test_wanted_edit_of_a_thumbnail_has_no_drift(name: str) -> None:
    before, after = WANTED[name](cv2.resize(make_room(18), (240, 160), interpolation=cv2.INTER_AREA))
    assert compare(jpeg(before, 95), jpeg(after)).colour_worst < LIMITS.colour


@pytest.mark.parametrize("shape", [(1, 1), (1, 20000), (20000, 1), (3, 5)])
def test_the_thinnest_pictures_are_compared(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(40, 200, (*shape, 3), np.uint8)
    figures = compare(picture, picture)
    assert figures.ssim == pytest.approx(1)
    assert figures.colour_worst == pytest.approx(0, abs=1e-3)
