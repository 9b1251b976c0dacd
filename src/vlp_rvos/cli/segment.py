"""`vlp-rvos segment`: a video and words in; masks, an overlay and a summary out."""

from __future__ import annotations

import time
import warnings
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.completion import complete_format
from vlp_rvos.cli.convert import check_formats, write_formats
from vlp_rvos.cli.messages import echo, reported_warnings
from vlp_rvos.cli.overlay_options import Overlay, OverlayStyleGroup
from vlp_rvos.cli.shared_options import (
    EndTime,
    EveryNth,
    Expression,
    FrameRate,
    InferenceOptionGroup,
    Model,
    StartTime,
    Video,
)
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.json_text import json_text
from vlp_rvos.utils.plain_text import is_blank

__all__ = ["segment"]

# The results of a clip are written while the model works on the next one; more would only take memory.
CLIPS_AHEAD = 1


def segment(
    video: Video,
    expression: Expression = None,
    *,
    expressions: Annotated[
        list[str] | None,
        typer.Option("--expression", "-e", metavar="EXPRESSION", help="What to find; repeat it for several objects."),
    ] = None,
    points: Annotated[
        list[str] | None,
        typer.Option(
            "--point",
            metavar="[NAME=][not:]X,Y[@SECONDS]",
            help="Point at a thing, in pixels of the video, instead of describing it; 'not:' takes away what is there. "
            "Repeat it: points of one NAME mean one thing.",
        ),
    ] = None,
    masks: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="PNG[@SECONDS]",
            help="Follow what is drawn in a mask of the frame at that time; each id is a thing. Repeatable.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Write overlay.mp4, masks/ and masks.json there.",
            show_default="a new folder VIDEO-masks beside the video",
        ),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="Write plot.png: presence, score and area of each expression over time.")
    ] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Convert the masks to FORMAT too, as `vlp-rvos convert` does; repeatable.",
            autocompletion=complete_format,
        ),
    ] = None,
    json_summary: Annotated[
        bool, typer.Option("--json", help="Print a summary as JSON on standard output, and nothing else there.")
    ] = False,
    every: EveryNth = 1,
    start: StartTime = None,
    end: EndTime = None,
    fps: FrameRate = 24.0,
    model: Model = "mini",
    overlay: Overlay = True,
    look: OverlayStyleGroup,
    options: InferenceOptionGroup,
) -> None:
    """Find what the words say, or what is pointed at, in every frame of a video; write masks and an overlay.

    At the end it says when each expression was found, and how surely. Files get their final names only when they are
    complete, and then replace those of an earlier run in FOLDER; without -o, nothing is replaced. If the video breaks
    off or you press Ctrl-C, the results up to there are kept, and masks.json says so.
    """
    wanted = [text for text in (expression, *(expressions or ())) if text is not None]
    if not wanted and not points and not masks:
        raise UserError("no expression: say what to find, for example 'the red car', or point at it with --point")
    if any(map(is_blank, wanted)):
        raise UserError("an expression is empty: say what to find, for example 'the red car'")
    with reported_warnings() as messages:
        from vlp_rvos.cli.pointing_options import parse_points, read_drawn_masks
        from vlp_rvos.cli.segment_log import RunLogger
        from vlp_rvos.cli.segment_outputs import OVERLAY, Wanted, check_outputs, open_writers
        from vlp_rvos.cli.segment_report import SegmentReport
        from vlp_rvos.inference.pointing import Pointing
        from vlp_rvos.media.video_reader import open_video
        from vlp_rvos.utils.output_files import new_output_folder, output_folder
        from vlp_rvos.utils.progress import announced, counting, is_quiet
        from vlp_rvos.utils.signals import catch_stop_signals

        log, outputs = RunLogger(), Wanted(overlay, plot, look)
        wanted_points, wanted_masks = parse_points(points or ()), read_drawn_masks(masks or ())
        pointing = Pointing.of(wanted_points, wanted_masks)
        names = [*wanted, *pointing.names]
        look.check(names)
        source = open_video(video, every=every, start=start, end=end, fps=fps)
        pointing.check((source.info.height, source.info.width), start, end)
        log.opened(source.info)
        earlier = check_outputs(video, output, outputs) if output is not None else set()
        place = output_folder(output) if output is not None else new_output_folder(video, "-masks")
        with place as folder, catch_stop_signals() as stop:
            check_formats(formats, folder, video, names)
            with announced(f"loading {model}"):
                # Torch takes a second to import: a mistake in the above is reported before.
                from vlp_rvos.inference.segmenter import Segmenter

                segmenter = Segmenter.from_pretrained(model, options)
            log.loaded(segmenter)
            made_by = (segmenter.name, segmenter.version)
            began = time.perf_counter()
            whole = overlay and not source.has_yuv_frames
            results = segmenter.segment(
                source, wanted, images=whole, ahead=CLIPS_AHEAD, points=wanted_points, masks=wanted_masks
            )
            with (
                open_writers(
                    folder, source.info, names, made_by, outputs, pointed=len(pointing), every=every
                ) as writers,
                closing(results),
                counting(source.info.name, "frames", source.info.frames) as count,
            ):
                for result in results:
                    writers.write(result)
                    log.frame(result)
                    count(writers.summary.frames)
                    if stop:
                        break
                stopped = f"interrupted after frame {result.index} ({result.time:.2f} s)" if stop else None
                writers.truncated = stopped or source.problem
                log.finished()
            log.done("completing the files")
            seconds = time.perf_counter() - began
            converted = {} if stop else write_formats(formats, folder, video)
        height, width = source.info.height, source.info.width
        if overlay and (height % 2 or width % 2):
            padded = f"{width + width % 2}x{height + height % 2}"
            warnings.warn(VLPRVOSWarning(f"the picture in {OVERLAY} is {padded}: H.264 needs even sizes"), stacklevel=2)
        written = {name: folder / file for name, file in outputs.files().items()} | converted
        for name in sorted(earlier - set(outputs.files().values())):
            message = f"{folder / name} is left from an earlier run and does not show these masks"
            warnings.warn(VLPRVOSWarning(message), stacklevel=2)
    report = SegmentReport(
        source.info, made_by, writers.summary, seconds, written, earlier, writers.truncated, messages
    )
    if json_summary:
        # For whatever encoding the reader of the pipe expects.
        echo(json_text(report.to_json(), ascii_only=True))
    elif not is_quiet():
        for line in report.lines():
            echo(line)
    if stop.signal_number is not None:
        raise typer.Exit(128 + stop.signal_number)
