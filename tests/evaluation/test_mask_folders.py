"""Scoring a folder of predicted masks against a folder of true masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from squares import box, save_mask, write_mask_folders, write_object_folders

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.evaluation.davis import score_frame
from vlp_rvos.evaluation.mask_folders import score_mask_folders
from vlp_rvos.evaluation.score_rows import to_rows
from vlp_rvos.media.image_files import read_object_ids


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return write_mask_folders(tmp_path)


@pytest.fixture
def objects(tmp_path: Path) -> tuple[Path, Path]:
    return write_object_folders(tmp_path)


def test_scores_of_folders(folders: tuple[Path, Path]) -> None:
    report = score_mask_folders(*folders).to_json()
    assert list(report) == ["videos", "J_mean", "F_mean", "J&F"]
    assert list(report["videos"]) == ["cat", "dog"]
    dog = report["videos"]["dog"]
    assert set(dog) == {"frames", "J", "F"} | {f"{m}_{s}" for m in "JF" for s in ("mean", "recall", "decay")}
    expected = [score_frame(box(5, 5 + 2 * t), box(5, 5 + t)) for t in range(4)]
    assert list(zip(dog["J"], dog["F"], strict=True)) == expected
    assert dog["J"][:2] == [1.0, 90 / 110]
    assert dog["frames"] == 4
    assert dog["J_mean"] == pytest.approx(np.mean(dog["J"]))
    for measure in ("J", "F"):
        means = [video[f"{measure}_mean"] for video in report["videos"].values()]
        assert report[f"{measure}_mean"] == pytest.approx(np.mean(means))
    assert report["J&F"] == pytest.approx((report["J_mean"] + report["F_mean"]) / 2)


def test_the_ends_can_be_skipped(folders: tuple[Path, Path]) -> None:
    whole, inner = (score_mask_folders(*folders, skip_ends=skip).videos["dog"] for skip in (False, True))
    assert (inner.j, inner.f) == (whole.j[1:-1], whole.f[1:-1])
    (folders[0] / "dog" / "00000.png").unlink()
    assert score_mask_folders(*folders, skip_ends=True).videos["dog"] == inner


def test_processes_do_not_change_the_result(folders: tuple[Path, Path]) -> None:
    calls: list[tuple[int, int]] = []
    parallel = score_mask_folders(*folders, workers=2, on_frame=lambda *call: calls.append(call))
    assert parallel == score_mask_folders(*folders, workers=1)
    assert calls == [(done, 8) for done in range(1, 9)]
    (folders[0] / "dog" / "00002.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot read the image .*00002\.png"):
        score_mask_folders(*folders, workers=2)


def break_folders(pred: Path, gt: Path, how: str) -> None:
    frame = pred / "dog" / "00001.png"
    match how:
        case "video":
            for file in (pred / "dog").iterdir():
                file.unlink()
            (pred / "dog").rmdir()
        case "frame":
            frame.unlink()
        case "size":
            save_mask(frame, box(5, 5)[:-1])
        case "broken":
            frame.write_bytes(frame.read_bytes()[:40])
        case "empty truth":
            (gt / "empty").mkdir()
        case "short":
            save_mask(gt / "short" / "0.png", box(1, 1))
            save_mask(pred / "short" / "0.png", box(1, 1))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("video", "no prediction for video dog"),
        ("frame", r"no prediction for the true mask .*gt.dog.00001\.png"),
        ("size", r"the predicted mask .*pred.dog.00001\.png is 40x29, but the true one .*00001\.png is 40x30"),
        ("broken", r"cannot read the image .*pred.dog.00001\.png"),
        ("empty truth", r"no true masks in .*empty"),
        ("short", r"video short has 1 frame\(s\)"),
    ],
)
def test_folders_that_do_not_fit(folders: tuple[Path, Path], how: str, message: str) -> None:
    break_folders(*folders, how)
    with pytest.raises(UserError, match=message) as caught:
        score_mask_folders(*folders, skip_ends=True)
    assert "\n" not in str(caught.value)


def test_missing_folders(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such folder of predicted masks: .*nowhere"):
        score_mask_folders(tmp_path / "nowhere", folders[1])
    with pytest.raises(UserError, match=r"no such folder of true masks: .*nowhere"):
        score_mask_folders(folders[0], tmp_path / "nowhere")
    with pytest.raises(UserError, match="no videos in"):
        score_mask_folders(folders[0], folders[1] / "dog")


def test_objects_are_scored_apart(objects: tuple[Path, Path]) -> None:
    pred, gt = objects
    scores = score_mask_folders(pred, gt, skip_ends=True, objects=True)
    assert {name: list(video.objects) for name, video in scores.videos.items()} == {"one": [1], "two": [1, 2]}
    for name, video in scores.videos.items():
        for i, part in video.objects.items():
            files = [(pred / name / f"{t:05d}.png", gt / name / f"{t:05d}.png") for t in (1, 2, 3)]
            plain = [score_frame(read_object_ids(p) == i, read_object_ids(g) == i) for p, g in files]
            assert list(zip(part.j, part.f, strict=True)) == plain
    two = scores.videos["two"]
    assert two.j == pytest.approx([(a + b) / 2 for a, b in zip(two.objects[1].j, two.objects[2].j, strict=True)])
    # Every object counts alike, in whatever video it is.
    every = [part for video in scores.videos.values() for part in video.objects.values()]
    assert scores.j_mean == pytest.approx(sum(part.j_statistics.mean for part in every) / 3)
    report = scores.to_json()
    assert list(report["videos"]["two"]) == ["1", "2"]
    assert [(row.video, row.id) for row in to_rows(report)] == [("one", "1"), ("two", "1"), ("two", "2")]


def test_a_video_without_objects(objects: tuple[Path, Path]) -> None:
    save_mask(objects[1] / "one" / "00000.png", box(1, 1) & False)
    with pytest.raises(UserError, match=r"one/00000.png has no object"):
        score_mask_folders(*objects, objects=True)


def test_predictions_that_nobody_asked_for(folders: tuple[Path, Path]) -> None:
    expected = score_mask_folders(*folders)
    save_mask(folders[0] / "bird" / "00000.png", box(1, 1))
    with pytest.warns(VLPRVOSWarning, match="without true masks: bird$"):
        assert score_mask_folders(*folders) == expected
    save_mask(folders[0] / "dog" / "00009.png", box(1, 1))
    with pytest.warns(VLPRVOSWarning) as warned:
        assert score_mask_folders(*folders) == expected
    assert "1 predicted frame(s)" in str(warned[-1].message)


def test_folders_of_videos_without_target(folders: tuple[Path, Path]) -> None:
    assert "N_acc" not in score_mask_folders(*folders).to_json()
    for t in range(4):
        save_mask(folders[1] / "nothing" / f"{t}.png", box(0, 0, 0))
        save_mask(folders[0] / "nothing" / f"{t}.png", box(0, 0, 0) if t else box(1, 1))
    report = score_mask_folders(*folders, skip_ends=False).to_json()
    assert (report["N_acc"], report["T_acc"]) == (0, 1)
    assert score_mask_folders(*folders, skip_ends=True).to_json()["N_acc"] == 1
