"""A2D-Sentences, JHMDB-Sentences and RefCOCO, from miniatures in the official formats and from real lists."""

from __future__ import annotations

import collections
import json
import os
import pickle
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import benchmark_miniatures_static as mini
import h5py
import numpy as np
import pytest
from scipy.io import savemat

from vlp_rvos.data.benchmarks import a2d, jhmdb, refcoco, unpickle
from vlp_rvos.data.benchmarks.referring_dataset import CheckItem, ReferringDataset
from vlp_rvos.errors import UserError, VLPRVOSWarning


@pytest.fixture(scope="module")
def a2d_origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mini.write_a2d(tmp_path_factory.mktemp("a2d") / "a2d_sentences")


@pytest.fixture
def a2d_folder(a2d_origin: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(a2d_origin, tmp_path / "a2d_sentences"))


@pytest.fixture
def jhmdb_folder(tmp_path: Path) -> Path:
    return mini.write_jhmdb(tmp_path / "jhmdb_sentences")


def found(items: list[CheckItem]) -> dict[str, int]:
    return {item.what.partition(" (")[0]: item.found for item in items}


def masks_of(folder: Path, video: str, frame: int) -> Path:
    return folder / "text_annotations" / "a2d_annotation_with_instances" / video / f"{frame:05d}.h5"


# A2D-Sentences


def test_a2d_splits_follow_the_list_without_missed_videos(a2d_origin: Path) -> None:
    train, test = (a2d.open_split(a2d_origin, split, "a2d-sentences") for split in a2d.SPLITS)
    assert [video.name for video in train.videos] == ["--trainVid_1"]
    assert [video.name for video in test.videos] == ["testVideo-2"]
    assert (test.name, test.split) == ("a2d-sentences", "test")
    assert list(train.videos[0].frames) == [f"{i:05d}" for i in range(1, 13)]


def test_a2d_expressions_are_instances_without_the_copied_one(a2d_origin: Path) -> None:
    (video,) = a2d.open_split(a2d_origin, "test", "a2d-sentences").videos
    assert [(x.id, x.text, x.object_ids) for x in video.expressions] == [
        ("0", "red box sliding", (0,)),
        ("1", "Green box behind the red one", (1,)),
    ]


def test_a2d_masks_are_turned_and_belong_to_their_ids(a2d_origin: Path) -> None:
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


def test_a2d_scores_annotated_frames_with_the_instance_only(a2d_origin: Path) -> None:
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
def test_a2d_frames_in_any_order(a2d_origin: Path, order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(a2d, "RECENT_FRAMES", 3)
    dataset = a2d.open_split(a2d_origin, "test", "a2d-sentences")
    for number in order:
        image = dataset.load_frame("testVideo-2", f"{number:05d}")
        assert image.shape == (*mini.SIZE, 3)
        wanted = mini.picture((0, 1), number)
        assert abs(float(image[-4:].mean()) - float(wanted[-4:].mean())) < 3
        assert np.abs(image.astype(int) - wanted).mean() < 8


def test_a2d_frames_cannot_be_changed_behind_the_reader(a2d_origin: Path) -> None:
    dataset = a2d.open_split(a2d_origin, "test", "a2d-sentences")
    before = dataset.load_frame("testVideo-2", "00003").copy()
    dataset.load_frame("testVideo-2", "00003")[:] = 0
    np.testing.assert_array_equal(dataset.load_frame("testVideo-2", "00003"), before)


def test_a2d_short_clip_repeats_its_last_frame(a2d_folder: Path) -> None:
    table = a2d_folder / "Release" / "videoset.csv"
    table.write_text(table.read_text().replace("48,64,10,", "48,64,12,"))
    dataset = a2d.open_split(a2d_folder, "test", "a2d-sentences")
    assert len(dataset.videos[0].frames) == 12
    np.testing.assert_array_equal(
        dataset.load_frame("testVideo-2", "00012"), dataset.load_frame("testVideo-2", "00010")
    )


def test_a2d_travels_to_another_process_with_an_open_clip(a2d_origin: Path) -> None:
    dataset = a2d.open_split(a2d_origin, "test", "a2d-sentences")
    image = dataset.load_frame("testVideo-2", "00003")
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy.load_frame("testVideo-2", "00003"), image)


def test_a2d_first_of_a_double_id_and_first_of_too_many_masks_count(a2d_folder: Path) -> None:
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


