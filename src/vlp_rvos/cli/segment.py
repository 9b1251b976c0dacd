"""`vlp-rvos segment`: a video and words in; masks, an overlay and a summary out."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vlp_rvos.cli.messages import reported_warnings
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import VideoSource

if TYPE_CHECKING:
    from vlp_rvos.results import FrameResult
    from vlp_rvos.runtimes.names import Precision, RuntimeName

__all__ = ["run"]

OVERLAY, MASKS, MASKS_JSON = "overlay.mp4", "masks", "masks.json"
# The results of a clip are written while the model works on the next one; more would only take memory.
CLIPS_AHEAD = 1


def run(
    video: Path,
    expressions: Sequence[str],
    output: Path,
    *,
    model: str = "mini",
    every: int = 1,
    start: float | None = None,
    end: float | None = None,
    fps: float = 24.0,
    size: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    runtime: str = "auto",
    threshold: float = 0.5,
    presence_threshold: float = 0.0,
    min_part: float | None = None,
    memory_frames: int | None = None,
    overlay: bool = True,
    json_summary: bool = False,
) -> None:
    """Segment a video and write the results, which take their final names only when they are complete.

    A broken video or an interruption keeps the results up to there; both are said in `masks.json`.

    Args:
        video: file, or folder of frames.
        expressions: what to find.
        output: folder for the results.
        model: name of a shipped model, a checkpoint file, or a folder of `vlp-rvos export`.
        every, start, end, fps: see `open_video`.
        size, device, precision, runtime, threshold, presence_threshold, min_part, memory_frames: see
            `Segmenter.from_pretrained`.
        overlay: write the overlay video.
        json_summary: print a summary as JSON on standard output, and nothing else there.

    Raises:
        UserError: something in the input, the options or the output folder cannot be used.
        typer.Exit: with 128 + the signal's number, when the run was interrupted and its results so far were kept.
    """
    if not expressions:
        raise UserError("no expression: say what to find, for example 'the red car'")
    for expression in expressions:
        if not expression.strip():
            raise UserError("an expression is empty: say what to find, for example 'the red car'")
    with reported_warnings() as messages:
        source = open_video(video, every=every, start=start, end=end, fps=fps)
        _keep_input(video, output)
        with _writable_folder(output), _interruption() as interrupted:
            # Torch takes a second to import: a mistake in the above is reported before.
            from vlp_rvos.inference.segmenter import Segmenter

            segmenter = Segmenter.from_pretrained(
                model,
                device=device,
                precision=cast("Precision", precision),
                size=size,
                threshold=threshold,
                presence_threshold=presence_threshold,
                runtime=cast("RuntimeName", runtime),
                min_part=min_part,
                memory_frames=memory_frames,
            )
            from vlp_rvos.media.mask_png import PaletteMaskWriter
            from vlp_rvos.media.masks_json import MasksJsonWriter
            from vlp_rvos.media.overlay import OverlayWriter
            from vlp_rvos.media.result_writer import ResultWriter

            summary = _Summary(expressions)
            began = time.perf_counter()
            with ExitStack() as stack:
                masks_json = stack.enter_context(
                    MasksJsonWriter(output / MASKS_JSON, source.info, expressions, segmenter.name, segmenter.version)
                )
                writers: list[ResultWriter] = [masks_json, stack.enter_context(PaletteMaskWriter(output / MASKS))]
                if overlay:
                    rate = source.info.fps / every
                    writers.append(stack.enter_context(OverlayWriter(output / OVERLAY, expressions, rate)))
                whole = overlay and not source.planar
                results = segmenter.segment(source, expressions, images=whole, ahead=CLIPS_AHEAD)
                stack.enter_context(closing(results))
                for result in _with_progress(results, source):
                    for writer in writers:
                        writer.write(result)
                    summary.add(result)
                    if interrupted:
                        break
                if interrupted:
                    masks_json.truncated = f"interrupted after frame {result.index} ({result.time:.2f} s)"
                else:
                    masks_json.truncated = source.problem
            seconds = time.perf_counter() - began
        height, width = source.info.height, source.info.width
        if overlay and (height % 2 or width % 2):
            padded = f"{width + width % 2}x{height + height % 2}"
            warnings.warn(VLPRVOSWarning(f"{OVERLAY} is {padded}: H.264 needs even sizes"), stacklevel=2)

    written = {"masks": output / MASKS, "masks_json": output / MASKS_JSON}
    if overlay:
        written = {"overlay": output / OVERLAY} | written
    if json_summary:
        report = {
            "video": {"name": source.info.name, "width": width, "height": height, "fps": source.info.fps},
            "model": {"name": segmenter.name, "version": segmenter.version},
            "frames": summary.frames,
            "seconds": round(seconds, 3),
            "frames_per_second": round(summary.frames / seconds, 3),
            "outputs": {name: str(path) for name, path in written.items()},
            "expressions": summary.expressions(),
            "truncated": masks_json.truncated,
            "warnings": messages,
        }
        typer.echo(json.dumps(report))
    else:
        typer.echo(
            f"{summary.frames} frames in {seconds:.1f} s ({summary.frames / seconds:.1f} frames/s); "
            f"wrote {', '.join(map(str, written.values()))}"
        )
    if interrupted:
        raise typer.Exit(128 + interrupted[0])


class _Summary:
    """Means over the frames so far."""

    def __init__(self, expressions: Sequence[str]) -> None:
        self.names = expressions
        self.frames = 0
        self.sums = [
            dict.fromkeys(("mean_score", "mean_presence", "mean_area", "present_share"), 0.0) for _ in expressions
        ]

    def add(self, result: FrameResult) -> None:
        self.frames += 1
        for i, sums in enumerate(self.sums):
            area = np.count_nonzero(result.masks[i]) / result.masks[i].size
            sums["mean_score"] += float(result.scores[i])
            sums["mean_presence"] += float(result.presences[i])
            sums["mean_area"] += area
            sums["present_share"] += area > 0

    def expressions(self) -> list[dict[str, Any]]:
        """For each: mean score and presence, mean share of the picture, and the share of frames that have a mask."""
        return [
            {"expression": name} | {key: round(value / self.frames, 6) for key, value in sums.items()}
            for name, sums in zip(self.names, self.sums, strict=True)
        ]


def _with_progress(results: Iterator[FrameResult], source: VideoSource) -> Iterator[FrameResult]:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f} frames/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(source.info.name, total=source.info.frames, rate=0.0)
        began = time.perf_counter()
        for number, result in enumerate(results, start=1):
            yield result
            progress.update(task, completed=number, rate=number / (time.perf_counter() - began))


def _keep_input(video: Path, output: Path) -> None:
    for name in (OVERLAY, MASKS):
        if video.resolve() == (output / name).resolve():
            raise UserError(f"the result would replace the input {video}: choose another output folder with -o")


@contextmanager
def _writable_folder(folder: Path) -> Iterator[None]:
    """Make the folder and try to write into it; after a failure, folders that were made here are removed again."""
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            reason = "it is a file" if folder.is_file() else error.strerror
            raise UserError(f"cannot write into {folder} ({reason}): choose another output folder with -o") from error
        yield
    except BaseException:
        for path in created:
            with suppress(OSError):
                path.rmdir()
        raise


@contextmanager
def _interruption() -> Iterator[list[int]]:
    """A list that gets the signal's number at the first Ctrl-C or termination; the second one is not caught.

    The run then ends between two frames, where every output can be completed.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, earlier[number])

    earlier = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in earlier:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
