"""Fonts for text in any language."""

from __future__ import annotations

import pytest
from PIL import ImageFont

from vlp_rvos.media import fonts
from vlp_rvos.media.fonts import drawable, font_for


def glyph(font: fonts.Font, letter: str) -> bytes:
    return bytes(font.getmask(letter))


def has_wide_font() -> bool:
    try:
        ImageFont.truetype("DejaVuSans.ttf", 13)
    except OSError:
        return False
    return True


def test_plain_text_takes_pillow_s_own_font() -> None:
    own = ImageFont.load_default(13)
    assert font_for("the dog that jumps", 13).getname() == own.getname()
    assert drawable("the dog", own) == "the dog"


@pytest.mark.skipif(not has_wide_font(), reason="no font but Pillow's own")
@pytest.mark.parametrize("text", ["une église à gauche", "большая собака", "το σκυλί", "the dog – left"])
def test_other_letters_take_a_font_that_has_them(text: str) -> None:
    font = font_for(text, 13)
    assert drawable(text, font) == text
    assert all(glyph(font, letter) != glyph(font, fonts.MISSING) for letter in text if not letter.isspace())


def test_without_other_fonts_accents_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "WIDE_FONTS", ("no such font.ttf",))
    font_for.cache_clear()
    font = font_for("passing a café", 13)
    assert drawable("passing a café", font) == "passing a cafe"
    # Nothing plain stands for these.
    assert drawable("большая", font) == "большая"
    font_for.cache_clear()


@pytest.mark.parametrize("text", ["a\x1b[31mb\x00", "caf\udce9", "\ud800", "\u202eright"])
def test_what_is_no_letter_is_drawn_as_an_escape(text: str) -> None:
    font = font_for(text, 13)
    shown = drawable(text, font)
    assert "\\" in shown
    assert font.getlength(shown) > 0
    font.getmask(shown)


def test_a_long_text_asks_the_font_once_for_each_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("vlp_rvos.media.fonts._has", lambda font, letter: asked.append(letter) or True)
    assert drawable("ab" * 10000, font_for("ab", 10)) == "ab" * 10000
    assert len(asked) < 20
