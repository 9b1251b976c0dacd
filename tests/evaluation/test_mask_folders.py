"""Scoring a folder of predicted masks against a folder of true masks."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from squares import box, save_mask, write_mask_folders, write_object_folders

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.evaluation.davis import TrueMask, score_frame
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


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """As the frames of a video are: text would put 10 before 2, and 9 last."""
    for t in range(12):
        save_mask(tmp_path / "gt" / "v" / f"{t}.png", box(5, 5))
        # Only the first and the last frame are wrong.
        save_mask(tmp_path / "pred" / "v" / f"{t}.png", box(5, 5 if 0 < t < 11 else 20))
    scores = score_mask_folders(tmp_path / "pred", tmp_path / "gt")
    assert scores.videos["v"].j == [0, *[1] * 10, 0]
    assert score_mask_folders(tmp_path / "pred", tmp_path / "gt", skip_ends=True).j_mean == 1


def test_the_first_frame_by_number_names_the_objects(tmp_path: Path) -> None:
    for t in range(2, 12):
        ids = box(2, 2) * 1 + (box(15, 15) * 2 if t > 2 else 0)
        for kind in ("gt", "pred"):
            save_mask(tmp_path / kind / "v" / f"{t}.png", ids, 1)
    scores = score_mask_folders(tmp_path / "pred", tmp_path / "gt", objects=True)
    assert list(scores.videos["v"].objects) == [1]


def test_videos_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for video in ("v10", "v9", "v1"):
        for kind in ("gt", "pred"):
            save_mask(tmp_path / kind / video / "0.png", box(5, 5))
    assert list(score_mask_folders(tmp_path / "pred", tmp_path / "gt").videos) == ["v1", "v9", "v10"]


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


def test_black_and_white_masks_are_of_one_object(tmp_path: Path) -> None:
    """In them, 255 is no void: that would leave nothing to score."""
    for t in range(3):
        save_mask(tmp_path / "gt" / "white" / f"{t}.png", box(5, 5))
        save_mask(tmp_path / "pred" / "white" / f"{t}.png", box(5, 7), 1)
        save_mask(tmp_path / "gt" / "ids" / f"{t}.png", box(5, 5), 1)
        save_mask(tmp_path / "pred" / "ids" / f"{t}.png", box(5, 7))
    with pytest.warns(VLPRVOSWarning) as warned:
        scores = score_mask_folders(tmp_path / "pred", tmp_path / "gt", objects=True)
    for video in ("white", "ids"):
        assert scores.videos[video].objects.keys() == {1}
        assert scores.videos[video].j == pytest.approx([80 / 120] * 3)
    messages = [str(warning.message) for warning in warned]
    assert messages == [
        f"the masks of 1 video(s) hold only 0 and 255, which is read as object 1 and not as void (first: {file})"
        for file in (tmp_path / "pred" / "ids" / "0.png", tmp_path / "gt" / "white" / "0.png")
    ]


@pytest.mark.filterwarnings("error")
def test_void_alone_is_no_object(tmp_path: Path) -> None:
    """The later frames show nothing but void: its 255 is no object in them, as it is none in the first one."""
    for t in range(3):
        save_mask(tmp_path / "gt" / "v" / f"{t}.png", box(2, 2) * (t == 0) * 1 + box(15, 15) * 255, 1)
        save_mask(tmp_path / "pred" / "v" / f"{t}.png", box(2, 2) * (t == 0), 1)
    scores = score_mask_folders(tmp_path / "pred", tmp_path / "gt", objects=True)
    assert scores.videos["v"].objects[1].j == [1, 1, 1]


@pytest.mark.parametrize(("dtype", "value"), [(np.uint16, 1), (np.uint16, 65535), (np.int32, 1)])
def test_deep_masks(tmp_path: Path, dtype: type, value: int) -> None:
    for kind, kept in (("gt", np.uint8), ("pred", dtype)):
        (tmp_path / kind / "v").mkdir(parents=True)
        image = Image.fromarray(box(5, 5).astype(kept) * kept(1 if kept is np.uint8 else value))
        image.save(tmp_path / kind / "v" / "0.png", "TIFF" if kept is np.int32 else "PNG")
    assert score_mask_folders(tmp_path / "pred", tmp_path / "gt").j_and_f == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VLPRVOSWarning)
        assert score_mask_folders(tmp_path / "pred", tmp_path / "gt", objects=True).j_and_f == 1


def test_masks_of_more_objects_than_a_byte_holds(tmp_path: Path) -> None:
    for kind, value in (("gt", 1), ("pred", 300)):
        (tmp_path / kind / "v").mkdir(parents=True)
        Image.fromarray(box(5, 5).astype(np.uint16) * np.uint16(value)).save(tmp_path / kind / "v" / "0.png")
    with pytest.raises(UserError, match=r"pred/v/0\.png holds the object id 300"):
        score_mask_folders(tmp_path / "pred", tmp_path / "gt", objects=True)


def test_masks_that_are_too_large_get_one_line(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: TrueMask, _: np.ndarray) -> None:
        raise MemoryError

    monkeypatch.setattr(TrueMask, "compare", fail)
    with pytest.raises(UserError, match=r"masks .*00000\.png and .*00000\.png are too large for the memory"):
        score_mask_folders(*folders, workers=1)


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
