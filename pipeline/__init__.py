"""Sunroom's pipeline: from the files of a listing to delivered pictures.

    from pipeline import Recipe, edit

Both are imported when they are first used, so `import pipeline` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.notebook import Edited, edit
    from pipeline.recipe import Recipe

__all__ = ["Edited", "Recipe", "edit"]

_HOMES = {"Edited": "pipeline.notebook", "Recipe": "pipeline.recipe"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """A package whose `edit` is the function, although the edits live in a sub-package of the same name.

    Importing a sub-package sets it as an attribute here, so whether `edit` were the one or the other would depend on
    what was imported before. The sub-package's modules are reached as ever: `from pipeline.edit import light`.
    """

    @property
    def edit(self) -> Any:
        return import_module("pipeline.notebook").edit

    @edit.setter
    def edit(self, module: ModuleType) -> None: ...


sys.modules[__name__].__class__ = _Package
