"""What has become of every photo of a DEST, written row by row, so that a job can go on where it stopped.

The driver alone writes it. SQLite beside the pictures by default; any database by SQLAlchemy URL.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, String, Text, create_engine, delete, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pipeline.codes import Code, PhotoError, SettingsError
from pipeline.photo import Result


class _Base(DeclarativeBase):
    pass


class _Photo(_Base):
    """The latest result of a shot under one recipe, in one DEST."""

    __tablename__ = "photos"
    folder: Mapped[str] = mapped_column(String(1024), primary_key=True)
    shot: Mapped[str] = mapped_column(String(20), primary_key=True)
    recipe: Mapped[str] = mapped_column(String(16), primary_key=True)
    listing: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(String(32))
    result: Mapped[str] = mapped_column(Text)


class _Run(_Base):
    """One call of `sunroom edit` on a DEST."""

    __tablename__ = "runs"
    run: Mapped[str] = mapped_column(String(32), primary_key=True)
    folder: Mapped[str] = mapped_column(String(1024), index=True)
    recipe: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(Text)
    form: Mapped[str] = mapped_column(Text)
    seconds: Mapped[float]


class _File(_Base):
    """A file that runs made, or were about to make, below a DEST."""

    __tablename__ = "files"
    folder: Mapped[str] = mapped_column(String(1024), primary_key=True)
    path: Mapped[str] = mapped_column(String(1024), primary_key=True)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:  # not shown: where it cannot be read, a password in it cannot be told
        raise SettingsError("SUNROOM_DATABASE: is no SQLAlchemy URL, as in postgresql://user@host/name") from None
    try:
        return create_engine(parsed)
    except (ArgumentError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"SUNROOM_DATABASE {parsed}: cannot be used here: {reason}") from None


def _drop_without_folders(engine: Engine) -> None:
    present = inspect(engine)
    for table in _Base.metadata.sorted_tables:
        if present.has_table(table.name) and "folder" not in {c["name"] for c in present.get_columns(table.name)}:
            table.drop(engine)


class Ledger:
    """Results of one DEST keyed (shot id, recipe fingerprint), and the runs that made them; a context manager.

    folder: tells the DESTs of one database apart; empty in a DEST's own. Tables of before folders were noted are made
    anew, since done-records beside the plans let the results stand again.

    Raises
    ------
    SettingsError
        If the database cannot be opened; the message names it.
    PhotoError
        WRITE_FAILED, from any method that writes: the disk is full, or the database is gone.
    """

    def __init__(self, url: str, *, folder: str = "") -> None:
        self._folder = folder
        self._engine = _engine(url)
        try:
            _drop_without_folders(self._engine)
            _Base.metadata.create_all(self._engine)
        except DatabaseError as error:
            self._engine.dispose()
            raise SettingsError(
                f"ledger {self._engine.url}: cannot be opened: {error.orig}; if it is damaged, delete it: "
                "finished photos are known by their records in DEST/plans, too"
            ) from None
        self._session = Session(self._engine)

    @classmethod
    def at(cls, path: Path) -> Self:
        """The ledger in a SQLite file, made if absent."""
        return cls(f"sqlite:///{path}")

    def record(self, result: Result, recipe: str) -> None:
        """Write one result, replacing an older one of the same shot and recipe; on disk when this returns."""
        values = json.dumps(result.to_dict(), sort_keys=True)
        row = _Photo(
            folder=self._folder,
            shot=result.id,
            recipe=recipe,
            listing=result.listing,
            name=result.name,
            status=result.status,
            code=result.code,
            result=values,
        )
        with self._saved():
            self._session.merge(row)

    def results(self, recipe: str) -> dict[str, Result]:
        """All results under a recipe's fingerprint, by shot id."""
        here = _Photo.folder == self._folder
        rows = self._session.execute(select(_Photo.shot, _Photo.result).where(here, _Photo.recipe == recipe))
        return {shot: Result.from_dict(json.loads(text)) for shot, text in rows}

    def keep_only(self, shots: Iterable[str], recipe: str) -> None:
        """Forget what is not one of `shots` under `recipe`: sources that are gone, and former recipes."""
        here = _Photo.folder == self._folder
        with self._saved():
            self._session.execute(delete(_Photo).where(here, _Photo.recipe != recipe))
            for shot in set(self._session.scalars(select(_Photo.shot).where(here))) - set(shots):
                self._session.execute(delete(_Photo).where(here, _Photo.shot == shot))

    def files(self) -> set[str]:
        """Paths below DEST that runs made there."""
        return set(self._session.scalars(select(_File.path).where(_File.folder == self._folder)))

    def add_files(self, paths: Iterable[str]) -> None:
        """Note files that runs made, or are about to make."""
        with self._saved():
            self._session.add_all(_File(folder=self._folder, path=p) for p in set(paths) - self.files())

    def set_files(self, paths: Iterable[str]) -> None:
        """Note that these files, and no others, are left of all runs."""
        with self._saved():
            self._session.execute(delete(_File).where(_File.folder == self._folder))
            self._session.add_all(_File(folder=self._folder, path=p) for p in set(paths))

    def begin(self, run: str, *, recipe: str, source: str, form: str) -> None:
        """Note a run's start; `form` is the recipe's YAML."""
        with self._saved():
            row = _Run(run=run, folder=self._folder, recipe=recipe, source=source, form=form, seconds=0.0)
            self._session.add(row)

    def end(self, run: str, seconds: float) -> None:
        """Note how many wall seconds a run took."""
        with self._saved():
            self._session.get_one(_Run, run).seconds = seconds

    def last(self) -> tuple[str, str] | None:
        """Recipe fingerprint and source of the latest run, or None before the first."""
        runs = select(_Run.recipe, _Run.source).where(_Run.folder == self._folder)
        row = self._session.execute(runs.order_by(_Run.run.desc()).limit(1)).first()
        return (row[0], row[1]) if row else None

    def seconds(self, recipe: str) -> float:
        """Wall seconds of all runs under a recipe together."""
        runs = select(_Run.seconds).where(_Run.folder == self._folder, _Run.recipe == recipe)
        return sum(self._session.scalars(runs))

    @contextmanager
    def _saved(self) -> Generator[None]:
        """Commit what the block changes, all of it or nothing."""
        try:
            yield
            self._session.commit()
        except DatabaseError as error:
            self._session.rollback()
            raise PhotoError(Code.WRITE_FAILED, f"ledger {self._engine.url}: {error.orig}") from None

    def close(self) -> None:
        """Close the database."""
        self._session.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
