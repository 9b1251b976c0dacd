"""`vlp-rvos segment`: a video and words in; masks, an overlay and a summary out."""

from __future__ import annotations

import time
import warnings
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.convert import check_formats, write_formats
from vlp_rvos.cli.messages import echo, reported_warnings
from vlp_rvos.cli.shared_options import InferenceOptionGroup, Model
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.json_text import json_text

__all__ = ["segment"]

# The results of a clip are written while the model works on the next one; more would only take memory.
CLIPS_AHEAD = 1


def segment(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Video file, picture, or folder of frames.")],
    expression: Annotated[
        str | None, typer.Argument(metavar="EXPRESSION", help="What to find, for example 'the red car'.")
    ] = None,
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
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Write overlay.mp4, masks/ and masks.json there.")
    ],
    overlay: Annotated[
        bool, typer.Option("--overlay/--no-overlay", help="Write overlay.mp4, the video with the masks drawn on it.")
    ] = True,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Convert the masks to FORMAT too, as `vlp-rvos convert` does; repeatable.",
        ),
    ] = None,
    json_summary: Annotated[
        bool, typer.Option("--json", help="Print a summary as JSON on standard output, and nothing else there.")
    ] = False,
    every: Annotated[int, typer.Option(metavar="N", help="Take every Nth frame.")] = 1,
    start: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Leave out the frames before this time.")
    ] = None,
    end: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Leave out the frames from this time on.")
    ] = None,
    fps: Annotated[float, typer.Option(help="Frame rate of a folder of frames.")] = 24.0,
    model: Model = "mini",
    options: InferenceOptionGroup,
) -> None:
    """Find what the words say, or what is pointed at, in every frame of a video; write masks and an overlay.

    Files get their final names only when they are complete, and then replace those of an earlier run in FOLDER. If the
    video breaks off or you press Ctrl-C, the results up to there are kept, and masks.json says so.
    """
    wanted = [text for text in (expression, *(expressions or ())) if text is not None]
    if not wanted and not points and not masks:
        raise UserError("no expression: say what to find, for example 'the red car', or point at it with --point")
    if not all(text.strip() for text in wanted):
        raise UserError("an expression is empty: say what to find, for example 'the red car'")
    with reported_warnings() as messages:
        from vlp_rvos.cli.pointing_options import parse_points, read_drawn_masks
        from vlp_rvos.cli.segment_outputs import MASKS, MASKS_JSON, OVERLAY, check_outputs, output_checks
        from vlp_rvos.cli.segment_summary import SegmentSummary
        from vlp_rvos.inference.pointing import Pointing
        from vlp_rvos.media.video_reader import open_video
        from vlp_rvos.utils.output_files import output_folder
        from vlp_rvos.utils.progress import announced, counting
        from vlp_rvos.utils.signals import catch_stop_signals

        wanted_points, wanted_masks = parse_points(points or ()), read_drawn_masks(masks or ())
        pointing = Pointing.of(wanted_points, wanted_masks)
        source = open_video(video, every=every, start=start, end=end, fps=fps)
        pointing.check((source.info.height, source.info.width), start, end)
        earlier = check_outputs(video, output, overlay=overlay)
        check_formats(formats, output)
        with output_folder(output), catch_stop_signals() as stop:
            with announced(f"loading {model}"):
                # Torch takes a second to import: a mistake in the above is reported before.
                from vlp_rvos.inference.segmenter import Segmenter

                segmenter = Segmenter.from_pretrained(model, options)
            from vlp_rvos.media.mask_png import PaletteMaskWriter
            from vlp_rvos.media.masks_json import MasksJsonWriter
            from vlp_rvos.media.overlay_video import OverlayWriter
            from vlp_rvos.media.result_writer import ResultWriter
            from vlp_rvos.utils.output_set import OutputSet

            names = [*wanted, *pointing.names]
            summary = SegmentSummary(names, len(pointing))
            began = time.perf_counter()
            with ExitStack() as stack:
                # Whatever happens, the folder holds the earlier outputs or all of the new ones.
                outputs = stack.enter_context(OutputSet(output, output_checks(output)))
                masks_json = stack.enter_context(
                    MasksJsonWriter(
                        outputs.part(MASKS_JSON), source.info, names, segmenter.name, segmenter.version, len(pointing)
                    )
                )
                writers: list[ResultWriter] = [masks_json, stack.enter_context(PaletteMaskWriter(outputs.part(MASKS)))]
                if overlay:
                    rate, aspect = source.info.fps / every, source.info.pixel_aspect
                    writers.append(stack.enter_context(OverlayWriter(outputs.part(OVERLAY), names, rate, aspect)))
                whole = overlay and not source.has_yuv_frames
                results = segmenter.segment(
                    source, wanted, images=whole, ahead=CLIPS_AHEAD, points=wanted_points, masks=wanted_masks
                )
                stack.enter_context(closing(results))
                count = stack.enter_context(counting(source.info.name, "frames", source.info.frames))
                for result in results:
                    for writer in writers:
                        writer.write(result)
                    summary.add(result)
                    count(summary.frames)
                    if stop:
                        break
                if stop:
                    masks_json.truncated = f"interrupted after frame {result.index} ({result.time:.2f} s)"
                else:
                    masks_json.truncated = source.problem
            seconds = time.perf_counter() - began
        converted = {} if stop else write_formats(formats, output, video)
        height, width = source.info.height, source.info.width
        if overlay and (height % 2 or width % 2):
            padded = f"{width + width % 2}x{height + height % 2}"
            warnings.warn(VLPRVOSWarning(f"{OVERLAY} is {padded}: H.264 needs even sizes"), stacklevel=2)
        if not overlay and OVERLAY in earlier:
            message = f"{output / OVERLAY} is left from an earlier run and does not show these masks"
            warnings.warn(VLPRVOSWarning(message), stacklevel=2)

    written = {"masks": output / MASKS, "masks_json": output / MASKS_JSON}
    if overlay:
        written = {"overlay": output / OVERLAY} | written
    written |= converted
    replaced = [name for name, path in written.items() if path.name in earlier]
    if json_summary:
        report = {
            "video": {"name": source.info.name, "width": width, "height": height, "fps": source.info.fps},
            "model": {"name": segmenter.name, "version": segmenter.version},
            "frames": summary.frames,
            "seconds": round(seconds, 3),
            "frames_per_second": round(summary.frames / seconds, 3),
            "outputs": {name: str(path) for name, path in written.items()},
            "replaced": replaced,
            "expressions": summary.expressions(),
            "truncated": masks_json.truncated,
            "warnings": messages,
        }
        # For whatever encoding the reader of the pipe expects.
        echo(json_text(report, ascii_only=True))
    else:
        echo(
            f"{summary.frames} frames in {seconds:.1f} s ({summary.frames / seconds:.1f} frames/s); "
            f"wrote {', '.join(map(str, written.values()))}{' in place of earlier results' if replaced else ''}; "
            f"{summary.describe()}"
        )
    if stop.signal_number is not None:
        raise typer.Exit(128 + stop.signal_number)
