"""`vlp-rvos evaluate`: masks, run, rle, compare, and every benchmark by its name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlp_rvos.cli.model_choice import ModelChoice
from vlp_rvos.cli.progress import counting

if TYPE_CHECKING:
    from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringVideo
    from vlp_rvos.data.sources.ytvos import VideoEntry
    from vlp_rvos.evaluation.case_pictures import Picture
    from vlp_rvos.evaluation.dataset_scores import DatasetScores, Means
    from vlp_rvos.evaluation.mask_folders import FolderScores, VideoScores
    from vlp_rvos.evaluation.score_rows import Row

__all__ = ["Files", "benchmark", "compare", "masks", "rle", "run"]

WORST = 12
"""Pictures in a report."""

MAX_LISTED = 60
"""Videos that a table on the screen lists."""


@dataclass(frozen=True)
class Files:
    """Where to write all scores; None leaves a form out.

    Attributes:
        json: everything, frame by frame.
        csv: one line for each expression.
        html: a page with curves and pictures.
    """

    json: Path | None = None
    csv: Path | None = None
    html: Path | None = None

    def prepare(self) -> None:
        """Make sure, before long work starts, that they can be written.

        Raises:
            UserError: one cannot.
        """
        from vlp_rvos.utils.output_files import prepare_output

        for path in (self.json, self.csv, self.html):
            if path is not None:
                prepare_output(path)

    def write(self, report: Mapping[str, Any], pictures: Sequence[Picture] = ()) -> None:
        """Write a score file's content in every form.

        Raises:
            UserError: a file cannot be written.
        """
        from vlp_rvos.utils.atomic import write_bytes
        from vlp_rvos.utils.output_files import write_json

        if self.json is not None:
            write_json(self.json, report)
        if self.csv is not None:
            from vlp_rvos.evaluation.score_rows import rows_of, to_csv

            write_bytes(self.csv, to_csv(rows_of(report)).encode())
        if self.html is not None:
            from vlp_rvos.evaluation.html_report import report_page

            write_bytes(self.html, report_page(report, pictures).encode())


def masks(pred: Path, gt: Path, skip_ends: bool, files: Files, objects: bool = False) -> None:
    """Score folders of predicted masks, `<video>/<frame>.png`, and print a table.

    Args:
        pred: folder of the predicted masks.
        gt: folder of the true masks, which decide what is scored.
        skip_ends: leave out every video's first and last frame, as DAVIS-2017 does.
        files: where to write all scores.
        objects: every value of a mask is an object, scored apart.

    Raises:
        UserError: a missing video or frame, an unreadable image, masks of different sizes, an unwritable file.
    """
    from vlp_rvos.evaluation.mask_folders import evaluate_folders

    files.prepare()
    with counting("scoring", "frames") as count:
        scores = evaluate_folders(pred, gt, skip_ends=skip_ends, objects=objects, on_frame=count)
    files.write(scores.to_json())
    Console().print(_folder_table(scores))


def run(
    dataset: Path,
    choice: ModelChoice,
    output: Path | None,
    files: Files,
    skip_ends: bool,
    kinds: Sequence[str] | None = None,
    images: Path | None = None,
) -> None:
    """Predict and score a folder in the Ref-YouTube-VOS layout, and print tables per video and kind of expression.

    Args:
        dataset: the folder.
        choice: the model.
        output: where to write the predicted masks, `<video>/<expression id>/<frame>.png`.
        files: where to write all scores.
        skip_ends: leave every video's first and last frame out of the scores, as DAVIS-2017 does.
        kinds: names of the kinds of expression by position; None for noun, appearance, motion, description.
        images: a folder whose `JPEGImages` to use instead of the data set's.

    Raises:
        UserError: a missing or broken file, an unknown model or setting, an unwritable file.
    """
    from vlp_rvos.data.sources.ytvos import YTVOSDataset
    from vlp_rvos.evaluation.runner import evaluate_folder, layout_folder

    reader = YTVOSDataset(dataset, images)
    files.prepare()
    predict = choice.load()
    with _frames_bar("predicting", reader.videos) as count:
        scores = evaluate_folder(
            reader,
            predict,
            output=output,
            skip_ends=skip_ends,
            kinds=kinds,
            worst=WORST if files.html else 0,
            on_frame=_each(count),
        )
    files.write(scores.to_json(str(dataset), choice.model), _pictures(layout_folder(reader), scores))
    console = Console()
    for table in _dataset_tables(scores):
        console.print(table)
    console.print(f"{scores.frames} frames, {scores.frames_per_second:.2f} frames per second")


def benchmark(
    name: str,
    folder: Path,
    *,
    split: str | None,
    pred: Path | None,
    choice: ModelChoice,
    output: Path | None,
    files: Files,
    workers: int | None = None,
) -> None:
    """Predict and score a published benchmark by its own protocol, and print its numbers.

    Args:
        name: of the benchmark; see `vlp_rvos.evaluation.protocols`.
        folder: of the data set, as published.
        split: which part; None for the protocol's.
        pred: folder of masks to score instead of predicting.
        choice: the model.
        output: where to write the predicted masks, and where pictures are scored their COCO-form files too.
        files: where to write all scores.
        workers: number of processes that score; None for all cores.

    Raises:
        UserError: a missing or broken file, an unknown model or setting, an unwritable file.
    """
    from vlp_rvos.data.benchmarks import open_benchmark
    from vlp_rvos.errors import UserError
    from vlp_rvos.evaluation.protocols import PROTOCOLS, Measure
    from vlp_rvos.evaluation.runner import evaluate_dataset
    from vlp_rvos.utils.output_files import write_json

    protocol = PROTOCOLS[name]
    if pred is not None and protocol.measure is Measure.precision:
        raise UserError(f"{name} ranks masks by their scores, which a folder has none of: use vlp-rvos evaluate rle")
    if pred is not None and output is not None:
        raise UserError("--pred takes masks that are there already: leave out --output")
    dataset = open_benchmark(name, folder, split or protocol.split)
    files.prepare()
    source = pred if pred is not None else choice.load()
    with _frames_bar("predicting" if pred is None else "scoring", dataset.videos) as count:
        scores = evaluate_dataset(
            dataset,
            source,
            protocol=protocol,
            output=output,
            workers=workers,
            worst=WORST if files.html else 0,
            on_frame=_each(count),
        )
    metrics = scores.metrics
    report = scores.to_json(str(folder), choice.model if pred is None else str(pred))
    report |= {"benchmark": name, "split": dataset.split, "protocol": protocol.summary, "metrics": metrics}
    files.write(report, _pictures(dataset, scores))
    if output is not None and scores.samples:
        write_json(output / "ground_truth.json", scores.coco_truth())
        write_json(output / "predictions.json", scores.coco_predictions())
    console = Console()
    if scores.means is None:
        console.print(f"{name} {dataset.split} has no truth: {scores.frames} frames were predicted and not scored")
        return
    # As the title of so narrow a table it would be broken into many lines.
    console.print(Text(f"{name} {dataset.split}: {protocol.summary}"))
    console.print(_metrics_table(metrics))
    if not protocol.in_pictures:
        for table in list(_dataset_tables(scores))[1:]:
            console.print(table)


def rle(gt: Path, pred: Path, json_file: Path | None) -> None:
    """Score COCO-form files of masks as A2D- and JHMDB-Sentences do, and print a table.

    Args:
        gt: true masks, in COCO's annotation format.
        pred: predicted masks, in COCO's result format.
        json_file: where to write the metrics.

    Raises:
        UserError: a file that cannot be read or written, or entries that do not fit.
    """
    from vlp_rvos.evaluation.coco_metrics import evaluate_rle, read_rle_files
    from vlp_rvos.utils.output_files import prepare_output, write_json

    if json_file is not None:
        prepare_output(json_file)
    metrics = evaluate_rle(*read_rle_files(gt, pred))
    if json_file is not None:
        write_json(json_file, metrics)
    Console().print(_metrics_table(metrics))


def compare(first: Path, second: Path, html_file: Path | None) -> None:
    """Compare two score files, and print what changed.

    Args:
        first, second: what `--json` of an evaluation wrote.
        html_file: where to write a page about it.

    Raises:
        UserError: a file cannot be read or written, is no score file, or they have nothing in common.
    """
    from vlp_rvos.errors import UserError
    from vlp_rvos.evaluation.html_report import comparison_page, match_rows
    from vlp_rvos.evaluation.score_rows import read_report, rows_of
    from vlp_rvos.utils.atomic import write_bytes
    from vlp_rvos.utils.output_files import prepare_output

    if html_file is not None:
        prepare_output(html_file)
    before, after = read_report(first), read_report(second)
    pairs, alone = match_rows(rows_of(before), rows_of(after))
    if not pairs:
        raise UserError(f"{first} and {second} have no scored expression in common")
    names = (first.stem, second.stem) if first.stem != second.stem else (str(first), str(second))
    if html_file is not None:
        write_bytes(html_file, comparison_page(before, after, names).encode())
    Console().print(_comparison_table(pairs, names))
    if alone:
        Console().print(f"{alone} expressions are in one file only and were left out")


def _pictures(dataset: ReferringDataset, scores: DatasetScores) -> list[Picture]:
    from vlp_rvos.evaluation.case_pictures import draw_cases

    return draw_cases(dataset, scores.worst)


def _frames_bar(
    what: str, videos: Iterable[ReferringVideo | VideoEntry]
) -> AbstractContextManager[Callable[..., None]]:
    return counting(what, "frames", sum(len(video.frames) for video in videos if video.expressions))


def _each(count: Callable[..., None]) -> Callable[[int], None]:
    """Counts calls, whatever they say."""
    done = itertools.count(1)
    return lambda _: count(next(done))


def _table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    for number in numbers:
        table.add_column(Text(number), justify="right", no_wrap=True)
    return table


def _add_row(table: Table, *cells: str) -> None:
    # Names and expressions may look like rich's own marks.
    table.add_row(*map(Text, cells))


def _numbers(*values: float) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _folder_table(scores: FolderScores) -> Table:
    apart = any(video.objects for video in scores.videos.values())
    table = _table(
        "J and F per object" if apart else "J and F per video",
        ["video", "object"] if apart else ["video"],
        ["frames", "J", "recall", "decay", "F", "recall", "decay", "J&F"],
    )
    for name, video in scores.videos.items():
        for i, part in video.objects.items():
            _add_row(table, name, str(i), *_statistics(part))
        if not apart:
            _add_row(table, name, *_statistics(video))
    frames = sum(len(video.j) for video in scores.videos.values())
    table.add_section()
    if apart:
        for name, video in scores.videos.items():
            j, f = fmean(video.j), fmean(video.f)
            _add_row(table, name, "all", str(len(video.j)), *_means(j, f))
        table.add_section()
    _add_row(table, "mean", *([""] if apart else []), str(frames), *_means(scores.j_mean, scores.f_mean))
    return table


def _statistics(part: VideoScores) -> list[str]:
    j, f = part.j_statistics, part.f_statistics
    return [str(len(part.j)), *_numbers(*j, *f, (j.mean + f.mean) / 2)]


def _means(j: float, f: float) -> list[str]:
    """Without recall and decay, between which the means stand."""
    first, second, both = _numbers(j, f, (j + f) / 2)
    return [first, "", "", second, "", "", both]


def _dataset_tables(scores: DatasetScores) -> Iterable[Table]:
    expressions = _table("J and F per expression", ["video", "id", "expression", "kind"], ["J", "F", "J&F"])
    for video, entries in scores.videos.items():
        for key, entry in entries.items():
            _add_row(expressions, video, key, entry.expression, entry.kind or "", *_mean_numbers(entry.means))
    yield expressions
    if scores.means is None:
        return
    videos = _table("J and F per video", ["video"], ["J", "F", "J&F"])
    for video, means in list(scores.video_means.items())[:MAX_LISTED]:
        _add_row(videos, video, *_mean_numbers(means))
    if (more := len(scores.video_means) - MAX_LISTED) > 0:
        _add_row(videos, f"and {more} more (see --json, --csv or --html)", "", "", "")
    yield videos
    kinds = _table("J and F per kind of expression", ["kind"], ["n", "J", "F", "J&F"])
    for kind, (means, n) in scores.kinds.items():
        _add_row(kinds, kind, str(n), *_mean_numbers(means))
    kinds.add_section()
    scored = sum(bool(entry.j) for entries in scores.videos.values() for entry in entries.values())
    _add_row(kinds, "all", str(scored), *_mean_numbers(scores.means))
    yield kinds


def _mean_numbers(means: Means | None) -> list[str]:
    return _numbers(means.j.mean, means.f.mean, means.j_and_f) if means else ["", "", ""]


def _metrics_table(metrics: Mapping[str, float | None]) -> Table:
    table = _table("", ["metric"], ["value"])
    for name, value in metrics.items():
        if value is not None:
            _add_row(table, name, *_numbers(value))
    return table


def _comparison_table(pairs: Sequence[tuple[Row, Row]], names: tuple[str, str]) -> Table:
    from vlp_rvos.evaluation.score_rows import mean_of

    table = _table(f"J&F of {len(pairs)} expressions", ["kind"], [*names, "change"])
    kinds = dict.fromkeys(first.kind for first, _ in pairs if first.kind)
    for kind in (*kinds, None):
        means = [mean_of(pair[i] for pair in pairs if kind in (None, pair[0].kind)) for i in range(2)]
        if kind is None:
            table.add_section()
        first, second = means
        assert first is not None
        assert second is not None
        _add_row(table, kind or "all", *_numbers(first, second), f"{second - first:+.3f}")
    return table
