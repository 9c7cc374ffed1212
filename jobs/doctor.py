"""What is missing or odd on this machine, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TextIO

import numpy as np

from cluster.settings import Settings, cpus_here, memory_here

_OK, _WARN, _FAIL = "ok", "warn", "fail"
_PACKAGES = (
    "ray",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "rawpy",
    "tifffile",
    "simplejpeg",
    "SQLAlchemy",
    "pyarrow",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; status is ok, warn (slower or less than it could be) or fail (photos cannot be edited)."""

    name: str
    status: str
    detail: str
    hint: str = ""

    def to_dict(self) -> dict[str, str]:
        """JSON values."""
        return asdict(self)


def examine() -> list[Finding]:
    """Look at everything; a check that breaks is itself a finding."""
    return [_try(name, check) for name, check in _CHECKS.items()]


def show(findings: list[Finding], out: TextIO) -> None:
    """Print the findings as lines."""
    for f in findings:
        print(f"{f.status:<5} {f.name:<12} {f.detail}", file=out)
        if f.hint:
            print(f"{'':<18} {f.hint}", file=out)


def _try(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:
        return Finding(name, _FAIL, f"{type(error).__name__}: {error}")


def _python() -> Finding:
    version = platform.python_version()
    detail = f"{version} on {platform.system()} {platform.machine()}"
    if sys.platform != "linux":
        return Finding("python", _WARN, detail, "Sunroom is tested on Linux; elsewhere use the container image.")
    return Finding("python", _OK, detail)


def _packages() -> Finding:
    versions = {p: _version(p) for p in ("sunroom", *_PACKAGES)}
    missing = [p for p, v in versions.items() if not v]
    detail = ", ".join(f"{p} {v or 'missing'}" for p, v in versions.items())
    hint = f"Install the missing packages: pip install {' '.join(missing)}" if missing else ""
    return Finding("packages", _FAIL if missing else _OK, detail, hint)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _cores() -> Finding:
    here, whole = cpus_here(), os.cpu_count() or 1
    detail = f"{here} of {whole} CPUs may be used"
    load = os.getloadavg()[0]
    if load > 2 * here:
        return Finding("cores", _WARN, f"{detail}, load {load:.1f}", "Other programs are busy: expect longer times.")
    return Finding("cores", _OK, detail)


def _memory() -> Finding:
    total = memory_here() / 1e9
    workers = Settings.load().workers or cpus_here()
    detail = f"{total:.1f} GB for {workers} workers"
    if total < 4:
        return Finding("memory", _WARN, detail, "Photos of 45 megapixels in brackets need about 2.5 GB per worker.")
    if total / workers < 2.5:
        return Finding("memory", _WARN, detail, "Large brackets will be edited fewer at a time.")
    return Finding("memory", _OK, detail)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    detail = f"{free:.1f} GB free here ({Path.cwd()})"
    if free < 2:
        return Finding("disk", _WARN, detail, "A delivered photo of 45 megapixels takes 10 to 25 MB.")
    return Finding("disk", _OK, detail)


def _temporary() -> Finding:
    folder = tempfile.gettempdir()
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x" * 4096)
    free = shutil.disk_usage(folder).free / 1e9
    status, hint = (_WARN, "Set TMPDIR to a folder with space.") if free < 0.5 else (_OK, "")
    return Finding("temp", status, f"{folder} can be written, {free:.1f} GB free", hint)


def _opencv() -> Finding:
    import cv2

    gradient = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    done, data = cv2.imencode(".jpg", gradient, [cv2.IMWRITE_JPEG_QUALITY, 95])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if done else None
    if decoded is None or int(np.abs(decoded.astype(int) - gradient).mean()) > 4:
        return Finding("opencv", _FAIL, f"{cv2.__version__} cannot write and read a JPEG", "Install it anew.")
    return Finding("opencv", _OK, f"{cv2.__version__}, JPEG in and out")


def _raw() -> Finding:
    import rawpy

    version = ".".join(map(str, rawpy.libraw_version))
    codecs = ("DNGLOSSYCODEC", "DNGDEFLATECODEC")
    missing = [c for c in codecs if rawpy.flags and not rawpy.flags.get(c)]
    if missing:
        return Finding(
            "raw", _WARN, f"LibRaw {version} without {', '.join(missing)}", "Some DNG files will be refused."
        )
    return Finding("raw", _OK, f"LibRaw {version}")


def _lenses() -> Finding:
    from pipeline.read.lens.profiles import lens_count

    if not (count := lens_count()):
        hint = "RAW files that bring no lens correction stay uncorrected: pip install 'sunroom[lens]'"
        return Finding("lenses", _WARN, "no database of lenses", hint)
    return Finding("lenses", _OK, f"lensfun's database of {count} lenses")


def _ray() -> Finding:
    import ray

    from cluster.session import session

    started = time.monotonic()
    with session(Settings.load()):
        answer = ray.get(ray.remote(_process).remote(), timeout=120)
    seconds = time.monotonic() - started
    if answer == os.getpid():
        return Finding("ray", _FAIL, "work did not run in a worker process")
    if seconds > 40:
        return Finding("ray", _WARN, f"a worker answered after {seconds:.0f} s", "Slow disk or a busy machine.")
    return Finding("ray", _OK, f"{ray.__version__}, a worker answered after {seconds:.0f} s")


def _process() -> int:
    return os.getpid()


_CHECKS: dict[str, Callable[[], Finding]] = {
    "python": _python,
    "packages": _packages,
    "cores": _cores,
    "memory": _memory,
    "disk": _disk,
    "temp": _temporary,
    "opencv": _opencv,
    "raw": _raw,
    "lenses": _lenses,
    "ray": _ray,
}
