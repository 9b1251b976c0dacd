"""The program `vlp-rvos`: its commands, and one line and an exit code for each way in which they can fail."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from vlp_rvos._version import __version__
from vlp_rvos.cli import data, evaluate
from vlp_rvos.cli.ablate import ablate
from vlp_rvos.cli.batch import batch
from vlp_rvos.cli.bench import overhead
from vlp_rvos.cli.convert import convert
from vlp_rvos.cli.doctor import doctor
from vlp_rvos.cli.explain import explain
from vlp_rvos.cli.export import export
from vlp_rvos.cli.grounding import grounding
from vlp_rvos.cli.messages import echo, one_line, reported_warnings, show_unencodable, shown_announcements
from vlp_rvos.cli.models import models
from vlp_rvos.cli.option_groups import expand_option_groups
from vlp_rvos.cli.pictures import pictures
from vlp_rvos.cli.pretrain import pretrain
from vlp_rvos.cli.segment import segment
from vlp_rvos.cli.serve import serve
from vlp_rvos.cli.submit import submit
from vlp_rvos.cli.teach import teach
from vlp_rvos.cli.train import train
from vlp_rvos.cli.verbosity import with_verbosity
from vlp_rvos.cli.web import web
from vlp_rvos.errors import HUNG_UP, INTERRUPTED, TERMINATED, VLPRVOSError
from vlp_rvos.evaluation.protocols import PROTOCOLS
from vlp_rvos.utils.atomic import os_reason
from vlp_rvos.utils.signals import Terminated, raise_on_termination

__all__ = ["app", "main"]

DEBUG_VARIABLE = "VLP_RVOS_DEBUG"
#: What the operating system refuses because of the path that the user gave.
USERS_OWN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)
ENDINGS = {
    INTERRUPTED: "interrupted",
    TERMINATED: "terminated",
    HUNG_UP: "terminated: the terminal was closed",
}

app = typer.Typer(
    name="vlp-rvos",
    help="Point at anything in a video with words.",
    epilog="Try: vlp-rvos segment VIDEO 'the red car'",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"vlp-rvos {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _register(group: typer.Typer, commands: Mapping[str, Callable[..., None]]) -> None:
    for name, command in commands.items():
        # Typer would keep the line breaks inside a paragraph.
        paragraphs = (" ".join(text.split()) for text in (command.__doc__ or "").split("\n\n"))
        group.command(name, help="\n\n".join(paragraphs))(with_verbosity(expand_option_groups(command)))


_register(app, {"segment": segment, "web": web, "batch": batch, "convert": convert, "explain": explain})
_register(app, {"serve": serve, "models": models, "doctor": doctor, "export": export})
_register(app, {"train": train, "teach": teach, "ablate": ablate, "pretrain": pretrain, "submit": submit})

evaluate_app = typer.Typer(help="Score masks, or run a model on a data set and score its masks.")
_register(evaluate_app, {"masks": evaluate.masks, "run": evaluate.run, "grounding": grounding, "pictures": pictures})
_register(evaluate_app, {"rle": evaluate.rle, "compare": evaluate.compare})
# The earlier name of `grounding`.
evaluate_app.command("listening", hidden=True)(with_verbosity(expand_option_groups(grounding)))
for _name, _protocol in PROTOCOLS.items():
    _help = f"Run a model on {_name} and score it: {_protocol.summary}."
    evaluate_app.command(_name, help=_help)(with_verbosity(expand_option_groups(evaluate.benchmark)))
app.add_typer(evaluate_app, name="evaluate")

data_app = typer.Typer(help="Check and preview data sets.")
_register(data_app, {"check": data.check, "preview": data.preview})
app.add_typer(data_app, name="data")

bench_app = typer.Typer(help="Measure what the parts of a model cost, as ratios.")
_register(bench_app, {"overhead": overhead})
app.add_typer(bench_app, name="bench")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    A failure is one line on standard error; with VLP_RVOS_DEBUG set, its traceback comes before.

    Args:
        arguments: what follows the program's name; None takes it from `sys.argv`.

    Returns:
        Exit code: 0 for success, 1 for an internal error, 2 for a mistake in the input, 130 after Ctrl-C, 143
        after SIGTERM, 129 after SIGHUP.
    """
    show_unencodable()
    with reported_warnings(), shown_announcements(), raise_on_termination():
        try:
            code = app(None if arguments is None else list(arguments), prog_name="vlp-rvos", standalone_mode=False)
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        except Terminated as ending:
            code = int(str(ending.code))
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE):
                for line in traceback.format_exc().splitlines():
                    echo(line, error=True)
            return _fail(*_explain(error))
        if code in ENDINGS:
            return _fail(ENDINGS[code], code)
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> tuple[str, int]:
    """One line and the exit code."""
    if isinstance(error, VLPRVOSError):
        return f"error: {error}", error.exit_code
    if hasattr(error, "format_message"):
        # A usage error; typer's and click's classes differ between their versions.
        context = getattr(error, "ctx", None)
        command = "vlp-rvos" if context is None else context.command_path
        # Pydantic, which recent versions of typer check values with, puts this before the message of an exception.
        message = error.format_message().replace("Value error, ", "")
        return f"error: {message} (see '{command} --help')", 2
    if isinstance(error, OSError):
        code = 2 if error.errno in USERS_OWN else 1
        return f"error: {os_reason(error)}" + (f": {error.filename}" if error.filename else ""), code
    if isinstance(error, RecursionError):
        return "error: something in the input is nested too deeply to be read", 2
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return "error: out of memory; use a smaller --size", 1
    if type(error).__name__ == "OutOfMemoryError":
        return "error: out of GPU memory; use a smaller --size or --device cpu", 1
    hint = "" if os.environ.get(DEBUG_VARIABLE) else f" (set {DEBUG_VARIABLE}=1 for the traceback)"
    return f"internal error: {type(error).__name__}: {error}{hint}", 1


def _fail(message: str, code: int) -> int:
    print(one_line(message), file=sys.stderr)
    return code
