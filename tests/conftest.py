"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real photos beside the repository; tests that need it are skipped where it is absent."""
    folder = _ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real photos are not here: {folder}")
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    """The photos bundled with the repository (see samples/README.md for their licences)."""
    return _ROOT / "samples"
