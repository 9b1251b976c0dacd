"""The reader of the Ref-YouTube-VOS layout: what it reads, and what it says of folders that it cannot read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlp_rvos.data.sources.ytvos import Expression, VideoEntry, YTVOSDataset, check_sizes
from vlp_rvos.errors import UserError, VLPRVOSWarning

META: dict[str, Any] = {
    "videos": {
        "dog": {
            "expressions": {"0": {"exp": "a dog", "obj_id": "1"}, "1": {"exp": "the dog's tail", "obj_id": 2}},
            "frames": ["00000", "00005"],
        },
        "cat": {"expressions": {"0": {"exp": "a cat", "kind": "noun"}}, "frames": ["00000"]},
    }
}
IDS = np.array([[0, 1, 1], [2, 2, 0]], dtype=np.uint8)


def palette(ids: np.ndarray) -> Image.Image:
    image = Image.fromarray(ids, "L")
    image.putpalette([0, 0, 0, 236, 95, 103, 249, 145, 87])
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    split = tmp_path / "train"
    for video, entry in META["videos"].items():
        for kind in ("JPEGImages", "Annotations"):
            (split / kind / video).mkdir(parents=True)
        for frame in entry["frames"]:
            Image.new("RGB", (3, 2), (200, 20, 20)).save(split / "JPEGImages" / video / f"{frame}.jpg")
            palette(IDS).save(split / "Annotations" / video / f"{frame}.png")
    (split / "meta_expressions.json").write_text(json.dumps(META))
    return split


def test_videos_and_expressions(folder: Path) -> None:
    assert YTVOSDataset(folder).videos == [
        VideoEntry("dog", ["00000", "00005"], [Expression("0", "a dog", 1), Expression("1", "the dog's tail", 2)]),
        VideoEntry("cat", ["00000"], [Expression("0", "a cat", None, "noun")]),
    ]


def test_frames_ids_and_masks(folder: Path) -> None:
    dataset = YTVOSDataset(str(folder))
    frame = dataset.load_frame("dog", "00005")
    assert frame.shape == (2, 3, 3)
    assert frame.dtype == np.uint8
    assert frame[..., 0].min() > 150 > 80 > frame[..., 1:].max()
    frame[:] = 0
    np.testing.assert_array_equal(dataset.load_ids("dog", "00005"), IDS)
    np.testing.assert_array_equal(dataset.load_mask("dog", "00005", 2), IDS == 2)
    assert dataset.load_mask("dog", "00005", 2).dtype == np.bool_
    assert not dataset.load_mask("dog", "00005", 7).any()


@pytest.mark.parametrize("object_id", [0, -1, 256])
def test_the_background_is_no_object(folder: Path, object_id: int) -> None:
    with pytest.raises(ValueError, match="1 to 255"):
        YTVOSDataset(folder).load_mask("dog", "00000", object_id)


def test_gray_frames_become_rgb(folder: Path) -> None:
    Image.new("L", (3, 2), 90).save(folder / "JPEGImages" / "dog" / "00000.jpg")
    assert YTVOSDataset(folder).load_frame("dog", "00000").tolist() == [[[90] * 3] * 3] * 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_left_out(folder: Path, encoding: str) -> None:
    expected = YTVOSDataset(folder).videos
    (folder / "meta_expressions.json").write_text(json.dumps(META), encoding)
    assert YTVOSDataset(folder).videos == expected


def test_deep_frames_and_masks(folder: Path) -> None:
    dataset = YTVOSDataset(folder)
    # Pillow goes by the content of a file.
    Image.fromarray(np.full((2, 3), 40000, np.uint16)).save(dataset.frame_path("dog", "00000"), "PNG")
    assert (dataset.load_frame("dog", "00000") == 40000 >> 8).all()
    Image.fromarray(IDS.astype(np.uint16)).save(dataset.annotation_path("dog", "00000"))
    np.testing.assert_array_equal(dataset.load_ids("dog", "00000"), IDS)
    Image.fromarray(IDS.astype(np.uint16) * 200).save(dataset.annotation_path("dog", "00000"))
    with pytest.raises(UserError, match="holds the object id 400"):
        dataset.load_ids("dog", "00000")


def test_annotations_have_the_size_of_their_frame(folder: Path) -> None:
    dataset = YTVOSDataset(folder)
    palette(IDS.T).save(dataset.annotation_path("dog", "00000"))
    with pytest.raises(UserError, match=r"dog.00000\.png is 2x3, but its frame .*dog.00000\.jpg is 3x2"):
        dataset.load_ids("dog", "00000")
    dataset.frame_path("dog", "00000").unlink()
    assert dataset.load_ids("dog", "00000").shape == (3, 2)


def test_frames_of_one_size() -> None:
    frames = [np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6), np.uint8), np.zeros((6, 4), np.uint8)]
    check_sizes(frames[:2], ["0", "1"], "dog")
    with pytest.raises(UserError, match="frame 2 of video dog is 4x6, but 0 is 6x4"):
        check_sizes(frames, ["0", "1", "2"], "dog")


def test_videos_without_expressions_and_mixed_frames_are_told(folder: Path) -> None:
    frames = [str(i) for i in range(12)]
    meta = {"videos": {**META["videos"], "bird": {"expressions": {}, "frames": sorted(frames)}}}
    (folder / "meta_expressions.json").write_text(json.dumps(meta))
    with pytest.warns(VLPRVOSWarning) as warned:
        videos = YTVOSDataset(folder).videos
    assert videos[-1].frames == sorted(frames)
    assert [str(warning.message).partition(": ")[2] for warning in warned] == [
        "1 of 3 videos have no expressions and are left out: 'bird'",
        "the frames of 1 of 3 videos are not listed in the order of their numbers, but taken as listed: 'bird'",
    ]


def published(folder: Path) -> Path:
    """Move the expressions to where the published data set has them."""
    place = folder.parent / "meta_expressions" / folder.name
    place.mkdir(parents=True)
    shutil.move(folder / "meta_expressions.json", place)
    return place


@pytest.mark.parametrize("pointer", ["train", ".", "meta_expressions/train"])
def test_the_published_layout(folder: Path, pointer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    published(folder)
    dataset = YTVOSDataset(folder.parent / pointer)
    assert [video.name for video in dataset.videos] == ["dog", "cat"]
    np.testing.assert_array_equal(dataset.load_ids("cat", "00000"), IDS)
    monkeypatch.chdir(folder)
    assert YTVOSDataset(".").load_frame("dog", "00000").shape == (2, 3, 3)


def test_a_root_with_several_splits(folder: Path) -> None:
    published(folder)
    shutil.copytree(folder, folder.parent / "valid")
    shutil.copytree(folder.parent / "meta_expressions" / "train", folder.parent / "meta_expressions" / "valid")
    with pytest.raises(UserError, match=r"several splits; name one of .*train, .*valid$"):
        YTVOSDataset(folder.parent)


def test_frames_of_another_split(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "two_objects"
    shutil.copytree(folder, other)
    shutil.rmtree(other / "JPEGImages")
    with pytest.raises(UserError, match=r"no such image: .*two_objects"):
        YTVOSDataset(other).load_frame("dog", "00000")
    dataset = YTVOSDataset(other, images=folder)
    assert dataset.load_frame("dog", "00000").shape == (2, 3, 3)
    assert dataset.load_ids("dog", "00000").shape == (2, 3)


def expression(**fields: Any) -> dict[str, Any]:
    return {"videos": {"dog": {"expressions": {"0": {"exp": "a dog"} | fields}, "frames": ["0"]}}}


def names(video: str = "dog", frame: Any = "0", key: str = "0") -> dict[str, Any]:
    return {"videos": {video: {"expressions": {key: {"exp": "a dog"}}, "frames": [frame]}}}


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ("{", "cannot read"),
        ("[" * 100_000, "cannot read"),
        ("[]", "no mapping 'videos'"),
        ({}, "no mapping 'videos'"),
        ({"videos": []}, "no mapping 'videos'"),
        ({"videos": {"dog": 1}}, "video 'dog' has no list 'frames'"),
        ({"videos": {"dog": {"expressions": {}, "frames": []}}}, "video 'dog' has no list 'frames'"),
        ({"videos": {"dog": {"expressions": [], "frames": ["0"]}}}, "video 'dog' has no mapping 'expressions'"),
        ({"videos": {"dog": {"expressions": {}, "frames": ["0", "0"]}}}, "video 'dog' lists a frame twice"),
        (expression(exp=3), "expression '0' of video 'dog' has no text 'exp'"),
        (expression(kind=3), "expression '0' of video 'dog' has a 'kind'"),
        (expression(obj_id=0), "obj_id 0; it must be a number from 1 to 255"),
        (expression(obj_id=256), "obj_id 256"),
        (expression(obj_id=True), "obj_id True"),
        (expression(obj_id="one"), "obj_id 'one'"),
        (expression(obj_id=[1]), r"obj_id \[1\]"),
        *[(names(video=name), "plain name") for name in ("..", ".", "", "a/b", "/etc", "..\\x", "C:x", "a\0")],
        *[(names(frame=name), "plain name") for name in ("../0", 3, None)],
        (names(key="../0"), "plain name"),
    ],
)
def test_files_that_do_not_follow_the_layout(folder: Path, meta: Any, message: str) -> None:
    file = folder / "meta_expressions.json"
    file.write_text(meta if isinstance(meta, str) else json.dumps(meta))
    with pytest.raises(UserError, match=message) as caught:
        YTVOSDataset(folder)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such data set folder: .*nowhere"):
        YTVOSDataset(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no meta_expressions\.json in"):
        YTVOSDataset(tmp_path)


@pytest.mark.parametrize("load", ["load_frame", "load_ids"])
def test_missing_and_broken_images(folder: Path, load: str) -> None:
    dataset = YTVOSDataset(folder)
    path = (dataset.frame_path if load == "load_frame" else dataset.annotation_path)("dog", "00000")
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"not an image"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="cannot read the image") as caught:
            getattr(dataset, load)("dog", "00000")
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(UserError, match="no such image") as caught:
        getattr(dataset, load)("dog", "00000")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("split", "videos", "frames"), [("train", 27, 1930), ("val", 8, 573), ("val_two_objects", 1, 80)]
)
def test_real_videos(shared: Path, split: str, videos: int, frames: int) -> None:
    root = shared / "data" / "davis16"
    dataset = YTVOSDataset(root / split, images=root / "val" if split == "val_two_objects" else None)
    assert len(dataset.videos) == videos
    assert sum(len(video.frames) for video in dataset.videos) == frames
    video = dataset.videos[-1]
    frame, ids = dataset.load_frame(video.name, video.frames[0]), dataset.load_ids(video.name, video.frames[0])
    assert frame.shape == (*ids.shape, 3)
    assert {expression.object_id for expression in video.expressions} == set(np.unique(ids)) - {0}


def test_real_expressions_of_a_test_set(shared: Path, tmp_path: Path) -> None:
    file = shared / "data" / "text" / "ref_youtube_vos_valid_test_meta_expressions.json"
    shutil.copy(file, tmp_path / "meta_expressions.json")
    dataset = YTVOSDataset(tmp_path)
    expressions = [expression for video in dataset.videos for expression in video.expressions]
    assert (len(dataset.videos), len(expressions)) == (507, 2096)
    assert {expression.object_id for expression in expressions} == {None}
