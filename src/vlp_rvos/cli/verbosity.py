"""The options --quiet and --verbose, which every command has."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from inspect import Parameter
from typing import Annotated, Any

import typer

from vlp_rvos.errors import UserError
from vlp_rvos.utils.progress import ANNOUNCEMENTS

__all__ = ["with_verbosity"]

PANEL = "Messages"
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Say nothing but warnings, errors and what was asked for, such as tables and JSON.",
        rich_help_panel=PANEL,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Say more of what is done, and how long it takes.", rich_help_panel=PANEL),
]


def with_verbosity(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options --quiet and --verbose.

    They set the level of the logger of announcements, which `shown_announcements` sets back at the end.
    """
    signature = inspect.signature(command, eval_str=True)
    added = [
        Parameter("quiet", Parameter.KEYWORD_ONLY, default=False, annotation=Quiet),
        Parameter("verbose", Parameter.KEYWORD_ONLY, default=False, annotation=Verbose),
    ]

    @functools.wraps(command)
    def run(*, quiet: bool, verbose: bool, **options: Any) -> None:
        if quiet and verbose:
            raise UserError("--quiet and --verbose exclude each other")
        if quiet or verbose:
            logging.getLogger(ANNOUNCEMENTS).setLevel(logging.WARNING if quiet else logging.DEBUG)
        command(**options)

    parameters = [*signature.parameters.values(), *added]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
