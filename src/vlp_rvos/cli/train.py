"""`vlp-rvos train`: train a model from a configuration file."""

from __future__ import annotations

from pathlib import Path

import typer

from vlp_rvos.training.train_config import load_config
from vlp_rvos.training.trainer import Trainer

__all__ = ["run"]

INTERRUPTED = 130


def run(
    config: Path,
    output: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    overrides: list[str] | None = None,
) -> None:
    """Train, and say where the model is.

    Args:
        config: YAML file, or the name of a shipped configuration.
        output: folder of the run; `runs/<name>` by default.
        resume: go on with the run that the folder holds.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        overrides: "key.key=value" each, on top of the file.

    Raises:
        UserError: something in the configuration, the data or the output folder cannot be used.
        typer.Exit: code 130, when the run was asked to stop; it can be resumed.
    """
    trainer = Trainer(load_config(config, overrides or ()), output, device=device, resume=resume)
    result = trainer.train()
    if not result.finished:
        typer.echo(f"stopped at step {result.steps}; go on with the same command and --resume")
        raise typer.Exit(INTERRUPTED)
    numbers = "".join(f", {name} {value:.3f}" for name, value in result.validation.items())
    typer.echo(f"{result.model}: {result.steps} steps in {result.seconds / 60:.1f} minutes{numbers}")
