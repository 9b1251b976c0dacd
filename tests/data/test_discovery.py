"""Looking for data sets in a folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from coco_folder import Shape, write_coco
from training_data import write_videos
from video_miniatures import write_ref_youtube_vos

from vlp_rvos.data.discovery import check_folder, find_data_sets
from vlp_rvos.errors import UserError

PICTURES = [[Shape("dog", (10, 10, 60, 50), (200, 20, 20))], [], [Shape("car", (10, 10, 60, 50), (20, 20, 200))]]


def test_a_folder_that_is_a_data_set(tmp_path: Path) -> None:
    (videos,) = find_data_sets(write_videos(tmp_path / "mine")).found
    assert (videos.kind, videos.folder, videos.names, videos.missing) == ("videos", ".", ("duck", "boat"), None)
    assert str(videos) == "2 videos"
    (stills,) = find_data_sets(write_coco(tmp_path / "photos", PICTURES)).found
    assert (stills.kind, stills.names, stills.missing) == ("stills", ("picture1.png", "picture3.png"), None)


def test_a_folder_that_holds_several(tmp_path: Path) -> None:
    for folder in (".", "b/deeper/down", "val", "valley", "test-dev"):
        write_videos(tmp_path / folder)
    write_coco(tmp_path / "a", PICTURES)
    # The insides of data sets are not searched, and neither are hidden folders or those too deep down.
    for folder in ("JPEGImages/duck/x", ".hidden", "1/2/3/4"):
        write_videos(tmp_path / folder)
    sets = find_data_sets(tmp_path)
    assert [str(found) for found in sets.found] == [
        "2 videos",
        "2 pictures in a",
        "2 videos in b/deeper/down",
        "2 videos in valley",
    ]
    assert sets.left_out == (
        f"{tmp_path}/test-dev, which is not for training by its name",
        f"{tmp_path}/val, which is not for training by its name",
    )


def test_the_published_layout(tmp_path: Path) -> None:
    sets = find_data_sets(write_ref_youtube_vos(tmp_path / "data"))
    assert [found.folder for found in sets.found] == ["train"]
    assert sets.left_out == (f"{tmp_path}/data/valid, which has no Annotations",)
    (train,) = find_data_sets(tmp_path / "data" / "train").found
    assert train.folder == "."


def test_a_validation_set_is_taken_where_there_is_nothing_else(tmp_path: Path) -> None:
    write_videos(tmp_path / "val")
    assert [found.folder for found in find_data_sets(tmp_path).found] == ["val"]


def test_what_is_there_and_what_should_be(tmp_path: Path) -> None:
    write_videos(tmp_path / "clips")
    write_coco(tmp_path / "photos", PICTURES)
    items = check_folder(tmp_path)
    assert all(item.complete for item in items)
    assert [(item.what, item.found, item.expected) for item in items] == [
        ("clips: videos", 2, 2),
        ("clips: expressions", 4, None),
        ("clips: frames", 24, 24),
        ("clips: annotations", 24, 24),
        ("photos: pictures", 3, 3),
        ("photos: pictures with objects", 2, None),
        ("photos: objects", 2, None),
        ("photos: categories", 2, None),
    ]
    shutil.rmtree(tmp_path / "clips/Annotations/boat")
    (tmp_path / "photos/images/picture2.png").unlink()
    missing = [item for item in check_folder(tmp_path) if not item.complete]
    assert [(item.what, item.found, item.expected) for item in missing] == [
        ("clips: annotations", 12, 24),
        ("photos: pictures", 2, 3),
    ]
    assert missing[0].hint == f"the list names {tmp_path}/clips/Annotations/boat/00000.png, which is not there"
    assert find_data_sets(tmp_path).found[0].missing == tmp_path / "clips/Annotations/boat/00000.png"


def test_videos_of_which_nothing_can_be_learned(tmp_path: Path) -> None:
    folder = write_videos(tmp_path / "mine")
    meta = json.loads((folder / "meta_expressions.json").read_text())
    meta["videos"]["duck"]["expressions"] = {"0": {"exp": "the duck"}, "1": {"exp": " \x1b", "obj_id": "1"}}
    (folder / "meta_expressions.json").write_text(json.dumps(meta))
    assert find_data_sets(folder).found[0].names == ("boat",)
    assert (check_folder(folder)[0].found, check_folder(folder)[0].expected) == (1, 2)


def test_nothing_to_find(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^no such data folder: .*/none$"):
        find_data_sets(tmp_path / "none")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"^no data set in .*; needed is a folder with JPEGImages/"):
        find_data_sets(tmp_path)
    shutil.rmtree(write_videos(tmp_path / "mine") / "Annotations")
    with pytest.raises(
        UserError, match=r"^no data set in .* but .*/mine, which has no Annotations; needed is"
    ) as caught:
        find_data_sets(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_broken_list_is_an_error(tmp_path: Path) -> None:
    (write_videos(tmp_path / "mine") / "meta_expressions.json").write_text("{")
    with pytest.raises(UserError, match=r"meta_expressions.json"):
        find_data_sets(tmp_path)


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    write_videos(tmp_path / "mine")
    os.symlink(tmp_path, tmp_path / "back")
    assert {found.names for found in find_data_sets(tmp_path).found} == {("duck", "boat")}