def test_a2d_masks_that_are_not_turned_are_refused(a2d_folder: Path) -> None:
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
def test_a2d_broken_masks(a2d_folder: Path, content: dict[str, Any] | None, message: str) -> None:
    file = masks_of(a2d_folder, "testVideo-2", 7)
    file.write_bytes(b"no HDF5")
    if content is not None:
        with h5py.File(file, "w") as h5:
            for key, value in content.items():
                h5[key] = value
    dataset = a2d.open_split(a2d_folder, "test", "a2d-sentences")
    with pytest.raises(UserError, match=message):
        dataset.load_objects("testVideo-2", "00007")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("Release/videoset.csv", "testVideo-2", "../testVideo-2", "plain name"),
        ("Release/videoset.csv", ",2,1\n", ",2,7\n", "usage 0 or 1"),
        ("Release/videoset.csv", ",2,1\n", ",2\n", "line 2 has 8 of 9 columns"),
        ("text_annotations/a2d_annotation.txt", "testVideo-2,0", "..,0", "plain name"),
        ("text_annotations/a2d_annotation.txt", "1 (copy)", "one", "no number"),
        ("text_annotations/a2d_annotation.txt", "1 (copy)", "1", "two sentences"),
        ("text_annotations/a2d_annotation.txt", "video_id,", "id,", "must begin with"),
    ],
)
def test_a2d_broken_lists(a2d_folder: Path, file: str, old: str, new: str, message: str) -> None:
    path = a2d_folder / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        a2d.open_split(a2d_folder, "test", "a2d-sentences")


@pytest.mark.parametrize(
    "missing",
    ["Release/videoset.csv", "text_annotations/a2d_annotation.txt", "text_annotations/a2d_missed_videos.txt"],
)
def test_a2d_missing_lists(a2d_folder: Path, missing: str) -> None:
    (a2d_folder / missing).unlink()
    with pytest.raises(UserError, match=Path(missing).name):
        a2d.open_split(a2d_folder, "test", "a2d-sentences")
    assert any("no such file" in item.hint for item in a2d.check(a2d_folder, "a2d-sentences"))


def test_a2d_missing_clip_and_masks(a2d_folder: Path) -> None:
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


