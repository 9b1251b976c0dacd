"""`vlp-rvos export`: a trained model for ONNX Runtime or OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.completion import complete_model
from vlp_rvos.cli.messages import echo
from vlp_rvos.runtimes.names import ExportFormat

__all__ = ["export"]


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Name of a model, or a .safetensors checkpoint.", autocompletion=complete_model
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write to: new, empty, or an earlier export."),
    ],
    runtime: Annotated[ExportFormat, typer.Option("--format", help="Library to convert the model for.")] = "onnx",
) -> None:
    """Convert a model for ONNX Runtime or OpenVINO; 'vlp-rvos segment --model FOLDER' runs the result."""
    from vlp_rvos.runtimes.artifact import check_replaceable
    from vlp_rvos.utils.progress import announced

    check_replaceable(output)
    with announced(f"loading {model}"):
        from vlp_rvos.export.writer import export_model
        from vlp_rvos.models import checkpoint

        loaded = checkpoint.load_model(model)
    difference = export_model(loaded, output, runtime)
    size = sum(file.stat().st_size for file in output.iterdir()) / 2**20
    echo(
        f"wrote {output} ({runtime}, {size:.0f} MiB); largest difference of a probability from PyTorch's: "
        f"{difference:.1e}"
    )
