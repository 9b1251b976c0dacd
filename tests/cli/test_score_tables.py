from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from described_folder import ANSWERS, scripted, write_described
from referring import InMemoryDataset, Oracle, shifted
from rich.console import Console
from rich.table import Table

from vlp_rvos.cli import score_tables
from vlp_rvos.cli.score_tables import comparison_table, dataset_tables, folder_table, metrics_table, picture_tables
from vlp_rvos.data.sources.described_pictures import DescribedPictures
from vlp_rvos.evaluation.dataset_scores import DatasetScores
from vlp_rvos.evaluation.folder_scores import FolderScores, VideoScores
from vlp_rvos.evaluation.picture_runner import evaluate_pictures
from vlp_rvos.evaluation.runner import evaluate_dataset
from vlp_rvos.evaluation.score_rows import ScoreRow

DOG, CAT = VideoScores([1.0, 0.5], [0.5, 0.5]), VideoScores([0.0, 0.0], [0.0, 0.0])


def cells(table: Table) -> list[list[str]]:
    """The table's rows as words, without title and header."""
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return [line.split() for line in capture.get().splitlines()[4 if table.title else 3 :] if line.strip()]


def test_folders_of_videos() -> None:
    table = folder_table(FolderScores({"dog": DOG, "[b]cat[/b]": CAT}))
    assert str(table.title) == "J and F per video"
    rows = [row for row in cells(table) if row[0][0] != "─"]
    assert rows == [
        ["dog", "2", "0.750", "0.500", "0.500", "0.500", "0.000", "0.000", "0.625"],
        ["[b]cat[/b]", "2", *["0.000"] * 7],
        ["mean", "4", "0.375", "0.250", "0.312"],
    ]


def test_folders_of_objects() -> None:
    video = VideoScores.of_objects({1: DOG, 2: CAT})
    table = folder_table(FolderScores({"both": video}))
    assert str(table.title) == "J and F per object"
    rows = [row for row in cells(table) if row[0][0] != "─"]
    assert [row[:2] for row in rows] == [["both", "1"], ["both", "2"], ["both", "all"], ["mean", "2"]]
    assert rows[2] == ["both", "all", "2", "0.375", "0.250", "0.312"]


@pytest.fixture
def scores() -> DatasetScores:
    dataset = InMemoryDataset()
    return evaluate_dataset(dataset, Oracle(dataset, shifted))


def test_tables_of_a_data_set(scores: DatasetScores) -> None:
    expressions, videos, kinds = dataset_tables(scores)
    assert expressions.row_count == sum(len(entries) for entries in scores.videos.values())
    assert videos.row_count == len(scores.videos)
    rows = [row for row in cells(kinds) if row[0][0] != "─"]
    assert rows[-1][0] == "all"
    assert scores.means is not None
    assert rows[-1][-1] == f"{scores.means.j_and_f:.3f}"
    assert len(rows) == len(scores.kinds) + 1


def test_long_tables_are_cut(scores: DatasetScores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_tables, "MAX_LISTED", 1)
    _, videos, _ = dataset_tables(scores)
    rows = cells(videos)
    assert len(rows) == 2
    assert " ".join(rows[1]) == f"and {len(scores.videos) - 1} more (see --json, --csv or --html)"


def test_metrics_that_are_not_known_are_left_out() -> None:
    table = metrics_table({"J&F": 0.5, "N_acc": None, "T_acc": 1.0})
    assert cells(table) == [["J&F", "0.500"], ["T_acc", "1.000"]]


def test_what_changed() -> None:
    def row(kind: str, j_and_f: float) -> ScoreRow:
        return ScoreRow("v", "0", "", kind, (), {"J&F": j_and_f}, None)

    before = [row("noun", 0.5), row("motion", 0.25), row("noun", 0.7)]
    after = [replace(old, scores={"J&F": new}) for old, new in zip(before, (0.6, 0.0, 0.8), strict=True)]
    table = comparison_table(list(zip(before, after, strict=True)), ("a", "b"))
    assert str(table.title) == "J&F of 3 expressions"
    assert [row for row in cells(table) if row[0][0] != "─"] == [
        ["noun", "0.600", "0.700", "+0.100"],
        ["motion", "0.250", "0.000", "-0.250"],
        ["all", "0.483", "0.467", "-0.017"],
    ]


def test_tables_of_described_pictures_fit_a_terminal(tmp_path: Path) -> None:
    pictures = DescribedPictures(write_described(tmp_path)).pictures
    tables = list(picture_tables(evaluate_pictures(pictures, scripted(ANSWERS), 0.35)[0]))
    rows = [row for row in cells(tables[0]) if row[0][0] != "─"]
    assert rows[:2] == [
        ["expressions", "5", "0.500", "0.625", "0.486", "0.500", "0.500", "2", "0.500"],
        ["alike", "1", "0.000", "0.500", "0.000", "0.000", "1", "1.000"],
    ]
    assert rows[-1] == ["all", "6", "0.400", "0.600", "0.389", "0.400", "0.500", "3", "0.667"]
    console = Console(width=80, color_system=None)
    for table, count in zip(tables, (9, 3), strict=True):
        with console.capture() as capture:
            console.print(table)
        lines = [line for line in capture.get().splitlines() if line.strip()[:1].isalpha()]
        assert len(lines) == count + 2
