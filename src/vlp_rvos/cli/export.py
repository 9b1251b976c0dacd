"""`vlp-rvos export`: a trained model for ONNX Runtime or OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

if TYPE_CHECKING:
    from vlp_rvos.runtimes.names import ExportFormat

__all__ = ["run"]


def run(model: str, output: Path, runtime: str) -> None:
    """Export a model into a folder, and say how it compares with PyTorch.

    Args:
        model: name of a shipped model, or a checkpoint file.
        output: the folder; a new or empty one, or an earlier export.
        runtime: "onnx" or "openvino".

    Raises:
        UserError: unknown model, missing packages, or a folder that holds something else.
    """
    from vlp_rvos.export.writer import export_model
    from vlp_rvos.models import checkpoint
    from vlp_rvos.runtimes.artifact import check_replaceable

    check_replaceable(output)
    difference = export_model(checkpoint.load_model(model), output, cast("ExportFormat", runtime))
    size = sum(file.stat().st_size for file in output.iterdir()) / 2**20
    typer.echo(f"wrote {output} ({runtime}, {size:.0f} MiB); largest difference of a probability: {difference:.1e}")