def test_a2d_check_counts_against_official_numbers(a2d_origin: Path, tmp_path: Path) -> None:
    items = a2d.check(a2d_origin, "a2d-sentences")
    assert found(items) == {
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


def test_a2d_real_sentences(shared: Path, a2d_folder: Path) -> None:
    shutil.copy(shared / "data" / "text" / "a2d_annotation.txt", a2d_folder / "text_annotations")
    assert found(a2d.check(a2d_folder, "a2d-sentences"))["sentences"] == a2d.SENTENCES
    table = a2d_folder / "Release" / "videoset.csv"
    table.write_text(table.read_text().replace("testVideo-2", "T6bNPuKV-wY"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VLPRVOSWarning)
        (video,) = a2d.open_split(a2d_folder, "test", "a2d-sentences").videos
    assert [expression.id for expression in video.expressions] == ["0", "1", "2", "3"]


def test_missing_package_is_named(a2d_origin: Path, jhmdb_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets: list[tuple[str, str, ReferringDataset, str]] = [
        ("h5py", "h5py", a2d.open_split(a2d_origin, "test", "a2d-sentences"), "00002"),
        ("scipy.io", "scipy", jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences"), "00002"),
    ]
    for module, package, dataset, frame in datasets:
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(UserError, match=rf"{package} is not installed.*vlp-rvos\[benchmarks\]"):
            dataset.load_objects(dataset.videos[0].name, frame)


# JHMDB-Sentences


def test_jhmdb_scores_the_shared_sample(jhmdb_folder: Path) -> None:
    dataset = jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences")
    assert [video.name for video in dataset.videos] == list(mini.JHMDB_VIDEOS)
    for video in dataset.videos:
        _, frames, _, query, scored = mini.JHMDB_VIDEOS[video.name]
        assert list(video.frames) == [f"{i:05d}" for i in range(1, frames + 1)]
        (expression,) = video.expressions
        assert (expression.text, expression.object_ids) == (query, (1,))
        masks = {frame: dataset.load_mask(video.name, frame, expression) for frame in video.frames}
        assert tuple(int(frame) for frame, mask in masks.items() if mask is not None) == scored
        for number in scored:
            np.testing.assert_array_equal(masks[f"{number:05d}"], mini.rectangle(0, number))
    np.testing.assert_array_equal(dataset.load_frame(dataset.videos[1].name, "00004"), mini.picture((0,), 4))


def test_jhmdb_without_the_list_samples_three_frames_with_masks(tmp_path: Path) -> None:
    folder = mini.write_jhmdb(tmp_path / "jhmdb", samples=False)
    choices = []
    for _ in range(2):
        dataset = jhmdb.open_split(folder, "test", "jhmdb-sentences")
        choices.append(
            {
                video.name: [int(f) for f in video.frames if dataset.load_objects(video.name, f) is not None]
                for video in dataset.videos
            }
        )
    assert choices[0] == choices[1]
    for video, numbers in choices[0].items():
        assert len(numbers) == 3
        assert max(numbers) <= mini.JHMDB_VIDEOS[video][2]
        np.testing.assert_array_equal(
            dataset.load_objects(video, f"{numbers[0]:05d}")[1],  # type: ignore[index]
            mini.rectangle(0, numbers[0]),
        )


def test_jhmdb_sample_is_uniform() -> None:
    drawn = collections.Counter(n for i in range(2000) for n in jhmdb._sample(f"video {i}", 20))
    assert sum(drawn.values()) == 6000
    assert set(drawn) == set(range(1, 21))
    assert max(drawn.values()) < 1.25 * 300
    assert min(drawn.values()) > 0.75 * 300


def test_jhmdb_broken_files(jhmdb_folder: Path) -> None:
    def opened() -> jhmdb.JHMDBSentences:
        return jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences")

    first, (kind, *_) = next(iter(mini.JHMDB_VIDEOS.items()))
    masks = jhmdb_folder / "puppet_mask" / kind / first / "puppet_mask.mat"
    savemat(masks, {"part_mask": np.zeros((48, 64, 2), np.uint8)})
    with pytest.raises(UserError, match=r"has 2 masks, but .* scores frame 3"):
        opened().load_objects(first, "00003")
    savemat(masks, {"other": np.zeros(3)})
    with pytest.raises(UserError, match=r"cannot read the masks of .*part_mask"):
        opened().load_objects(first, "00002")
    masks.write_bytes(b"MATLAB, but not really")
    with pytest.raises(UserError, match="cannot read the masks"):
        opened().load_objects(first, "00002")
    masks.unlink()
    with pytest.raises(UserError, match="no such file"):
        opened().load_objects(first, "00002")
    masks.parent.rmdir()
    with pytest.raises(UserError, match=f"no puppet masks of video '{first}'"):
        opened().load_objects(first, "00002")
    frames = jhmdb_folder / "Rename_Images" / kind / first
    (frames / "00002.png").unlink()
    with pytest.raises(UserError, match="no such image"):
        opened().load_frame(first, "00002")
    shutil.rmtree(frames)
    with pytest.raises(UserError, match=f"no frames of video '{first}'"):
        opened()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("jhmdb_annotation.txt", "video_id,query\n../../x,a man\n", "plain name"),
        ("jhmdb_annotation.txt", "video_id,query\nx,a man\nx,a boy\n", "two sentences"),
        ("jhmdb_annotation.txt", "query\n", "must begin with"),
        ("jhmdb_sentences_samples_metadata.json", '[["..", "a/00001.png", "b", 4, "a man"]]', "plain name"),
        ("jhmdb_sentences_samples_metadata.json", '[["x", "a/first.png", "b", 4, "a man"]]', "must be a list of"),
        ("jhmdb_sentences_samples_metadata.json", '{"x": 1}', "must be a list of"),
        ("jhmdb_sentences_samples_metadata.json", "[", "cannot read"),
    ],
)
def test_jhmdb_broken_lists(jhmdb_folder: Path, file: str, content: str, message: str) -> None:
    (jhmdb_folder / file).write_text(content)
    with pytest.raises(UserError, match=message):
        jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences")


def test_jhmdb_check(jhmdb_folder: Path, tmp_path: Path) -> None:
    items = jhmdb.check(jhmdb_folder, "jhmdb-sentences")
    assert found(items) == {"sentences": 2, "videos": 2, "videos with masks": 2, "scored frames": 6}
    assert [item.expected for item in items] == [928, 928, 928, 2784]
    assert all(item.found == 0 and item.hint for item in jhmdb.check(tmp_path / "nothing", "jhmdb-sentences"))


def test_jhmdb_real_sample(shared: Path, tmp_path: Path) -> None:
    file = shared / "data" / "text" / jhmdb.SAMPLES_FILE
    shutil.copy(file, tmp_path)
    sentences = {row[0]: row[4] for row in json.loads(file.read_text())}
    (tmp_path / "jhmdb_annotation.txt").write_text(
        "video_id,query\n" + "".join(f"{video},{query}\n" for video, query in sentences.items())
    )
    counts = found(jhmdb.check(tmp_path, "jhmdb-sentences"))
    assert (counts["sentences"], counts["scored frames"]) == (928, 2784)


# RefCOCO, RefCOCO+, RefCOCOg


@pytest.mark.parametrize("form", ["original", "shared"])
@pytest.mark.parametrize("name", ["refcoco", "refcoco+", "refcocog"])
def test_refcoco_forms_agree(tmp_path: Path, name: str, form: str) -> None:
    folder = mini.write_refcoco(tmp_path, name, shared=form == "shared")
    for split in mini.REFCOCO_SPLITS[name]:
        refs = [ref for ref in mini.refcoco_refs(name) if ref["split"] == split]
        dataset = refcoco.open_split(folder, split, name)
        assert (dataset.name, dataset.split) == (name, split)
        wanted: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
        for ref in refs:
            texts = wanted.setdefault(f"COCO_train2014_{ref['image_id']:012d}", [])
            texts += [(sentence["sent"], (ref["ann_id"],)) for sentence in ref["sentences"]]
        ours = {v.name: [(x.text, x.object_ids) for x in v.expressions] for v in dataset.videos}
        assert ours == wanted
        for video in dataset.videos:
            assert list(video.frames) == ["00000"]
            assert len({expression.id for expression in video.expressions}) == len(video.expressions)
            assert dataset.load_frame(video.name, "00000").shape == (*mini.SIZE, 3)
            objects = dataset.load_objects(video.name, "00000")
            assert set(objects) == {x for _, ids in wanted[video.name] for x in ids}
            for key, mask in objects.items():
                np.testing.assert_array_equal(mask, mini.rectangle(key % 10, 0))


def test_refcoco_test_is_all_test_splits(tmp_path: Path) -> None:
    dataset = refcoco.open_split(mini.write_refcoco(tmp_path), "test", "refcoco")
    assert [video.name[-2:] for video in dataset.videos] == ["21", "31"]


def test_refcoco_expression_points_at_its_object_only(tmp_path: Path) -> None:
    dataset = refcoco.open_split(mini.write_refcoco(tmp_path), "train", "refcoco")
    video = dataset.videos[0]
    np.testing.assert_array_equal(dataset.load_mask(video.name, "00000", video.expressions[0]), mini.rectangle(0, 0))
    np.testing.assert_array_equal(dataset.load_mask(video.name, "00000", video.expressions[2]), mini.rectangle(1, 0))


def test_refcoco_folder_itself_and_the_places_of_the_original_programs(tmp_path: Path) -> None:
    folder = mini.write_refcoco(tmp_path)
    (folder / "images" / "mscoco" / "images").mkdir(parents=True)
    (folder / "train2014").rename(folder / "images" / "mscoco" / "images" / "train2014")
    for place in (folder, folder / "refcoco"):
        dataset = refcoco.open_split(place, "val", "refcoco")
        assert dataset.load_frame(dataset.videos[0].name, "00000").shape == (*mini.SIZE, 3)


def test_refcoco_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither 'refs\(unc\)\.p' nor 'instances_refcoco_val\.json'"):
        refcoco.open_split(tmp_path, "val", "refcoco")
    folder = mini.write_refcoco(tmp_path)
    dataset = refcoco.open_split(folder, "val", "refcoco")
    picture = folder / "train2014" / f"{dataset.videos[0].name}.jpg"
    picture.unlink()
    with pytest.raises(UserError, match="no such image"):
        dataset.load_frame(dataset.videos[0].name, "00000")
    (folder / "refcoco" / "instances.json").unlink()
    with pytest.raises(UserError, match="no such file"):
        refcoco.open_split(folder, "val", "refcoco")


def _change(key: str, value: Any) -> Callable[[list[dict[str, Any]]], object]:
    return lambda refs: [ref.update({key: value}) for ref in refs]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change("split", "dev"), "has no split 'train'; it has none"),
        (_change("ann_id", 5), "refers to annotation 5"),
        (_change("image_id", 5), "of picture 5"),
        (_change("sentences", [{"sent_id": 1, "sent": 3}]), "expression 1 is no text"),
        (_change("sentences", [{"sent_id": 1}]), "KeyError: 'sent'"),
        (lambda refs: refs.append("x"), "does not follow the layout"),
    ],
)
def test_refcoco_broken_refs(tmp_path: Path, change: Callable[[list[Any]], object], message: str) -> None:
    folder = mini.write_refcoco(tmp_path)
    refs = mini.refcoco_refs("refcoco")
    change(refs)
    (folder / "refcoco" / "refs(unc).p").write_bytes(mini.python2_pickle(refs))
    with pytest.raises(UserError, match=message):
        refcoco.open_split(folder, "train", "refcoco")


