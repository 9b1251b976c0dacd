"""Declare a group of options once, as a function that makes one record of them, for any number of commands.

def score_files(json: Annotated[Path | None, typer.Option()] = None, ...) -> ScoreFiles: ...

ScoreFileOptions = Annotated[ScoreFiles, OptionGroup(score_files)]

def masks(pred: Path, *, files: ScoreFileOptions) -> None: ...

app.command()(expand_option_groups(masks))      # has the option --json
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any, get_args, get_origin

__all__ = ["OptionGroup", "expand_option_groups"]


@dataclass(frozen=True)
class OptionGroup:
    """Marks a parameter of a command, in `Annotated`, that stands for several options.

    Attributes:
        build: function that makes the parameter's value. Its own parameters declare the options.
    """

    build: Callable[..., Any]


def expand_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameters of a command that are marked as groups by the options of the groups.

    Args:
        command: function whose parameters declare options as typer has them. Parameters that are groups must be
            keyword-only.

    Returns:
        A function for typer: it takes the options of the groups, and calls the command with what the groups build. The
        groups are built first, so mistakes in their options are found before the command starts.
    """
    groups: dict[str, tuple[Callable[..., Any], list[str]]] = {}
    expanded: list[Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        group = _group_of(parameter)
        if group is None:
            expanded.append(parameter)
        else:
            options = inspect.signature(group.build, eval_str=True).parameters
            groups[parameter.name] = group.build, list(options)
            expanded.extend(option.replace(kind=Parameter.KEYWORD_ONLY) for option in options.values())

    @functools.wraps(command)
    def run(**options: Any) -> None:
        built = {name: build(**{key: options.pop(key) for key in keys}) for name, (build, keys) in groups.items()}
        command(**options, **built)

    run.__signature__ = inspect.Signature(expanded)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in expanded}
    return run


def _group_of(parameter: Parameter) -> OptionGroup | None:
    if get_origin(parameter.annotation) is not Annotated:
        return None
    return next((mark for mark in get_args(parameter.annotation)[1:] if isinstance(mark, OptionGroup)), None)
