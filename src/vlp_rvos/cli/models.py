"""`vlp-rvos models`: which models there are."""

from __future__ import annotations

from vlp_rvos.cli.messages import echo

__all__ = ["models"]


def models() -> None:
    """List the models, and which of them come with weights."""
    from vlp_rvos.models.checkpoint import shipped_models
    from vlp_rvos.models.model_config import PRESETS

    shipped = shipped_models()
    for name in sorted({*PRESETS, *shipped}):
        config = PRESETS.get(name)
        size = "" if config is None else f"  width {config.width}, input {config.input_size}, clip {config.clip_length}"
        state = "ready to use" if name in shipped else "must be trained, with your copy of its backbone's weights"
        echo(f"{name:10}{size:40}  {state}")
