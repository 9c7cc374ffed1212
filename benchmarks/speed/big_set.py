"""A bracketed set of 45 MP, made from a real one: upscaled, with texture and noise as a sensor would give them.

    python -m benchmarks.speed.big_set [--moved] [--quick] [--remove]

Real exposures (cut to 3:2) are enlarged to 8183 x 5455; surfaces get a multiplicative texture of all scales, the same
in every exposure; each exposure gets its own read and shot noise, and is written as JPEG q95 with the source's EXIF.
`--moved`: hand-held, each exposure shifted and turned by a few pixels before the noise. `--front`: a house front with
a dull sky, five exposures made from one, all turned by 1.5 degrees. `--quick`: 1/16 of the pixels. The files stay
in the system's temporary folder for the next benchmark; `--remove` deletes them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
SIZE, QUICK = (8183, 5455), (2046, 1364)
MOTION = ((7.3, -4.6, 0.03), (-3.2, 5.8, -0.02), (0.0, 0.0, 0.0), (5.1, 2.7, 0.02), (-8.4, -3.3, -0.04))
"""Per exposure: shift (x, y) in pixels of 45 MP, and turn in degrees."""
Picture = NDArray[np.uint8]
FRONT, TURN = (-4.0, -2.0, 0.0, 2.0, 4.0), 1.5
"""Exposure values of the house front's frames, and degrees that it is turned."""
_TEXTURE, _READ, _SHOT = 0.06, 0.002, 0.004
_STRIP = 512
_VERSION = 1
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
_STEPS = np.arange(65536) / 65535
_ENCODED = np.rint(255 * np.where(_STEPS <= 0.0031308, 12.92 * _STEPS, 1.055 * _STEPS ** (1 / 2.4) - 0.055)).astype(
    np.uint8
)


def originals(data: Path = DATA) -> list[Path]:
    """Five exposures of a room with a window, about 2 EV apart; the bundled four where the data folder is absent."""
    window = data / "brackets" / "red_chair_window"
    if window.is_dir():
        return [window / f"{i:02}.jpg" for i in (0, 3, 5, 7, 10)]
    return sorted((ROOT / "samples" / "garden_room").glob("*.jpg"))


def bundled() -> list[Path]:
    """The bundled photos that are no dark or bright exposure of a set, where a benchmark finds no others."""
    return [
        ROOT / "samples" / "tower_front" / "tower_front.jpg",
        ROOT / "samples" / "garden_room" / "garden_room_02.jpg",
    ]


def ensure(*, moved: bool = False, front: bool = False, quick: bool = False) -> Path:
    """The folder of the set, made first if it is not there, by another process: the caller's memory stays small."""
    folder = _place(moved=moved, front=front, quick=quick)
    if not folder.is_dir():
        given = (("--moved", moved), ("--front", front), ("--quick", quick))
        flags = [name for name, wanted in given if wanted]
        subprocess.run([sys.executable, "-m", "benchmarks.speed.big_set", *flags], cwd=ROOT, check=True)
    return folder


def make(files: list[Path], folder: Path, size: tuple[int, int], *, moved: bool, front: bool = False) -> None:
    """Write the enlarged exposures as 0.jpg, 1.jpg, ... into `folder`; the same files for the same originals."""
    texture = _texture()
    for i, file in enumerate(files):
        rng = np.random.default_rng(i)
        picture = _enlarged(file, size)
        for top in range(0, size[1], _STRIP):
            light = _LINEAR[picture[top : top + _STRIP]]
            rows, columns = (np.arange(n) % len(texture) for n in light.shape[:2])
            light *= 1 + np.float32(_TEXTURE) * texture[np.ix_((rows + top) % len(texture), columns)][..., None]
            picture[top : top + _STRIP] = _encode(light)
        if moved:
            picture = _moved(picture, MOTION[i % len(MOTION)], size[0] / SIZE[0])
        if front:
            picture = _moved(picture, (0.0, 0.0, TURN), 1.0)
        for top in range(0, size[1], _STRIP):
            light = _LINEAR[picture[top : top + _STRIP]]
            if front:
                light = np.minimum(light * np.float32(2.0 ** FRONT[i]), 1)
            light += rng.standard_normal(light.shape, np.float32) * (_READ + _SHOT * np.sqrt(light))
            picture[top : top + _STRIP] = _encode(light)
        with Image.open(file) as original:
            exif = _exposed(i) if front else original.info.get("exif", b"")
        Image.fromarray(picture).save(folder / f"{i}.jpg", quality=95, exif=exif)


