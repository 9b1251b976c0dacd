"""`vlp-rvos ablate`: train and measure a model with one part changed at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from vlp_rvos.errors import UserError
from vlp_rvos.training.ablation import load_ablation, run_ablation, summarise, table
from vlp_rvos.utils.atomic import write_bytes

__all__ = ["run"]

INTERRUPTED = 130


def run(
    config: Path,
    output: Path,
    rows: str | None = None,
    seeds: str | None = None,
    steps: int | None = None,
    device: str = "auto",
    overrides: Sequence[str] = (),
) -> None:
    """Do what is missing of a table, write `ablation.json` and `ablation.md`, and print the table.

    Args:
        config: YAML file, or the name of a shipped ablation.
        output: folder of the table; the runs that it holds are kept.
        rows: names of the rows to do, with commas between; None for all.
        seeds: numbers, with commas between; None for those of the configuration.
        steps: of the optimizer for each row and seed, in place of the configuration's.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        overrides: "key.key=value" each, on top of the file.

    Raises:
        UserError: something in the configuration, the data or the output folder cannot be used.
        typer.Exit: code 130, when it was asked to stop; the same command goes on.
    """
    if steps is not None:
        overrides = [*overrides, f"train.steps={steps}"]
    whole = load_ablation(config, overrides)
    part = whole.select(_parts(rows), [_number(seed) for seed in _parts(seeds)])
    finished = run_ablation(part, output, device=device, on_run=typer.echo)
    summary = summarise(whole, output)
    write_bytes(output / "ablation.json", (json.dumps(summary, indent=1) + "\n").encode())
    write_bytes(output / "ablation.md", (table(summary) + "\n").encode())
    if not finished:
        typer.echo("stopped; go on with the same command")
        raise typer.Exit(INTERRUPTED)
    typer.echo(table(summary))


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _number(text: str) -> int:
    if not text.isdecimal():
        raise UserError(f"--seeds: '{text}' is not a number; write for example 0,1")
    return int(text)
