"""`vlp-rvos models`: which models there are."""

from __future__ import annotations

import typer

from vlp_rvos.models.model_config import PRESETS

__all__ = ["run"]


def run() -> None:
    """Print one line for each preset, and for each model that comes with weights."""
    from vlp_rvos.models.checkpoint import shipped_models

    shipped = shipped_models()
    for name in sorted({*PRESETS, *shipped}):
        config = PRESETS.get(name)
        size = "" if config is None else f"  width {config.width}, input {config.input_size}, clip {config.clip_length}"
        state = "ready to use" if name in shipped else "to be trained; its backbone's weights are given"
        typer.echo(f"{name:10}{size:40}  {state}")
