"""Make typed records (dataclasses) of plain mappings, as configuration files and checkpoint headers hold them."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import escape_unprintable, short_repr, shorten

__all__ = ["record_from"]

Record = TypeVar("Record")


def record_from(kind: type[Record], values: object, where: str) -> Record:
    """Build a dataclass from a mapping, and check names and types at every depth.

    Fields may be nested dataclasses, unions, lists, tuples, dictionaries, `Literal`, `Path`, bool, int, float, str.

    Args:
        kind: the dataclass.
        values: field name -> value, as a reader of JSON or YAML returns it.
        where: what is being read, for messages (for example "run.yaml").

    Raises:
        UserError: an unknown or missing key, or a value of the wrong type; the message names the key. A `ValueError`
            that the record's own checks raise becomes a `UserError` of the same form.
    """
    return _record(kind, values, where, "")  # type: ignore[no-any-return]


def _record(kind: Any, values: object, where: str, key: str) -> Any:
    if not isinstance(values, Mapping):
        raise _wrong(where, key, "a mapping", values)
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind) if field.init}
    for name in values:
        if name not in known:
            unknown = escape_unprintable(shorten(_join(key, name), 80))
            raise UserError(f"{where}: unknown key '{unknown}'; known here: {', '.join(known)}")
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise UserError(f"{where}: key '{_join(key, name)}' is missing")
    arguments = {name: _value(hints[name], value, where, _join(key, name)) for name, value in values.items()}
    try:
        return kind(**arguments)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{where}: {f'{key}: ' if key else ''}{error}") from error


def _value(kind: Any, value: object, where: str, key: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any or kind is object:
        return value
    if origin in (Union, types.UnionType):
        return _union(arguments, value, where, key)
    if origin is Literal:
        if value in arguments and type(value) in {type(choice) for choice in arguments}:
            return value
        raise _wrong(where, key, "one of " + ", ".join(map(str, arguments)), value)
    if origin in (list, Sequence, tuple):
        return _sequence(origin, arguments, value, where, key)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(where, key, "a mapping", value)
        return {
            _value(arguments[0], name, where, key): _value(arguments[1], item, where, _join(key, name))
            for name, item in value.items()
        }
    if is_dataclass(kind):
        return value if isinstance(value, kind) else _record(kind, value, where, key)  # type: ignore[arg-type]
    return _scalar(kind, value, where, key)


def _union(choices: tuple[Any, ...], value: object, where: str, key: str) -> Any:
    if value is None and type(None) in choices:
        return None
    failure: UserError | None = None
    for choice in choices:
        if choice is not type(None):
            try:
                return _value(choice, value, where, key)
            except UserError as error:
                failure = failure or error
    assert failure is not None
    raise failure


def _sequence(origin: Any, kinds: tuple[Any, ...], value: object, where: str, key: str) -> Any:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise _wrong(where, key, "a list", value)
    if origin is tuple and kinds[-1] is not Ellipsis:
        if len(value) != len(kinds):
            raise _wrong(where, key, f"a list of {len(kinds)} values", value)
    else:
        kinds = kinds[:1] * len(value)
    items = [_value(kinds[i], item, where, f"{key}[{i}]") for i, item in enumerate(value)]
    return items if origin is list else tuple(items)


def _scalar(kind: Any, value: object, where: str, key: str) -> Any:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if kind in (bool, int, str) and type(value) is kind:
        return value
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
    raise _wrong(where, key, names.get(kind, getattr(kind, "__name__", str(kind))), value)


def _join(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def _wrong(where: str, key: str, wanted: str, value: object) -> UserError:
    return UserError(f"{where}: {f'key {key!r}' if key else 'the top level'} must be {wanted}, not {short_repr(value)}")
