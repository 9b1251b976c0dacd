"""A2D-Sentences, from a miniature in the official format and from the real list of sentences."""

from __future__ import annotations

import pickle
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import h5py
import image_miniatures as mini
import numpy as np
import pytest
from data_checks import found_counts

from vlp_rvos.data.benchmarks import a2d
from vlp_rvos.errors import UserError, VLPRVOSWarning


@pytest.fixture(scope="module")
def a2d_origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mini.write_a2d(tmp_path_factory.mktemp("a2d") / "a2d_sentences")


@pytest.fixture
def a2d_folder(a2d_origin: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(a2d_origin, tmp_path / "a2d_sentences"))


def masks_of(folder: Path, video: str, frame: int) -> Path:
    return folder / "text_annotations" / "a2d_annotation_with_instances" / video / f"{frame:05d}.h5"


def test_splits_follow_the_list_without_missed_videos(a2d_origin: Path) -> None:
    train, test = (a2d.open_split(a2d_origin, split, "a2d-sentences") for split in a2d.SPLITS)
    assert [video.name for video in train.videos] == ["--trainVid_1"]
    assert [video.name for video in test.videos] == ["testVideo-2"]
    assert (test.name, test.split) == ("a2d-sentences", "test")
    assert list(train.videos[0].frames) == [f"{i:05d}" for i in range(1, 13)]


def test_expressions_are_instances_without_the_copied_one(a2d_origin: Path) -> None:
    (video,) = a2d.open_split(a2d_origin, "test", "a2d-sentences").videos
    assert [(x.id, x.text, x.object_ids) for x in video.expressions] == [
        ("0", "red box sliding", (0,)),
        ("1", "Green box behind the red one", (1,)),
    ]


def test_masks_are_turned_and_belong_to_their_ids(a2d_origin: Path) -> None:
    dataset = a2d.open_split(a2d_origin, "test", "a2d-sentences")
    both = dataset.load_objects("testVideo-2", "00002")
    assert both is not None
    assert list(both) == [1, 0]
    for thing, mask in both.items():
        np.testing.assert_array_equal(mask, mini.rectangle(thing, 2))
    alone = dataset.load_objects("testVideo-2", "00007")
    assert alone is not None
    assert list(alone) == [0]
    np.testing.assert_array_equal(alone[0], mini.rectangle(0, 7))


def test_scores_annotated_frames_with_the_instance_only(a2d_origin: Path) -> None:
    dataset = a2d.open_split(a2d_origin, "test", "a2d-sentences")
    (video,) = dataset.videos
    scored = {
        (expression.id, frame)
        for expression in video.expressions
        for frame in video.frames
        if dataset.load_mask(video.name, frame, expression) is not None
    }
    assert scored == {("0", "00002"), ("0", "00007"), ("1", "00002")}
    np.testing.assert_array_equal(dataset.load_mask(video.name, "00002", video.expressions[1]), mini.rectangle(1, 2))


@pytest.mark.parametrize("order", [range(1, 11), [7, 2, 2, 10, 1]])
def test_frames_in_any_order(a2d_origin: Path, order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(a2d, "RECENT_FRAMES", 3)
    dataset = a2d.open_split(a2d_origin, "test", "a2d-sentences")
    for number in order:
        image = dataset.load_frame("testVideo-2", f"{number:05d}")
        assert image.shape == (*mini.SIZE, 3)
        wanted = mini.picture((0, 1), number)
        assert abs(float(image[-4:].mean()) - float(wanted[-4:].mean())) < 3
        assert np.abs(image.astype(int) - wanted).mean() < 8


def test_frames_cannot_be_changed_behind_the_reader(a2d_origin: Path) -> None:
    dataset = a2d.open_split(a2d_origin, "test", "a2d-sentences")
    before = dataset.load_frame("testVideo-2", "00003").copy()
    dataset.load_frame("testVideo-2", "00003")[:] = 0
    np.testing.assert_array_equal(dataset.load_frame("testVideo-2", "00003"), before)


def test_short_clip_repeats_its_last_frame(a2d_folder: Path) -> None:
    table = a2d_folder / "Release" / "videoset.csv"
    table.write_text(table.read_text().replace("48,64,10,", "48,64,12,"))
    dataset = a2d.open_split(a2d_folder, "test", "a2d-sentences")
    assert len(dataset.videos[0].frames) == 12
    np.testing.assert_array_equal(
        dataset.load_frame("testVideo-2", "00012"), dataset.load_frame("testVideo-2", "00010")
    )


def test_travels_to_another_process_with_an_open_clip(a2d_origin: Path) -> None:
    dataset = a2d.open_split(a2d_origin, "test", "a2d-sentences")
    image = dataset.load_frame("testVideo-2", "00003")
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy.load_frame("testVideo-2", "00003"), image)


