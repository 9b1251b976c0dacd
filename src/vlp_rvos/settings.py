"""Settings of long runs: a YAML file and `key=value` overrides, checked into a typed record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from vlp_rvos.errors import UserError
from vlp_rvos.records import record_from

__all__ = ["read_settings"]

Record = TypeVar("Record")


def read_settings(
    kind: type[Record], file: Path | None, overrides: Sequence[str] = (), defaults: Mapping[str, Any] | None = None
) -> Record:
    """Build a settings record.

    Args:
        kind: the dataclass.
        file: YAML file; None takes the record's own defaults.
        overrides: "a.b=value" each; the value is YAML.
        defaults: values for what the file does not name.

    Raises:
        UserError: the file cannot be read or is not YAML, an unknown key, a value of the wrong type or out of range.
    """
    where = "settings" if file is None else str(file)
    values = dict(defaults or {})
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{where}: cannot be read ({error})") from error
        content = _parse(text, where)
        values |= {} if content is None else _as_mapping(content, where)
    for override in overrides:
        _override(values, override)
    return record_from(kind, values, where)


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
