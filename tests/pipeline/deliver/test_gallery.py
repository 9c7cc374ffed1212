"""The report: complete, self-contained when small, paged when large, and cheap to make again."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.codes import Code, Failure, PhotoError
from pipeline.deliver.gallery import LONG_SIDE, PAGE, write_report
from pipeline.photo import Result, Shot


def _jpeg(path: Path, level: int, size: tuple[int, int] = (300, 200)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((size[1], size[0], 3), level, np.uint8)
    picture[: size[1] // 2] //= 2
    Image.fromarray(picture).save(path, quality=95)
    return path


def _job(tmp_path: Path, count: int, *, size: tuple[int, int] = (300, 200)) -> tuple[dict[str, Any], dict[str, Shot]]:
    """Results of `count` photos under tmp_path/out, as summary values, and their shots."""
    results: list[Result] = []
    shots: dict[str, Shot] = {}
    for n in range(count):
        source = _jpeg(tmp_path / "in" / f"IMG_{n}.jpg", 90, size)
        output = f"delivered/villa & garden/IMG_{n}.jpg"
        _jpeg(tmp_path / "out" / output, 180, size)
        shots[f"id{n}"] = Shot(f"id{n}", "villa & garden", f"IMG_{n}", (str(source),), (0.0,), 0, *size)
        results.append(
            Result(
                f"id{n}",
                "villa & garden",
                f"IMG_{n}",
                (str(source),),
                "delivered",
                qc={"structure_worst": 0.9514, "structure_place": [1, 2, 3, 4], "changed": 1.0},
                room="living_room",
                provenance={"captured_0": 1.0, "adjusted": 1.0, "generated": 0.0},
                geometry={"pitch_corrected": -2.84, "roll_corrected": 0.66, "crop": 0.0712},
                output=output,
                seconds=1.5,
                stages={"read": 0.5, "render": 1.0},
            )
        )
    return _summary(results), shots


def _summary(results: list[Result]) -> dict[str, Any]:
    delivered = sum(r.status == "delivered" for r in results)
    counts = {"shots": len(results), "delivered": delivered, "quarantined": len(results) - delivered, "warnings": 0}
    photos = [r.to_dict() for r in results]
    return {"recipe": "default", "engine": "classical", "counts": counts, "seconds": 12.0, "photos": photos}


def _inlined(page: str) -> list[Image.Image]:
    urls = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(u))) for u in urls]


def test_a_small_job_is_one_page_that_needs_no_other_file(tmp_path: Path) -> None:
    summary, shots = _job(tmp_path, 2)

    page = write_report(tmp_path / "out", summary, shots).read_text()

    after, before = _inlined(page)[:2]
    assert len(_inlined(page)) == 4
    assert abs(int(np.asarray(after)[150, 150, 0]) - 180) <= 2
    assert abs(int(np.asarray(before)[150, 150, 0]) - 90) <= 2
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert "villa &amp; garden" in page
    assert '<a href="../delivered/villa%20%26%20garden/IMG_0.jpg">' in page
    assert "0.951" in page
    assert "structure_place" not in page
    assert "living room, 1 exposure" in page
    assert "straightened: pitch -2.8°, roll +0.7°, 7.1% cropped" in page


def test_failures_are_told_with_code_message_and_hint(tmp_path: Path) -> None:
    summary, shots = _job(tmp_path, 1)
    failure = Failure.of(PhotoError(Code.TRUNCATED, "/in/<b>IMG_9</b>.jpg: ends after 200 bytes"))
    lost = Result("id9", "villa & garden", "IMG_9", ("/in/IMG_9.jpg",), "quarantined", "TRUNCATED")
    lost = replace(lost, failure=failure.to_dict())
    summary = _summary([Result.from_dict(summary["photos"][0]), lost])

    page = write_report(tmp_path / "out", summary, shots).read_text()

    assert "1 of 2 photos delivered" in page
    for text in ("TRUNCATED", "&lt;b&gt;IMG_9&lt;/b&gt;.jpg: ends after 200 bytes", Code.TRUNCATED.hint):
        assert text in page
    assert 'href="../quarantine/villa%20%26%20garden/IMG_9/"' in page


@pytest.mark.slow
def test_a_large_job_is_paged_with_picture_files_beside(tmp_path: Path) -> None:
    summary, shots = _job(tmp_path, PAGE + 3, size=(48, 32))

    index = write_report(tmp_path / "out", summary, shots)

    second = index.with_name("page-2.html")
    assert index.read_text().count("<article") == PAGE
    assert second.read_text().count("<article") == 3
    for page in (index, second):
        names = re.findall(r'src="(images/[^"]+)"', page.read_text())
        assert names
        assert all((index.parent / name).is_file() for name in names)
        assert "data:image" not in page.read_text()

    small, shots = _job(tmp_path, 2, size=(48, 32))
    write_report(tmp_path / "out", small, shots)
    assert not second.exists()
    assert len(list((index.parent / "images").iterdir())) == 4


def test_pictures_are_reduced_and_made_once(tmp_path: Path) -> None:
    summary, shots = _job(tmp_path, 1, size=(2600, 1733))
    images = tmp_path / "out" / "report" / "images"

    write_report(tmp_path / "out", summary, shots)
    first = {p.name: p.stat().st_mtime_ns for p in images.iterdir()}
    sizes = {Image.open(p).size for p in images.iterdir()}
    write_report(tmp_path / "out", summary, shots)
    second = {p.name: p.stat().st_mtime_ns for p in images.iterdir()}
    _jpeg(tmp_path / "out" / summary["photos"][0]["output"], 220, (2600, 1733))
    write_report(tmp_path / "out", summary, shots)
    third = {p.name: p.stat().st_mtime_ns for p in images.iterdir()}

    assert all(max(size) == LONG_SIDE for size in sizes)
    assert second == first
    assert {name for name in first if third[name] != first[name]} == {"id0-after.jpg"}


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    summary, shots = _job(tmp_path, 2)
    (tmp_path / "in" / "IMG_0.jpg").write_bytes(b"\xff\xd8 broken")

    page = write_report(tmp_path / "out", summary, shots).read_text()

    assert len(_inlined(page)) == 3
    assert page.count("<article") == 2
