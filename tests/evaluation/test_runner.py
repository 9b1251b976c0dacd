"""Predicting and scoring a data set with a predictor that needs no model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from referring import InMemoryDataset, Oracle, shifted
from squares import SquareFinder, box, save_mask, video_entry, write_squares, write_two_videos

from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.protocols import Protocol
from vlp_rvos.evaluation.runner import evaluate_dataset, evaluate_ytvos_folder


@pytest.fixture
def dataset(tmp_path: Path) -> YTVOSDataset:
    return write_two_videos(tmp_path / "data")


def test_scores_of_a_dataset(dataset: YTVOSDataset) -> None:
    oracle, done = SquareFinder(), []
    scores = evaluate_ytvos_folder(dataset, oracle, on_frame=done.append)
    assert oracle.expressions == [["red", "red", "green", "blue"], ["red", "blue"]]
    assert done == [1, 2, 3, 4, 1, 2, 3]
    report = scores.to_json("data", "oracle")
    assert json.loads(json.dumps(report)) == report
    assert (report["dataset"], report["model"]) == ("data", "oracle")
    four = report["videos"]["four"]
    assert [four[key]["J_mean"] for key in "0123"] == [1, 1, 0, 0]
    assert [four[key]["J&F"] for key in "0123"] == [1, 1, 0, 0]
    assert [four[key]["presence"] for key in "0123"] == [1, 1, 0, 1]
    assert four["2"] | {"J": [0.0] * 4, "F": [0.0] * 4, "expression": "green", "kind": "motion"} == four["2"]
    assert report["video_means"]["four"]["J_mean"] == 0.5
    assert report["J_mean"] == pytest.approx(4 / 6)
    assert report["F_mean"] == pytest.approx(4 / 6)
    assert report["J&F"] == pytest.approx(4 / 6)
    assert report["mean_over_videos"]["J_mean"] == pytest.approx(0.75)
    assert {kind: (means["J_mean"], means["n"]) for kind, means in report["kinds"].items()} == {
        "noun": (1, 1),
        "appearance": (1, 1),
        "motion": (0, 1),
        "description": (0, 1),
    }
    assert report["videos"]["two"]["7"]["kind"] is None
    assert report["frames_per_second"] > 0
    assert (report["N_acc"], report["T_acc"]) == (None, 5 / 6)


def test_expressions_without_target(tmp_path: Path) -> None:
    # Objects 3 and 4 are in no frame: "green" is rightly left empty, "blue" is not.
    entries = {"0": ("red", 1), "1": ("green", 3), "2": ("blue", 4)}
    scores = evaluate_ytvos_folder(write_squares(tmp_path, {"video": video_entry(entries)}), SquareFinder())
    report = scores.to_json("data", "oracle")
    assert (report["N_acc"], report["T_acc"]) == (0.5, 1)
    assert [report["videos"]["video"][key]["J_mean"] for key in "012"] == [1, 1, 0]


def test_skipped_ends_are_predicted_but_not_scored(dataset: YTVOSDataset, tmp_path: Path) -> None:
    dataset.annotation_path("four", "00000").unlink()
    scores = evaluate_ytvos_folder(dataset, SquareFinder(), skip_ends=True, output=tmp_path / "out")
    assert len(scores.videos["four"]["0"].j) == 2
    assert len(list((tmp_path / "out" / "four" / "0").iterdir())) == 4


def test_written_masks(dataset: YTVOSDataset, tmp_path: Path) -> None:
    evaluate_ytvos_folder(dataset, SquareFinder(), output=tmp_path / "out")
    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert len(files) == 4 * 4 + 2 * 3
    assert files[0] == "four/0/00000.png"
    with Image.open(tmp_path / "out" / "two" / "8" / "00001.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), np.where(box(18, 19), 255, 0))


def test_masks_of_other_origin_are_not_replaced(dataset: YTVOSDataset, tmp_path: Path) -> None:
    for _ in range(2):
        evaluate_ytvos_folder(dataset, SquareFinder(), output=tmp_path / "out")
    Image.new("L", (3, 3)).save(tmp_path / "out/two/8/00001.png")
    before = (tmp_path / "out/two/8/00001.png").read_bytes()
    with pytest.raises(UserError, match=r"two/8/00001\.png exists, and vlp-rvos did not write it"):
        evaluate_ytvos_folder(dataset, lambda *_: pytest.fail("predicted"), output=tmp_path / "out")
    assert (tmp_path / "out/two/8/00001.png").read_bytes() == before


def test_a_test_set_is_predicted_without_scores(tmp_path: Path) -> None:
    dataset = write_squares(tmp_path / "data", {"video": video_entry({"0": ("red", None)})})
    with pytest.raises(UserError, match="nothing can be scored"):
        evaluate_ytvos_folder(dataset, SquareFinder())
    scores = evaluate_ytvos_folder(dataset, SquareFinder(), output=tmp_path / "out")
    report = scores.to_json("data", "oracle")
    assert report["J_mean"] is None
    assert report["videos"]["video"]["0"]["J&F"] is None
    assert report["videos"]["video"]["0"]["presence"] == 1
    assert (tmp_path / "out" / "video" / "0" / "00003.png").is_file()


@pytest.mark.parametrize("what", ["frame_path", "annotation_path"])
def test_missing_files_are_found_before_prediction(dataset: YTVOSDataset, what: str, tmp_path: Path) -> None:
    path = getattr(dataset, what)("two", "00002")
    path.unlink()
    oracle = SquareFinder()
    with pytest.raises(UserError, match="no such image") as caught:
        evaluate_ytvos_folder(dataset, oracle, output=tmp_path / "out")
    assert str(path) in str(caught.value)
    assert not oracle.expressions
    assert not (tmp_path / "out").exists()


def test_annotations_of_another_size(dataset: YTVOSDataset) -> None:
    save_mask(dataset.annotation_path("two", "00001"), box(1, 1)[:20])
    with pytest.raises(UserError, match="video two: the predicted mask is 40x30, but the annotation 40x20"):
        evaluate_ytvos_folder(dataset, SquareFinder())


def test_no_expressions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no expressions"):
        evaluate_ytvos_folder(write_squares(tmp_path, {"video": video_entry({})}), SquareFinder())


def test_the_ends_can_be_left_out() -> None:
    dataset = InMemoryDataset()
    whole, inner = (
        evaluate_dataset(dataset, Oracle(dataset, shifted), protocol=Protocol("", skip_ends=skip)).videos["v0"]["1"].j
        for skip in (False, True)
    )
    assert inner == whole[1:-1]


def test_processes_do_not_change_the_result(tmp_path: Path) -> None:
    dataset = InMemoryDataset(number=3)
    results = [
        evaluate_dataset(
            dataset,
            Oracle(dataset, shifted),
            output=tmp_path / str(workers),
            workers=workers,
            worst=4,
        )
        for workers in (1, 2)
    ]
    for result in results:
        result.seconds = 0
    assert results[0] == results[1]
    contents = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}
        for folder in (tmp_path / "1", tmp_path / "2")
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 3 * 6 * 4


def test_masks_in_a_folder_score_like_predicted_ones(tmp_path: Path) -> None:
    dataset = InMemoryDataset()
    predicted = evaluate_dataset(dataset, Oracle(dataset, shifted), output=tmp_path / "out", worst=2)
    for workers in (1, 2):
        read = evaluate_dataset(dataset, tmp_path / "out", worst=2, workers=workers)
        assert (read.frames_per_second, read.frames) == (0, 8)
        assert read.metrics == predicted.metrics
        assert read.worst == predicted.worst
        assert read.to_json("d", "m")["videos"]["v0"]["1"]["presence"] is None
    (tmp_path / "out" / "v1" / "2" / "03.png").unlink()
    (tmp_path / "out" / "v1" / "3" / "03.png").unlink()
    with pytest.raises(UserError, match=r"2 of 48 masks are missing in .*out, the first one is v1.2.03\.png"):
        evaluate_dataset(dataset, tmp_path / "out")
    with pytest.raises(UserError, match="no such folder"):
        evaluate_dataset(dataset, tmp_path / "nowhere")
