"""Tables and pages: what is in them, that they agree with the scores, and that no text becomes markup."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from referring import InMemory, Knowing

from vlp_rvos.cli.app import main
from vlp_rvos.data.benchmarks.referring_dataset import ReferringExpression, ReferringVideo
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.case_pictures import PREDICTED, TRUE, draw_cases, draw_masks
from vlp_rvos.evaluation.html_report import KIND_POINTS, _mean_curve, comparison_page, match_rows, report_page
from vlp_rvos.evaluation.runner import evaluate_dataset
from vlp_rvos.evaluation.score_rows import MEASURES, read_report, rows_of, to_csv

EVIL = "<script>alert('1')</script>\"&[bold]{x}"
VOID_TAGS = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that tags nest, and collects them and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data + " "


def moved(masks: np.ndarray) -> np.ndarray:
    return np.roll(masks, (2, 3), axis=(1, 2))


@pytest.fixture
def dataset() -> InMemory:
    dataset = InMemory(number=3)
    video = dataset.videos[0]
    first = ReferringExpression("1", EVIL, (1,))
    dataset.videos[0] = ReferringVideo(video.name, video.frames, [first, *video.expressions[1:]])
    return dataset


@pytest.fixture
def report(dataset: InMemory) -> dict[str, Any]:
    return evaluate_dataset(dataset, Knowing(dataset, moved)).to_json(EVIL, EVIL)


def assert_self_contained(page: Page) -> None:
    assert not {"script", "link", "iframe", "object", "bold"} & set(page.tags)
    assert all(not name.startswith("on") for name, _ in page.attributes)
    sources = [value for name, value in page.attributes if name in {"src", "href"}]
    assert all(value is not None and value.startswith("data:image/") for value in sources)


def test_a_page_about_a_run(dataset: InMemory) -> None:
    scores = evaluate_dataset(dataset, Knowing(dataset, moved), worst=5)
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


def test_the_curve_of_a_kind_is_the_mean_from_start_to_end() -> None:
    curve = _mean_curve([[0.0, 0.5, 1.0], [1.0] * 7])
    assert len(curve) == KIND_POINTS
    assert (curve[0], curve[-1]) == (0.5, 1.0)
    assert curve == sorted(curve)
    assert _mean_curve([[0.25]]) == [0.25] * KIND_POINTS


def test_a_page_about_folders_of_masks() -> None:
    means = {f"{m}_{s}": 0.5 for m in "JF" for s in ("mean", "recall", "decay")}
    report = {"videos": {EVIL: {"frames": 3, "J": [0.5] * 3, "F": [0.5] * 3, **means}}, "J_mean": 0.5, "F_mean": 0.5}
    page = Page(report_page(report))
    assert_self_contained(page)
    assert EVIL in page.text
    assert [row.score for row in rows_of(report)] == [0.5]


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


def test_the_table(report: dict[str, Any]) -> None:
    lines = list(csv.DictReader(to_csv(rows_of(report)).splitlines()))
    assert len(lines) == 3 * 6
    assert lines[0]["expression"] == EVIL
    for line in lines:
        entry = report["videos"][line["video"]][line["id"]]
        assert int(line["frames"]) == len(entry["J"])
        assert [line[measure] for measure in MEASURES] == [
            "" if entry[measure] is None else str(entry[measure]) for measure in MEASURES
        ]


def test_a_page_about_two_runs(dataset: InMemory, report: dict[str, Any]) -> None:
    better = evaluate_dataset(dataset, Knowing(dataset)).to_json("d", "m")
    del better["videos"]["v1"]
    page = Page(comparison_page(report, better, ("<old>", "new")))
    assert_self_contained(page)
    assert "<old> and new" in page.text
    # Two videos with four expressions and one without target; a video is in one file only.
    pairs, alone = match_rows(rows_of(report), rows_of(better))
    assert (len(pairs), alone) == (10, 5)
    assert f"{len(pairs)} rows are in both" in page.text
    before, after = (np.mean([pair[i].score for pair in pairs if pair[i].score is not None]) for i in range(2))
    assert f"{100 * (after - before):+.1f}" in page.text
    assert "Gained most" in page.text
    assert "Lost most" not in page.text


def test_expressions_that_were_changed_are_not_compared(report: dict[str, Any]) -> None:
    other = json.loads(json.dumps(report))
    other["videos"]["v0"]["1"]["expression"] = "something else"
    pairs, alone = match_rows(rows_of(report), rows_of(other))
    assert (len(pairs), alone) == (14, 2)


def test_the_compare_command(
    report: dict[str, Any], dataset: InMemory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    better = evaluate_dataset(dataset, Knowing(dataset)).to_json("d", "m")
    for name, content in (("a", report), ("b", better)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    files = [str(tmp_path / name) for name in ("a.json", "b.json", "page.html")]
    assert main(["evaluate", "compare", files[0], files[1], "--html", files[2]]) == 0
    Page((tmp_path / "page.html").read_text())
    printed = capsys.readouterr().out
    assert f"{better['J&F'] - report['J&F']:+.3f}" in printed
    assert "several objects" in printed


@pytest.mark.parametrize("content", ["[]", "{}", '{"videos": {"v": {"0": {"expression": "x"}}}}', "{", '{"videos": 3}'])
def test_files_that_are_no_score_files(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=r"a\.json"):
        read_report(tmp_path / "a.json")
    with pytest.raises(UserError, match="no such file"):
        read_report(tmp_path / "b.json")


def test_runs_with_nothing_in_common(
    report: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(report))
    (tmp_path / "b.json").write_text(json.dumps({"videos": {}}))
    assert main(["evaluate", "compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert "no scored expression in common" in capsys.readouterr().err


def test_pictures() -> None:
    frame = np.full((60, 80, 3), 200, np.uint8)
    prediction, truth = np.zeros((2, 60, 80), bool)
    prediction[10:30, 10:30], truth[10:30, 40:60] = True, True
    pixels = np.asarray(Image.open(io.BytesIO(draw_masks(frame, prediction, truth)))).astype(int)
    assert abs(pixels[20, 20] - (200 + PREDICTED) // 2).max() < 25
    assert abs(pixels[50, 70] - 200).max() < 10
    assert abs(pixels[20, 50] - 200).max() < 25
    edge = pixels[20, 38:43] - TRUE
    assert abs(edge).sum(axis=1).min() < 150
    large = draw_masks(np.zeros((100, 1000, 3), np.uint8), np.zeros((101, 1000), bool), None)
    assert Image.open(io.BytesIO(large)).size == (480, 48)