def _exposed(index: int) -> bytes:
    """EXIF of one of the house front's frames."""
    exif = Image.Exif()
    seconds = IFDRational(round(1e6 / 60 * 2.0 ** FRONT[index]), 10**6)
    exif.get_ifd(34665).update({33434: seconds, 33437: 8.0, 34855: 100, 36867: f"2026:11:26 12:00:0{index}"})
    return exif.tobytes()


def _place(*, moved: bool, front: bool, quick: bool) -> Path:
    kind = "-front" if front else "-moved" if moved else ""
    name = f"sunroom-benchmark-{_VERSION}-{'quick' if quick else '45mp'}{kind}"
    return Path(tempfile.gettempdir()) / name


def _enlarged(file: Path, size: tuple[int, int]) -> Picture:
    """The middle of the picture in the shape of `size`, enlarged with a cubic."""
    with Image.open(file) as opened:
        picture = np.asarray(opened.convert("RGB"))
    height, width = picture.shape[:2]
    high = min(height, round(width * size[1] / size[0]))
    wide = min(width, round(height * size[0] / size[1]))
    top, left = (height - high) // 2, (width - wide) // 2
    part = picture[top : top + high, left : left + wide]
    return cast(Picture, cv2.resize(part, size, interpolation=cv2.INTER_CUBIC))


def _texture(side: int = 1024) -> NDArray[np.float32]:
    """Noise of five octaves, each of the same strength, that repeats without a seam; standard deviation 1."""
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij"))
    spectrum = np.fft.rfft2(np.random.default_rng(1).standard_normal((side, side)))
    # Equal strength per octave is 1/f in two dimensions; below 1/64 it would be shading rather than texture.
    spectrum *= np.where(frequencies >= 1 / 64, 1 / np.maximum(frequencies, 1 / side), 0)
    texture = np.fft.irfft2(spectrum, (side, side))
    return (texture / texture.std()).astype(np.float32)


def _moved(picture: Picture, motion: tuple[float, float, float], scale: float) -> Picture:
    height, width = picture.shape[:2]
    matrix: Any = cv2.getRotationMatrix2D((width / 2, height / 2), motion[2], 1)
    matrix[:, 2] += np.multiply(motion[:2], scale)
    moved = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return cast(Picture, moved)


def _encode(light: NDArray[np.floating[Any]]) -> Picture:
    return _ENCODED[np.clip(light * np.float32(65535) + np.float32(0.5), 0, 65535).astype(np.uint16)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moved", action="store_true", help="hand-held")
    parser.add_argument("--front", action="store_true", help="a house front")
    parser.add_argument("--quick", action="store_true", help="1/16 of the pixels")
    parser.add_argument("--remove", action="store_true", help="delete every set from the temporary folder")
    options = parser.parse_args()
    if options.remove:
        kinds = ((False, False), (True, False), (False, True))
        for folder in [_place(moved=m, front=f, quick=q) for m, f in kinds for q in (False, True)]:
            shutil.rmtree(folder, ignore_errors=True)
        return
    folder = _place(moved=options.moved, front=options.front, quick=options.quick)
    if not folder.is_dir():
        # Renamed when complete, so that an interrupted run leaves no half a set.
        with tempfile.TemporaryDirectory(dir=folder.parent) as making:
            complete = Path(making) / "set"
            complete.mkdir()
            files = bundled()[:1] * len(FRONT) if options.front else originals()
            make(files, complete, QUICK if options.quick else SIZE, moved=options.moved, front=options.front)
            complete.rename(folder)
    print(folder)


if __name__ == "__main__":
    main()
