"""`vlp-rvos teach`: a few labelled frames in; a model that knows the things in them out."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.completion import complete_model
from vlp_rvos.cli.messages import echo
from vlp_rvos.cli.shared_options import Device

__all__ = ["teach"]


def teach(
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="Labelled frames: a folder, zip or JSON file of COCO, YouTube-VIS, CVAT, Label Studio, DAVIS, "
            "Ref-YouTube-VOS or palette PNGs, or what 'vlp-rvos segment' wrote.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the new model.")],
    name: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What all the things are called.", show_default="their labels"),
    ] = None,
    video: Annotated[
        Path | None, typer.Option(metavar="VIDEO", help="The video that the output of 'vlp-rvos segment' is of.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Length of the lesson; learning takes 70 % of it at most.")] = 15.0,
    model: Annotated[
        str, typer.Option(help="Model to start from: a name or a checkpoint.", autocompletion=complete_model)
    ] = "mini",
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Continue the lesson in the folder.")] = False,
    device: Device = "auto",
) -> None:
    """Teach a model things of your own, from a few labelled frames.

    A quarter of the frames, or of the videos, is held out. The new model is kept where it does better on them, and
    nowhere else. Use it with --model FOLDER. Ctrl-C saves the lesson; --resume continues it.
    """
    from vlp_rvos.utils.extras import require_installed

    require_installed("lightning_fabric", extra="train")
    from vlp_rvos.formats.read_labelled import read_labelled
    from vlp_rvos.models.checkpoint import MODEL_FILE
    from vlp_rvos.teaching.teacher import PICTURES, REPORT
    from vlp_rvos.teaching.teacher import teach as run_lesson

    result = run_lesson(
        read_labelled(labels, video), output, name=name, minutes=minutes, model=model, device=device, resume=resume
    )
    if not result.finished:
        echo("stopped; continue with the same command and --resume")
        raise typer.Exit(128 + (result.signal_number or signal.SIGINT))
    assert result.before is not None
    assert result.after is not None
    for text, j in result.before.by_text.items():
        echo(f"{text}: J {100 * j:.1f} before, {100 * result.after.by_text[text]:.1f} after")
    echo(f"J on the held-out frames: {100 * result.before.j:.1f} before, {100 * result.after.j:.1f} after")
    echo(f"everyday words answered as before: {100 * result.after.kept:.1f} %")
    if not result.gained:
        echo("nothing was gained on the held-out frames, so the weights are unchanged")
    echo(f"{output / MODEL_FILE}, {output / REPORT} and {output / PICTURES}")
