"""`vlp-rvos explain`: what each word looks at, and why a mask was painted or none was."""

from __future__ import annotations

import math
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.messages import echo, reported_warnings
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
from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import is_blank

__all__ = ["explain"]

#: Each expression has a sheet of its own, one below the other in every frame of the video.
MOST_EXPRESSIONS, MOST_MOMENTS = 4, 12


def explain(
    video: Video,
    expression: Expression = None,
    *,
    expressions: Annotated[
        list[str] | None,
        typer.Option("--expression", "-e", metavar="EXPRESSION", help="One more thing to find; at most 4 in all."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="Write explain.png, explain.mp4 and explain.json there."),
    ] = Path("explained"),
    at: Annotated[
        list[float] | None,
        typer.Option(
            "--at",
            metavar="SECONDS",
            help="Show the frame at this time in explain.png; repeatable.",
            show_default="the frame with the highest presence",
        ),
    ] = None,
    every: EveryNth = 1,
    start: StartTime = None,
    end: EndTime = None,
    fps: FrameRate = 24.0,
    model: Model = "mini",
    options: InferenceOptionGroup,
) -> None:
    """Show what each word looks at, which candidates there are, and why a mask was painted or none was.

    The masks are those of 'vlp-rvos segment'. Exported models cannot be explained.
    """
    wanted = [text for text in (expression, *(expressions or ())) if text is not None]
    if not wanted or any(map(is_blank, wanted)):
        raise UserError("no expression, or an empty one: say what to find, for example 'the red car'")
    if len(wanted) > MOST_EXPRESSIONS:
        raise UserError(f"{len(wanted)} expressions: at most {MOST_EXPRESSIONS} are explained at once")
    times = sorted(set(at or ()))
    if len(times) > MOST_MOMENTS:
        raise UserError(f"{len(times)} times: a picture shows at most {MOST_MOMENTS}; name fewer with --at")
    with reported_warnings():
        from vlp_rvos.explaining.explanation_files import FIGURE, NUMBERS, OUTPUTS, VIDEO
        from vlp_rvos.media.video_reader import open_video
        from vlp_rvos.runtimes.artifact import is_exported
        from vlp_rvos.utils.output_files import keep_frames, keep_input, output_folder
        from vlp_rvos.utils.output_set import finish_earlier_sets
        from vlp_rvos.utils.progress import announced, counting
        from vlp_rvos.utils.signals import catch_stop_signals

        source = open_video(video, every=every, start=start, end=end, fps=fps)
        _check_times(times, start, end, source.info.duration)
        if is_exported(model) or options.runtime not in ("auto", "torch"):
            raise UserError(
                f"{model}: an exported model gives its masks alone, so they cannot be explained; "
                "give the checkpoint that it was made of, without --runtime"
            )
        outputs = [output / name for name in OUTPUTS]
        keep_input(video, outputs)
        keep_frames(video, outputs)
        if output.is_dir():
            finish_earlier_sets(output, OUTPUTS)
            for name, check in OUTPUTS.items():
                check(output / name)
        with output_folder(output), catch_stop_signals() as stop:
            with announced(f"loading {model}"):
                from vlp_rvos.explaining.explainer import explain as explained
                from vlp_rvos.explaining.explanation_files import ExplanationWriter
                from vlp_rvos.explaining.reasons import reason
                from vlp_rvos.inference.segmenter import Segmenter

                segmenter = Segmenter.from_pretrained(model, replace(options, runtime="torch"))
            with ExitStack() as stack:
                made_by = (segmenter.name, segmenter.version)
                writer = ExplanationWriter(output, source.info, source.info.fps / every, made_by, times)
                stack.enter_context(writer)
                frames = stack.enter_context(closing(explained(segmenter, source, wanted)))
                count = stack.enter_context(counting(source.info.name, "frames", source.info.frames))
                for number, (result, explanations) in enumerate(frames, start=1):
                    writer.write(result, explanations)
                    count(number)
                    if stop:
                        break
                writer.truncated = f"interrupted after frame {result.index}" if stop else source.problem
                shown = [(each.time, explanation) for _, each, explanation in writer.moments.chosen()]
    for time, explanation in shown:
        echo(f"{explanation.expression}, {time:.2f} s: {reason(explanation)}")
    echo(f"{number} frames; wrote {', '.join(str(output / name) for name in (FIGURE, VIDEO, NUMBERS))}")
    if stop.signal_number is not None:
        raise typer.Exit(128 + stop.signal_number)


def _check_times(times: list[float], start: float | None, end: float | None, duration: float | None) -> None:
    first, last = start or 0.0, min((limit for limit in (end, duration) if limit is not None), default=math.inf)
    for time in times:
        # NaN lies between no two numbers.
        if not first <= time <= last:
            part = "" if math.isinf(last) else f"; what is explained lasts from {first:.2f} to {last:.2f} s"
            raise UserError(f"--at {time:g}: must be a time in the video, in seconds{part}")
