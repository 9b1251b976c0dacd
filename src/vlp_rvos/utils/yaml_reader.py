"""Read YAML with the types that JSON has.

PyYAML follows YAML 1.1: `no` and `off` are false, `1:30` is 90, `2024-05-01` is a date, `010` is 8, `5e-5` is text, and
the last one of two equal keys wins. Here, as in YAML 1.2, `no`, `off`, `1:30` and `2024-05-01` are text, `010` is 10
and `5e-5` is a number; equal keys are refused. Valid JSON gives what a JSON reader gives.

A small document can stand for a large or endless one, by aliases (`*name`) and merges. Such documents are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import escape_unprintable, short_repr, shorten

__all__ = ["read_yaml"]

MAX_VALUES = 100_000
"""Largest number of values of a document, with every alias replaced by what it stands for."""
MAX_DEPTH = 50
"""Deepest nesting of lists and mappings."""

_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader with its own rules about what a plain scalar means, and no types but those of JSON."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 as in PyYAML
    yaml_constructors: dict[str | None, Callable[..., Any]] = {  # noqa: RUF012 as in PyYAML
        tag: yaml.SafeLoader.yaml_constructors[tag] for tag in (_TAG + "null", _TAG + "seq", _TAG + "map", None)
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise _invalid(key, f"key '{shorten(key.value, 80)}' is given twice")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]

    def construct_yaml_bool(self, node: Any) -> bool:
        return self._converted(node, super().construct_yaml_bool, "true or false")  # type: ignore[no-any-return]

    def construct_yaml_int(self, node: Any) -> int:
        whole = self._converted(
            node, lambda scalar: int(self.construct_scalar(scalar)), "a number of up to 4300 digits"
        )
        return int(whole)

    def construct_yaml_float(self, node: Any) -> float:
        return self._converted(node, super().construct_yaml_float, "a number")  # type: ignore[no-any-return]

    def construct_yaml_str(self, node: Any) -> str:
        text = str(self.construct_scalar(node))
        if re.search("[\0\ud800-\udfff]", text):
            raise _invalid(node, "a text holds NUL or half a character, which no file and no expression can have")
        return text

    def _converted(self, node: Any, convert: Callable[[Any], Any], wanted: str) -> Any:
        try:
            return convert(node)
        # What PyYAML lets through for a scalar whose tag does not fit it, such as `!!int x`.
        except (ValueError, KeyError, IndexError) as error:
            raise _invalid(node, f"{short_repr(node.value)} is not {wanted}") from error


def _invalid(node: Any, problem: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, escape_unprintable(problem), node.start_mark)


for _name, _pattern in (
    ("null", r"null|Null|NULL|~|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", r"[-+]?[0-9]+(_[0-9]+)*"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
    ("merge", r"<<"),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), None)
for _name in ("bool", "int", "float", "str"):
    _Loader.add_constructor(_TAG + _name, getattr(_Loader, f"construct_yaml_{_name}"))


def read_yaml(text: str, where: str) -> object:
    """The content of a YAML text: None, bool, int, float, str, lists, and dictionaries.

    Args:
        text: the document.
        where: what is being read, for messages (for example "run.yaml").

    Raises:
        UserError: the text is not valid YAML, a key is given twice, a tag asks for a type that JSON does not have, or
            the content is too deep or too large.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count_values(node, {}, 1)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {_explain(error)}") from error
    except RecursionError as error:
        raise UserError(f"{where}: not valid YAML: nested more than {MAX_DEPTH} levels deep") from error


def _count_values(node: yaml.Node, counts: dict[yaml.Node, int | None], depth: int) -> int:
    """Number of values below a node, aliases followed.

    Args:
        node: The node.
        counts: What was counted so far; None for a node that is being counted.
        depth: Levels of nesting down to this node.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node in counts:
        known = counts[node]
        if known is None:
            raise _invalid(node, "an alias stands for what it is itself a part of")
        return known
    if depth > MAX_DEPTH:
        raise RecursionError
    counts[node] = None
    parts = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
    total = 1 + sum(_count_values(part, counts, depth + 1) for part in parts)
    if total > MAX_VALUES:
        raise _invalid(node, f"more than {MAX_VALUES} values, with aliases replaced by what they stand for")
    counts[node] = total
    return total


def _explain(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})"