def test_first_of_a_double_id_and_first_of_too_many_masks_count(a2d_folder: Path) -> None:
    things = [mini.rectangle(thing, 0) for thing in range(3)]
    mini.write_instances(masks_of(a2d_folder, "testVideo-2", 2), [0, 1, 1], things)
    mini.write_instances(masks_of(a2d_folder, "testVideo-2", 7), [1], things)
    dataset = a2d.open_split(a2d_folder, "test", "a2d-sentences")
    for frame, wanted in (("00002", {0: 0, 1: 1}), ("00007", {1: 0})):
        objects = dataset.load_objects("testVideo-2", frame)
        assert objects is not None
        assert objects.keys() == wanted.keys()
        for thing, mask in objects.items():
            np.testing.assert_array_equal(mask, things[wanted[thing]])


def test_masks_that_are_not_turned_are_refused(a2d_folder: Path) -> None:
    with h5py.File(masks_of(a2d_folder, "testVideo-2", 7), "w") as content:
        content["instance"] = np.array([0])
        content["reMask"] = mini.rectangle(0, 7).astype(np.uint8)
    dataset = a2d.open_split(a2d_folder, "test", "a2d-sentences")
    with pytest.raises(UserError, match=r"00007\.h5 are stored as 48x64 for a clip of 64x48.*W x H"):
        dataset.load_objects("testVideo-2", "00007")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"instance": np.array([0, 1]), "reMask": np.zeros((64, 48), np.uint8)}, "2 instances, but masks of shape"),
        ({"instance": np.array([0])}, "reMask"),
        (None, "cannot read the masks"),
    ],
)
def test_broken_masks(a2d_folder: Path, content: dict[str, Any] | None, message: str) -> None:
    file = masks_of(a2d_folder, "testVideo-2", 7)
    file.write_bytes(b"no HDF5")
    if content is not None:
        with h5py.File(file, "w") as h5:
            for key, value in content.items():
                h5[key] = value
    dataset = a2d.open_split(a2d_folder, "test", "a2d-sentences")
    with pytest.raises(UserError, match=message):
        dataset.load_objects("testVideo-2", "00007")


def test_lost_sentences_are_told(a2d_folder: Path) -> None:
    file = a2d_folder / "text_annotations" / "a2d_annotation.txt"
    file.write_text(file.read_text().replace("testVideo-2", "testVideo-3"))
    with pytest.warns(VLPRVOSWarning) as warned:
        assert not a2d.open_split(a2d_folder, "test", "a2d-sentences").videos
    assert [str(warning.message).partition(": ")[2] for warning in warned] == [
        "2 expressions are lost, the data set has no videos of these names: 'testVideo-3'",
        "1 of 1 videos have no expressions and are left out: 'testVideo-2'",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("Release/videoset.csv", "testVideo-2", "../testVideo-2", "plain name"),
        ("Release/videoset.csv", ",2,1\n", ",2,7\n", "usage 0 or 1"),
        ("Release/videoset.csv", ",2,1\n", ",2\n", "line 2 has 8 of 9 columns"),
        ("text_annotations/a2d_annotation.txt", "testVideo-2,0", "..,0", "plain name"),
        ("text_annotations/a2d_annotation.txt", "1 (copy)", "one", "not a number"),
        ("text_annotations/a2d_annotation.txt", "1 (copy)", "1", "two sentences"),
        ("text_annotations/a2d_annotation.txt", "video_id,", "id,", "must begin with"),
    ],
)
def test_broken_lists(a2d_folder: Path, file: str, old: str, new: str, message: str) -> None:
    path = a2d_folder / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        a2d.open_split(a2d_folder, "test", "a2d-sentences")


