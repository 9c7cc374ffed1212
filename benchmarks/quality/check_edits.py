"""Wanted edits that the check must pass, and damage that it must find; each makes (before, after) from a photo."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

Photo = np.ndarray
Pair = tuple[Photo, Photo]


class Cast(NamedTuple):
    """A cast, with what it takes to say how visible it is: the result without it, and where it is (H, W, 1)."""

    before: Photo
    after: Photo
    clean: Photo
    mask: np.ndarray


Edit = Callable[[Photo, np.random.Generator], Pair | Cast]


def linear(photo: Photo) -> np.ndarray:
    v = photo.astype(np.float32) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encoded(light: np.ndarray) -> np.ndarray:
    v = np.maximum(light, 0)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * np.maximum(v, 1e-9) ** (1 / 2.4) - 0.055).astype(np.float32)


def to_bytes(values: np.ndarray) -> Photo:
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)


def to_photo(light: np.ndarray) -> Photo:
    return to_bytes(encoded(np.clip(light, 0, 1)))


def roll_off(values: np.ndarray, knee: float) -> np.ndarray:
    over = 1 - np.exp(-(np.maximum(values, knee) - knee) / (1 - knee))
    return np.where(values < knee, values, knee + (1 - knee) * over)


def jpeg(photo: Photo, quality: int = 92) -> Photo:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x221111]
    data = cv2.imencode(".jpg", photo[..., ::-1], options)[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def field(rng: np.random.Generator, photo: Photo, low: float, high: float) -> np.ndarray:
    """A smooth random field (H, W, 1)."""
    size = photo.shape[1], photo.shape[0]
    return cv2.resize(rng.uniform(low, high, (4, 4)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)[..., None]


def lamp(kelvin: float) -> np.ndarray:
    """Linear sRGB of a black body relative to daylight, green 1 (Planck's law at 600, 540 and 450 nm)."""
    waves = np.array([600e-9, 540e-9, 450e-9])
    colour = 1 / (np.exp(0.0143877 / (waves * kelvin)) - 1) * (np.exp(0.0143877 / (waves * 6500)) - 1)
    return (colour / colour[1]).astype(np.float32)


def re_encoded(photo: Photo, rng: np.random.Generator) -> Pair:
    return photo, jpeg(photo)


def balanced(photo: Photo, rng: np.random.Generator) -> Pair:
    """2800 K to neutral at full strength, red clipped in the photo and in the result."""
    cast = lamp(2800)
    warm = jpeg(to_photo(linear(photo) * cast), 95)
    return warm, jpeg(to_photo(linear(warm) / cast))


def partly_balanced(photo: Photo, rng: np.random.Generator) -> Pair:
    cast = lamp(rng.uniform(2800, 4500))
    warm = jpeg(to_photo(linear(photo) * cast / cast.max()), 95)
    return warm, jpeg(to_photo(roll_off(linear(warm) / cast * cast.max() ** 0.3, 0.8)))


def lifted(photo: Photo, rng: np.random.Generator) -> Pair:
    """A dark, noisy room lifted by 2 EV with roll-off."""
    noise = rng.normal(0, 0.005, photo.shape).astype(np.float32)
    dark = jpeg(to_bytes(encoded(linear(photo) / 4) + noise), 95)
    return dark, jpeg(to_photo(roll_off(linear(dark) * 4, 0.8)))


def lifted_raw(photo: Photo, rng: np.random.Generator) -> Pair:
    dark = to_photo(linear(photo) / 4)
    return dark, to_photo(roll_off(linear(dark) * 4, 0.8))


def unvignetted(photo: Photo, rng: np.random.Generator) -> Pair:
    y, x = np.mgrid[-1 : 1 : photo.shape[0] * 1j, -1 : 1 : photo.shape[1] * 1j]
    fall = (1 / (1 + 0.45 * (x * x + y * y)) ** 2)[..., None].astype(np.float32)
    dark = to_photo(linear(photo) * fall)
    return dark, jpeg(to_photo(linear(dark) / fall))


def s_curve(photo: Photo, rng: np.random.Generator) -> Pair:
    v = photo.astype(np.float32) / 255
    return photo, jpeg(to_bytes(v - rng.uniform(0.04, 0.09) * np.sin(2 * np.pi * v)))


def gamma_down(photo: Photo, rng: np.random.Generator) -> Pair:
    return photo, to_bytes((photo / np.float32(255)) ** np.float32(0.6))


def gamma_up(photo: Photo, rng: np.random.Generator) -> Pair:
    return photo, jpeg(to_bytes((photo / np.float32(255)) ** np.float32(1.4)))


def saturated(photo: Photo, rng: np.random.Generator) -> Pair:
    v = photo.astype(np.float32) / 255
    grey = (v @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
    return photo, jpeg(to_bytes(grey + (v - grey) * rng.uniform(0.8, 1.2)))


def relit(photo: Photo, rng: np.random.Generator) -> Pair:
    light = encoded(linear(photo) * 2 ** field(rng, photo, 0, 1.2))
    return photo, jpeg(to_bytes(roll_off(light, 0.7)))


def shadows_lifted(photo: Photo, rng: np.random.Generator) -> Pair:
    v = photo.astype(np.float32) / 255
    grey = v @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    low = cv2.GaussianBlur(grey, (0, 0), max(photo.shape) / 50)[..., None]
    return photo, jpeg(to_bytes(roll_off(v * np.clip(np.maximum(low, 0.02) ** -0.35, 1, 3), 0.8)))


def local_affine(photo: Photo, rng: np.random.Generator) -> Pair:
    """What a plan's Tone does: a curve, then gain and offset that vary smoothly."""
    v = (photo.astype(np.float32) / 255) ** rng.uniform(0.75, 1)
    v = v * field(rng, photo, 0.9, 1.2) + field(rng, photo, -0.02, 0.05)
    return photo, jpeg(to_bytes(roll_off(v, 0.75)))


def everything(photo: Photo, rng: np.random.Generator) -> Pair:
    """Warm, dark and noisy to neutral, bright, contrasty and evenly lit."""
    cast = lamp(rng.uniform(3000, 5000))
    noise = rng.normal(0, 0.004, photo.shape).astype(np.float32)
    dark = jpeg(to_bytes(encoded(linear(photo) * cast / cast.max() / 2) + noise), 95)
    light = linear(dark) / cast * cast.max() ** 0.5 * 2 * 2 ** field(rng, photo, -0.1, 0.7)
    v = np.clip(roll_off(encoded(light), 0.7), 0, 1)
    return dark, jpeg(to_bytes(0.6 * v + 0.4 * v * v * (3 - 2 * v)))


def sharpened(photo: Photo, rng: np.random.Generator) -> Pair:
    v = photo.astype(np.float32) / 255
    return photo, jpeg(to_bytes(v + 0.25 * (v - cv2.GaussianBlur(v, (0, 0), 1))))


WANTED: dict[str, Edit] = {
    "JPEG 92, 4:2:0": re_encoded,
    "2800 K to neutral": balanced,
    "2800-4500 K to neutral, roll-off": partly_balanced,
    "+2 EV, dark noisy room": lifted,
    "+2 EV, no noise": lifted_raw,
    "vignette removed": unvignetted,
    "S-curve": s_curve,
    "gamma 0.6": gamma_down,
    "gamma 1.4": gamma_up,
    "saturation +-20 %": saturated,
    "local light 0..1.2 EV": relit,
    "shadows lifted": shadows_lifted,
    "curve and affine field": local_affine,
    "balance, +1 EV, light, contrast": everything,
    "capture sharpening": sharpened,
}


def _mask(photo: Photo, place: tuple[int, int, int, int], soft: float) -> np.ndarray:
    mask = np.zeros(photo.shape[:2], np.float32)
    mask[place[1] : place[3], place[0] : place[2]] = 1
    return cv2.GaussianBlur(mask, (0, 0), soft)[..., None]


def _place(
    photo: Photo, rng: np.random.Generator, low: float, high: float, worth: Callable[[Photo], float] | None = None
) -> tuple[int, int, int, int]:
    """A rectangle that covers low..high of the photo: of 12, the one with most of what the damage needs."""
    height, width = photo.shape[:2]
    tries: list[tuple[float, tuple[int, int, int, int]]] = []
    for _ in range(12 if worth else 1):
        area, aspect = rng.uniform(low, high) * height * width, rng.uniform(0.6, 1.6)
        tall = min(height - 2, int((area * aspect) ** 0.5))
        wide = min(width - 2, int(area / tall))
        left, top = int(rng.integers(0, width - wide)), int(rng.integers(0, height - tall))
        part = photo[top : top + tall, left : left + wide]
        tries.append((worth(part) if worth else 0.0, (left, top, left + wide, top + tall)))
    return max(tries)[1]


def texture(part: Photo) -> float:
    grey = cv2.GaussianBlur(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean())


def visible(part: Photo) -> float:
    """Share of pixels whose colour can be seen: neither black nor clipped."""
    return float(min(0.7, ((part.min(2) > 15) & (part.max(2) < 235)).mean()))


def _under(photo: Photo, rng: np.random.Generator) -> Pair:
    """The wanted edit under the damage: none, JPEG, brighter, or a curve and an affine field."""
    choice = rng.integers(0, 4)
    if choice < 2:
        return photo, jpeg(photo) if choice else photo.copy()
    return (photo, jpeg(to_photo(roll_off(linear(photo) * 1.6, 0.8)))) if choice == 2 else local_affine(photo, rng)


def cast(photo: Photo, rng: np.random.Generator) -> Cast:
    """One linear channel up or down by 12 % over 4-25 % of the picture."""
    before, after = _under(photo, rng)
    mask = _mask(after, _place(after, rng, 0.04, 0.25, visible), max(photo.shape) / 60)
    gain = np.ones(3, np.float32)
    gain[rng.integers(0, 3)] = 1.12 if rng.random() < 0.5 else 1 / 1.12
    return Cast(before, to_photo(linear(after) * (1 + mask * (gain - 1))), after, mask)


def repainted(photo: Photo, rng: np.random.Generator) -> Pair:
    """A surface that a flood fill finds, in another hue by 25 %."""
    before, after = _under(photo, rng)
    height, width = photo.shape[:2]
    smooth = cv2.bilateralFilter(after, 9, 25, 9)
    surface = np.zeros((height, width), np.uint8)
    for _ in range(30):
        filled = np.zeros((height + 2, width + 2), np.uint8)
        seed = int(rng.integers(0, width)), int(rng.integers(0, height))
        flags = 4 | 255 << 8 | cv2.FLOODFILL_MASK_ONLY
        cv2.floodFill(smooth.copy(), filled, seed, 0, (4, 4, 4), (4, 4, 4), flags)
        surface = filled[1:-1, 1:-1]
        if 0.04 < (surface > 0).mean() < 0.6 and visible(after[surface > 0][:, None]) > 0.5:
            break
    else:
        surface[:] = 255 * (_mask(photo, _place(after, rng, 0.08, 0.12, visible), 1)[..., 0] > 0.5)
    mask = cv2.GaussianBlur((surface > 0).astype(np.float32), (0, 0), 1)[..., None]
    hue = rng.uniform(0, 2 * np.pi) - np.array([0, 2, 4]) * np.pi / 3
    return before, to_bytes(after / 255 * (1 + mask * 0.25 * np.cos(hue)))


def displaced(photo: Photo, rng: np.random.Generator) -> Pair:
    before, after = _under(photo, rng)
    height, width = photo.shape[:2]
    mask = _mask(photo, _place(photo, rng, 0.02, 0.1, texture), 6)[..., 0]
    angle, by = rng.uniform(0, 2 * np.pi), rng.uniform(3.5, 8) * max(1, (height * width / 1e6) ** 0.5)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = (np.float32(by * f(angle)) for f in (np.cos, np.sin))
    return before, cv2.remap(after, x - across * mask, y - down * mask, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def shifted(photo: Photo, rng: np.random.Generator) -> Pair:
    before, after = _under(photo, rng)
    return before, np.roll(after, (3, 2), (0, 1))


def removed(photo: Photo, rng: np.random.Generator) -> Pair:
    before, after = _under(photo, rng)
    mask = _mask(photo, _place(photo, rng, 0.004, 0.02, texture), 0.5) > 0.5
    return before, cv2.inpaint(after, mask.astype(np.uint8).reshape(mask.shape[:2]), 3, cv2.INPAINT_TELEA)


def added(photo: Photo, rng: np.random.Generator) -> Pair:
    before, after = _under(photo, rng)
    left, top, right, bottom = _place(photo, rng, 0.004, 0.02, texture)
    tall, wide = bottom - top, right - left
    x, y = int(rng.integers(0, photo.shape[1] - wide)), int(rng.integers(0, photo.shape[0] - tall))
    pasted = after.copy()
    pasted[y : y + tall, x : x + wide] = after[top:bottom, left:right]
    mask = _mask(photo, (x, y, x + wide, y + tall), 1.5)
    return before, to_bytes((after * (1 - mask) + pasted * mask) / 255)


def patterned(photo: Photo, rng: np.random.Generator) -> Pair:
    before, after = _under(photo, rng)
    mask = _mask(photo, _place(after, rng, 0.01, 0.06, visible), 4)[..., 0]
    y, x = np.mgrid[0 : photo.shape[0], 0 : photo.shape[1]] * (2 * np.pi / rng.uniform(4, 12))
    waves = np.sin(x + rng.uniform(0, 6)) * np.sin(y) * rng.uniform(0.05, 0.12)
    return before, to_bytes(after / 255 + (mask * waves)[..., None])


def hallucinated(photo: Photo, rng: np.random.Generator) -> Pair:
    before, after = _under(photo, rng)
    mask = _mask(photo, _place(after, rng, 0.02, 0.1, visible), 6)[..., 0]
    noise = cv2.GaussianBlur(rng.normal(0, 1, mask.shape).astype(np.float32), (0, 0), rng.uniform(1.2, 3))
    return before, to_bytes(after / 255 + (mask * noise / noise.std() * rng.uniform(0.03, 0.07))[..., None])


def blurred(photo: Photo, rng: np.random.Generator) -> Pair:
    before, after = _under(photo, rng)
    mask = _mask(photo, _place(photo, rng, 0.03, 0.12, texture), 4)
    soft = cv2.GaussianBlur(after, (0, 0), rng.uniform(1.8, 4))
    return before, to_bytes((after * (1 - mask) + soft * mask) / 255)


def haloed(photo: Photo, rng: np.random.Generator) -> Pair:
    """A ring of up to 25 % in brightness around a rectangle."""
    before, after = _under(photo, rng)
    hard = _mask(photo, _place(after, rng, 0.04, 0.08, visible), 0.1)
    ring = np.abs(hard - cv2.GaussianBlur(hard, (0, 0), max(photo.shape) / 80)[..., None])
    return before, to_bytes(after / 255 * (1 + 0.5 * ring))


DAMAGE: dict[str, Edit] = {
    "local cast of 12 %": cast,
    "repainted surface": repainted,
    "region moved by 3.5-8 px": displaced,
    "picture moved by 3 px": shifted,
    "object removed": removed,
    "object added": added,
    "pattern invented": patterned,
    "texture invented": hallucinated,
    "region blurred": blurred,
    "halo ring": haloed,
}
