from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from scripts import load_tool


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_tool("result_tables", monkeypatch)


def rows(tables: ModuleType, *results: tuple[str, str | None, dict[str, Any]], kind: str) -> dict[str, Any]:
    return {name: tables.Result(name, kind, f"title of {name}", base, None, result) for name, base, result in results}


def scores(j: float, f: float, dataset: str = "val") -> dict[str, Any]:
    means = {"J_mean": j, "F_mean": f, "J&F": (j + f) / 2}
    return {"dataset": dataset, **means, "kinds": dict.fromkeys(("noun", "appearance", "motion"), means)}


def test_differences_are_to_the_row_that_is_named(tables: ModuleType) -> None:
    found = rows(
        tables,
        ("a", None, scores(0.5, 0.7)),
        ("alone", None, scores(0.1, 0.1)),
        ("a-less", "a", scores(0.4, 0.7)),
        ("elsewhere", None, scores(0.2, 0.2, "heldout")),
        kind="segmentation",
    )
    assert tables.switches(found).splitlines()[2:] == [
        "| title of a | 50.0 | 70.0 | 60.0 |  |",
        "| title of a-less | 40.0 | 70.0 | 55.0 | -5.0 |",
    ]
    assert tables.held_out(found).splitlines()[2:] == ["| title of elsewhere | 20.0 | 20.0 | 20.0 |"]


def test_shares_of_a_few_questions_are_left_out(tables: ModuleType) -> None:
    def pairs(right: float, count: int) -> dict[str, Any]:
        return {"right": right, "iou": 0.5, "count": count}

    result = {
        "pairs": {"category": pairs(0.9, 80), "motion": pairs(1.0, 2)},
        "presence": {"threshold": 0.5, "absent_caught": 0.75, "present": 50, "absent": 20},
    }
    found = rows(tables, ("a", None, result), kind="grounding")
    assert tables.grounding(found).splitlines()[2:] == ["| title of a | 90.0 |  | 75.0 | 80, 2, 20 |"]


def test_ablation_table(tables: ModuleType) -> None:
    run = {"seed": 0, "steps": 3, "numbers": {"iou_present": 0.5}}
    summary = {"compared_with": "full", "rows": [{"name": "full", "title": "full model", "runs": [run]}]}
    found = rows(tables, ("ablation", None, summary), kind="ablation")
    assert "| full model | 50.0 |" in tables.ablation(found)


def test_every_table_has_lines_of_one_length(tables: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    results = load_tool("results_file", monkeypatch).read_results()
    for name, table in tables.TABLES.items():
        lines = [line for line in table(results).splitlines() if line.startswith("|")]
        assert len(lines) > 2, name
        assert len({line.count("|") for line in lines}) == 1, name


def test_described_pictures_are_listed_by_file(tables: ModuleType) -> None:
    numbers = {"single": 3, "groups": 1, "false": 2, "choice": 0.5, "chance": 0.25, "thing_iou": 0.4, "iou_half": 0.3}
    numbers |= {"group_iou": None, "noticed": 0.75, "calibration_error": 0.05}
    found = rows(tables, ("a", None, {"dataset": "pictures", "origins": {"alike": numbers}}), kind="pictures")
    expected = "| title of a | pictures, alike | 4, 2 | 50.0 | 25.0 | 40.0 | 30.0 |  | 75.0 | 5.0 |"
    assert tables.pictures(found).splitlines()[2:] == [expected]


def test_kinds_of_expressions_with_few_questions_are_left_out(tables: ModuleType) -> None:
    def kind(single: int, false: int) -> dict[str, Any]:
        return {"single": single, "false": false, "choice": 0.5, "chance": 0.25, "thing_iou": 0.4, "noticed": 0.75}

    kinds = {"name": kind(20, 20), "position": kind(30, 2), "other": kind(19, 40)}
    result = {"dataset": "pictures", "origins": {}, "kinds": kinds}
    found = {f"pictures-{tables.SHIPPED}": next(iter(rows(tables, ("a", None, result), kind="pictures").values()))}
    assert tables.picture_kinds(found).splitlines()[2:] == [
        "| name | 20 | 50.0 | 25.0 | 40.0 | 20 | 75.0 |",
        "| position | 30 | 50.0 | 25.0 | 40.0 | 2 |  |",
    ]
