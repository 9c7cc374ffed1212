"""Settings come from options, then the environment, and wrong ones are named."""

from __future__ import annotations

import os

import pytest

from cluster.settings import Settings, cpus_here, memory_here
from pipeline.codes import SettingsError


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNROOM_WORKERS", "3")

    assert Settings.load().workers == 3
    assert Settings.load(workers=5, address=None).workers == 5


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNROOM_WORKERS", "many")

    with pytest.raises(SettingsError, match=r"workers.*many"):
        Settings.load()


def test_this_machine_has_a_cpu_and_memory() -> None:
    assert 1 <= cpus_here() <= (os.cpu_count() or 1)
    assert memory_here() > 100_000_000