@pytest.mark.parametrize("form", ["original", "shared"])
def test_refcoco_names_stay_in_the_folder(tmp_path: Path, form: str) -> None:
    folder = mini.write_refcoco(tmp_path, shared=form == "shared")
    for file in (folder / "refcoco").glob("*.json"):
        file.write_text(file.read_text().replace("COCO_train2014_", "../COCO_train2014_"))
    with pytest.raises(UserError, match="plain name"):
        refcoco.open_split(folder, "train", "refcoco")


@pytest.mark.parametrize(
    "segmentation",
    [[], [[1.0, 2.0]], {"size": [5, 5], "counts": "abc"}, {"counts": [1]}, {"size": [48, 64], "counts": 5}],
)
def test_refcoco_broken_segmentation(tmp_path: Path, segmentation: Any) -> None:
    folder = mini.write_refcoco(tmp_path)
    file = folder / "refcoco" / "instances.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        annotation["segmentation"] = segmentation
    file.write_text(json.dumps(content))
    dataset = refcoco.open_split(folder, "train", "refcoco")
    with pytest.raises(UserError, match=r"object 1000010 in COCO_train2014_000000000001\.jpg is broken"):
        dataset.load_objects(dataset.videos[0].name, "00000")


def test_refcoco_picture_of_another_size(tmp_path: Path) -> None:
    folder = mini.write_refcoco(tmp_path)
    file = folder / "refcoco" / "instances.json"
    file.write_text(file.read_text().replace('"height": 48', '"height": 47'))
    dataset = refcoco.open_split(folder, "train", "refcoco")
    with pytest.raises(UserError, match="64x48, its annotations say 64x47"):
        dataset.load_frame(dataset.videos[0].name, "00000")


