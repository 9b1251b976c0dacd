"""`vlp-rvos train`: train a model from a configuration file."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.completion import complete_recipe
from vlp_rvos.cli.messages import echo
from vlp_rvos.cli.shared_options import ConfigOverrides, Device

__all__ = ["train"]


def train(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG", help="YAML file, or name of a shipped configuration.", autocompletion=complete_recipe
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the run.", show_default="runs/<its name>"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Continue the run in the folder.")] = False,
    device: Device = "auto",
    overrides: ConfigOverrides = None,
) -> None:
    """Train a model. Ctrl-C or SIGTERM saves the run after the current step; --resume continues it."""
    from vlp_rvos.utils.extras import require_installed

    require_installed("lightning_fabric", extra="train")
    from vlp_rvos.training.train_config import load_config
    from vlp_rvos.training.trainer import Trainer

    trainer = Trainer(load_config(config, overrides or ()), output, device=device, resume=resume)
    result = trainer.train()
    if not trainer.fabric.is_global_zero:
        # The first process speaks for all of them, and its exit code counts.
        return
    if not result.finished:
        where = f"{result.stage}, step {result.steps}" if result.stage else f"step {result.steps}"
        echo(f"stopped at {where}; continue with the same command and --resume")
        raise typer.Exit(128 + (result.signal_number or signal.SIGINT))
    numbers = "".join(f", {name} {value:.3f}" for name, value in result.validation.items())
    echo(f"{result.model}: {result.steps} steps in {result.seconds / 60:.1f} minutes{numbers}")
