from __future__ import annotations

import inspect
import logging

import pytest

from vlp_rvos.cli import app as cli
from vlp_rvos.cli.messages import shown_announcements
from vlp_rvos.cli.verbosity import with_verbosity
from vlp_rvos.errors import UserError
from vlp_rvos.utils.progress import ANNOUNCEMENTS, announce, detail, is_quiet


def speak(word: str) -> None:
    announce(f"announced {word} {is_quiet()}")
    detail(f"detail {word}")


@pytest.mark.parametrize(
    ("quiet", "verbose", "said"),
    [(False, False, "announced a False\n"), (True, False, ""), (False, True, "announced a False\ndetail a\n")],
)
def test_how_much_a_command_says(quiet: bool, verbose: bool, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with shown_announcements():
        with_verbosity(speak)(word="a", quiet=quiet, verbose=verbose)
    assert capsys.readouterr().err == said
    assert logging.getLogger(ANNOUNCEMENTS).level == logging.NOTSET
    assert not is_quiet()


def test_both_are_refused() -> None:
    with pytest.raises(UserError, match="exclude each other"):
        with_verbosity(speak)(word="a", quiet=True, verbose=True)


def test_the_options_of_a_command_stay() -> None:
    assert list(inspect.signature(with_verbosity(speak)).parameters) == ["word", "quiet", "verbose"]


def test_every_command_has_both(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        "segment",
        "models",
        "train",
        "evaluate masks",
        "evaluate ref-davis17",
        "data check",
        "bench overhead",
    ):
        assert cli.main([*command.split(), "--help"]) == 0
        shown = capsys.readouterr().out
        assert "--quiet" in shown
        assert "--verbose" in shown