@pytest.mark.parametrize("form", ["original", "shared"])
def test_refcoco_check(tmp_path: Path, form: str) -> None:
    folder = mini.write_refcoco(tmp_path, "refcocog", shared=form == "shared")
    items = refcoco.check(folder, "refcocog")
    assert found(items) == {
        "train expressions": 6,
        "train objects": 3,
        "train pictures": 2,
        "val expressions": 2,
        "val objects": 1,
        "val pictures": 1,
        "test expressions": 2,
        "test objects": 1,
        "test pictures": 1,
        "picture files": 4,
    }
    assert {item.what: item.expected for item in items}["picture files (train2014)"] == 25799


def test_refcoco_check_of_nothing_and_of_broken_files(tmp_path: Path) -> None:
    for item in refcoco.check(tmp_path, "refcoco+"):
        assert item.found == 0
        assert item.hint
    folder = mini.write_refcoco(tmp_path)
    (folder / "refcoco" / "refs(unc).p").write_bytes(b"\x80\x02")
    items = refcoco.check(folder, "refcoco")
    assert all(item.found == 0 for item in items)
    assert "is not a whole pickle" in items[0].hint


def test_refcoco_google_splits_have_no_official_counts(tmp_path: Path) -> None:
    folder = mini.write_refcoco(tmp_path, "refcocog")
    (folder / "refcocog" / "refs(umd).p").rename(folder / "refcocog" / "refs(google).p")
    items = refcoco.check(folder, "refcocog")
    assert all(item.expected is None and item.complete for item in items)
    assert refcoco.open_split(folder, "val", "refcocog").videos


