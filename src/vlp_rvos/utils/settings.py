"""Read the settings of a run: a YAML file and `key=value` overrides become a typed record.

A file may begin with `extends: FILE`, which names a file beside it; it then holds only the settings that differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from vlp_rvos.errors import UserError
from vlp_rvos.utils.overrides import apply_overrides
from vlp_rvos.utils.plain_text import escape_unprintable, shorten
from vlp_rvos.utils.records import record_from
from vlp_rvos.utils.text_files import read_text
from vlp_rvos.utils.yaml_reader import read_yaml

__all__ = ["read_settings"]

Record = TypeVar("Record")

EXTENDS = "extends"
MAX_SIZE = 2**20
"""Largest file of settings, in bytes."""


def read_settings(
    kind: type[Record], file: Path | None, overrides: Sequence[str] = (), defaults: Mapping[str, Any] | None = None
) -> Record:
    """Build a settings record.

    Args:
        kind: the dataclass.
        file: YAML file; None takes the record's own defaults.
        overrides: changes to what the file says, see `apply_overrides`.
        defaults: values of settings that the file leaves out, in place of the record's own defaults.

    Raises:
        UserError: a file that cannot be read or is not YAML, an unknown key, or a value of the wrong type or out of
            range.
    """
    where = "settings" if file is None else str(file)
    values = dict(defaults or {})
    if file is not None:
        values |= _read(file, ())
    return record_from(kind, apply_overrides(values, overrides), where)


def _read(file: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    where = escape_unprintable(shorten(str(file), 300))
    try:
        # Settings of a person have a few kilobytes.
        if file.stat().st_size > MAX_SIZE:
            raise UserError(f"{where}: has more than {MAX_SIZE // 1024} KiB; is it a file of settings?")
        text = read_text(file)
    except UserError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"{where}: cannot be read ({reason})") from error
    content = read_yaml(text, where)
    values = {} if content is None else _as_mapping(content, where)
    if EXTENDS not in values:
        return values
    name = values.pop(EXTENDS)
    if not isinstance(name, str):
        raise UserError(f"{where}: '{EXTENDS}' must be the name of a file")
    base = (file.parent / name).resolve()
    above = (*above, file.resolve())
    if base in above:
        raise UserError(f"{where}: extends {escape_unprintable(name)}, which extends this file")
    return _laid_over(_read(base, above), values)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _laid_over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _as_mapping(values: object, where: str) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: the top level must be a mapping of keys to values")
    return dict(values)
