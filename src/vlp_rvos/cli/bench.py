"""`vlp-rvos bench overhead`: what the method costs on top of its frozen vision tower."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from vlp_rvos.cli.completion import complete_preset
from vlp_rvos.cli.messages import echo
from vlp_rvos.cli.own_files import is_report
from vlp_rvos.cli.shared_options import JsonFile

__all__ = ["overhead"]

ROWS = {
    "model_over_tower": "whole model / bare frozen tower",
    "bf16_over_fp32": "whole model in bf16 / in fp32",
    "second_expression_over_first": "a second expression / the first",
    "training_step_over_forward": "training step of two clips / their forward",
}


def overhead(
    model: Annotated[
        str,
        typer.Option(
            help="Name of a model (see 'vlp-rvos models'); it gets random weights.", autocompletion=complete_preset
        ),
    ] = "mini",
    json_file: JsonFile = None,
    precision: Annotated[
        Literal["fp32", "bf16"], typer.Option(help="Number format of the model and of the tower.")
    ] = "fp32",
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="CPU threads of PyTorch.", show_default="its own choice")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="Number of timed runs; the median counts.")] = 7,
    training: Annotated[bool, typer.Option("--training/--no-training", help="Time a training step too.")] = True,
) -> None:
    """Time the whole model against its bare frozen vision tower, on this machine."""
    import torch

    from vlp_rvos.profiling.overhead import measure_overhead
    from vlp_rvos.utils.atomic import write_json
    from vlp_rvos.utils.output_files import prepare_output

    if json_file is not None:
        prepare_output(json_file, is_ours=is_report)
    if threads is not None:
        torch.set_num_threads(threads)
    found = measure_overhead(model, precision=precision, rounds=rounds, training=training).to_json()
    if json_file is not None:
        write_json(json_file, found)
    echo(f"{model}, clips of {found['frames']}, {found['height']}x{found['width']}, {precision}")
    for key, title in ROWS.items():
        if found[key] is not None:
            echo(f"  {title:45s} {found[key]:.3f}")
