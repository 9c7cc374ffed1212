"""How and where the work runs: one place for what differs between a laptop and a cluster.

Every field can be set by an environment variable, `SUNROOM_<FIELD>`; command-line options go first. What a photo should
look like is not here but in the recipe.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.codes import SettingsError

_CGROUP = Path("/sys/fs/cgroup")


class Settings(BaseSettings):
    """Where the work runs and what it may take."""

    model_config = SettingsConfigDict(env_prefix="SUNROOM_", frozen=True, extra="ignore")

    address: str | None = Field(default=None, description="a running Ray cluster; none starts one here for the job")
    workers: int | None = Field(default=None, ge=1, le=10_000, description="photos at once; default: one per CPU")
    min_workers: int = Field(default=1, ge=1, description="workers kept while a cluster's pool shrinks")
    memory: int | None = Field(default=None, ge=500_000_000, description="bytes all workers here may take together")
    object_store: int = Field(default=96_000_000, ge=80_000_000, description="bytes of Ray's store: rows only")
    patience: float = Field(
        default=120, gt=0, description="seconds without any finished photo before the rest starts anew"
    )
    database: str | None = Field(default=None, description="SQLAlchemy URL of the ledger; default: DEST/ledger.sqlite")

    @classmethod
    def load(cls, **options: object) -> Settings:
        """Settings from the environment and `options` (None = not given).

        Raises SettingsError that names the variable or option and what is allowed.
        """
        try:
            return cls(**{k: v for k, v in options.items() if v is not None})  # pyright: ignore[reportArgumentType]
        except ValidationError as error:
            lines = [
                f"{'.'.join(map(str, e['loc']))} (--option or SUNROOM_ variable): {e['msg']} (got {e['input']!r})"
                for e in error.errors()
            ]
            raise SettingsError("settings: " + "; ".join(lines)) from None


def cpus_here() -> int:
    """CPUs this process may use: affinity, bounded by the control group's quota; at least 1."""
    count = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    quota = _read(_CGROUP / "cpu.max").split()
    if len(quota) == 2 and quota[0] != "max":
        count = min(count, float(quota[0]) / float(quota[1]))
    old_quota, period = _read(_CGROUP / "cpu/cpu.cfs_quota_us"), _read(_CGROUP / "cpu/cpu.cfs_period_us")
    if old_quota and period and float(old_quota) > 0:
        count = min(count, float(old_quota) / float(period))
    return max(1, int(count))


def memory_here() -> int:
    """Bytes of memory this process may use: the machine's, bounded by the control group's limit."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(_CGROUP / name)
        if text.isdigit():
            total = min(total, int(text))
    return total


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
