"""The outputs of `vlp-rvos segment`: what may be replaced by them, and the writers of one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vlp_rvos.arrays import Size
from vlp_rvos.cli.segment_leftovers import remove_leftovers
from vlp_rvos.cli.segment_summary import SegmentSummary
from vlp_rvos.errors import UserError
from vlp_rvos.media.mask_png import PaletteMaskWriter, check_mask_folder
from vlp_rvos.media.masks_json import MasksJsonWriter, check_masks_json
from vlp_rvos.media.masks_reader import read_masks
from vlp_rvos.media.overlay import overlay_colours
from vlp_rvos.media.overlay_style import OverlayStyle
from vlp_rvos.media.overlay_video import OverlayWriter, check_overlay
from vlp_rvos.media.result_plot import PlotWriter, check_plot
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.media.video_source import VideoInfo
from vlp_rvos.results import FrameResult
from vlp_rvos.utils.output_files import keep_frames, keep_input
from vlp_rvos.utils.output_set import Check, OutputSet, finish_earlier_sets

__all__ = [
    "MASKS",
    "MASKS_JSON",
    "OVERLAY",
    "PLOT",
    "RunWriters",
    "Wanted",
    "check_outputs",
    "open_writers",
    "output_checks",
]

OVERLAY, PLOT, MASKS, MASKS_JSON = "overlay.mp4", "plot.png", "masks", "masks.json"


@dataclass(frozen=True)
class Wanted:
    """Which outputs a run writes besides the masks.

    Attributes:
        overlay: whether an overlay is written.
        plot: whether a plot is written.
        style: how the overlay looks; the plot has its colours.
    """

    overlay: bool
    plot: bool
    style: OverlayStyle

    def files(self) -> dict[str, str]:
        """Name of each output in reports -> its name in the folder."""
        files = {"overlay": OVERLAY, "plot": PLOT, "masks": MASKS, "masks_json": MASKS_JSON}
        chosen = {"overlay": self.overlay, "plot": self.plot}
        return {name: file for name, file in files.items() if chosen.get(name, True)}


def output_checks(folder: Path) -> dict[str, Check]:
    """Name of each output -> the check of what it replaces, in the order in which they take their places."""
    earlier, frames = partial(read_masks, folder / MASKS_JSON), partial(_earlier_frames, folder / MASKS_JSON)
    return {
        OVERLAY: lambda path: check_overlay(path, frames),
        PLOT: check_plot,
        MASKS: lambda path: check_mask_folder(path, earlier),
        # The last one: the checks of the others read the earlier one.
        MASKS_JSON: check_masks_json,
    }


def check_outputs(video: Path, folder: Path, wanted: Wanted) -> set[str]:
    """Finish what an earlier run has left unfinished, and check that nothing but results of earlier runs is replaced.

    Args:
        video: the input, a file or a folder of frames.
        folder: the output folder; it need not exist.
        wanted: which outputs will be written.

    Returns:
        Names of the outputs that an earlier run left there.

    Raises:
        UserError: an output would replace the input or something that no run wrote.
    """
    checks = output_checks(folder)
    keep_input(video, [folder / name for name in checks])
    keep_frames(video, [folder / name for name in wanted.files().values()])
    if not folder.is_dir():
        return set()
    finish_earlier_sets(folder, checks)
    remove_leftovers(folder)
    found = {name for name in checks if (folder / name).exists()}
    for name, check in checks.items():
        try:
            check(folder / name)
        except UserError:
            if name in wanted.files().values():
                raise
            found.discard(name)
    return found


def _earlier_frames(masks_json: Path) -> tuple[Size, int]:
    try:
        earlier = read_masks(masks_json)
        return (earlier.video["height"], earlier.video["width"]), sum(1 for _ in earlier.entries())
    except UserError:
        return (0, 0), 0


class RunWriters:
    """All outputs of one run, which get each frame in turn.

    Args:
        expressions: the E expressions, of which the last may be names of things that were pointed at.
        pointed: number of these things.
        masks_json: the writer of masks.json.
        others: all other writers.

    Attributes:
        summary: Numbers about the frames so far.
        truncated: Why the frames end early, to be set before the writers are closed; None where they do not.
    """

    def __init__(
        self, expressions: Sequence[str], pointed: int, masks_json: MasksJsonWriter, others: Sequence[ResultWriter]
    ) -> None:
        self.summary = SegmentSummary(expressions, pointed)
        self.truncated: str | None = None
        self._masks_json = masks_json
        self._writers = (masks_json, *others)

    def write(self, result: FrameResult) -> None:
        """Write the result of the next frame."""
        for writer in self._writers:
            writer.write(result)
        self.summary.add(result)

    def finish(self) -> None:
        """Hand on what is known only at the end. The writers are still open."""
        self._masks_json.truncated, self._masks_json.found = self.truncated, self.summary.found()


@contextmanager
def open_writers(
    folder: Path,
    video: VideoInfo,
    expressions: Sequence[str],
    model: tuple[str, str],
    wanted: Wanted,
    *,
    pointed: int = 0,
    every: int = 1,
) -> Iterator[RunWriters]:
    """Writers of the outputs of one run. Whatever happens, the folder holds the earlier outputs or all of the new ones.

    Args:
        folder: the output folder. It must exist.
        video: what is known of the video.
        expressions: the E expressions.
        model: name and version of the model.
        wanted: which outputs are written.
        pointed: number of the last expressions that are names of things that were pointed at.
        every: N where every Nth frame of the video is taken.
    """
    with ExitStack() as stack:
        outputs = stack.enter_context(OutputSet(folder, output_checks(folder)))
        masks_json = stack.enter_context(MasksJsonWriter(outputs.part(MASKS_JSON), video, expressions, *model, pointed))
        others: list[ResultWriter] = [stack.enter_context(PaletteMaskWriter(outputs.part(MASKS)))]
        if wanted.overlay:
            path, rate = outputs.part(OVERLAY), video.fps / every
            overlay = OverlayWriter(path, expressions, rate, video.pixel_aspect, wanted.style)
            others.append(stack.enter_context(overlay))
        if wanted.plot:
            colours = wanted.style.apply(expressions, overlay_colours(len(expressions)))
            others.append(stack.enter_context(PlotWriter(outputs.part(PLOT), expressions, colours)))
        writers = RunWriters(expressions, pointed, masks_json, others)
        yield writers
        writers.finish()
