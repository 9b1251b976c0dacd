"""`vlp-rvos ablate`: train and measure a model with one part changed at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.completion import complete_ablation
from vlp_rvos.cli.messages import echo
from vlp_rvos.cli.shared_options import ConfigOverrides, Device
from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import shorten
from vlp_rvos.utils.ranges import MAX_SEED, Range

__all__ = ["ablate"]


def ablate(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG", help="YAML file, or name of a shipped ablation.", autocompletion=complete_ablation
        ),
    ] = Path("mini"),
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of all runs; finished runs in it are kept.")
    ],
    rows: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Names of the rows to run.", show_default="all")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="0,1,...", help="Seeds to run each row with.", show_default="those of CONFIG")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Optimizer steps for each row and seed.", show_default="those of CONFIG")
    ] = None,
    device: Device = "auto",
    overrides: ConfigOverrides = None,
) -> None:
    """Train a model with one part of the method changed at a time, and compare the results in a table.

    Ctrl-C stops it; the same command continues. The folder gets ablation.json and ablation.md.
    """
    from vlp_rvos.utils.extras import require_installed

    require_installed("lightning_fabric", extra="train")
    from vlp_rvos.training.ablation import collect_results, run_ablation
    from vlp_rvos.training.ablation_config import load_ablation
    from vlp_rvos.training.ablation_table import ablation_table, is_summary, is_table
    from vlp_rvos.utils.atomic import write_json, write_text
    from vlp_rvos.utils.output_files import refuse_foreign

    changes = [*(overrides or ()), *([] if steps is None else [f"train.steps={steps}"])]
    whole = load_ablation(config, changes)
    part = whole.select(_items(rows), [_number(seed) for seed in _items(seeds)])
    refuse_foreign(output / "ablation.json", is_summary)
    refuse_foreign(output / "ablation.md", is_table)
    signal_number = run_ablation(part, output, device=device, on_run=echo)
    summary = collect_results(whole, output)
    write_json(output / "ablation.json", summary)
    write_text(output / "ablation.md", ablation_table(summary) + "\n")
    if signal_number is not None:
        echo("stopped; continue with the same command")
        raise typer.Exit(128 + signal_number)
    for line in ablation_table(summary).splitlines():
        echo(line)


def _items(text: str | None) -> list[str]:
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def _number(text: str) -> int:
    # Python refuses to read numbers of thousands of digits.
    if not text.isdecimal() or len(text) > 1000:
        raise UserError(f"--seeds: '{shorten(text, 80)}' is not a number; write for example 0,1")
    seed = int(text)
    Range(0, MAX_SEED).check("--seeds", seed, UserError)
    return seed
