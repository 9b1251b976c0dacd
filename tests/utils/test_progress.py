from __future__ import annotations

import io
import re
import sys
import time

import pytest
from rich.progress import TextColumn

from vlp_rvos.utils import progress
from vlp_rvos.utils.progress import announce, announced, counting, progress_bar


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


def test_without_a_terminal_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)

    def lines(frames: int, per_second: float) -> list[int]:
        nonlocal now
        began = now
        with counting("a\x1b.mp4", "frames", frames) as count:
            for done in range(1, frames + 1):
                now = began + done / per_second
                count(done)
        printed = capsys.readouterr()
        assert printed.out == ""
        assert all(line.startswith("a\\x1b.mp4: ") for line in printed.err.splitlines())
        return [int(line.split()[1]) for line in printed.err.splitlines()]

    assert lines(60, 2.0) == [10, 20, 30, 40, 50, 60], "every five seconds"
    assert lines(1000, 10.0) == [*range(100, 1001, 100)], "every tenth"
    assert lines(10000, 10.0)[:2] == [600, 1200], "every minute"
    with counting("b.mp4", "frames") as count:
        now += 10
        count(1)
    assert capsys.readouterr().err == "b.mp4: 1 frames (0.1/s)\n"


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_log_has_no_control_characters_even_if_colours_are_forced(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "1")
    with counting("scoring", "frames", 3) as count:
        count(3)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_that_cannot_move_its_cursor_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    with counting("scoring", "frames", 3) as count:
        count(3)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color(no_color: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", no_color)
    with counting("scoring", "frames", 3) as count:
        count(3)
    colours = re.findall(r"\x1b\[[\d;]*(?:3\d|38;[\d;]+|9\d)m", stream.getvalue())
    assert bool(colours) == (not no_color)


def test_announcements_are_log_records(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        announce("loading 100% of mini")
    assert caplog.messages == ["loading 100% of mini"]


def test_only_long_work_is_announced(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        with announced("short"):
            pass
        monkeypatch.setattr(progress, "SILENT_SECONDS", 0.01)
        with announced("long"):
            deadline = time.monotonic() + 10
            while not caplog.messages and time.monotonic() < deadline:
                time.sleep(0.005)
    assert caplog.messages == ["long"]
