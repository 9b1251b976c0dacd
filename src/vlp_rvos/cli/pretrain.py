"""`vlp-rvos pretrain`: align the patches of mini's vision tower with words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.messages import echo
from vlp_rvos.cli.shared_options import ConfigOverrides

__all__ = ["pretrain"]


def pretrain(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG", help="YAML file.", show_default="the settings of the shipped vision tower"),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the run.")] = Path(
        "runs/mini-backbone"
    ),
    overrides: ConfigOverrides = None,
) -> None:
    """Pretrain the vision tower of the model "mini", so that image patches and words share one space."""
    from vlp_rvos.pretraining.align import align
    from vlp_rvos.pretraining.align_config import AlignConfig
    from vlp_rvos.utils.settings import read_settings

    result = align(read_settings(AlignConfig, config, overrides or ()), output)
    echo(f"{output / 'mini-backbone.safetensors'}: {result['steps']} steps, held out {result['held_out']}")
