"""Fonts for text in any language, as far as the system has them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from PIL import ImageFont

__all__ = ["Font", "drawable", "font_for"]

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Pillow's own font has hardly more than ASCII; these are what systems usually have for the rest.
WIDE_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "arial.ttf", "Arial Unicode.ttf", "NotoSansCJK-Regular.ttc")

# No character: every font draws it as what it draws for letters that it lacks.
MISSING = "\uffff"


@lru_cache(maxsize=64)
def font_for(text: str, size: int) -> Font:
    """The font that has most of a text's letters; Pillow's own one where it has them all.

    Args:
        text: to draw.
        size: in pixels.
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
    """The text with plain letters, "e" for "é", in place of those that the font lacks, where it has the plain ones."""
    return "".join(letter if _has(font, letter) else _plain(letter, font) for letter in text)


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
    # What the bitmap font that stands in for Pillow's own, where FreeType is missing, says of all but Latin-1.
    except UnicodeError:
        return letter.isascii()


def _glyph(font: Font, letter: str) -> bytes:
    # Its type does not tell that it holds bytes.
    pixels: Any = font.getmask(letter)
    return bytes(pixels)


def _plain(letter: str, font: Font) -> str:
    decomposed = unicodedata.normalize("NFKD", letter)
    plain = "".join(part for part in decomposed if not unicodedata.combining(part))
    return plain if plain and all(_has(font, part) for part in plain) else letter
