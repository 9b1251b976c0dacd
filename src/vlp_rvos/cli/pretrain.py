"""`vlp-rvos pretrain`: bring the patches of mini's vision tower into the space of words."""

from __future__ import annotations

from pathlib import Path

import typer

from vlp_rvos.pretraining.align import AlignConfig, align
from vlp_rvos.utils.settings import read_settings

__all__ = ["run"]


def run(config: Path | None, output: Path, overrides: list[str]) -> None:
    """Pretrain, and say what came out.

    Args:
        config: YAML file with fields of `AlignConfig`; None takes the settings that the shipped tower was made with.
        output: folder for `mini-backbone.safetensors` and `align.json`.
        overrides: "key=value" each, on top of the file.

    Raises:
        UserError: something in the settings or the data cannot be used.
    """
    result = align(read_settings(AlignConfig, config, overrides), output)
    typer.echo(f"{output / 'mini-backbone.safetensors'}: {result['steps']} steps, held out {result['held_out']}")
