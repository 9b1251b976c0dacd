"""Fonts for text in any language, as far as the system has any."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from PIL import ImageFont

from vlp_rvos.utils.plain_text import escape_unprintable

__all__ = ["Font", "drawable", "font_for"]

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Pillow's own font has hardly more than ASCII. Systems usually have one of these for other letters.
WIDE_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "arial.ttf", "Arial Unicode.ttf", "NotoSansCJK-Regular.ttc")

# Not a character: every font draws it as it draws the letters that it lacks.
MISSING = "\uffff"


@lru_cache(maxsize=64)
def font_for(text: str, size: int) -> Font:
    """Choose the font that has most letters of a text; Pillow's own font where it has them all.

    Args:
        text: The text to draw.
        size: Size of the font in pixels.
    """
    letters = set(text) - set(" \n")
    best, covered = ImageFont.load_default(size), -1
    for font in _fonts(size):
        found = sum(_has(font, letter) for letter in letters)
        if found > covered:
            best, covered = font, found
        if covered == len(letters):
            break
    return best


def drawable(text: str, font: Font) -> str:
    """Replace letters that a font lacks by plain ones that it has, such as "é" by "e".

    Control characters and bytes that are not UTF-8 are replaced by a visible escape.
    """
    shown = escape_unprintable(text)
    # Each letter is looked at once, however long the text is: to ask a font takes long.
    letters = {letter: letter if _has(font, letter) else _plain(letter, font) for letter in set(shown)}
    return "".join(letters[letter] for letter in shown)


def _fonts(size: int) -> Iterator[Font]:
    yield ImageFont.load_default(size)
    for name in WIDE_FONTS:
        with suppress(OSError):
            yield ImageFont.truetype(name, size)


def _has(font: Font, letter: str) -> bool:
    if letter.isspace():
        return True
    try:
        return _glyph(font, letter) != _glyph(font, MISSING)
    # Without FreeType, Pillow's own font is a bitmap font, which refuses everything but Latin-1.
    except UnicodeError:
        return letter.isascii()


def _glyph(font: Font, letter: str) -> bytes:
    # Pillow does not declare that this holds bytes.
    pixels: Any = font.getmask(letter)
    return bytes(pixels)


def _plain(letter: str, font: Font) -> str:
    decomposed = unicodedata.normalize("NFKD", letter)
    plain = "".join(part for part in decomposed if not unicodedata.combining(part))
    return plain if plain and all(_has(font, part) for part in plain) else letter
