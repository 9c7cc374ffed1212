"""Sunroom's pipeline: from the files of a listing to delivered pictures.

    from pipeline import Recipe, edit

Both are imported when they are first used, so `import pipeline` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.notebook import Edited, edit
    from pipeline.recipe import Recipe

__all__ = ["Edited", "Recipe", "edit"]

_HOMES = {"Edited": "pipeline.notebook", "edit": "pipeline.notebook", "Recipe": "pipeline.recipe"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
