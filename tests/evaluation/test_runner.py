"""Scoring folders of masks, and predicting and scoring a data set, without any model."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stubs import TinyBackbone, tiny_config

from vlp_rvos.cli import evaluate
from vlp_rvos.cli.score_files import ScoreFiles
from vlp_rvos.data.benchmarks import ref_youtube_vos
from vlp_rvos.data.sources.ytvos import Expression, VideoEntry, YTVOSDataset
from vlp_rvos.errors import UserError, VLPRVOSError, VLPRVOSWarning
from vlp_rvos.evaluation.davis import score_frame
from vlp_rvos.evaluation.expression_kinds import expression_kinds
from vlp_rvos.evaluation.mask_folders import evaluate_folders
from vlp_rvos.evaluation.runner import evaluate_folder
from vlp_rvos.evaluation.score_rows import rows_of
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.media.image_files import read_mask, read_object_ids
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.utils.atomic import write_json
from vlp_rvos.utils.output_files import prepare_output
from vlp_rvos.utils.overrides import parse_overrides

HEIGHT, WIDTH = 30, 40


def box(y: int, x: int, side: int = 10) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[y : y + side, x : x + side] = True
    return mask


def save(path: Path, mask: np.ndarray, value: int = 255) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * value).save(path)


# --- folders of masks ------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for v, video in enumerate(("dog", "cat")):
        for t in range(4):
            save(tmp_path / "gt" / video / f"{t:05d}.png", box(5, 5 + t))
            save(tmp_path / "pred" / video / f"{t:05d}.png", box(5 + v, 5 + 2 * t), value=3)
    return tmp_path / "pred", tmp_path / "gt"


def test_scores_of_folders(folders: tuple[Path, Path]) -> None:
    report = evaluate_folders(*folders).to_json()
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
    whole, inner = (evaluate_folders(*folders, skip_ends=skip).videos["dog"] for skip in (False, True))
    assert (inner.j, inner.f) == (whole.j[1:-1], whole.f[1:-1])
    (folders[0] / "dog" / "00000.png").unlink()
    assert evaluate_folders(*folders, skip_ends=True).videos["dog"] == inner


def test_processes_do_not_change_the_result(folders: tuple[Path, Path]) -> None:
    calls: list[tuple[int, int]] = []
    parallel = evaluate_folders(*folders, workers=2, on_frame=lambda *call: calls.append(call))
    assert parallel == evaluate_folders(*folders, workers=1)
    assert calls == [(done, 8) for done in range(1, 9)]
    (folders[0] / "dog" / "00002.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot read the image .*00002\.png"):
        evaluate_folders(*folders, workers=2)


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
            save(frame, box(5, 5)[:-1])
        case "broken":
            frame.write_bytes(frame.read_bytes()[:40])
        case "empty truth":
            (gt / "empty").mkdir()
        case "short":
            save(gt / "short" / "0.png", box(1, 1))
            save(pred / "short" / "0.png", box(1, 1))


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
        evaluate_folders(*folders, skip_ends=True)
    assert "\n" not in str(caught.value)


def test_missing_folders(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such folder of predicted masks: .*nowhere"):
        evaluate_folders(tmp_path / "nowhere", folders[1])
    with pytest.raises(UserError, match=r"no such folder of true masks: .*nowhere"):
        evaluate_folders(folders[0], tmp_path / "nowhere")
    with pytest.raises(UserError, match="no videos in"):
        evaluate_folders(folders[0], folders[1] / "dog")


@pytest.fixture
def objects(tmp_path: Path) -> tuple[Path, Path]:
    """Two objects in one video and one in the other; predicted are ids that nobody asked for, and void is void."""
    for t in range(5):
        two = box(2, 2 + t) * 1 + box(15, 10 + t) * 2
        seen = np.roll(two, t, axis=1) + box(20, 28, 5) * 7
        two[-1] = 255
        for name, one, other in (("two", two, seen), ("one", np.minimum(two, 1), np.minimum(seen, 1))):
            for folder, ids in (("gt", one), ("pred", other)):
                path = tmp_path / folder / name / f"{t:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image = Image.fromarray(ids.astype(np.uint8))
                image.putpalette([0, 0, 0] * 256)
                image.save(path)
    return tmp_path / "pred", tmp_path / "gt"


def test_objects_are_scored_apart(objects: tuple[Path, Path]) -> None:
    pred, gt = objects
    scores = evaluate_folders(pred, gt, skip_ends=True, objects=True)
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
    assert [(row.video, row.id) for row in rows_of(report)] == [("one", "1"), ("two", "1"), ("two", "2")]


def test_the_masks_command_with_objects(
    objects: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ScoreFiles(csv=tmp_path / "scores.csv", html=tmp_path / "scores.html")
    evaluate.masks(*objects, skip_ends=True, files=files, objects=True)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines if line[:1] == ["two"]] == [["two", "1"], ["two", "2"], ["two", "all"]]
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 1 + 3
    assert "object 2" in (tmp_path / "scores.html").read_text()


def test_a_video_without_objects(objects: tuple[Path, Path]) -> None:
    save(objects[1] / "one" / "00000.png", box(1, 1) & False)
    with pytest.raises(UserError, match=r"one/00000.png has no object"):
        evaluate_folders(*objects, objects=True)


def test_predictions_that_nobody_asked_for(folders: tuple[Path, Path]) -> None:
    expected = evaluate_folders(*folders)
    save(folders[0] / "bird" / "00000.png", box(1, 1))
    with pytest.warns(VLPRVOSWarning, match="without true masks: bird$"):
        assert evaluate_folders(*folders) == expected
    save(folders[0] / "dog" / "00009.png", box(1, 1))
    with pytest.warns(VLPRVOSWarning) as warned:
        assert evaluate_folders(*folders) == expected
    assert "1 predicted frame(s)" in str(warned[-1].message)


def test_the_masks_command(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "scores.json"
    evaluate.masks(*folders, skip_ends=False, files=ScoreFiles(json=file))
    assert json.loads(file.read_text()) == evaluate_folders(*folders).to_json()
    assert [path.name for path in file.parent.iterdir()] == ["scores.json"]
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("dog", "cat", "mean", "J&F"))


def test_the_masks_command_writes_nothing_when_it_fails(folders: tuple[Path, Path], tmp_path: Path) -> None:
    break_folders(*folders, "size")
    file = tmp_path / "scores.json"
    file.write_text("old")
    with pytest.raises(UserError):
        evaluate.masks(*folders, skip_ends=False, files=ScoreFiles(json=file))
    assert file.read_text() == "old"


def test_unwritable_outputs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the folder"):
        prepare_output(tmp_path / "file" / "scores.json")
    with pytest.raises(UserError, match="is a folder"):
        prepare_output(tmp_path)
    with pytest.raises(UserError, match="cannot write"):
        write_json(tmp_path, {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "nan.json", {"J": float("nan")})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- predicting and scoring a data set -------------------------------------------------------------------------------


@dataclass
class Prediction:
    masks: np.ndarray
    presences: np.ndarray
    scores: np.ndarray


class Oracle:
    """Finds squares by colour: "red" in the red channel, "blue" in the blue one; nothing else. Reads frames lazily."""

    def __init__(self) -> None:
        self.expressions: list[list[str]] = []
        self.read_ahead = 0

    def __call__(self, frames: Iterable[np.ndarray], expressions: list[str]) -> Iterator[Prediction]:
        self.expressions.append(expressions)
        for frame in frames:
            channels = [{"red": 0, "blue": 2}.get(text) for text in expressions]
            masks = [np.zeros(frame.shape[:2], bool) if c is None else frame[..., c] > 128 for c in channels]
            found = np.array([mask.any() for mask in masks], dtype=np.float32)
            yield Prediction(np.stack(masks), found, found / 2)


def entry(expressions: dict[str, tuple[str, int | None]], frames: int = 4) -> dict[str, Any]:
    named = {key: {"exp": text} | ({"obj_id": i} if i else {}) for key, (text, i) in expressions.items()}
    return {"expressions": named, "frames": [f"{t:05d}" for t in range(frames)]}


def write_dataset(folder: Path, videos: dict[str, Any]) -> YTVOSDataset:
    for video, content in videos.items():
        for t, frame in enumerate(content["frames"]):
            red, blue = box(4, 2 + t), box(18, 20 - t)
            pixels = np.stack([red, np.zeros_like(red), blue], axis=-1).astype(np.uint8) * 255
            path = folder / "JPEGImages" / video / f"{frame}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, quality=100, subsampling=0)
            save(folder / "Annotations" / video / f"{frame}.png", red + blue * np.uint8(2), value=1)
    (folder / "meta_expressions.json").write_text(json.dumps({"videos": videos}))
    return YTVOSDataset(folder)


@pytest.fixture
def dataset(tmp_path: Path) -> YTVOSDataset:
    four = {str(i): (text, 1) for i, text in enumerate(("red", "red", "green", "blue"))}
    videos = {"four": entry(four), "two": entry({"7": ("red", 1), "8": ("blue", 2)}, frames=3), "none": entry({})}
    return write_dataset(tmp_path / "data", videos)


def test_scores_of_a_dataset(dataset: YTVOSDataset) -> None:
    oracle, done = Oracle(), []
    scores = evaluate_folder(dataset, oracle, on_frame=done.append)
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
    scores = evaluate_folder(write_dataset(tmp_path, {"video": entry(entries)}), Oracle())
    report = scores.to_json("data", "oracle")
    assert (report["N_acc"], report["T_acc"]) == (0.5, 1)
    assert [report["videos"]["video"][key]["J_mean"] for key in "012"] == [1, 1, 0]


def test_folders_of_videos_without_target(folders: tuple[Path, Path]) -> None:
    assert "N_acc" not in evaluate_folders(*folders).to_json()
    for t in range(4):
        save(folders[1] / "nothing" / f"{t}.png", box(0, 0, 0))
        save(folders[0] / "nothing" / f"{t}.png", box(0, 0, 0) if t else box(1, 1))
    report = evaluate_folders(*folders, skip_ends=False).to_json()
    assert (report["N_acc"], report["T_acc"]) == (0, 1)
    assert evaluate_folders(*folders, skip_ends=True).to_json()["N_acc"] == 1


def test_skipped_ends_are_predicted_but_not_scored(dataset: YTVOSDataset, tmp_path: Path) -> None:
    dataset.annotation_path("four", "00000").unlink()
    scores = evaluate_folder(dataset, Oracle(), skip_ends=True, output=tmp_path / "out")
    assert len(scores.videos["four"]["0"].j) == 2
    assert len(list((tmp_path / "out" / "four" / "0").iterdir())) == 4


def test_written_masks(dataset: YTVOSDataset, tmp_path: Path) -> None:
    evaluate_folder(dataset, Oracle(), output=tmp_path / "out")
    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert len(files) == 4 * 4 + 2 * 3
    assert files[0] == "four/0/00000.png"
    with Image.open(tmp_path / "out" / "two" / "8" / "00001.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), np.where(box(18, 19), 255, 0))


def test_a_test_set_is_predicted_without_scores(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"video": entry({"0": ("red", None)})})
    with pytest.raises(UserError, match="nothing can be scored"):
        evaluate_folder(dataset, Oracle())
    scores = evaluate_folder(dataset, Oracle(), output=tmp_path / "out")
    report = scores.to_json("data", "oracle")
    assert report["J_mean"] is None
    assert report["videos"]["video"]["0"]["J&F"] is None
    assert report["videos"]["video"]["0"]["presence"] == 1
    assert (tmp_path / "out" / "video" / "0" / "00003.png").is_file()


def test_frames_are_scored_as_they_come(dataset: YTVOSDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    load_frame = dataset.load_frame
    monkeypatch.setattr(dataset, "load_frame", lambda *name: (events.append("frame"), load_frame(*name))[1])
    monkeypatch.setattr(
        ref_youtube_vos, "read_object_ids", lambda path: (events.append("ids"), read_object_ids(path))[1]
    )
    evaluate_folder(dataset, Oracle())
    assert events == ["frame", "ids"] * 7


@pytest.mark.parametrize("what", ["frame_path", "annotation_path"])
def test_missing_files_are_found_before_prediction(dataset: YTVOSDataset, what: str, tmp_path: Path) -> None:
    path = getattr(dataset, what)("two", "00002")
    path.unlink()
    oracle = Oracle()
    with pytest.raises(UserError, match="no such image") as caught:
        evaluate_folder(dataset, oracle, output=tmp_path / "out")
    assert str(path) in str(caught.value)
    assert not oracle.expressions
    assert not (tmp_path / "out").exists()


def test_annotations_of_another_size(dataset: YTVOSDataset) -> None:
    save(dataset.annotation_path("two", "00001"), box(1, 1)[:20])
    with pytest.raises(UserError, match="video two: the predicted mask is 40x30, but the annotation 40x20"):
        evaluate_folder(dataset, Oracle())


def test_frames_of_several_sizes(dataset: YTVOSDataset) -> None:
    Image.new("RGB", (WIDTH, 20)).save(dataset.frame_path("two", "00001"))
    with pytest.raises(UserError, match="frame 00001 of video two is 40x20, not 40x30"):
        evaluate_folder(dataset, Oracle())


def test_no_expressions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no expressions"):
        evaluate_folder(write_dataset(tmp_path, {"video": entry({})}), Oracle())


def test_predictors_that_lose_count(dataset: YTVOSDataset) -> None:
    def too_few(frames: Iterable[np.ndarray], expressions: list[str]) -> Iterator[Prediction]:
        yield next(Oracle()(frames, expressions))

    def too_many(frames: Iterable[np.ndarray], expressions: list[str]) -> Iterator[Prediction]:
        for prediction in Oracle()(frames, expressions):
            yield from (prediction, prediction)

    def one_mask(frames: Iterable[np.ndarray], expressions: list[str]) -> Iterator[Prediction]:
        return Oracle()(frames, expressions[:1])

    with pytest.raises(VLPRVOSError, match="only 1 of 4 frames of four"):
        evaluate_folder(dataset, too_few)
    with pytest.raises(VLPRVOSError, match="more than the 4 frames of four"):
        evaluate_folder(dataset, too_many)
    with pytest.raises(VLPRVOSError, match="four has 4 expressions"):
        evaluate_folder(dataset, one_mask)


def video(*expressions: tuple[str, int | None, str | None]) -> VideoEntry:
    return VideoEntry("v", ["0"], [Expression(key, "x", object_id, kind) for key, object_id, kind in expressions])


@pytest.mark.parametrize(
    ("entries", "kinds", "expected"),
    [
        ([(key, 1, None) for key in "0123"], None, ["noun", "appearance", "motion", "description"]),
        ([(key, 1, None) for key in "3210"], None, ["description", "motion", "appearance", "noun"]),
        ([(key, 1, None) for key in "012"], None, [None] * 3),
        ([(key, 1, None) for key in "1234"], None, [None] * 4),
        ([("0", 1, None), ("1", 1, None), ("2", 2, None), ("3", 2, None)], None, [None] * 4),
        ([("0", 1, None), ("1", 2, None)], ["left", "right"], ["left", "right"]),
        ([("0", 1, "own"), ("1", 2, None)], None, ["own", None]),
        (
            [(key, 1, "own" if key == "2" else None) for key in "0123"],
            None,
            ["noun", "appearance", "own", "description"],
        ),
    ],
)
def test_kinds(entries: list[Any], kinds: list[str] | None, expected: list[str | None]) -> None:
    assert expression_kinds(video(*entries), kinds) == expected


def test_overrides() -> None:
    texts = [
        "attention=frame",
        "temporal_capture=false",
        "blocks = 2",
        "scale=0.5",
        "layers=[4, 8]",
        "name=a=b",
        "x=null",
    ]
    assert parse_overrides(texts) == {
        "attention": "frame",
        "temporal_capture": False,
        "blocks": 2,
        "scale": 0.5,
        "layers": [4, 8],
        "name": "a=b",
        "x": None,
    }
    for bad in ("attention", "=frame", "attention="):
        with pytest.raises(UserError, match="write key=value"):
            parse_overrides([bad])
    with pytest.raises(UserError, match="given twice"):
        parse_overrides(["a=1", "a=2"])


def test_the_run_command(
    dataset: YTVOSDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded: list[Any] = []

    def from_pretrained(*given: Any) -> types.SimpleNamespace:
        loaded.append(given)
        return types.SimpleNamespace(segment=Oracle())

    fake = types.SimpleNamespace(Segmenter=types.SimpleNamespace(from_pretrained=from_pretrained))
    monkeypatch.setitem(sys.modules, "vlp_rvos.inference.segmenter", fake)
    options = InferenceOptions(device="cpu", size=64, memory_frames=0)
    evaluate.run(
        dataset.folder,
        output=tmp_path / "out",
        files=ScoreFiles(tmp_path / "scores.json", tmp_path / "scores.csv", tmp_path / "scores.html"),
        model="mini",
        options=options,
    )
    assert loaded == [("mini", options)]
    report = json.loads((tmp_path / "scores.json").read_text())
    assert (report["model"], report["dataset"]) == ("mini", str(dataset.folder))
    assert report["J_mean"] == pytest.approx(4 / 6)
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 1 + 6
    assert "data:image/jpeg;base64," in (tmp_path / "scores.html").read_text()
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("description", "two", "all", "frames per second"))


def test_a_segmenter_is_a_predictor(dataset: YTVOSDataset, tmp_path: Path) -> None:
    segmenter = Segmenter(VLPRVOS(TinyBackbone(), tiny_config()))
    scores = evaluate_folder(dataset, segmenter.segment, output=tmp_path / "out")
    assert {name: len(entries) for name, entries in scores.videos.items()} == {"four": 4, "two": 2}
    first = next(iter(segmenter.segment([dataset.load_frame("four", "00000")], ["red"])))
    score = scores.videos["four"]["0"]
    assert len(score.j) == 4
    assert read_mask(tmp_path / "out" / "four" / "0" / "00000.png").shape == first.mask.shape == (HEIGHT, WIDTH)
    assert all(0 < presence < 1 for presence in score.presences)
