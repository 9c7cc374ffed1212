"""Who may write DEST, and which results still stand there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cluster.settings import Settings
from jobs.destination import (
    check_destination,
    check_source,
    clear_parts,
    clear_quarantine,
    only_writer,
    quarantine,
    stands,
)
from jobs.edit import Job, edit
from pipeline.codes import Code, Failure, PhotoError, SettingsError
from pipeline.deliver.outcome import digest_of
from pipeline.photo import Result
from pipeline.recipe import Recipe


def _failed(code: Code, name: str = "IMG_1") -> Result:
    failure = Failure.of(PhotoError(code, f"/photos/{name}.jpg: what happened"))
    return Result(
        name, "villa", name, (f"/photos/{name}.jpg",), "quarantined", code=code.name, failure=failure.to_dict()
    )


@pytest.mark.parametrize("what", ["missing", "file", "bucket"])
def test_a_source_that_is_no_folder_is_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_text("")
    source = Path("s3://bucket/photos") if what == "bucket" else tmp_path / what

    with pytest.raises(SettingsError, match="SOURCE"):
        check_source(source)


@pytest.mark.parametrize("uri", ["s3://bucket/a/b", "gs://bucket", "az://box/a"])
def test_a_bucket_is_refused_as_it_was_typed_and_no_folder_of_its_name_is_made(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=f"SOURCE {uri}: buckets"):
        check_source(Path(uri))
    with pytest.raises(SettingsError, match=f"DEST {uri}: buckets"):
        edit(Job(tmp_path, Path(uri), Recipe()), Settings())
    assert list(tmp_path.iterdir()) == []


def test_dest_may_lie_inside_source_only_where_its_ledger_marks_it(tmp_path: Path) -> None:
    check_destination(tmp_path / "edited", tmp_path)
    with pytest.raises(SettingsError, match="lies in SOURCE"):
        check_destination(tmp_path / "edited", tmp_path, may_lie_inside=False)
    with pytest.raises(SettingsError, match="lies in SOURCE"):
        check_destination(tmp_path, tmp_path)


def test_a_file_in_the_way_of_dest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")

    with pytest.raises(SettingsError, match="in the way"):
        check_destination(tmp_path / "in the way", tmp_path / "photos")
    with pytest.raises(SettingsError, match="in the way"):
        check_destination(tmp_path / "in the way" / "below", tmp_path / "photos")


def test_a_second_writer_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    with only_writer(tmp_path), pytest.raises(SettingsError, match="another run"), only_writer(tmp_path):
        pass
    with only_writer(tmp_path):
        pass


@pytest.mark.parametrize("name", ["full.jpg", "web.jpg"])
@pytest.mark.parametrize("damage", ["gone", "empty", "shorter", "head", "tail"])
def test_a_delivered_result_stands_while_all_its_files_are_as_they_were_written(
    tmp_path: Path, name: str, damage: str
) -> None:
    whole = bytes(range(256)) * 1000
    (tmp_path / "plans").mkdir()
    for each in ("full.jpg", "web.jpg", "plans/a.plan"):
        (tmp_path / each).write_bytes(whole)
    outputs = {"full": "full.jpg", "web": "web.jpg"}
    digests = {profile: digest_of(tmp_path / path) for profile, path in outputs.items()}
    result = Result("a", "", "n", ("/n.jpg",), "delivered", output="full.jpg", outputs=outputs, digests=digests)
    assert stands(result, tmp_path)

    damaged = {
        "empty": b"",
        "shorter": whole[:-256],
        "head": bytes(512) + whole[512:],
        "tail": whole[:-512] + bytes(512),
    }
    if damage == "gone":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(damaged[damage])
    assert not stands(result, tmp_path)
    (tmp_path / name).write_bytes(whole)
    assert stands(result, tmp_path)
    assert not stands(replace(result, digests={}), tmp_path)


def test_what_a_killed_run_left_half_written_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = [tmp_path / p for p in ("delivered/villa/.0a1b.part", "plans/.0a1c.part", ".0a1d.part", ".groups.yaml.x1")]
    kept = [tmp_path / p for p in ("delivered/villa/a.part", "delivered/villa/.hidden", "mine/.0a.part", "groups.yaml")]
    for path in (*left, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    clear_parts(tmp_path)

    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_only_failures_that_stay_are_kept_by_the_next_run(tmp_path: Path) -> None:
    assert stands(_failed(Code.TRUNCATED), tmp_path)
    assert not stands(_failed(Code.LOST), tmp_path)


def test_quarantine_holds_the_current_failures_and_no_others(tmp_path: Path) -> None:
    kept, cured = _failed(Code.TRUNCATED, "kept"), _failed(Code.LOST, "cured")
    quarantine(kept, tmp_path)
    quarantine(cured, tmp_path)

    clear_quarantine([kept], tmp_path)
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.json")] == [
        "quarantine/villa/kept/failure.json"
    ]
    clear_quarantine([], tmp_path)
    assert not (tmp_path / "quarantine").exists()
