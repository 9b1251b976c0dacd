"""Make text from outside safe to show and to store: file names, expressions, headers of files, messages of libraries.

Such text may hold escape sequences that move the cursor of a terminal, marks that reverse the order of letters, or
bytes that are not UTF-8 (which Python keeps in a name as surrogates, U+DC80 to U+DCFF).
"""

from __future__ import annotations

import re
import reprlib
import unicodedata

__all__ = [
    "clock",
    "escape_surrogates",
    "escape_unprintable",
    "is_blank",
    "is_unicode",
    "one_line",
    "short_repr",
    "shorten",
]

MAX_LENGTH = 1000
"""Longest text that a message shows, in characters."""

#: Categories of Unicode that show nothing by themselves: spaces, controls, joiners, and marks that need a letter.
_INVISIBLE = frozenset({"Cc", "Cf", "Me", "Mn", "Zl", "Zp", "Zs"})
_SURROGATES = re.compile("[\ud800-\udfff]")
_UNPRINTABLE = re.compile(
    # Control characters, DEL, C1, soft hyphen.
    "[\x00-\x1f\x7f-\x9f\xad"
    # Marks of writing direction, zero-width spaces, separators of lines, invisible operators. The joiners U+200C and
    # U+200D stay: Persian and emoji are written with them.
    "\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def clock(seconds: float) -> str:
    """A time of a video as a player shows it, to a tenth of a second: `0:03.2` or `1:00:03.2`."""
    minutes, tenths = divmod(round(10 * seconds), 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def escape_unprintable(text: str) -> str:
    r"""Replace what a terminal would obey or hide by a visible escape, for example `\x1b` for the escape character.

    Line breaks and tabs are replaced too.
    """
    return _UNPRINTABLE.sub(_escape, text)


def escape_surrogates(text: str) -> str:
    r"""Replace what UTF-8 cannot hold by a visible escape: a byte `e9` of a file's name becomes `\xe9`."""
    return _SURROGATES.sub(_escape, text)


def one_line(message: object) -> str:
    """A message without line breaks, of a length that can be read, and with what a terminal would obey escaped."""
    # Spaces become one space first, so that a line break between two sentences is not shown as an escape.
    return escape_unprintable(shorten(" ".join(str(message).split())))


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: it is empty, or holds only spaces, control characters or joiners."""
    return all(unicodedata.category(letter) in _INVISIBLE for letter in text)


def is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold a text, which is not so for a file's name of other bytes."""
    return not _SURROGATES.search(text)


def shorten(text: str, limit: int = MAX_LENGTH) -> str:
    """Leave out the middle of a long text, and say how much is left out.

    Args:
        text: The text.
        limit: Length from which on it is shortened, in characters. The beginning and the end that stay have
            half of it each.
    """
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}... ({len(text) - 2 * half} characters left out) ...{text[len(text) - half :]}"


def short_repr(value: object) -> str:
    """`repr` for messages: long texts, large collections and deep nesting are cut short."""
    return _short.repr(value)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        # How Python keeps a byte that is not UTF-8.
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80
_short.maxlevel = 3