@pytest.mark.parametrize(
    "missing",
    ["Release/videoset.csv", "text_annotations/a2d_annotation.txt", "text_annotations/a2d_missed_videos.txt"],
)
def test_missing_lists(a2d_folder: Path, missing: str) -> None:
    (a2d_folder / missing).unlink()
    with pytest.raises(UserError, match=Path(missing).name):
        a2d.open_split(a2d_folder, "test", "a2d-sentences")
    assert any("no such file" in item.hint for item in a2d.check(a2d_folder, "a2d-sentences"))


def test_missing_clip_and_masks(a2d_folder: Path) -> None:
    (a2d_folder / "Release" / "clips320H" / "testVideo-2.mp4").unlink()
    dataset = a2d.open_split(a2d_folder, "test", "a2d-sentences")
    with pytest.raises(UserError, match=r"testVideo-2\.mp4"):
        dataset.load_frame("testVideo-2", "00001")
    shutil.rmtree(masks_of(a2d_folder, "testVideo-2", 1).parent)
    with pytest.warns(VLPRVOSWarning, match="1 videos have no instance masks"):
        a2d.open_split(a2d_folder, "test", "a2d-sentences")
    shutil.rmtree(masks_of(a2d_folder, "testVideo-2", 1).parents[1])
    with pytest.raises(UserError, match="no instance masks at"):
        a2d.open_split(a2d_folder, "test", "a2d-sentences")


def test_check_counts_against_official_numbers(a2d_origin: Path, tmp_path: Path) -> None:
    items = a2d.check(a2d_origin, "a2d-sentences")
    assert found_counts(items) == {
        "videos": 3,
        "videos left out": 1,
        "sentences": 5,
        "train videos": 1,
        "test videos": 1,
        "clips": 2,
        "videos with masks": 2,
        "annotated frames": 4,
    }
    assert {item.what.partition(" (")[0]: item.expected for item in items}["clips"] == 3754
    assert [item.hint for item in items if item.complete] == [""]
    assert all(item.found == 0 and item.hint for item in a2d.check(tmp_path, "a2d-sentences"))


def test_real_sentences(shared: Path, a2d_folder: Path) -> None:
    shutil.copy(shared / "data" / "text" / "a2d_annotation.txt", a2d_folder / "text_annotations")
    assert found_counts(a2d.check(a2d_folder, "a2d-sentences"))["sentences"] == a2d.SENTENCES
    table = a2d_folder / "Release" / "videoset.csv"
    table.write_text(table.read_text().replace("testVideo-2", "T6bNPuKV-wY"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VLPRVOSWarning)
        (video,) = a2d.open_split(a2d_folder, "test", "a2d-sentences").videos
    assert [expression.id for expression in video.expressions] == ["0", "1", "2", "3"]


def test_a_missing_package_is_named(a2d_origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = a2d.open_split(a2d_origin, "test", "a2d-sentences")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match=r"h5py is not installed.*vlp-rvos\[benchmarks\]"):
        dataset.load_objects(dataset.videos[0].name, "00002")


def test_official_counts_add_up() -> None:
    assert sum(a2d.USED_VIDEOS.values()) == a2d.LISTED_VIDEOS - a2d.MISSED_VIDEOS
