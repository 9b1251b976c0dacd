"""Options that several commands share, each declared once: name, type and help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.completion import complete_device, complete_model
from vlp_rvos.cli.option_groups import OptionGroup
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.runtimes.names import Precision, RuntimeName

__all__ = [
    "ConfigOverrides",
    "Device",
    "EndTime",
    "EveryNth",
    "Expression",
    "FrameRate",
    "InferenceOptionGroup",
    "JsonFile",
    "MaskFolder",
    "Model",
    "StartTime",
    "Video",
    "inference_options",
]

DEFAULTS = InferenceOptions()
PANEL = "Model"
DEVICE_HELP = "Device: auto, cpu, cuda, cuda:<number> or mps."

Device = Annotated[str, typer.Option(help=DEVICE_HELP, autocompletion=complete_device)]
Model = Annotated[
    str,
    typer.Option(
        help="Name of a model (see 'vlp-rvos models'), a .safetensors checkpoint, a folder of 'vlp-rvos export' or "
        "'vlp-rvos train', or owner/name on the Hugging Face hub.",
        autocompletion=complete_model,
        rich_help_panel=PANEL,
    ),
]
Video = Annotated[Path, typer.Argument(metavar="VIDEO", help="Video file, picture, or folder of frames.")]
Expression = Annotated[
    str | None, typer.Argument(metavar="EXPRESSION", help="What to find, for example 'the red car'.")
]
EveryNth = Annotated[int, typer.Option(metavar="N", help="Take every Nth frame.")]
StartTime = Annotated[float | None, typer.Option(metavar="SECONDS", help="Leave out the frames before this time.")]
EndTime = Annotated[float | None, typer.Option(metavar="SECONDS", help="Leave out the frames from this time on.")]
FrameRate = Annotated[float, typer.Option(help="Frame rate of a folder of frames.")]
ConfigOverrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting of the configuration: KEY or KEY.KEY, and a VALUE in YAML; repeatable.",
    ),
]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the results to this JSON file.")]
MaskFolder = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Write the predicted masks to this folder.")
]


def inference_options(
    device: Annotated[
        str, typer.Option(help=DEVICE_HELP, autocompletion=complete_device, rich_help_panel=PANEL)
    ] = DEFAULTS.device,
    precision: Annotated[
        Precision, typer.Option(help="Number format of the computation.", rich_help_panel=PANEL)
    ] = DEFAULTS.precision,
    runtime: Annotated[
        RuntimeName, typer.Option(help="Library that runs the model.", rich_help_panel=PANEL)
    ] = DEFAULTS.runtime,
    size: Annotated[
        int | None,
        typer.Option(help="Network input size in pixels.", show_default="the model's own", rich_help_panel=PANEL),
    ] = DEFAULTS.size,
    threshold: Annotated[
        float,
        typer.Option(
            help="Foreground probability, between 0 and 1, from which a pixel belongs to the mask.",
            rich_help_panel=PANEL,
        ),
    ] = DEFAULTS.threshold,
    presence_threshold: Annotated[
        float | None,
        typer.Option(
            help="Presence, from 0 to 1, below which the mask of a frame is left empty; 0 leaves none empty.",
            show_default="the model's own",
            rich_help_panel=PANEL,
        ),
    ] = DEFAULTS.presence_threshold,
    min_part: Annotated[
        float | None,
        typer.Option(
            help="Drop connected components of a mask that are smaller than this share of its largest one; 0 keeps "
            "all.",
            show_default="the model's own",
            rich_help_panel=PANEL,
        ),
    ] = DEFAULTS.min_part,
    memory_frames: Annotated[
        int | None,
        typer.Option(
            help="Number of earlier frames whose masks are carried along, so that masks flicker less; 0 for none.",
            show_default="the model's own",
            rich_help_panel=PANEL,
        ),
    ] = DEFAULTS.memory_frames,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting of the model, for example history=false; repeatable.",
            rich_help_panel=PANEL,
        ),
    ] = None,
) -> InferenceOptions:
    """One record of the options that say how a model is run.

    Raises:
        UserError: a value out of its range, or a setting that is not KEY=VALUE.
    """
    from vlp_rvos.utils.overrides import apply_overrides

    return InferenceOptions(
        device=device,
        precision=precision,
        runtime=runtime,
        size=size,
        threshold=threshold,
        presence_threshold=presence_threshold,
        min_part=min_part,
        memory_frames=memory_frames,
        overrides=apply_overrides({}, overrides or ()),
    )


InferenceOptionGroup = Annotated[InferenceOptions, OptionGroup(inference_options)]
