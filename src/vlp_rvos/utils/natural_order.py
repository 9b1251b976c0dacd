"""The order of numbered names: frame2 comes before frame10."""

from __future__ import annotations

import re

__all__ = ["natural_order"]

_NUMBER = re.compile("([0-9]+)")


def natural_order(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key that compares the numbers inside names by their value, and all else as text.

    Args:
        name: Name of a frame without its suffix, or of a video.

    Example:
        >>> sorted(["10", "9", "a10", "a9"], key=natural_order)
        ['9', '10', 'a9', 'a10']
    """
    # Names such as 1 and 01 have equal numbers; the name itself then decides, so that the order is always the same.
    return [_compared(part) for part in _NUMBER.split(name) if part], name


def _compared(part: str) -> tuple[int, int, str]:
    if not _NUMBER.fullmatch(part):
        return 1, 0, part
    # Without leading zeros, the longer number is the larger one. `int` would refuse very long ones.
    digits = part.lstrip("0")
    return 0, len(digits), digits
