"""Ref-YouTube-VOS, Ref-DAVIS17 and MeViS: what is read of their layouts, and what is said of broken ones."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import benchmark_miniatures as miniatures
import numpy as np
import pytest
from benchmark_miniatures import TEXTS, ids_of

from vlp_rvos.data.benchmarks import (
    CheckItem,
    ReferringDataset,
    ReferringExpression,
    ReferringVideo,
    benchmark_names,
    check_benchmark,
    open_benchmark,
    splits,
)
from vlp_rvos.data.benchmarks.mevis import MaskFile
from vlp_rvos.data.benchmarks.preview import contact_sheet
from vlp_rvos.data.benchmarks.ref_davis import RefDavis, merge_objects
from vlp_rvos.data.benchmarks.ref_youtube_vos import open_folder
from vlp_rvos.errors import UserError

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "ref-youtube-vos": miniatures.ref_youtube_vos,
    "ref-davis17": miniatures.ref_davis17,
    "mevis": miniatures.mevis,
}


@pytest.fixture
def youtube(tmp_path: Path) -> Path:
    return miniatures.ref_youtube_vos(tmp_path / "ref-youtube-vos")


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    return miniatures.ref_davis17(tmp_path / "ref-davis")


@pytest.fixture
def mevis(tmp_path: Path) -> Path:
    return miniatures.mevis(tmp_path / "mevis")


def edit(file: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def assert_objects(
    dataset: ReferringDataset, video: str, frame: str, expected: np.ndarray, ids: dict[int, int]
) -> None:
    """`ids`: object id of the data set -> id in `expected`."""
    objects = dataset.load_objects(video, frame)
    assert objects is not None
    assert list(objects) == list(ids)
    for i, mask in objects.items():
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(mask, expected == ids[i])


# --- all of them ---------------------------------------------------------------------------------------------------
def test_names_and_splits() -> None:
    assert benchmark_names()[:3] == tuple(BUILDERS)
    assert splits("ref-youtube-vos") == ("train", "valid")
    assert splits("ref-davis17") == ("train", "val")
    assert splits("mevis") == ("train", "valid_u", "valid")


def test_unknown_names_and_splits_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown data set 'mevs'; known are ref-youtube-vos, ref-davis17, mevis, a2d"):
        open_benchmark("mevs", tmp_path, "train")
    with pytest.raises(UserError, match="mevis has no split 'val'; it has train, valid_u, valid"):
        open_benchmark("mevis", tmp_path, "val")
    for mistake in (lambda: open_benchmark("mevis", tmp_path / "no", "valid"), lambda: check_benchmark("mevis", "no")):
        with pytest.raises(UserError, match="no such data set folder"):
            mistake()


@pytest.mark.parametrize("name", BUILDERS)
def test_every_split_opens_reads_and_survives_pickling(name: str, tmp_path: Path) -> None:
    folder = BUILDERS[name](tmp_path / name)
    for split in splits(name):
        dataset = pickle.loads(pickle.dumps(open_benchmark(name, folder, split)))
        assert (dataset.name, dataset.split) == (name, split)
        for video in dataset.videos:
            for frame in video.frames:
                image = dataset.load_frame(video.name, frame)
                assert image.shape == (miniatures.HEIGHT, miniatures.WIDTH, 3)
                assert image.dtype == np.uint8
                for expression in video.expressions:
                    mask = dataset.load_mask(video.name, frame, expression)
                    assert (mask is None) == (split == "valid")


@pytest.mark.parametrize("name", BUILDERS)
def test_a_missing_frame_is_named(name: str, tmp_path: Path) -> None:
    folder = BUILDERS[name](tmp_path / name)
    dataset = open_benchmark(name, folder, "train")
    video = dataset.videos[0]
    (path,) = folder.glob(f"**/JPEGImages/**/{video.name}/{video.frames[1]}.jpg")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=f"cannot read the image .*{video.frames[1]}.jpg"):
        dataset.load_frame(video.name, video.frames[1])
    path.unlink()
    with pytest.raises(UserError, match=f"no such image: .*{video.frames[1]}.jpg"):
        dataset.load_frame(video.name, video.frames[1])


def test_the_registry_is_light() -> None:
    code = "import sys, vlp_rvos.data.benchmarks as b; b.splits('mevis'); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


# --- Ref-YouTube-VOS -----------------------------------------------------------------------------------------------
def test_youtube_train(youtube: Path) -> None:
    dataset = open_benchmark("ref-youtube-vos", youtube, "train")
    assert [video.name for video in dataset.videos] == ["003234408d", "0043f083b5"]
    assert dataset.videos[0].frames == ["00000", "00005", "00010", "00015"]
    assert dataset.videos[0].expressions[0] == ReferringExpression("0", TEXTS[1], (1,))
    # No expression names object 2: meta.json does.
    assert_objects(dataset, "003234408d", "00010", ids_of(2, 2), {1: 1, 2: 2})
    mask = dataset.load_mask("003234408d", "00010", dataset.videos[0].expressions[0])
    np.testing.assert_array_equal(mask, ids_of(2, 2) == 1)
    assert dataset.load_frame("003234408d", "00000")[5, 5].tolist() == pytest.approx(miniatures.COLOURS[1], abs=40)


def test_youtube_validation_is_without_the_test_videos(youtube: Path) -> None:
    dataset = open_benchmark("ref-youtube-vos", youtube, "valid")
    assert [video.name for video in dataset.videos] == ["0062f687f1", "0390fabe58"]
    assert dataset.videos[0].expressions == [
        ReferringExpression("0", TEXTS[1], None),
        ReferringExpression("1", TEXTS[2], None),
    ]
    assert dataset.load_objects("0062f687f1", "00000") is None


def test_youtube_validation_masks_are_used_where_somebody_has_them(youtube: Path) -> None:
    meta = youtube / "meta_expressions" / "valid" / "meta_expressions.json"
    edit(meta, lambda x: x["videos"]["0390fabe58"]["expressions"]["1"].update(obj_id="2"))
    miniatures.write_palette(youtube / "valid" / "Annotations" / "0390fabe58" / "00005.png", ids_of(1, 2))
    dataset = open_benchmark("ref-youtube-vos", youtube, "valid")
    expression = dataset.videos[1].expressions[1]
    np.testing.assert_array_equal(dataset.load_mask("0390fabe58", "00005", expression), ids_of(1, 2) == 2)
    assert dataset.load_mask("0390fabe58", "00010", expression) is None


def test_youtube_failures(youtube: Path) -> None:
    def message(split: str) -> str:
        with pytest.raises(UserError) as error:
            open_benchmark("ref-youtube-vos", youtube, split)
        return str(error.value)

    train = open_benchmark("ref-youtube-vos", youtube, "train")
    (youtube / "train" / "Annotations" / "0043f083b5" / "00000.png").unlink()
    with pytest.raises(UserError, match="no such image"):
        train.load_objects("0043f083b5", "00000")
    (youtube / "train" / "meta.json").write_text('{"videos": {"003234408d": ["1"]}}')
    assert "meta.json does not list the objects" in message("train")
    (youtube / "train" / "meta.json").unlink()
    assert "no such file" in message("train")
    expressions = youtube / "meta_expressions"
    text = (expressions / "train" / "meta_expressions.json").read_text()
    (expressions / "train" / "meta_expressions.json").write_text(text[:-20])
    assert "cannot read" in message("train")
    shutil.copy(expressions / "valid" / "meta_expressions.json", expressions / "test")
    assert "has no video that the test videos' file does not list" in message("valid")
    shutil.rmtree(expressions / "test")
    assert "says which videos are not of the validation split" in message("valid")
    shutil.rmtree(youtube / "valid")
    assert "no such data set folder" in message("valid")


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "", "a\\b", "C:x"])
def test_youtube_names_stay_in_their_folder(youtube: Path, name: str) -> None:
    file = youtube / "meta_expressions" / "train" / "meta_expressions.json"
    original = file.read_text()
    edit(file, lambda x: x["videos"].update({name: x["videos"]["0043f083b5"]}))
    with pytest.raises(UserError, match="where the plain name"):
        open_benchmark("ref-youtube-vos", youtube, "train")
    file.write_text(original)
    edit(file, lambda x: x["videos"]["0043f083b5"]["frames"].append(name))
    with pytest.raises(UserError, match="where the plain name"):
        open_benchmark("ref-youtube-vos", youtube, "train")


def test_youtube_check(youtube: Path) -> None:
    (youtube / "train" / "Annotations" / "0043f083b5" / "00000.png").unlink()
    items = {item.what: item for item in check_benchmark("ref-youtube-vos", youtube)}
    assert {what: (item.found, item.expected) for what, item in items.items()} == {
        "train videos": (2, 3471),
        "train expressions": (4, 12913),
        "train meta.json": (1, 1),
        "train frames": (8, 8),
        "train annotations": (7, 8),
        "videos of the validation file": (4, 507),
        "expressions of the validation file": (8, 2096),
        "test videos to leave out": (2, 305),
        "valid videos": (2, 202),
        "valid expressions": (4, None),
        "valid frames": (8, 8),
    }
    assert {what for what, item in items.items() if item.complete} == {
        "train meta.json",
        "train frames",
        "valid expressions",
        "valid frames",
    }
    assert all(("youtube-vos.org" in item.hint) != item.complete for item in items.values())


def test_the_real_validation_expressions(shared: Path, tmp_path: Path) -> None:
    """All 507 videos are read; which of them are test videos is made up here, as many as there really are."""
    source = shared / "data" / "text" / "ref_youtube_vos_valid_test_meta_expressions.json"
    if not source.is_file():
        pytest.skip(f"no {source}")
    videos = json.loads(source.read_text())["videos"]
    test = dict(list(videos.items())[202:])
    (tmp_path / "valid").mkdir()
    miniatures.write_json(tmp_path / "meta_expressions" / "valid" / "meta_expressions.json", {"videos": videos})
    miniatures.write_json(tmp_path / "meta_expressions" / "test" / "meta_expressions.json", {"videos": test})
    items = {item.what: item for item in check_benchmark("ref-youtube-vos", tmp_path)}
    assert items["valid videos"] == CheckItem("valid videos", 202, 202)
    assert items["videos of the validation file"].complete
    assert items["expressions of the validation file"].complete
    assert items["test videos to leave out"].complete
    assert not items["valid frames"].complete
    dataset = open_benchmark("ref-youtube-vos", tmp_path, "valid")
    assert dataset.videos[0].expressions[0].text == "a dog is with its puppies on the cloth"
    assert len(videos) == len(dataset.videos) + 305
    assert sum(len(video["expressions"]) for video in videos.values()) == 2096


def test_a_plain_folder(shared: Path) -> None:
    dataset = open_folder(shared / "data" / "davis16" / "val_two_objects")
    video = dataset.videos[0]
    objects = dataset.load_objects(video.name, video.frames[0])
    assert objects is not None
    assert len(objects) == 2
    for expression in video.expressions:
        assert expression.object_ids is not None
        mask = dataset.load_mask(video.name, video.frames[0], expression)
        np.testing.assert_array_equal(mask, objects[expression.object_ids[0]])


# --- Ref-DAVIS17 ---------------------------------------------------------------------------------------------------
def test_davis_expressions(davis: Path) -> None:
    dataset = open_benchmark("ref-davis17", davis, "val")
    (video,) = dataset.videos
    assert (video.name, list(video.frames)) == ("bmx-trees", ["00000", "00001", "00002", "00003"])
    assert list(video.expressions[:5]) == [
        ReferringExpression("0", TEXTS[1], (1,), "1"),
        ReferringExpression("1", f"{TEXTS[1]}_full", (1,), "1_full_video"),
        ReferringExpression("2", f"{TEXTS[1]} passing a café", (1,), "2"),
        ReferringExpression("3", f"{TEXTS[1]} passing a café_full", (1,), "2_full_video"),
        ReferringExpression("4", TEXTS[2], (2,), "1"),
    ]
    assert len(video.expressions) == 8


def test_davis_misspelt_videos_are_found(davis: Path) -> None:
    dataset = open_benchmark("ref-davis17", davis, "train")
    assert {video.name: len(video.expressions) for video in dataset.videos} == {"bear": 4, "classic-car": 12}


def test_davis_masks_and_void(davis: Path) -> None:
    dataset = open_benchmark("ref-davis17", davis, "train")
    assert isinstance(dataset, RefDavis)
    # Object 2 is not yet in the first frame, but 3 is.
    assert_objects(dataset, "classic-car", "00000", ids_of(0, 3), {1: 1, 2: 2, 3: 3})
    assert_objects(dataset, "classic-car", "00003", ids_of(3, 3), {1: 1, 2: 2, 3: 3})
    void = dataset.load_void("classic-car", "00000")
    assert void[:, -2:].all()
    assert not void[:, :-2].any()


def test_davis_of_2017_annotations(tmp_path: Path) -> None:
    dataset = open_benchmark("ref-davis17", miniatures.ref_davis17(tmp_path / "d", annotations=["Annotations"]), "val")
    assert isinstance(dataset, RefDavis)
    assert_objects(dataset, "bmx-trees", "00001", ids_of(1, 2), {1: 1, 2: 2})
    assert not dataset.load_void("bmx-trees", "00001").any()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bmx-trees", "has the line"),
        ('bmx-trees one "a person"', "has the line"),
        ('bmx-trees 0 "a person"', "has the line"),
        ('bmx-trees 255 "a person"', "has the line"),
        ('bmx-trees ² "a person"', "has the line"),
        ('bmx-trees 1 ""', "has the line"),
        ('../../etc 1 "a person"', "where the plain name"),
    ],
)
def test_davis_broken_lines(davis: Path, line: str, message: str) -> None:
    file = davis / "davis_text_annotations" / "Davis17_annot1.txt"
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(UserError, match=message):
        open_benchmark("ref-davis17", davis, "val")


def test_davis_failures(davis: Path) -> None:
    def message(split: str = "val") -> str:
        with pytest.raises(UserError) as error:
            open_benchmark("ref-davis17", davis, split)
        return str(error.value)

    texts = davis / "davis_text_annotations"
    # The encodings are not interchangeable.
    good = (texts / "Davis17_annot1.txt").read_bytes()
    shutil.copy(texts / "Davis17_annot2.txt", texts / "Davis17_annot1.txt")
    assert "cannot read" in message()
    (texts / "Davis17_annot1.txt").write_bytes(good)
    (texts / "Davis17_annot2_full_video.txt").rename(texts / "moved")
    assert "no such file" in message()
    (texts / "moved").rename(texts / "Davis17_annot2_full_video.txt")
    lists = davis / "DAVIS" / "ImageSets" / "2017"
    (lists / "val.txt").write_text("../bear\n")
    assert "where the plain name" in message()
    (lists / "val.txt").write_text("\n")
    assert "lists no videos" in message()
    (lists / "val.txt").write_text("dogs-jump\n")
    assert "no frames in" in message()
    for kind in ("Annotations", "Annotations_unsupervised"):
        shutil.rmtree(davis / "DAVIS" / kind)
    assert "no annotations" in message("train")


def test_davis_check(davis: Path) -> None:
    annotator = davis / "davis_text_annotations" / "Davis17_annot2.txt"
    lines = annotator.read_bytes().splitlines(keepends=True)
    annotator.write_bytes(b"".join(lines[:-1]))
    items = {item.what: (item.found, item.expected) for item in check_benchmark("ref-davis17", davis)}
    assert items == {
        "text annotations": (4, 4),
        "train videos": (2, 60),
        "train objects": (4, 144),
        "train expressions": (16, 576),
        "train frames": (8, 4209),
        "train annotations": (8, 4209),
        "val videos": (1, 30),
        "val objects": (2, 61),
        "val expressions": (7, 244),
        "val frames": (4, 1999),
        "val annotations": (4, 1999),
    }


@pytest.mark.parametrize("name", benchmark_names())
def test_check_of_an_empty_folder_says_how_to_get_everything(name: str, tmp_path: Path) -> None:
    for item in check_benchmark(name, tmp_path):
        assert not item.complete
        assert "get " in item.hint, item


def test_merged_objects() -> None:
    scores = np.array([[[0.9, 0.6, 0.2, 0.5, 0.7]], [[0.1, 0.8, 0.4, 0.3, 0.7]]], np.float32)
    merged = merge_objects(scores, [2, 5])
    assert merged.dtype == np.uint8
    assert merged.tolist() == [[2, 5, 0, 2, 2]]
    assert merge_objects(scores, [2, 5], threshold=0.75).tolist() == [[2, 5, 0, 0, 0]]
    with pytest.raises(ValueError, match="with O ids"):
        merge_objects(scores, [1])
    with pytest.raises(ValueError, match="with O ids"):
        merge_objects(scores[:0], [])
    with pytest.raises(ValueError, match="from 1 to 254"):
        merge_objects(scores, [1, 255])


# --- MeViS ---------------------------------------------------------------------------------------------------------
def test_mevis_expressions_of_several_objects_and_of_none(mevis: Path) -> None:
    dataset = open_benchmark("mevis", mevis, "valid_u")
    (video,) = dataset.videos
    assert [x.object_ids for x in video.expressions] == [(10, 11), (12,), ()]
    # Null in the file: object 11 is not in the first frame.
    assert_objects(dataset, video.name, "00000", ids_of(0, 3), {10: 1, 11: 2, 12: 3})
    assert_objects(dataset, video.name, "00002", ids_of(2, 3), {10: 1, 11: 2, 12: 3})
    both = dataset.load_mask(video.name, "00002", video.expressions[0])
    np.testing.assert_array_equal(both, np.isin(ids_of(2, 3), (1, 2)))
    nothing = dataset.load_mask(video.name, "00002", video.expressions[2])
    assert nothing is not None
    assert nothing.shape == (miniatures.HEIGHT, miniatures.WIDTH)
    assert not nothing.any()


def test_mevis_frames_without_any_object(mevis: Path) -> None:
    edit(mevis / "train" / "mask_dict.json", lambda x: x.update({i: [None, *runs[1:]] for i, runs in x.items()}))
    dataset = open_benchmark("mevis", mevis, "train")
    video = dataset.videos[0]
    assert_objects(dataset, video.name, "00000", np.zeros_like(ids_of(0, 3)), {0: 1, 1: 2, 2: 3})


def test_mevis_test_split_has_no_truth(mevis: Path) -> None:
    dataset = open_benchmark("mevis", mevis, "valid")
    video = dataset.videos[0]
    assert [x.object_ids for x in video.expressions] == [None] * 3
    assert dataset.load_objects(video.name, video.frames[0]) is None


@pytest.mark.parametrize("indent", [None, 1])
def test_mask_file_places(tmp_path: Path, indent: int | None) -> None:
    """Whatever the white space, and whatever letters the run lengths hold."""
    tricky = {"size": [3, 4], "counts": "[\\]:o{0,P}"}
    full = miniatures.encode(np.ones((3, 4), bool))
    file = tmp_path / "mask_dict.json"
    file.write_text(
        json.dumps(
            {"7": [tricky, None], "12": [], "3": [None, full, {"size": [2, 2], "counts": [1, 3]}]}, indent=indent
        )
    )
    masks = MaskFile(file)
    assert sorted(masks.places) == [3, 7, 12]
    assert masks.load(3, 0) is None
    assert masks.load(7, 1) is None
    mask = masks.load(3, 1)
    assert mask is not None
    assert mask.tolist() == [[True] * 4] * 3
    uncompressed = masks.load(3, 2)
    assert uncompressed is not None
    assert uncompressed.tolist() == [[False, True], [True, True]]
    with pytest.raises(UserError, match="annotation 12 has 0 masks"):
        masks.load(12, 0)
    with pytest.raises(UserError, match="has no annotation 5"):
        masks.load(5, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot read"),
        ("[]", "has no lists of masks"),
        ('{"0": [{"size": [48, 64], "coun', "cannot read .* at byte"),
        ('{"0": [{"size": [48, 64]}]}', "is broken"),
        ('{"0": ["run lengths"]}', "is broken"),
    ],
)
def test_mevis_broken_masks(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "mask_dict.json"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        MaskFile(file).load(0, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x["videos"].update({"../up": next(iter(x["videos"].values()))}), "where the plain name"),
        (lambda x: next(iter(x["videos"].values()))["frames"].append("../00000"), "where the plain name"),
        (
            lambda x: next(iter(x["videos"].values()))["expressions"].update({"a/b": {"exp": "x"}}),
            "where the plain name",
        ),
        (lambda x: next(iter(x["videos"].values()))["frames"].append("00000"), "lists one twice"),
        (lambda x: next(iter(x["videos"].values())).pop("frames"), "does not follow the MeViS layout"),
        (lambda x: next(iter(x["videos"].values()))["expressions"].update({"0": {"exp": 3}}), "has no text 'exp'"),
        (
            lambda x: next(iter(x["videos"].values()))["expressions"]["0"].update(anno_id="7"),
            "must be a list of numbers",
        ),
        (lambda x: x["videos"].clear(), "has no videos"),
        (lambda x: x.pop("videos"), "does not follow the MeViS layout"),
    ],
)
def test_mevis_broken_expressions(mevis: Path, change: Callable[[Any], object], message: str) -> None:
    edit(mevis / "train" / "meta_expressions.json", change)
    with pytest.raises(UserError, match=message):
        open_benchmark("mevis", mevis, "train")


def test_mevis_missing_files(mevis: Path) -> None:
    (mevis / "train" / "mask_dict.json").unlink()
    with pytest.raises(UserError, match=r"no such file: .*mask_dict.json"):
        open_benchmark("mevis", mevis, "train")
    (mevis / "valid" / "meta_expressions.json").unlink()
    with pytest.raises(UserError, match=r"no such file: .*meta_expressions.json"):
        open_benchmark("mevis", mevis, "valid")


def test_mevis_check(mevis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = {item.what: (item.found, item.expected) for item in check_benchmark("mevis", mevis)}
    assert items["train videos"] == (1, 1662)
    assert items["train expressions"] == (3, 23051)
    assert items["valid_u frames"] == (4, 4)
    assert items["valid_u annotated objects"] == (3, 3)
    assert items["valid expressions"] == (3, 2236)
    assert "valid annotated objects" not in items
    # Both releases are complete.
    monkeypatch.setitem(sys.modules["vlp_rvos.data.benchmarks.mevis"].EXPRESSIONS, "valid", (2236, 3))
    assert {x.what: x.complete for x in check_benchmark("mevis", mevis)}["valid expressions"]
    (mevis / "train" / "mask_dict.json").write_text("{}")
    broken = {item.what: item for item in check_benchmark("mevis", mevis)}["train annotated objects"]
    assert (broken.found, broken.expected, broken.complete) == (0, 3, False)
    assert "has no lists of masks" in broken.hint


# --- the sheet -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", BUILDERS)
def test_sheet_shows_masks(name: str, tmp_path: Path) -> None:
    dataset = open_benchmark(name, BUILDERS[name](tmp_path / name), "train")
    sheet = contact_sheet(dataset, 2, seed=3)
    assert np.array_equal(sheet, contact_sheet(dataset, 2, seed=3))
    assert not np.array_equal(sheet, contact_sheet(dataset, 2, seed=4))
    yellow = (np.abs(np.asarray(sheet, int) - (255, 225, 90)).sum(axis=-1) < 60).sum()
    assert yellow > 20
    # Fewer expressions than asked for.
    total = sum(len(video.expressions) for video in dataset.videos)
    assert contact_sheet(dataset, 100).size == contact_sheet(dataset, total).size


def test_sheet_without_truth(youtube: Path) -> None:
    sheet = contact_sheet(open_benchmark("ref-youtube-vos", youtube, "valid"), 4)
    assert sheet.width > sheet.height
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet(open_benchmark("ref-youtube-vos", youtube, "valid"), 0)


class OddMasks(ReferringDataset):
    """One annotated frame of many, whose mask is a pixel smaller."""

    name, split = "odd", "test"
    videos = (ReferringVideo("v", [f"{i:05}" for i in range(50)], [ReferringExpression("0", "it", (0,))]),)

    def load_frame(self, video: str, frame: str) -> np.ndarray:
        return np.zeros((48, 65, 3), np.uint8)

    def load_objects(self, video: str, frame: str) -> dict[int, np.ndarray] | None:
        return {0: np.ones((48, 64), bool)} if frame == "00033" else None


def test_sheet_of_rare_annotations_of_another_size() -> None:
    sheet = np.asarray(contact_sheet(OddMasks(), 1), int)
    # Half black, half the colour of masks; the text is shorter than an ellipsis.
    assert (np.abs(sheet - (127, 32, 32)).sum(axis=-1) < 12).sum() > 0.4 * 320 * 200


@pytest.mark.parametrize("text", ["", "W" * 500, "the man " * 60, "a 犬 on the left"])
def test_sheet_with_texts_of_any_length(text: str) -> None:
    dataset = OddMasks()
    dataset.videos = [ReferringVideo("v", ["00033"], [ReferringExpression("0", text, (0,))])]
    sheet = np.asarray(contact_sheet(dataset, 1))
    # The margin stays empty.
    assert (sheet[:, -4:] == sheet[0, 0]).all()
