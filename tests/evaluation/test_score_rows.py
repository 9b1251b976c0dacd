"""Rows of score files, and tables of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from html_page import EVIL, evil_dataset
from referring import InMemoryDataset, Oracle, shifted

from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.runner import evaluate_dataset
from vlp_rvos.evaluation.score_rows import SCORE_NAMES, match_rows, read_score_file, to_csv, to_rows


@pytest.fixture
def dataset() -> InMemoryDataset:
    return evil_dataset()


@pytest.fixture
def report(dataset: InMemoryDataset) -> dict[str, Any]:
    return evaluate_dataset(dataset, Oracle(dataset, shifted)).to_json(EVIL, EVIL)


def test_the_table(report: dict[str, Any]) -> None:
    lines = list(csv.DictReader(to_csv(to_rows(report)).splitlines()))
    assert len(lines) == 3 * 6
    assert lines[0]["expression"] == EVIL
    for line in lines:
        entry = report["videos"][line["video"]][line["id"]]
        assert int(line["frames"]) == len(entry["J"])
        assert [line[measure] for measure in SCORE_NAMES] == [
            "" if entry[measure] is None else str(entry[measure]) for measure in SCORE_NAMES
        ]


def test_expressions_that_were_changed_are_not_compared(report: dict[str, Any]) -> None:
    other = json.loads(json.dumps(report))
    other["videos"]["v0"]["1"]["expression"] = "something else"
    pairs, alone = match_rows(to_rows(report), to_rows(other))
    assert (len(pairs), alone) == (14, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("J_mean", value)
            for value in (float("nan"), float("inf"), -float("inf"), 10**400, 55.0, "0.5", True, [0.5])
        ),
        *(("J", value) for value in (0.5, "12", None, [None], [0.5, float("nan")], [["0.5"]])),
        *(("presence", value) for value in (float("nan"), "0.5", 2)),
    ],
)
def test_values_that_are_no_scores(report: dict[str, Any], tmp_path: Path, name: str, value: Any) -> None:
    report["videos"]["v0"]["1"][name] = value
    (tmp_path / "a.json").write_text(json.dumps(report))
    with pytest.raises(UserError, match=r"a\.json: this is not a score file"):
        read_score_file(tmp_path / "a.json")


@pytest.mark.parametrize("metrics", [[0.5], "0.5", {"J": float("nan")}, {"J": "0.5"}, {"J": 1e300}])
def test_metrics_that_are_no_scores(report: dict[str, Any], tmp_path: Path, metrics: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(report | {"metrics": metrics}))
    with pytest.raises(UserError, match=r"a\.json: this is not a score file"):
        read_score_file(tmp_path / "a.json")


@pytest.mark.parametrize("content", ["[]", "{}", '{"videos": {"v": {"0": {"expression": "x"}}}}', "{", '{"videos": 3}'])
def test_files_that_are_no_score_files(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=r"a\.json"):
        read_score_file(tmp_path / "a.json")
    with pytest.raises(UserError, match="no such file"):
        read_score_file(tmp_path / "b.json")
