"""What the scripts of this folder share: common options, the training mixture, and one line for an error."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.training.train_config import load_config
from vlp_rvos.utils.output_files import prepare_output
from vlp_rvos.utils.overrides import apply_overrides


def script_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that prints the docstring of the script as it is written."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_inference_overrides(parser: argparse.ArgumentParser) -> None:
    """Add `--use`; `inference_overrides` reads it."""
    parser.add_argument(
        "--use",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a field of the model's config at inference, in place of its value in training; repeatable",
    )


def inference_overrides(arguments: argparse.Namespace) -> dict[str, object]:
    """The fields that `--use` changes.

    Raises:
        UserError: A setting is not KEY=VALUE.
    """
    return apply_overrides({}, arguments.use)


def add_mixture(parser: argparse.ArgumentParser) -> None:
    """Add `--data` and `--config`; `read_mixture` reads them."""
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--config", type=Path, default=Path("mini-further"), help="training configuration")


def read_mixture(arguments: argparse.Namespace, **changes: Any) -> MixtureConfig:
    """The training mixture of the configuration, with some fields changed.

    Raises:
        UserError: An unknown configuration, or a value that does not fit.
    """
    return replace(load_config(arguments.config).data, root=str(arguments.data), **changes)


def prepare_weights(*paths: Path) -> None:
    """Check, before the work, that weights can be written to these files and that nothing is there yet.

    Raises:
        UserError: Something is there, or the folder cannot be written into.
    """
    for path in paths:
        if path.exists() and path.stat().st_size:
            raise UserError(f"{path} exists: name another file, or move it away")
        prepare_output(path)


def errors_in_one_line(main: Callable[[], None]) -> Callable[[], int]:
    """Make a main function return its exit code: 0, or 1 after an error, which is printed in one line."""

    @functools.wraps(main)
    def run() -> int:
        try:
            main()
        except VLPRVOSError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        return 0

    return run
