from __future__ import annotations

import io
import sys

import pytest
from rich.progress import TextColumn

from vlp_rvos.utils.progress import counting, progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """No fixture: between set-up and test, pytest puts its own stream in place."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return stream


def test_a_terminal_shows_count_unit_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    with counting("[a] clip.mp4", "frames", 8) as count:
        count(2)
        count(8)
    text = stream.getvalue()
    assert "[a] clip.mp4" in text
    assert "8/8" in text
    assert "frames (" in text
    assert "/s)" in text


def test_a_total_that_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    with counting("scoring", "frames") as count:
        count(3, 9)
    assert "3/9" in stream.getvalue()


def test_nothing_is_shown_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with counting("scoring", "frames", 3) as count:
        count(3)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("enabled", [True, False])
def test_a_bar_with_columns_of_its_own(enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    with progress_bar(TextColumn("{task.fields[numbers]}"), enabled=enabled) as bar:
        bar.add_task("run", total=1.0, numbers="loss 0.5")
    assert ("loss 0.5" in stream.getvalue()) == enabled
    assert bar.disable != enabled


def test_a_description_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    with counting("red\x1b[31m\u202e\udce9.mp4", "frames", 8) as count:
        count(8)
    assert r"red\x1b[31m\u202e\xe9.mp4" in stream.getvalue()
