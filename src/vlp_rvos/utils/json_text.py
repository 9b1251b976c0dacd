"""Write JSON that every reader takes."""

from __future__ import annotations

import json
import re
from typing import Any

from vlp_rvos.utils.plain_text import escape_surrogates

__all__ = ["json_text"]


def json_text(content: Any, indent: int | None = None, *, ascii_only: bool = False) -> str:
    r"""JSON as valid Unicode: what UTF-8 cannot hold, as in some file names, becomes visible text such as `\xe9`.

    Args:
        content: Values that JSON has.
        indent: Number of spaces for each level; None for one line.
        ascii_only: Write everything but printable ASCII as escapes, for terminals and readers of any encoding.

    Raises:
        ValueError: The content holds NaN or infinity, which JSON does not have.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    # Inside a JSON string, where surrogates stand, the backslash of an escape must be escaped itself.
    escaped = "[^\x00-\x7f]" if ascii_only else "[\ud800-\udfff]"
    text = re.sub(escaped, lambda match: json.dumps(escape_surrogates(match[0]))[1:-1], text)
    # The only control character that JSON does not escape.
    return text.replace("\x7f", r"\u007f") if ascii_only else text
