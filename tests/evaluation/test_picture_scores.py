"""Scores on described pictures, by hand, and their form as a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from described_folder import ANSWERS, scripted, write_described

from vlp_rvos.data.sources.described_pictures import DescribedPictures
from vlp_rvos.evaluation.html_report import report_page
from vlp_rvos.evaluation.picture_runner import evaluate_pictures
from vlp_rvos.evaluation.picture_scores import HEADLINE, PictureScores, noticing_threshold, summarize
from vlp_rvos.evaluation.report_legend import legend_of
from vlp_rvos.evaluation.score_rows import match_rows, to_rows


@pytest.fixture
def scores(tmp_path: Path) -> PictureScores:
    pictures = DescribedPictures(write_described(tmp_path)).pictures
    return evaluate_pictures(pictures, scripted(ANSWERS), 0.35)[0]


def test_summary(scores: PictureScores) -> None:
    one = scores.summary
    assert (one.single, one.groups, one.false) == (5, 1, 3)
    assert one.choice == pytest.approx(2 / 5)
    assert one.chance == pytest.approx((4 * 1 / 2 + 1) / 5)
    assert one.thing_iou == pytest.approx((1 + 1600 / 3600 + 0 + 0.5 + 0) / 5)
    assert one.iou_half == pytest.approx(2 / 5)
    assert one.group_iou == 0.5
    # Presences of the true ones are 0.3, 0.4, 0.6, 0.7, 0.8, 0.9; of the false ones 0.1, 0.2, 0.75.
    assert one.threshold == pytest.approx(0.3 + 0.25 * 0.1)
    assert one.noticed == pytest.approx(2 / 3)


def test_what_a_user_gets(scores: PictureScores) -> None:
    one = scores.summary
    assert one.kept_by_default == pytest.approx(5 / 6)
    assert one.noticed_by_default == pytest.approx(2 / 3)
    assert one.painted_by_default == pytest.approx(1 / 3)
    assert one.choice_by_default == one.choice
    high = summarize(scores.outcomes, 0.65)
    assert high.choice_by_default == pytest.approx(1 / 5)
    assert high.thing_iou_by_default == pytest.approx((1 + 1600 / 3600) / 5)
    assert high.group_iou_by_default == 0
    assert high.choice == one.choice
    # A false expression is not painted if its mask has no pixels.
    assert summarize(scores.outcomes, 0.0).painted_by_default == pytest.approx(2 / 3)


def test_calibration(scores: PictureScores) -> None:
    one = scores.summary
    # Each presence has a bin of equal count for itself, 0.75 and 0.8 share one of equal width: [11/15, 12/15).
    alone = [0.1, 0.6, 0.3, 0.2, 0.7, 0.4, 0.1, 0.2, 0.75]
    assert one.calibration_error_equal_count == pytest.approx(sum(alone) / 9)
    assert one.calibration_error == pytest.approx(sum(alone) / 9)


def test_origins_are_tests_of_their_own_and_kinds_share_a_threshold(scores: PictureScores) -> None:
    assert list(scores.origins) == ["expressions", "alike"]
    alike = scores.origins["alike"]
    assert (alike.single, alike.false, alike.choice, alike.threshold, alike.noticed) == (1, 1, 0.0, 0.3, 1.0)
    kinds = scores.kinds
    assert list(kinds) == ["name", "colour or attribute", "position", "relation", "order or count", "group"]
    assert {one.threshold for one in kinds.values()} == {noticing_threshold(scores.outcomes)}
    assert (kinds["name"].choice, kinds["name"].noticed) == (1.0, 1.0)
    assert (kinds["position"].choice, kinds["position"].noticed) == (0.0, None)
    assert (kinds["group"].choice, kinds["group"].group_iou) == (None, 0.5)


def test_only_false_ones() -> None:
    one = summarize([], 0.5)
    assert {value for value in asdict(one).values() if value} == set()
    assert (one.choice, one.threshold, one.noticed, one.calibration_error) == (None, None, None, None)


def test_score_file(scores: PictureScores) -> None:
    report = scores.to_json("things/pictures", "mini", "held-out")
    rows = to_rows(json.loads(json.dumps(report)))
    assert [(row.video, row.id, row.expression) for row in rows][:2] == [
        ("picture1.png", "expressions-0", "the red car"),
        ("picture1.png", "expressions-1", "the car on the left"),
    ]
    assert (rows[0].j_and_f, rows[0].presence, rows[4].j_and_f) == (1.0, 0.9, None)
    pairs, alone = match_rows(rows, rows)
    assert (len(pairs), alone) == (6, 0)
    assert report["metrics"]["choice"] == report["summary"]["choice"] == pytest.approx(0.4)
    assert report["reliability"]["equal_width"][0] == {"count": 1, "predicted": 0.1, "true": 0.0}


def test_page(scores: PictureScores) -> None:
    page = report_page(scores.to_json("things/pictures", "mini", "held-out"))
    assert "<title>pictures held-out</title>" in page
    assert "2 pictures, 9 expressions" in page
    assert "Files of expressions" in page
    assert "Choice by kind" in page
    assert "<td>alike</td>" in page
    assert "Videos" not in page


def test_every_number_is_explained() -> None:
    assert [name for name in HEADLINE if not legend_of([name])] == []
