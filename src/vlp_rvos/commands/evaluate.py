"""`vlp-rvos evaluate masks` and `vlp-rvos evaluate run`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vlp_rvos.evaluation.masks import FolderScores
    from vlp_rvos.evaluation.run import DatasetScores, FramePrediction, Means

__all__ = ["masks", "run"]


def masks(pred: Path, gt: Path, skip_ends: bool, json_file: Path | None) -> None:
    """Score folders of predicted masks, `<video>/<frame>.png`, and print a table.

    Args:
        pred: folder of the predicted masks.
        gt: folder of the true masks, which decide what is scored.
        skip_ends: leave out every video's first and last frame, as DAVIS-2017 does.
        json_file: where to write all scores.

    Raises:
        UserError: a missing video or frame, an unreadable image, masks of different sizes, an unwritable file.
    """
    from vlp_rvos.evaluation.masks import evaluate_folders, prepare_output, write_json

    if json_file is not None:
        prepare_output(json_file)
    with _progress("frames") as progress:
        task = progress.add_task("scoring", total=None)
        scores = evaluate_folders(
            pred,
            gt,
            skip_ends=skip_ends,
            on_frame=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if json_file is not None:
        write_json(json_file, scores.to_json())
    Console().print(_folder_table(scores))


def run(
    dataset: Path,
    model: str,
    output: Path | None,
    json_file: Path | None,
    skip_ends: bool,
    device: str,
    size: int | None,
    overrides: Sequence[str],
    kinds: Sequence[str] | None = None,
    images: Path | None = None,
) -> None:
    """Predict and score a folder in the Ref-YouTube-VOS layout, and print tables per video and kind of expression.

    Args:
        dataset: the folder.
        model: name of a shipped model, or a checkpoint file.
        output: where to write the predicted masks, `<video>/<expression id>/<frame>.png`.
        json_file: where to write all scores.
        skip_ends: leave every video's first and last frame out of the scores, as DAVIS-2017 does.
        device: where to run the model: "auto", "cpu", "cuda", "cuda:1", "mps".
        size: of the network's input in pixels; None for the model's own.
        overrides: settings of the model to change, as `key=value`, for example `attention=frame`.
        kinds: names of the kinds of expression by position; None for noun, appearance, motion, description.
        images: a folder whose `JPEGImages` to use instead of the data set's.

    Raises:
        UserError: a missing or broken file, an unknown model or setting, an unwritable file.
    """
    from vlp_rvos.data.ytvos import YTVOSDataset
    from vlp_rvos.evaluation.masks import prepare_output, write_json
    from vlp_rvos.evaluation.run import evaluate_dataset, parse_overrides
    from vlp_rvos.segmenter import Segmenter

    settings = parse_overrides(overrides)
    folder = YTVOSDataset(dataset, images)
    if json_file is not None:
        prepare_output(json_file)
    segmenter = Segmenter.from_pretrained(model, device=device, size=size, overrides=settings or None)

    def predict(frames: Iterable[NDArray[np.uint8]], expressions: list[str]) -> Iterable[FramePrediction]:
        return segmenter.segment(frames, expressions)

    total = sum(len(video.frames) for video in folder.videos if video.expressions)
    with _progress("frames") as progress:
        task = progress.add_task("predicting", total=total)
        scores = evaluate_dataset(
            folder,
            predict,
            output=output,
            skip_ends=skip_ends,
            kinds=kinds,
            on_frame=lambda _: progress.advance(task),
        )
    if json_file is not None:
        write_json(json_file, scores.to_json(str(dataset), model))
    console = Console()
    for table in _dataset_tables(scores):
        console.print(table)
    console.print(f"{scores.frames} frames, {scores.frames_per_second:.2f} frames per second")


def _progress(unit: str) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    # Standard output is for results.
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)


def _table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


def _numbers(*values: float) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _folder_table(scores: FolderScores) -> Table:
    table = _table(
        "J and F per video",
        ["video"],
        ["frames", "J", "recall", "decay", "F", "recall", "decay", "J&F"],
    )
    for name, video in scores.videos.items():
        j, f = video.j_statistics, video.f_statistics
        table.add_row(name, str(len(video.j)), *_numbers(*j, *f, (j.mean + f.mean) / 2))
    frames = sum(len(video.j) for video in scores.videos.values())
    table.add_section()
    j_mean, f_mean, both = _numbers(scores.j_mean, scores.f_mean, scores.j_and_f)
    table.add_row("mean", str(frames), j_mean, "", "", f_mean, "", "", both)
    return table


def _dataset_tables(scores: DatasetScores) -> Iterable[Table]:
    expressions = _table("J and F per expression", ["video", "id", "expression", "kind"], ["J", "F", "J&F"])
    for video, entries in scores.videos.items():
        for key, entry in entries.items():
            expressions.add_row(video, key, entry.expression, entry.kind or "", *_mean_numbers(entry.means))
    yield expressions
    if scores.means is None:
        return
    videos = _table("J and F per video", ["video"], ["J", "F", "J&F"])
    for video, means in scores.video_means.items():
        videos.add_row(video, *_mean_numbers(means))
    yield videos
    kinds = _table("J and F per kind of expression", ["kind"], ["n", "J", "F", "J&F"])
    for kind, (means, n) in scores.kinds.items():
        kinds.add_row(kind, str(n), *_mean_numbers(means))
    kinds.add_section()
    scored = sum(bool(entry.j) for entries in scores.videos.values() for entry in entries.values())
    kinds.add_row("all", str(scored), *_mean_numbers(scores.means))
    yield kinds


def _mean_numbers(means: Means | None) -> list[str]:
    return _numbers(*means.to_json().values()) if means else ["", "", ""]
