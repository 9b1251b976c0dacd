"""Settings of long runs: a YAML file and `key=value` overrides, checked into a typed record.

A file may begin with `extends: FILE`, another one beside it, and then holds only what is different.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from vlp_rvos.errors import UserError
from vlp_rvos.utils.records import record_from

__all__ = ["read_settings"]

Record = TypeVar("Record")

EXTENDS = "extends"


def read_settings(
    kind: type[Record], file: Path | None, overrides: Sequence[str] = (), defaults: Mapping[str, Any] | None = None
) -> Record:
    """Build a settings record.

    Args:
        kind: the dataclass.
        file: YAML file, on top of the one that it extends; None takes the record's own defaults.
        overrides: "a.b=value" each; the value is YAML.
        defaults: values for what the file does not name.

    Raises:
        UserError: the file cannot be read or is not YAML, an unknown key, a value of the wrong type or out of range.
    """
    where = "settings" if file is None else str(file)
    values = dict(defaults or {})
    if file is not None:
        values |= _read(file, ())
    for override in overrides:
        _override(values, override)
    return record_from(kind, values, where)


def _read(file: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    where = str(file)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{where}: cannot be read ({error})") from error
    content = _parse(text, where)
    values = {} if content is None else _as_mapping(content, where)
    if EXTENDS not in values:
        return values
    name = values.pop(EXTENDS)
    if not isinstance(name, str):
        raise UserError(f"{where}: '{EXTENDS}' must be the name of a file")
    base = (file.parent / name).resolve()
    above = (*above, file.resolve())
    if base in above:
        raise UserError(f"{where}: extends {name}, which extends this file")
    return _laid_over(_read(base, above), values)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _laid_over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _parse(text: str, where: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from error


def _as_mapping(values: object, where: str) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: the top level must be a mapping of keys to values")
    return dict(values)


def _override(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    *parents, last = path.strip().split(".")
    if not equals or not last or not all(parents):
        raise UserError(f"--set {override}: must have the form key=value or key.key=value")
    for parent in parents:
        below = values.get(parent)
        if below is not None and not isinstance(below, Mapping):
            raise UserError(f"--set {override}: '{parent}' holds a value, not keys")
        values[parent] = dict(below or {})
        values = values[parent]
    values[last] = _parse(text, f"--set {override}")
