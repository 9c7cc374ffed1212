"""Forms that people write in YAML: recipes and groups files.

What YAML 1.1 makes of 4:4:4 (a number to base 60) and 2024-02-31 (a date) is text here; a key may stand only once.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from yaml.constructor import ConstructorError

_PREFIX = "tag:yaml.org,2002:"
_PLAIN = {
    "int": re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"),
    "float": re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
}
_KINDS = {
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must hold keys with values",
    "model_type": "must hold keys with values",
    "extra_forbidden": "there is no such setting",
}


class _Values(yaml.SafeLoader):
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        _refuse_twins(node)
        return super().construct_mapping(node, deep=deep)


class _Texts(yaml.BaseLoader):
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        _refuse_twins(node)
        return super().construct_mapping(node, deep=deep)


_Values.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag.removeprefix(_PREFIX) not in ("timestamp", *_PLAIN)]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, _pattern in _PLAIN.items():
    _Values.add_implicit_resolver(_PREFIX + _kind, _pattern, list("-+.0123456789"))


def parse(text: str, *, texts: bool = False) -> Any:
    """The value of a YAML text; with `texts` every scalar in it stays a str.

    Raises
    ------
    ValueError
        If it is not valid YAML; one line that says what is wrong and where.
    """
    try:
        return yaml.load(text, Loader=_Texts if texts else _Values)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"not valid YAML: {error.problem or error.context}{where}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ValueError("not valid YAML: nested too deeply") from None


def faults(error: ValidationError) -> str:
    """Which settings of a form are wrong, why, and what was given, in one line; a whole panel is not repeated."""
    return "; ".join(map(_said, error.errors()))


def _said(error: ErrorDetails) -> str:
    where = ".".join(map(str, error["loc"]))
    why = _KINDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    given = "" if isinstance(error["input"], dict | list) else f" (got {error['input']!r})"
    return f"{where}: {why}{given}" if where else f"{why}{given}"


def _refuse_twins(node: Any) -> None:
    keys: set[str] = set()
    for key, _ in node.value:
        if key.value in keys:
            raise ConstructorError(None, None, f"{key.value!r} stands there twice", key.start_mark)
        if isinstance(key.value, str):
            keys.add(key.value)
