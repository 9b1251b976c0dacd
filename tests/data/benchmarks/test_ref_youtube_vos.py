"""Ref-YouTube-VOS: reading its layout, and what is said about broken files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import video_miniatures as miniatures
from data_checks import assert_objects, edit_json
from video_miniatures import TEXTS, ids_of

from vlp_rvos.data.benchmarks import (
    CheckItem,
    ReferringExpression,
    check_benchmark,
    open_benchmark,
)
from vlp_rvos.data.benchmarks.ref_youtube_vos import open_folder
from vlp_rvos.errors import UserError


@pytest.fixture
def youtube(tmp_path: Path) -> Path:
    return miniatures.write_ref_youtube_vos(tmp_path / "ref-youtube-vos")


def test_train(youtube: Path) -> None:
    dataset = open_benchmark("ref-youtube-vos", youtube, "train")
    assert [video.name for video in dataset.videos] == ["003234408d", "0043f083b5"]
    assert dataset.videos[0].frames == ["00000", "00005", "00010", "00015"]
    assert dataset.videos[0].expressions[0] == ReferringExpression("0", TEXTS[1], (1,))
    # No expression names object 2: meta.json does.
    assert_objects(dataset, "003234408d", "00010", ids_of(2, 2), {1: 1, 2: 2})
    mask = dataset.load_mask("003234408d", "00010", dataset.videos[0].expressions[0])
    np.testing.assert_array_equal(mask, ids_of(2, 2) == 1)
    assert dataset.load_frame("003234408d", "00000")[5, 5].tolist() == pytest.approx(miniatures.COLOURS[1], abs=40)


def test_validation_is_without_the_test_videos(youtube: Path) -> None:
    dataset = open_benchmark("ref-youtube-vos", youtube, "valid")
    assert [video.name for video in dataset.videos] == ["0062f687f1", "0390fabe58"]
    assert dataset.videos[0].expressions == [
        ReferringExpression("0", TEXTS[1], None),
        ReferringExpression("1", TEXTS[2], None),
    ]
    assert dataset.load_objects("0062f687f1", "00000") is None


def test_validation_masks_are_used_where_somebody_has_them(youtube: Path) -> None:
    meta = youtube / "meta_expressions" / "valid" / "meta_expressions.json"
    edit_json(meta, lambda x: x["videos"]["0390fabe58"]["expressions"]["1"].update(obj_id="2"))
    miniatures.write_palette(youtube / "valid" / "Annotations" / "0390fabe58" / "00005.png", ids_of(1, 2))
    dataset = open_benchmark("ref-youtube-vos", youtube, "valid")
    expression = dataset.videos[1].expressions[1]
    np.testing.assert_array_equal(dataset.load_mask("0390fabe58", "00005", expression), ids_of(1, 2) == 2)
    assert dataset.load_mask("0390fabe58", "00010", expression) is None


def test_failures(youtube: Path) -> None:
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
def test_names_stay_in_their_folder(youtube: Path, name: str) -> None:
    file = youtube / "meta_expressions" / "train" / "meta_expressions.json"
    original = file.read_text()
    edit_json(file, lambda x: x["videos"].update({name: x["videos"]["0043f083b5"]}))
    with pytest.raises(UserError, match="where the plain name"):
        open_benchmark("ref-youtube-vos", youtube, "train")
    file.write_text(original)
    edit_json(file, lambda x: x["videos"]["0043f083b5"]["frames"].append(name))
    with pytest.raises(UserError, match="where the plain name"):
        open_benchmark("ref-youtube-vos", youtube, "train")


def test_check(youtube: Path) -> None:
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
