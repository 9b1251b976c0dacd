"""`vlp-rvos evaluate pictures`: whether a model chooses the right thing, and knows what is absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlp_rvos.cli.messages import echo
from vlp_rvos.cli.score_files import PictureScoreFileOptions
from vlp_rvos.cli.shared_options import InferenceOptionGroup, Model
from vlp_rvos.data.sources.holdout import Part
from vlp_rvos.errors import UserError

if TYPE_CHECKING:
    from vlp_rvos.evaluation.calibration import ReliabilityBin

__all__ = ["pictures"]

WORST = 24
"""Number of pictures of the worst cases in an HTML report."""


def pictures(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Folder with images/, instances.json (COCO) and expressions.json."),
    ],
    *,
    part: Annotated[
        Part, typer.Option(help="Pictures to score: the fifth that is held out by a hash of the file name, or others.")
    ] = "held-out",
    expressions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Further expressions about these pictures: a file like expressions.json, or pictures-held-out, which "
            "comes with the package; repeat it for several.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the reliability diagram of presence into this PNG file.")
    ] = None,
    files: PictureScoreFileOptions,
    model: Model = "mini",
    options: InferenceOptionGroup,
) -> None:
    """Score a model on pictures with outlined things: does it choose the thing that is meant, does it know what is
    absent?

    Prints, for each file and kind of expression, how often the mask fits the thing that is meant better than every
    other one, and how many false expressions have less presence than 95 % of the true ones.
    """
    from rich.console import Console

    from vlp_rvos.cli.score_tables import picture_tables
    from vlp_rvos.data.further_expressions import find_expressions
    from vlp_rvos.data.sources.described_pictures import DescribedPictures
    from vlp_rvos.data.sources.holdout import is_in_part
    from vlp_rvos.evaluation.calibration import equal_count_bins, equal_width_bins
    from vlp_rvos.evaluation.picture_runner import evaluate_pictures
    from vlp_rvos.media.png_mark import is_marked_png
    from vlp_rvos.profiling.plots import plot_lines
    from vlp_rvos.utils.output_files import prepare_output
    from vlp_rvos.utils.progress import announced, counting

    with announced(f"reading {folder}"):
        others = [find_expressions(name, Path()) for name in expressions or ()]
        everything = DescribedPictures(folder, others).pictures
    chosen = [picture for picture in everything if picture.expressions and is_in_part(picture.name, part)]
    if not chosen and part == "all":
        raise UserError(f"{folder} has no picture with expressions: describe one in expressions.json")
    if not chosen:
        raise UserError(f"{folder} has no picture with expressions in the part {part}: choose another --part")
    files.prepare(plot)
    if plot is not None:
        prepare_output(plot, is_ours=is_marked_png)
    with announced(f"loading {model}"):
        # Torch takes a second to import: a mistake in the above is reported before.
        from vlp_rvos.inference.segmenter import Segmenter

        segmenter = Segmenter.from_pretrained(model, replace(options, presence_threshold=0.0))
    default_threshold = options.applied_to(segmenter.runtime.config).presence_threshold
    with counting("predicting", "pictures", len(chosen)) as count:
        scores, cases = evaluate_pictures(
            chosen, segmenter.segment, default_threshold, worst=WORST if files.html else 0, on_picture=count
        )
    files.write(scores.to_json(str(folder), model, part), cases)
    if plot is not None:
        presences, truth = [one.presence for one in scores.outcomes], [one.is_true for one in scores.outcomes]
        lines = {
            "calibrated": {0.0: 0.0, 1.0: 1.0},
            "equal width": _points(equal_width_bins(presences, truth)),
            "equal count": _points(equal_count_bins(presences, truth)),
        }
        plot_lines(plot, model, "predicted presence", "share of true expressions", lines)
    echo(f"{part}: {len(chosen)} pictures, {len(scores.outcomes)} expressions")
    console = Console()
    for table in picture_tables(scores):
        console.print(table)


def _points(bins: list[ReliabilityBin]) -> dict[float, float]:
    return {one.predicted: one.true for one in bins}
