"""The legend of a report."""

from __future__ import annotations

from vlp_rvos.evaluation.dataset_scores import DatasetScores
from vlp_rvos.evaluation.expression_scores import Means
from vlp_rvos.evaluation.report_legend import legend_of
from vlp_rvos.evaluation.score_rows import SCORE_NAMES


def test_only_names_that_are_shown_are_explained() -> None:
    assert [term for term, _ in legend_of(["J_mean", "J&F", "T_acc"])] == ["J", "J&F", "..._mean", "T_acc"]
    assert [term for term, _ in legend_of(["mAP@0.5:0.95"])] == ["mAP@0.5:0.95"]
    assert legend_of(["something else"]) == []


def test_every_name_is_explained() -> None:
    of_images = ("mAP@0.5:0.95", "AP@0.5", "P@0.9", "overall_iou", "mean_iou")
    for name in (*SCORE_NAMES, *Means.unknown(), *DatasetScores().metrics, "J&F_without_assignment", *of_images):
        assert legend_of([name]), name
