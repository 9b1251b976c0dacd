"""Ranges of numbers, declared where the numbers are: `steps: Annotated[int, Range(1, 10**9)] = 1000`."""

from __future__ import annotations

import types
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from vlp_rvos.utils.plain_text import short_repr

__all__ = ["ANY_COUNT", "MAX_SEED", "SHARE", "Range", "check_ranges"]

MAX_SEED = 2**32 - 1
"""Largest seed that all random generators take."""


@dataclass(frozen=True)
class Range:
    """An interval of numbers. NaN lies in none.

    Attributes:
        low: Lower end.
        high: Upper end.
        above_low: Whether the lower end itself is excluded.
        below_high: Whether the upper end itself is excluded.
    """

    low: float
    high: float
    above_low: bool = False
    below_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.above_low else value >= self.low
        below = value < self.high if self.below_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        if not self.above_low and not self.below_high:
            return f"from {self.low} to {self.high}"
        low = f"greater than {self.low}" if self.above_low else f"at least {self.low}"
        return f"{low} and {'less than' if self.below_high else 'at most'} {self.high}"

    def check(self, name: str, value: float, error: type[ValueError] = ValueError) -> None:
        """Refuse a number outside the range.

        Args:
            name: What the number is, for the message.
            value: The number.
            error: Type of the error to raise.

        Raises:
            ValueError: The number lies outside, or is not a number.
        """
        if value not in self:
            shown = f"{value:g}" if isinstance(value, float) else short_repr(value)
            raise error(f"{name} must be {self}, not {shown}")


SHARE = Range(0, 1)
"""A part of a whole."""
ANY_COUNT = Range(1, 10**9)
"""A number of things that nothing but time limits."""


def check_ranges(record: object, error: type[ValueError] = ValueError) -> None:
    """Check the numbers of a dataclass whose types are annotated with a `Range`; for its `__post_init__`.

    The annotated type may stand in a union with None, or be the type of a tuple's items.

    Args:
        record: An instance of the dataclass.
        error: Type of the error to raise.

    Raises:
        ValueError: A number lies outside its range.
    """
    # mypy takes no class for hashable.
    for name, hint in _hints(type(record)):  # type: ignore[arg-type]
        _check(hint, name, getattr(record, name), error)


@lru_cache(maxsize=64)
def _hints(kind: Any) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple((field.name, hints[field.name]) for field in fields(kind))


def _check(hint: Any, name: str, value: Any, error: type[ValueError]) -> None:
    origin = get_origin(hint)
    if origin is Annotated:
        for mark in get_args(hint)[1:]:
            if isinstance(mark, Range):
                mark.check(name, value, error)
    elif origin in (Union, types.UnionType):
        if value is not None:
            for choice in get_args(hint):
                _check(choice, name, value, error)
    elif origin is tuple:
        for item in value:
            _check(get_args(hint)[0], name, item, error)
