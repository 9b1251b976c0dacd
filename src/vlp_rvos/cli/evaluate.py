"""`vlp-rvos evaluate`: masks, run, rle, compare, and every benchmark by its name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlp_rvos.cli.messages import echo
from vlp_rvos.cli.own_files import is_page, is_report
from vlp_rvos.cli.score_files import ScoreFileOptions
from vlp_rvos.cli.shared_options import InferenceOptionGroup, JsonFile, MaskFolder, Model
from vlp_rvos.data.sources.holdout import Part

if TYPE_CHECKING:
    from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringVideo
    from vlp_rvos.data.sources.ytvos import VideoEntry
    from vlp_rvos.evaluation.case_pictures import CasePicture
    from vlp_rvos.evaluation.dataset_scores import DatasetScores

__all__ = ["benchmark", "compare", "masks", "rle", "run"]

WORST = 12
"""Number of pictures of the worst cases in an HTML report."""


def masks(
    pred: Annotated[Path, typer.Argument(metavar="PRED", help="Folder of predicted masks, <video>/<frame>.png.")],
    gt: Annotated[Path, typer.Argument(metavar="GT", help="Folder of the true masks, which decide what is scored.")],
    *,
    skip_ends: Annotated[
        bool, typer.Option("--skip-ends", help="Leave out each video's first and last frame, as DAVIS-2017 does.")
    ] = False,
    objects: Annotated[
        bool,
        typer.Option("--objects", help="Score each object apart: every pixel value is an object, as in DAVIS-2017."),
    ] = False,
    files: ScoreFileOptions,
) -> None:
    """Score folders of predicted masks with J and F, the measures of DAVIS."""
    from rich.console import Console

    from vlp_rvos.cli.score_tables import folder_table
    from vlp_rvos.evaluation.mask_folders import score_mask_folders
    from vlp_rvos.utils.progress import counting

    files.prepare()
    with counting("scoring", "frames") as count:
        scores = score_mask_folders(pred, gt, skip_ends=skip_ends, objects=objects, on_frame=count)
    files.write(scores.to_json())
    Console().print(folder_table(scores))


def run(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET_FOLDER", help="Folder in the Ref-YouTube-VOS layout.")],
    *,
    skip_ends: Annotated[
        bool,
        typer.Option(
            "--skip-ends/--no-skip-ends", help="Do not score each video's first and last frame, as DAVIS-2017 does."
        ),
    ] = False,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Kind of a video's first expression; repeat it for the second one, and so on.",
            show_default="noun, appearance, motion, description",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Take the frames from JPEGImages in this folder.")
    ] = None,
    part: Annotated[
        Part,
        typer.Option(help="Videos to score: all, the fifth that is held out by a hash of the name, or the others."),
    ] = "all",
    output: MaskFolder = None,
    files: ScoreFileOptions,
    model: Model = "mini",
    options: InferenceOptionGroup,
) -> None:
    """Run a model on a data set and score it, also for each kind of expression."""
    from rich.console import Console

    from vlp_rvos.cli.score_tables import dataset_tables
    from vlp_rvos.data.sources.holdout import is_in_part
    from vlp_rvos.data.sources.ytvos import YTVOSDataset
    from vlp_rvos.errors import UserError
    from vlp_rvos.evaluation.runner import evaluate_ytvos_folder, ytvos_folder_dataset
    from vlp_rvos.utils.progress import announced

    reader = YTVOSDataset(dataset, images)
    reader.videos = [video for video in reader.videos if is_in_part(video.name, part)]
    if not reader.videos and part == "all":
        raise UserError(f"{dataset} has no video: meta_expressions.json lists none")
    if not reader.videos:
        raise UserError(f"{dataset} has no video in the part {part}: choose another --part")
    files.prepare()
    with announced(f"loading {model}"):
        # Torch takes a second to import: a mistake in the above is reported before.
        from vlp_rvos.inference.segmenter import Segmenter

        predict = Segmenter.from_pretrained(model, options).segment
    with _frames_bar("predicting", reader.videos) as count:
        scores = evaluate_ytvos_folder(
            reader,
            predict,
            output=output,
            skip_ends=skip_ends,
            kinds=kinds or None,
            worst=WORST if files.html else 0,
            on_frame=_each(count),
        )
    files.write(scores.to_json(str(dataset), model), _pictures(ytvos_folder_dataset(reader), scores))
    console = Console()
    for table in dataset_tables(scores):
        console.print(table)
    console.print(f"{scores.frames} frames, {scores.frames_per_second:.2f} frames per second")


def benchmark(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the data set, as published.")],
    *,
    split: Annotated[str | None, typer.Option(help="Split to score.", show_default="the one usually reported")] = None,
    pred: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Score the masks in this folder, whoever made them, and run no model."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Number of processes that score.", show_default="one for each core"),
    ] = None,
    output: MaskFolder = None,
    files: ScoreFileOptions,
    model: Model = "mini",
    options: InferenceOptionGroup,
) -> None:
    """Run a model on the published benchmark that the command is named after, and score it by its own protocol."""
    from rich.console import Console

    from vlp_rvos.cli.score_tables import dataset_tables, metrics_table
    from vlp_rvos.data.benchmarks import open_benchmark
    from vlp_rvos.errors import UserError
    from vlp_rvos.evaluation.coco_entries import check_coco_files, write_coco_files
    from vlp_rvos.evaluation.protocols import PROTOCOLS, Measure
    from vlp_rvos.evaluation.runner import evaluate_dataset
    from vlp_rvos.utils.progress import announced

    name = context.info_name
    assert name is not None
    protocol = PROTOCOLS[name]
    if pred is not None and protocol.measure is Measure.precision:
        raise UserError(
            f"{name} ranks masks by their scores, which a folder of masks does not have: use vlp-rvos evaluate rle"
        )
    if pred is not None and output is not None:
        raise UserError("--pred scores masks that are there already, so nothing is written: leave out --output")
    dataset = open_benchmark(name, path, split or protocol.split)
    files.prepare()
    if output is not None and protocol.scores_images:
        check_coco_files(output)
    if pred is None:
        with announced(f"loading {model}"):
            # Torch takes a second to import: a mistake in the above is reported before.
            from vlp_rvos.inference.segmenter import Segmenter

            source = Segmenter.from_pretrained(model, options).segment
    with _frames_bar("predicting" if pred is None else "scoring", dataset.videos) as count:
        scores = evaluate_dataset(
            dataset,
            source if pred is None else pred,
            protocol=protocol,
            output=output,
            workers=workers,
            worst=WORST if files.html else 0,
            on_frame=_each(count),
        )
    metrics = scores.metrics
    report = scores.to_json(str(path), model if pred is None else str(pred))
    report |= {"benchmark": name, "split": dataset.split, "protocol": protocol.summary, "metrics": metrics}
    files.write(report, _pictures(dataset, scores))
    if output is not None and scores.coco_entries:
        write_coco_files(scores.coco_entries, output)
    if scores.means is None:
        echo(f"{name} {dataset.split} has no true masks: {scores.frames} frames were predicted and not scored")
        return
    # Above the table and not as its title, which would be broken into many lines in so narrow a table.
    echo(f"{name} {dataset.split}: {protocol.summary}")
    console = Console()
    console.print(metrics_table(metrics))
    if not protocol.scores_images:
        for table in list(dataset_tables(scores))[1:]:
            console.print(table)


def rle(
    gt: Annotated[Path, typer.Argument(metavar="GT.json", help="True masks in COCO's annotation format.")],
    pred: Annotated[Path, typer.Argument(metavar="PRED.json", help="Predicted masks in COCO's result format.")],
    json_file: JsonFile = None,
) -> None:
    """Score COCO-format files as A2D- and JHMDB-Sentences do: mAP, P@K, overall and mean IoU."""
    from rich.console import Console

    from vlp_rvos.cli.score_tables import metrics_table
    from vlp_rvos.evaluation.coco_metrics import evaluate_rle, read_rle_files
    from vlp_rvos.utils.atomic import write_json
    from vlp_rvos.utils.output_files import prepare_output

    if json_file is not None:
        prepare_output(json_file, is_ours=is_report)
    metrics = evaluate_rle(*read_rle_files(gt, pred))
    if json_file is not None:
        write_json(json_file, metrics)
    Console().print(metrics_table(metrics))


def compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="Scores of one run, as --json writes them.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Scores of another run.")],
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page that compares them to this HTML file.")
    ] = None,
) -> None:
    """Compare the scores of two runs, expression by expression."""
    from rich.console import Console

    from vlp_rvos.cli.score_tables import comparison_table
    from vlp_rvos.errors import UserError
    from vlp_rvos.evaluation.html_report import comparison_page
    from vlp_rvos.evaluation.score_rows import match_rows, read_score_file, to_rows
    from vlp_rvos.utils.atomic import write_text
    from vlp_rvos.utils.output_files import prepare_output

    if html_file is not None:
        prepare_output(html_file, is_ours=is_page)
    before, after = read_score_file(first), read_score_file(second)
    pairs, alone = match_rows(to_rows(before), to_rows(after))
    if not pairs:
        raise UserError(f"{first} and {second} have no scored expression in common")
    names = (first.stem, second.stem) if first.stem != second.stem else (str(first), str(second))
    if html_file is not None:
        write_text(html_file, comparison_page(before, after, names))
    Console().print(comparison_table(pairs, names))
    if alone:
        echo(f"{alone} expressions are in one file only and were left out")


def _pictures(dataset: ReferringDataset, scores: DatasetScores) -> list[CasePicture]:
    from vlp_rvos.evaluation.case_pictures import draw_cases

    return draw_cases(dataset, scores.worst)


def _frames_bar(
    description: str, videos: Iterable[ReferringVideo | VideoEntry]
) -> AbstractContextManager[Callable[..., None]]:
    from vlp_rvos.utils.progress import counting

    return counting(description, "frames", sum(len(video.frames) for video in videos if video.expressions))


def _each(count: Callable[..., None]) -> Callable[[int], None]:
    """Counts its calls, and ignores their argument."""
    done = itertools.count(1)
    return lambda _: count(next(done))