def test_official_counts_add_up() -> None:
    totals = {
        key: [sum(column) for column in zip(*splits.values(), strict=True)] for key, splits in refcoco.OFFICIAL.items()
    }
    assert totals == {
        ("refcoco", "unc"): [142210, 50000, 19994],
        ("refcoco+", "unc"): [141564, 49856, 19992],
        ("refcocog", "umd"): [95010, 49822, 25799],
    }
    assert sum(a2d.USED_VIDEOS.values()) == a2d.LISTED_VIDEOS - a2d.MISSED_VIDEOS


# Pickles


def load(tmp_path: Path, data: bytes) -> Any:
    file = tmp_path / "refs(unc).p"
    file.write_bytes(data)
    return unpickle.load_plain(file)


PLAIN = [
    {"a": [1, -5, 300, 70000, 2**40, -(2**70)], "b": (1.5, -0.25), "c": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4))},
    [True, False, None, "", "café ☃ 🐕", "line\nbreak 'quoted' \\", {}, [[]], {1: "one", "two": 2}],
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    shared = ["one list"]
    value = [*PLAIN, shared, shared, list(range(3000)), ["x" * 300, "y" * 70000]]
    result = load(tmp_path, pickle.dumps(value, protocol))
    assert result == value
    assert result[2] is result[3]


def test_strings_of_python_2(tmp_path: Path) -> None:
    assert load(tmp_path, mini.python2_pickle(["café", {"née": 1}])) == ["café", {"née": 1}]
    assert load(tmp_path, mini.python2_pickle(["café"], encoding="latin-1")) == ["café"]
    assert load(tmp_path, b"(lp0\nS'sent_ids'\np1\naI12\naVcaf\xe9\np2\na(dp3\ng1\nL5L\nsa.") == [
        "sent_ids",
        12,
        "café",
        {"sent_ids": 5},
    ]


class Evil:
    """Runs a command when it is unpickled by a reader that allows it."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_malicious_pickle_is_refused_and_nothing_runs(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    data = pickle.dumps([{"split": Evil(f"touch {mark}")}], protocol)
    pickle.loads(data)
    assert mark.exists()
    mark.unlink()
    with pytest.raises(UserError, match=r"is refused: it holds (posix|nt)\.system; only") as refusal:
        load(tmp_path, data)
    assert "\n" not in str(refusal.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (pickle.dumps(np.zeros(3)), "numpy"),
        (pickle.dumps(collections.OrderedDict(a=1), 2), r"collections\.OrderedDict"),
        (pickle.dumps({1, 2}, 4), "EMPTY_SET"),
        (pickle.dumps(b"bytes", 4), "SHORT_BINBYTES"),
        (b"(S'touch /tmp/x'\nios\nsystem\n.", r"os\.system"),
        (b"Pperson\n.", "PERSID"),
        (b"\x80\x02]}b.", "BUILD"),
        (b"\x80\x02\x82\x01.", "EXT1"),
    ],
)
def test_everything_else_is_refused_by_name(tmp_path: Path, data: bytes, refused: str) -> None:
    with pytest.raises(UserError, match=f"it holds .*{refused}"):
        load(tmp_path, data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        pickle.dumps(PLAIN, 2)[:-10],
        b"\x80\x02.",
        b"\x80\x02]]."[:-1] + b"e.",
        b"\x80\x02h\x05.",
        b"\x80\x02K\x01K\x02a.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02}(]K\x01u.",
        b"\x80\x02\x86.",
        b"\x80\x02T\xff\xff\xff\x7fabc.",
        b"\x80\x02]]" + b".",
    ],
)
def test_damaged_pickles(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match="is not a whole pickle"):
        load(tmp_path, data)


def test_large_place_in_the_memo_takes_no_memory(tmp_path: Path) -> None:
    assert load(tmp_path, b"\x80\x02]r\xff\xff\xff\xff.") == []


def test_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pickle.dumps(list(range(100)), 2)
    monkeypatch.setattr(unpickle, "MAX_INSTRUCTIONS", 50)
    with pytest.raises(UserError, match="more than 50 instructions"):
        load(tmp_path, data)
    monkeypatch.setattr(unpickle, "MAX_BYTES", 50)
    with pytest.raises(UserError, match="is it the right file"):
        load(tmp_path, data)
    with pytest.raises(UserError, match="cannot read"):
        unpickle.load_plain(tmp_path / "nothing.p")
