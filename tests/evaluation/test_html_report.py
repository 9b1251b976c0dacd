"""HTML pages: what is in them, that they agree with the scores, and that no text becomes markup."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from html_page import EVIL, Page, evil_dataset
from referring import InMemoryDataset, Oracle, shifted

from vlp_rvos.evaluation.case_pictures import CasePicture, draw_cases
from vlp_rvos.evaluation.html_report import comparison_page, report_page
from vlp_rvos.evaluation.runner import evaluate_dataset
from vlp_rvos.evaluation.score_rows import match_rows, to_rows


@pytest.fixture
def dataset() -> InMemoryDataset:
    return evil_dataset()


@pytest.fixture
def report(dataset: InMemoryDataset) -> dict[str, Any]:
    return evaluate_dataset(dataset, Oracle(dataset, shifted)).to_json(EVIL, EVIL)


def assert_self_contained(page: Page) -> None:
    assert not {"script", "link", "iframe", "object", "bold"} & set(page.tags)
    assert all(not name.startswith("on") for name, _ in page.attributes)
    sources = [value for name, value in page.attributes if name in {"src", "href"}]
    assert all(value is not None and value.startswith("data:image/") for value in sources)


def test_a_page_about_a_run(dataset: InMemoryDataset) -> None:
    scores = evaluate_dataset(dataset, Oracle(dataset, shifted), worst=5)
    report = scores.to_json(EVIL, EVIL)
    page = Page(report_page(report, draw_cases(dataset, scores.worst)))
    assert_self_contained(page)
    assert page.tags.count("img") == 5
    assert page.tags.count("details") == 3
    assert page.tags.count("polyline") == 3 * 6 + len(report["kinds"])
    assert EVIL in page.text
    for heading in ("Kinds of expression", "Worst cases", "Videos", "J over time"):
        assert heading in page.text
    assert f"{100 * report['J&F']:.1f}" in page.text
    assert f"{100 * report['kinds']['one object']['F_mean']:.1f}" in page.text


def evil_content(j: float) -> dict[str, Any]:
    """A score file with `EVIL` wherever text can be."""
    means = {f"{m}_{s}": j for m in "JF" for s in ("mean", "recall", "decay")} | {"J&F": j}
    expression = {"expression": EVIL, "kind": EVIL, "J": [j] * 3, "F": [j] * 3, **means, "presence": None}
    names = {"benchmark": EVIL, "split": EVIL, "protocol": EVIL, "model": EVIL, "dataset": EVIL}
    return {**names, "videos": {EVIL: {EVIL: expression}}, "metrics": {EVIL: j}, **means}


def assert_nothing_is_markup(page: str, count: int) -> None:
    """Every text is there as it is, `count` times, and none of it as markup or as a template."""
    read = Page(page)
    assert_self_contained(read)
    values = [value or "" for _, value in read.attributes]
    assert read.text.count(EVIL) + sum(value.count(EVIL) for value in values) == count
    for text in ("<script", "</script", "[bold]{x}49", '"&[bold]'):
        assert text not in page
    assert page.count("</style>") == 1


def test_nothing_of_a_score_file_becomes_markup() -> None:
    page = report_page(evil_content(0.5), [CasePicture(EVIL, EVIL, EVIL, b"")])
    # Benchmark and split in the title and the heading; model and protocol; a metric; the kind in the table and in the
    # key of its curve; expression, video and caption of a picture, and its alternative text; the video in the table and
    # above its curves; an expression and its kind.
    assert_nothing_is_markup(page, 4 + 2 + 1 + 2 + 4 + 2 + 2)


def test_nothing_of_two_score_files_becomes_markup() -> None:
    page = comparison_page(evil_content(0.5), evil_content(0.75), (EVIL, EVIL))
    # The runs in the title, the heading, and the tables of measures, kinds, videos and expressions; a kind; a video; an
    # expression with its video.
    assert_nothing_is_markup(page, 2 + 2 + 4 * 2 + 1 + 1 + 2)


def test_the_legend_explains_the_names_on_the_page(report: dict[str, Any]) -> None:
    text = Page(report_page(report)).text
    assert "N_acc share of the expressions without a target" in text
    assert "mAP" not in text
    report["metrics"] = {"mAP@0.5:0.95": 0.5, "P@0.9": 0.25}
    text = Page(report_page(report)).text
    assert "N_acc" not in text
    assert "P@K share of the expressions" in text


def test_a_page_about_folders_of_masks() -> None:
    means = {f"{m}_{s}": 0.5 for m in "JF" for s in ("mean", "recall", "decay")}
    report = {"videos": {EVIL: {"frames": 3, "J": [0.5] * 3, "F": [0.5] * 3, **means}}, "J_mean": 0.5, "F_mean": 0.5}
    page = Page(report_page(report))
    assert_self_contained(page)
    assert EVIL in page.text
    assert [row.j_and_f for row in to_rows(report)] == [0.5]


def test_a_page_without_curves(report: dict[str, Any]) -> None:
    for expressions in report["videos"].values():
        for expression in expressions.values():
            del expression["J"], expression["F"]
    page = Page(report_page(report))
    assert "polyline" not in page.tags
    assert "J over time" not in page.text


def test_curves_of_long_videos_are_thinned(report: dict[str, Any]) -> None:
    for expression in report["videos"]["v0"].values():
        expression["J"] = [0.5] * 100_000
    assert len(report_page(report)) < 200_000


def test_a_page_about_two_runs(dataset: InMemoryDataset, report: dict[str, Any]) -> None:
    better = evaluate_dataset(dataset, Oracle(dataset)).to_json("d", "m")
    del better["videos"]["v1"]
    page = Page(comparison_page(report, better, ("<old>", "new")))
    assert_self_contained(page)
    assert "<old> and new" in page.text
    # Two videos with four expressions and one without target; a video is in one file only.
    pairs, alone = match_rows(to_rows(report), to_rows(better))
    assert (len(pairs), alone) == (10, 5)
    assert f"{len(pairs)} rows are in both" in page.text
    before, after = (np.mean([pair[i].j_and_f for pair in pairs if pair[i].j_and_f is not None]) for i in range(2))
    assert f"{100 * (after - before):+.1f}" in page.text
    assert "Gained most" in page.text
    assert "Lost most" not in page.text
