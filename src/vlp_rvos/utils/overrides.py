"""The grammar of `--set`: `key=value` or `key.key=value`, where the value is YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import escape_unprintable, is_unicode, shorten
from vlp_rvos.utils.yaml_reader import read_yaml

__all__ = ["apply_overrides"]


def apply_overrides(values: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of nested settings in which overrides replace values.

    Args:
        values: the settings.
        overrides: "key=value" or "key.key=value" each. A value is YAML: a number, true, false, null, a list or mapping
            in JSON's notation, or else text; quotes make text of anything. A name that is not UTF-8 is text as it is.

    Raises:
        UserError: an override without key or value, a value that is not YAML, a setting that is given twice, or a key
            below a value that has no keys.

    Example:
        >>> apply_overrides({"data": {"root": "a", "seed": 0}}, ["data.seed=7", "history=false", "name='12'"])
        {'data': {'root': 'a', 'seed': 7}, 'history': False, 'name': '12'}
    """
    result = dict(values)
    given: set[tuple[str, ...]] = set()
    for override in overrides:
        path, _, value = override.partition("=")
        text = escape_unprintable(shorten(override, 80))
        keys = tuple(key.strip() for key in path.split("."))
        if not all(keys) or not value.strip():
            raise UserError(
                f"cannot understand the setting '{text}'; write key=value or key.key=value, for example attention=frame"
            )
        if any(keys[: len(other)] == other[: len(keys)] for other in given):
            raise UserError(f"the setting '{'.'.join(keys)}' is given twice")
        given.add(keys)
        # YAML has no word for a name that is not UTF-8, such as a folder of an old archive.
        meant = read_yaml(value, f"setting '{text}'") if is_unicode(value) else value
        _put(result, keys, meant, text)
    return result


def _put(values: dict[str, Any], keys: tuple[str, ...], value: object, text: str) -> None:
    for key in keys[:-1]:
        below = values.get(key)
        if below is not None and not isinstance(below, Mapping):
            raise UserError(f"setting '{text}': '{key}' holds a value, not keys")
        # Not the caller's own mapping.
        values[key] = dict(below or {})
        values = values[key]
    values[keys[-1]] = value
