from __future__ import annotations

import os
import unicodedata

import pytest

from vlp_rvos.utils.plain_text import (
    clock,
    escape_surrogates,
    escape_unprintable,
    is_blank,
    is_unicode,
    short_repr,
    shorten,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\x00b\x7fc\x9bd", r"a\x00b\x7fc\x9bd"),
        ("line\nbreak\ttab\rback", r"line\x0abreak\x09tab\x0dback"),
        ("\u202egpj.exe\u202c \u2066\u2069 \u200e\u200f", r"\u202egpj.exe\u202c \u2066\u2069 \u200e\u200f"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("\ud800 \U000e0041", r"\ud800 \U000e0041"),
        ("the café's dog – 你好 👍\u200d", "the café's dog – 你好 👍\u200d"),
        ("日本\u3000x\xa0y", "日本\u3000x\xa0y"),
    ],
)
def test_what_a_terminal_obeys_is_shown(text: str, shown: str) -> None:
    assert escape_unprintable(text) == shown


def test_no_control_character_and_no_mark_of_direction_passes() -> None:
    joiners = {"\u200c", "\u200d"}
    directions = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    for code in [*range(0x3000), 0xFEFF, *range(0xD800, 0xE000)]:
        letter = chr(code)
        category, direction = unicodedata.category(letter), unicodedata.bidirectional(letter)
        harmful = category in ("Cc", "Cs", "Zl", "Zp") or direction in directions
        if harmful:
            assert escape_unprintable(letter).isascii(), hex(code)
        elif category not in ("Cf", "Cn") or letter in joiners:
            assert escape_unprintable(letter) == letter, hex(code)


def test_only_what_is_not_unicode_is_escaped_for_files() -> None:
    assert escape_surrogates("\x1b\n\u202e caf\udce9 \ud800") == "\x1b\n\u202e caf\\xe9 \\ud800"


def test_a_long_text_loses_its_middle() -> None:
    assert shorten("a dog", 5) == "a dog"
    assert shorten("abcdefghij", 4) == "ab... (6 characters left out) ...ij"
    assert len(shorten("x" * 48_000)) < 1100


def test_values_in_messages_are_short() -> None:
    endless: list[object] = []
    endless.append(endless)
    for value in ("x" * 9999, list(range(9999)), endless, dict.fromkeys(range(99), "y" * 99), 10**4000):
        assert len(short_repr(value)) < 500
    assert short_repr(7) == "7"
    assert short_repr("red\x1b") == r"'red\x1b'"


def test_is_unicode() -> None:
    assert is_unicode("café 日本 \x1b")
    assert not is_unicode(os.fsdecode(b"caf\xe9"))


@pytest.mark.parametrize(
    ("text", "blank"),
    [
        ("", True),
        (" \t\n\xa0\u3000", True),
        ("\u200d\u200c\u200b\ufeff", True),
        ("\u0301\ufe0f", True),
        ("\x1b\x00", True),
        ("a", False),
        (" \u200d?", False),
        ("狗", False),
        ("👍\u200d", False),
        (os.fsdecode(b"\xe9"), False),
    ],
)
def test_what_shows_nothing_is_blank(text: str, blank: bool) -> None:
    assert is_blank(text) == blank


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00.0"), (3.24, "0:03.2"), (59.96, "1:00.0"), (3599.96, "1:00:00.0"), (3661.5, "1:01:01.5")],
)
def test_times_as_a_player_shows_them(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
