"""Read YAML with the types that JSON has.

PyYAML follows YAML 1.1: `no` and `off` are false, `1:30` is 90, `2024-05-01` is a date, `010` is 8, `5e-5` is text, and
the last one of two equal keys wins. Here, as in YAML 1.2, `no`, `off`, `1:30` and `2024-05-01` are text, `010` is 10 and
`5e-5` is a number; equal keys are refused. Valid JSON gives what a JSON reader gives.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from vlp_rvos.errors import UserError

__all__ = ["read_yaml"]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader with its own rules about what a plain scalar means."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 as in PyYAML

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key.value}' is given twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]

    def construct_yaml_int(self, node: Any) -> int:
        return int(node.value)


for _tag, _pattern in (
    ("null", r"null|Null|NULL|~|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", r"[-+]?[0-9]+(_[0-9]+)*"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
    ("merge", r"<<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), None)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def read_yaml(text: str, where: str) -> object:
    """The content of a YAML text: None, bool, int, float, str, lists, and dictionaries.

    Args:
        text: the document.
        where: what is being read, for messages (for example "run.yaml").

    Raises:
        UserError: the text is not valid YAML, or a key is given twice.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {_explain(error)}") from error


def _explain(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})"
