"""Ref-DAVIS17: reading its layout, and what is said about broken files."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import video_miniatures as miniatures
from data_checks import assert_objects
from PIL import Image
from video_miniatures import TEXTS, ids_of

from vlp_rvos.data.benchmarks import (
    ReferringExpression,
    check_benchmark,
    open_benchmark,
)
from vlp_rvos.data.benchmarks.ref_davis import RefDavis, merge_objects
from vlp_rvos.errors import UserError, VLPRVOSWarning


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    return miniatures.write_ref_davis17(tmp_path / "ref-davis")


def test_expressions(davis: Path) -> None:
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


def test_misspelt_videos_are_found(davis: Path) -> None:
    dataset = open_benchmark("ref-davis17", davis, "train")
    assert {video.name: len(video.expressions) for video in dataset.videos} == {"bear": 4, "classic-car": 12}


def test_masks_and_void(davis: Path) -> None:
    dataset = open_benchmark("ref-davis17", davis, "train")
    assert isinstance(dataset, RefDavis)
    # Object 2 is not yet in the first frame, but 3 is.
    assert_objects(dataset, "classic-car", "00000", ids_of(0, 3), {1: 1, 2: 2, 3: 3})
    assert_objects(dataset, "classic-car", "00003", ids_of(3, 3), {1: 1, 2: 2, 3: 3})
    void = dataset.load_void("classic-car", "00000")
    assert void[:, -2:].all()
    assert not void[:, :-2].any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_lose_no_expression(davis: Path, encoding: str) -> None:
    expected = [open_benchmark("ref-davis17", davis, split).videos for split in ("train", "val")]
    for folder in (davis / "davis_text_annotations", davis / "DAVIS" / "ImageSets" / "2017"):
        for file in folder.iterdir():
            original = "latin-1" if "annot2" in file.name else "utf-8"
            file.write_text(file.read_text(original), encoding)
    assert [open_benchmark("ref-davis17", davis, split).videos for split in ("train", "val")] == expected


def test_lost_expressions_are_told(davis: Path) -> None:
    file = davis / "davis_text_annotations" / "Davis17_annot1.txt"
    file.write_text(file.read_text().replace("bear", "baer"))
    with pytest.warns(VLPRVOSWarning) as warned:
        open_benchmark("ref-davis17", davis, "train")
    assert [str(warning.message).partition(": ")[2] for warning in warned] == [
        "1 expressions are lost, the data set has no videos of these names: 'baer'"
    ]
    for file in (davis / "davis_text_annotations").iterdir():
        file.write_bytes(b"".join(line for line in file.read_bytes().splitlines(True) if b"bear" not in line))
    (davis / "davis_text_annotations" / "Davis17_annot1.txt").write_text('bmx-trees 1 "a person"')
    with pytest.warns(VLPRVOSWarning, match="1 of 2 videos have no expressions and are left out: 'bear'"):
        assert len(open_benchmark("ref-davis17", davis, "train").videos) == 2


def test_expressions_of_objects_that_are_not_there_are_told(davis: Path) -> None:
    file = davis / "davis_text_annotations" / "Davis17_annot1.txt"
    file.write_text(file.read_text() + 'bear 4 "a bear cub"\nbear 7 "a bird"\n')
    dataset = open_benchmark("ref-davis17", davis, "train")
    with pytest.warns(VLPRVOSWarning, match=r"bear: the first frame has 1 objects, so expressions of object 4, 7 are"):
        assert_objects(dataset, "bear", "00001", ids_of(1, 1), {1: 1})


def test_frames_are_in_the_order_of_their_numbers(davis: Path) -> None:
    for kind, suffix in (("JPEGImages", "jpg"), ("Annotations_unsupervised", "png")):
        folder = davis / "DAVIS" / kind / "480p" / "bmx-trees"
        for number in range(4):
            (folder / f"{number:05}.{suffix}").rename(folder / f"{number * 4}.{suffix}")
    dataset = open_benchmark("ref-davis17", davis, "val")
    assert list(dataset.videos[0].frames) == ["0", "4", "8", "12"]
    assert_objects(dataset, "bmx-trees", "12", ids_of(3, 2), {1: 1, 2: 2})


def to_gray(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    for file in folder.iterdir():
        Image.fromarray(change(np.asarray(Image.open(file))).astype(np.uint8)).save(file)


def test_void_alone_is_no_object(davis: Path) -> None:
    """Annotations that somebody stored in gray: frames that show nothing but void are of 0 and 255."""
    folder = davis / "DAVIS" / "Annotations_unsupervised" / "480p" / "bmx-trees"
    to_gray(folder, lambda ids: ids)
    last = folder / "00003.png"
    Image.fromarray(np.where(np.asarray(Image.open(last)) == 255, 255, 0).astype(np.uint8)).save(last)
    dataset = open_benchmark("ref-davis17", davis, "val")
    assert isinstance(dataset, RefDavis)
    assert_objects(dataset, "bmx-trees", "00003", np.zeros_like(ids_of(3, 2)), {1: 1, 2: 2})
    assert dataset.load_void("bmx-trees", "00003").any()


def test_black_and_white_annotations_are_of_one_object(davis: Path) -> None:
    to_gray(davis / "DAVIS" / "Annotations_unsupervised" / "480p" / "bear", lambda ids: (ids == 1) * 255)
    dataset = open_benchmark("ref-davis17", davis, "train")
    assert isinstance(dataset, RefDavis)
    with pytest.warns(VLPRVOSWarning, match=r"bear/00000\.png holds only 0 and 255"):
        assert not dataset.load_void("bear", "00002").any()
    with warnings.catch_warnings():
        # It is said once.
        warnings.simplefilter("error")
        for number in range(4):
            assert_objects(dataset, "bear", f"{number:05}", ids_of(number, 1), {1: 1})


def test_annotations_of_2017_have_no_void(tmp_path: Path) -> None:
    dataset = open_benchmark(
        "ref-davis17", miniatures.write_ref_davis17(tmp_path / "d", annotations=["Annotations"]), "val"
    )
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
def test_broken_lines(davis: Path, line: str, message: str) -> None:
    file = davis / "davis_text_annotations" / "Davis17_annot1.txt"
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(UserError, match=message):
        open_benchmark("ref-davis17", davis, "val")


def test_failures(davis: Path) -> None:
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


def test_check(davis: Path) -> None:
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
