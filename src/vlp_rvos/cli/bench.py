"""`vlp-rvos bench overhead`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from rich.console import Console

__all__ = ["overhead"]

ROWS = {
    "model_over_tower": "whole model / bare frozen tower",
    "bf16_over_fp32": "whole model in bf16 / in fp32",
    "second_expression_over_first": "a second expression / the first",
    "training_step_over_forward": "training step of two clips / their forward",
}


def overhead(
    model: str,
    json_file: Path | None,
    precision: Literal["fp32", "bf16"],
    threads: int | None,
    rounds: int,
    training: bool,
) -> None:
    """Measure what the method costs on top of its frozen tower, and print the ratios.

    Args:
        model: name of a model preset.
        json_file: where to write the numbers.
        precision: of model and tower.
        threads: of the tensor library; None for its own choice.
        rounds: timed runs of each form.
        training: time a training step too.

    Raises:
        UserError: an unknown model, or an unwritable file.
    """
    import torch

    from vlp_rvos.profiling.overhead import measure_overhead
    from vlp_rvos.utils.atomic import write_bytes

    if threads is not None:
        torch.set_num_threads(threads)
    found = measure_overhead(model, precision=precision, rounds=rounds, training=training).to_json()
    if json_file is not None:
        write_bytes(json_file, (json.dumps(found, indent=1) + "\n").encode())
    console = Console()
    console.print(f"{model}, clips of {found['frames']}, {found['height']}x{found['width']}, {precision}")
    for key, title in ROWS.items():
        if found[key] is not None:
            console.print(f"  {title:45s} {found[key]:.3f}")
