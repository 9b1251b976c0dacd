"""`vlp-rvos convert`: what `segment` wrote, in the format of another tool."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.completion import complete_format
from vlp_rvos.cli.messages import echo
from vlp_rvos.errors import VLPRVOSWarning
from vlp_rvos.formats.format_names import FORMATS

__all__ = ["check_formats", "convert", "write_formats"]


def convert(
    results: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder that `vlp-rvos segment` wrote, or the masks.json in it.")
    ],
    to: Annotated[
        str,
        typer.Option("--to", metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.", autocompletion=complete_format),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write; by default OUT/FORMAT.")
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(metavar="VIDEO", help="The video, for formats that need its pixels or can store its frames."),
    ] = None,
    each: Annotated[
        bool, typer.Option("--each/--together", help="One cut-out or video for each expression, or one for all.")
    ] = False,
    vector: Annotated[bool, typer.Option("--vector", help="Outlines instead of rectangles (label-studio).")] = False,
    blur: Annotated[str, typer.Option(metavar="thing|rest", help="What is blurred (blur).")] = "thing",
    colour: Annotated[
        str, typer.Option(metavar="COLOUR", help="Background, as a name or #rrggbb (remove-background).")
    ] = "#00b140",
) -> None:
    """Convert masks into the format of another tool: annotation tools, data sets, cut-outs and videos for editors.

    The folder appears when it is complete, and replaces only an earlier one that was not changed since.
    """
    from vlp_rvos.formats.conversion import check_conversion
    from vlp_rvos.formats.conversion import convert as write_format
    from vlp_rvos.formats.format_options import FormatOptions, blurred_part
    from vlp_rvos.formats.segmented_video import SegmentedVideo
    from vlp_rvos.utils.progress import counting

    options = FormatOptions(each=each, vector=vector, blur=blurred_part(blur), colour=colour)
    options.check(to)
    opened = SegmentedVideo(results, video)
    target = output or opened.masks.path.parent / to
    check_conversion(to, target, options, video, opened.header.expressions)
    with counting(opened.header.file_name, "frames", opened.frames) as count:
        frames = write_format(opened, to, target, options, on_frame=count)
    if (reason := opened.masks.truncated) is not None:
        warnings.warn(VLPRVOSWarning(f"the masks end early: {reason}"), stacklevel=2)
    echo(f"{target}: {frames} frames, {FORMATS[to].summary}")


def check_formats(names: Sequence[str] | None, folder: Path, video: Path, expressions: Sequence[str]) -> None:
    """Check that the masks of a video can be converted to formats, into folders of their names.

    Args:
        names: Names of formats.
        folder: The output folder of `vlp-rvos segment`.
        video: The video that will be segmented.
        expressions: The E expressions.

    Raises:
        UserError: See `vlp_rvos.formats.conversion.check_conversion`.
    """
    if names:
        from vlp_rvos.formats.conversion import check_conversion
        from vlp_rvos.formats.format_options import FormatOptions

        for name in names:
            check_conversion(name, folder / name, FormatOptions(), video, expressions)


def write_formats(names: Sequence[str] | None, folder: Path, video: Path) -> dict[str, Path]:
    """Convert the masks that were written for a video to formats; see `check_formats`.

    Returns:
        Name of each format -> the folder that was written.
    """
    if names:
        from vlp_rvos.formats.conversion import convert as write_format
        from vlp_rvos.formats.segmented_video import SegmentedVideo
        from vlp_rvos.utils.progress import announced

        for name in names:
            with announced(f"converting to {name}"):
                write_format(SegmentedVideo(folder, video), name, folder / name)
    return {name: folder / name for name in names or ()}
