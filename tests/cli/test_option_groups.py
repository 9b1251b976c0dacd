from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from vlp_rvos.cli.option_groups import OptionGroup, expand_option_groups
from vlp_rvos.errors import UserError


@dataclass(frozen=True)
class Size:
    width: int
    height: int


def make_size(
    width: Annotated[int, typer.Option(help="Pixels.")], height: Annotated[int, typer.Option("--high")] = 2
) -> Size:
    if width < 1:
        raise UserError("too narrow")
    return Size(width, height)


def make_words(words: Annotated[list[str] | None, typer.Option("--word")] = None) -> list[str]:
    return words or []


calls: list[tuple[Any, ...]] = []


def draw(
    name: Annotated[str, typer.Argument()],
    *,
    size: Annotated[Size, OptionGroup(make_size)],
    words: Annotated[list[str], OptionGroup(make_words)],
    loud: bool = False,
) -> None:
    """Draw something."""
    calls.append((name, size, words, loud))


def run(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(expand_option_groups(draw))
    calls.clear()
    return CliRunner().invoke(app, list(arguments))


def test_options_of_groups_become_records() -> None:
    assert run("me", "--width", "3", "--word", "a", "--word", "b", "--loud").exit_code == 0
    assert run("me", "--width", "3", "--high", "5").exit_code == 0
    assert calls == [("me", Size(3, 5), [], False)]


def test_the_expanded_function_has_the_options_of_the_groups() -> None:
    expanded = expand_option_groups(draw)
    assert list(inspect.signature(expanded).parameters) == ["name", "width", "height", "words", "loud"]
    assert expanded.__doc__ == draw.__doc__
    help_text = run("--help").output
    assert "--high" in help_text
    assert "Pixels." in help_text


def test_a_mistake_in_a_group_is_found_before_the_command_starts() -> None:
    result = run("me", "--width", "0")
    assert isinstance(result.exception, UserError)
    assert calls == []
    # Typer's own checks of the options of a group.
    assert run("me").exit_code == 2
    assert run("me", "--width", "x").exit_code == 2


def test_groups_are_keyword_only() -> None:
    def wrong(size: Annotated[Size, OptionGroup(make_size)], name: str = "") -> None: ...

    with pytest.raises(ValueError, match="wrong parameter order"):
        expand_option_groups(wrong)


def test_a_command_without_groups_is_called_as_it_is() -> None:
    seen: list[object] = []

    def command(name: str, *, loud: bool = False) -> None:
        seen.append((name, loud))

    expand_option_groups(command)(name="x", loud=True)
    assert seen == [("x", True)]
