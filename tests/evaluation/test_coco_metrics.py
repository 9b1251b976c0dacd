"""Metrics of A2D- and JHMDB-Sentences: the golden numbers, cases counted by hand, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from vlp_rvos.cli.app import main
from vlp_rvos.evaluation.coco_metrics import average_precision, evaluate_rle, overlap_metrics
from vlp_rvos.media.rle import encode_mask


def row(first: int, last: int) -> np.ndarray:
    """Pixels first to last - 1 of a picture of 2 x 100, in both rows."""
    mask = np.zeros((2, 100), dtype=bool)
    mask[:, first:last] = True
    return mask


def truth_of(*masks: np.ndarray) -> dict[str, Any]:
    images = [{"id": i, "height": mask.shape[0], "width": mask.shape[1]} for i, mask in enumerate(masks)]
    annotations = [{"image_id": i, "segmentation": encode_mask(mask)} for i, mask in enumerate(masks)]
    return {"images": images, "annotations": annotations}


def predicted(image: int, mask: np.ndarray, score: float) -> dict[str, Any]:
    return {"image_id": image, "segmentation": encode_mask(mask), "score": score}


def test_equals_the_official_evaluation(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = json.loads((shared / "golden" / "a2d_metrics.json").read_text())
    (tmp_path / "gt.json").write_text(json.dumps(golden["ground_truth"]))
    (tmp_path / "pred.json").write_text(json.dumps(golden["predictions"]))
    files = [str(tmp_path / name) for name in ("gt.json", "pred.json", "out.json")]
    assert main(["evaluate", "rle", files[0], files[1], "--json", files[2]]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert list(found) == list(golden["expected"])
    for name, value in golden["expected"].items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    assert "overall_iou" in capsys.readouterr().out


def test_counted_by_hand() -> None:
    truth = truth_of(row(0, 10), row(0, 20), row(0, 20), row(0, 0))
    predictions = [
        predicted(0, row(0, 10), 0.9),
        predicted(1, row(0, 13), 0.8),
        # The better mask has the lower score: it counts for average precision only.
        predicted(2, row(50, 60), 0.7),
        predicted(2, row(0, 20), 0.1),
        predicted(3, row(0, 0), 0.6),
    ]
    found = evaluate_rle(truth, predictions)
    assert found["overall_iou"] == pytest.approx((10 + 13) / (10 + 20 + 30))
    assert found["mean_iou"] == pytest.approx((1 + 0.65 + 0 + 1) / 4, abs=1e-6)
    assert [found[f"P@0.{i}"] for i in (5, 6, 7, 8, 9)] == [0.75, 0.75, 0.5, 0.5, 0.5]
    # COCO's own IoU of two empty masks is 0: by score there are two hits, two misses, and one hit at last.
    recalls = [1 / 4, 2 / 4, 2 / 4, 2 / 4, 3 / 4]
    precisions = [1, 1, 2 / 3, 2 / 4, 3 / 5]
    envelope = [max(precisions[i:]) for i in range(5)]
    points = [next((envelope[i] for i in range(5) if recalls[i] >= r / 100), 0.0) for r in range(101)]
    assert found["AP@0.5"] == pytest.approx(np.mean(points), abs=1e-9)


def test_other_forms_of_segmentation() -> None:
    mask = row(3, 9)
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    runs = [6, 12, 182]
    assert (coco_mask.decode(coco_mask.frPyObjects({"size": [2, 100], "counts": runs}, 2, 100)) == mask).all()
    truth = truth_of(mask)
    forms: list[Any] = [{"size": [2, 100], "counts": runs}, rle, [[3, 0, 9, 0, 9, 2, 3, 2]]]
    for form in forms:
        prediction = {"image_id": 0, "segmentation": form, "score": 1}
        assert overlap_metrics(truth, [prediction])["mean_iou"] == 1
    assert average_precision(truth, [predicted(0, mask, 1)])["mAP@0.5:0.95"] == pytest.approx(1)


def test_empty_runs_do_not_change_the_scores() -> None:
    mask = row(3, 9)
    truth, plain = truth_of(mask), {"size": [2, 100], "counts": [6, 12, 182]}
    split = {"size": [2, 100], "counts": [6, 5, 0, 7, 0, 0, 182]}
    scores = [evaluate_rle(truth, [{"image_id": 0, "segmentation": form, "score": 1}]) for form in (plain, split)]
    assert scores[0] == scores[1]
    assert scores[0]["overall_iou"] == 1


def test_inputs_are_left_as_they_were() -> None:
    truth, predictions = truth_of(row(0, 5)), [predicted(0, row(0, 4), 0.5)]
    before = json.dumps([truth, predictions])
    evaluate_rle(truth, predictions)
    assert json.dumps([truth, predictions]) == before


def two() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return truth_of(row(0, 5), row(5, 9)), [predicted(0, row(0, 4), 0.5), predicted(1, row(5, 8), 0.5)]


def forget_sizes(truth: dict[str, Any], prediction: dict[str, Any], segmentation: Any) -> None:
    for image in truth["images"]:
        del image["height"], image["width"]
    prediction["segmentation"] = segmentation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, p: p.pop(), r"no prediction for image 1 \(1 of 2 images have none\)"),
        (lambda t, p: p[0].pop("score"), "a prediction of image 0 has no number 'score'"),
        (lambda t, p: p[0].update(image_id=7), "one prediction is of image 7, which the ground truth does not list"),
        (lambda t, p: p[0].update(image_id=None), "one prediction has no valid 'image_id'"),
        (lambda t, p: p[0].update(segmentation=None), "the prediction of image 0 has no readable segmentation"),
        (
            lambda t, p: p[0].update(segmentation=encode_mask(row(0, 4)[:1])),
            "its size is 100x1, that of the image 100x2",
        ),
        (lambda t, p: forget_sizes(t, p[0], encode_mask(row(0, 4)[:1])), "image 0 have different sizes"),
        (lambda t, p: forget_sizes(t, p[0], [[0, 0, 4, 0, 4, 2]]), "polygons do not tell the size of their image"),
        (lambda t, p: t["images"][0].update(height=3), "its size is 100x2, that of the image 100x3"),
        (lambda t, p: t["images"][0].update(height=0), "image 0 of the ground truth has no valid height and width"),
        (lambda t, p: t["images"][0].update(height=True), "has no valid height and width"),
        (lambda t, p: t["images"][0].update(height=2.5), "has no valid height and width"),
        (lambda t, p: t["images"][0].pop("height"), "has no valid height and width"),
        (lambda t, p: t["images"].append(t["images"][1]), "the ground truth lists image 1 twice"),
        (lambda t, p: t["images"].append({"id": True}), "one image has no valid 'id'"),
        (lambda t, p: p.append(7), "one prediction has no valid 'image_id': 7"),
        (lambda t, p: p.append("a\nb\x1b[31m"), "one prediction has no valid 'image_id': 'a"),
        *(
            (
                lambda t, p, score=score: p[0].update(score=score),
                "a prediction of image 0 has a score that is not finite",
            )
            for score in (float("nan"), float("inf"), -float("inf"), 10**400)
        ),
        *(
            (lambda t, p, score=score: p[0].update(score=score), "has no number 'score'")
            for score in (True, "0.5", None)
        ),
        *(
            (
                lambda t, p, which=which, form=form: (p if which else t["annotations"])[0].update(segmentation=form),
                words,
            )
            for form, words in (
                ({"size": [2, 100], "counts": [100, 50]}, "its run lengths cover 150 pixels of 200"),
                ({"size": [2, 100], "counts": [100, 5000]}, "a run length is negative or larger than the image"),
                ({"size": [2, 100], "counts": [-5, 50, 155]}, "a run length is negative"),
                ({"size": [2, 100], "counts": [105.5, 5, 89.5]}, "its run lengths are not whole numbers"),
                ({"size": [2, 100], "counts": "zzzz~~~###"}, "its run lengths hold a foreign character"),
                ({"size": [2, 100], "counts": ""}, "its run lengths cover 0 pixels of 200"),
                ({"size": [10**9, 10**9], "counts": [10**18]}, "is not a height and a width in pixels"),
                ([], "it has no polygons"),
                ([[]], "a polygon is not a list of x and y in turn"),
                ([[0, 0, 1e300, 0, 3, 3]], "a polygon lies far outside of the image"),
                ([[0, 0, float("nan"), 0, 3, 3]], "a polygon lies far outside of the image"),
                ([[0, 0, 5, 0, 3]], "a polygon is not a list of x and y in turn"),
            )
            for which in (False, True)
        ),
        (lambda t, p: t["annotations"].pop(), "image 1 of the ground truth has no annotation"),
        (lambda t, p: t["annotations"].append(t["annotations"][0]), "image 0 of the ground truth has two annotations"),
        (lambda t, p: t["images"].clear(), "the ground truth has no images"),
        (lambda t, p: t.pop("images"), "the ground truth has no list 'images'"),
    ],
)
def test_files_that_do_not_fit(change: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, predictions = two()
    change(truth, predictions)
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "pred.json").write_text(json.dumps(predictions))
    assert main(["evaluate", "rle", str(tmp_path / "gt.json"), str(tmp_path / "pred.json")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message.replace("\\", "") in error


@pytest.mark.parametrize(("gt", "pred"), [("[]", "[]"), ("{}", "{}"), ("", "[]"), ("{", "[]")])
def test_files_of_another_kind(gt: str, pred: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if gt:
        (tmp_path / "gt.json").write_text(gt)
    (tmp_path / "pred.json").write_text(pred)
    assert main(["evaluate", "rle", str(tmp_path / "gt.json"), str(tmp_path / "pred.json")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
