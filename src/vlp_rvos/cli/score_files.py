"""The options --json, --csv and --html, and the score files that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlp_rvos.cli.option_groups import OptionGroup

if TYPE_CHECKING:
    from vlp_rvos.evaluation.case_pictures import CasePicture

__all__ = ["PictureScoreFileOptions", "ScoreFileOptions", "ScoreFiles"]


@dataclass(frozen=True)
class ScoreFiles:
    """Files to write scores to; a file that is None is not written.

    Attributes:
        json: JSON file of all scores, frame by frame.
        csv: table with one line for each expression.
        html: page with curves and pictures.
    """

    json: Path | None = None
    csv: Path | None = None
    html: Path | None = None

    def prepare(self, *others: Path | None) -> None:
        """Make sure, before long work starts, that the files can be written.

        Args:
            others: other files that the same command writes.

        Raises:
            UserError: one cannot, or two are the same.
        """
        from vlp_rvos.cli.own_files import is_page, is_report, is_score_table
        from vlp_rvos.utils.output_files import distinct_outputs, prepare_output

        distinct_outputs(path for path in (self.json, self.csv, self.html, *others) if path is not None)
        for path, is_ours in ((self.json, is_report), (self.csv, is_score_table), (self.html, is_page)):
            if path is not None:
                prepare_output(path, is_ours=is_ours)

    def write(self, report: Mapping[str, Any], pictures: Sequence[CasePicture] = ()) -> None:
        """Write the files.

        Args:
            report: all scores, as they go into the JSON file.
            pictures: of the worst cases, for the HTML page.

        Raises:
            UserError: a file cannot be written.
        """
        from vlp_rvos.utils.atomic import write_json, write_text

        if self.json is not None:
            write_json(self.json, report)
        if self.csv is not None:
            from vlp_rvos.evaluation.score_rows import to_csv, to_rows

            write_text(self.csv, to_csv(to_rows(report)))
        if self.html is not None:
            from vlp_rvos.evaluation.html_report import report_page

            write_text(self.html, report_page(report, pictures))


CsvFile = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Write a table with a line for each expression to this CSV file."),
]
HtmlFile = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write a page with curves and pictures to this HTML file."),
]


def _score_files(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all scores, frame by frame, to this JSON file.")
    ] = None,
    csv_file: CsvFile = None,
    html_file: HtmlFile = None,
) -> ScoreFiles:
    return ScoreFiles(json_file, csv_file, html_file)


def _picture_score_files(
    json_file: Annotated[
        Path | None,
        typer.Option("--json", "-o", metavar="FILE", help="Write all scores, by expression, to this JSON file."),
    ] = None,
    csv_file: CsvFile = None,
    html_file: HtmlFile = None,
) -> ScoreFiles:
    return ScoreFiles(json_file, csv_file, html_file)


ScoreFileOptions = Annotated[ScoreFiles, OptionGroup(_score_files)]
PictureScoreFileOptions = Annotated[ScoreFiles, OptionGroup(_picture_score_files)]
"""The same where no masks are written, so that `-o` can name the JSON file."""
