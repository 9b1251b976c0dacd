from __future__ import annotations

import io
import sys
import warnings

import pytest

from vlp_rvos.cli.messages import echo, one_line, reported_warnings, safe_text, show_unencodable, shown_announcements
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.progress import announce


def test_one_line() -> None:
    assert one_line(UserError("a\n  long\tmessage ")) == "a long message"


def test_warnings_are_printed_and_collected_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with reported_warnings() as messages:
            for text in ("cut\nshort", "too dark", "cut short"):
                warnings.warn(VLPRVOSWarning(text), stacklevel=1)
            warnings.warn("other", UserWarning, stacklevel=1)
        assert messages == ["cut short", "too dark"]
        assert capsys.readouterr() == ("", "warning: cut short\nwarning: too dark\n")


def test_before_and_after_warnings_are_as_they_were() -> None:
    shown, filters = warnings.showwarning, list(warnings.filters)
    with reported_warnings():
        assert warnings.showwarning != shown
    assert warnings.showwarning == shown
    assert list(warnings.filters) == filters


def test_text_from_outside_is_safe_and_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert one_line("no such file: \x1b[2Jx\u202e\udce9.mp4") == r"no such file: \x1b[2Jx\u202e\xe9.mp4"
    assert len(one_line("cut off: " + "dog " * 12_000)) < 1200
    with reported_warnings() as messages:
        warnings.warn(VLPRVOSWarning("\x1b]0;title\x07 " + "x" * 48_000), stacklevel=1)
    printed = capsys.readouterr().err
    assert printed.startswith(r"warning: \x1b]0;title\x07 xxx")
    assert len(printed) < 1200
    assert printed == f"warning: {messages[0]}\n"


def test_echo(capsys: pytest.CaptureFixture[str]) -> None:
    echo("wrote \x1b[31m\nout")
    echo("caf\udce9", error=True)
    assert capsys.readouterr() == ("wrote \\x1b[31m\\x0aout\n", "caf\\xe9\n")


def test_cells_of_tables_are_safe() -> None:
    assert safe_text("[red]dog\x1b[31m\u202e").plain == r"[red]dog\x1b[31m\u202e"


def test_a_terminal_that_lacks_a_letter_gets_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    show_unencodable()
    print("caf\xe9 \u65e5", file=stream, flush=True)
    assert stream.buffer.getvalue() == b"caf\xe9 \\u65e5\n"  # type: ignore[attr-defined]


def test_announcements_are_shown_only_by_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    announce("unseen")
    with shown_announcements():
        announce("loading a\x1b[31m\nb")
    announce("unseen")
    assert capsys.readouterr() == ("", "loading a\\x1b[31m b\n")
