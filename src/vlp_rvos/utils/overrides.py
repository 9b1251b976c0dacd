"""Settings from `key=value` texts."""

from __future__ import annotations

import json
from collections.abc import Iterable

from vlp_rvos.errors import UserError

__all__ = ["parse_overrides"]


def parse_overrides(overrides: Iterable[str]) -> dict[str, object]:
    """Settings from `key=value` texts; a value is JSON where it can be read as such, else text.

    Raises:
        UserError: a text without key or value, or a key that comes twice.

    Example:
        >>> parse_overrides(["attention=frame", "history=false", "blocks=2"])
        {'attention': 'frame', 'history': False, 'blocks': 2}
    """
    result: dict[str, object] = {}
    for text in overrides:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not key or not equals or not value:
            raise UserError(f"cannot understand the setting '{text}'; write key=value, for example attention=frame")
        if key in result:
            raise UserError(f"the setting '{key}' is given twice")
        try:
            result[key] = json.loads(value)
        except ValueError:
            result[key] = value
    return result
