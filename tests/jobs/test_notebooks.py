"""The notebooks run from top to bottom on the bundled photos, and are committed without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "jobs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_valid_and_hold_no_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)

    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_the_first_look_shows_both_samples_compares_recipes_and_writes_nothing(samples: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in samples.rglob("*")}
    notebook = nbformat.read(FOLDER / "first_look.ipynb", as_version=4)

    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    html = [o["data"]["text/html"] for o in outputs if "text/html" in o.get("data", {})]
    text = "".join(o.get("text", "") for o in outputs)
    assert [h.count("<img") for h in html] == [2, 2, 2]
    assert "exposure" in text
    assert "structure" in text
    assert "gentle" in text
    assert "UNREADABLE" in outputs[-1]["text"]
    assert {p: p.stat().st_mtime_ns for p in samples.rglob("*")} == before
