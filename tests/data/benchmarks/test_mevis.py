"""MeViS: reading its layout, and what is said about broken files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import video_miniatures as miniatures
from data_checks import assert_objects, edit_json
from video_miniatures import ids_of

from vlp_rvos.data.benchmarks import (
    check_benchmark,
    open_benchmark,
)
from vlp_rvos.errors import UserError, VLPRVOSWarning


@pytest.fixture
def mevis(tmp_path: Path) -> Path:
    return miniatures.write_mevis(tmp_path / "mevis")


def test_expressions_of_several_objects_and_of_none(mevis: Path) -> None:
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


def test_frames_without_any_object(mevis: Path) -> None:
    edit_json(mevis / "train" / "mask_dict.json", lambda x: x.update({i: [None, *runs[1:]] for i, runs in x.items()}))
    dataset = open_benchmark("mevis", mevis, "train")
    video = dataset.videos[0]
    assert_objects(dataset, video.name, "00000", np.zeros_like(ids_of(0, 3)), {0: 1, 1: 2, 2: 3})


def test_masks_have_the_size_of_their_frame(mevis: Path) -> None:
    def change(masks: Any) -> None:
        masks["0"][0] = miniatures.encode(np.ones((miniatures.WIDTH, miniatures.HEIGHT), bool))

    edit_json(mevis / "train" / "mask_dict.json", change)
    dataset = open_benchmark("mevis", mevis, "train")
    video = dataset.videos[0]
    with pytest.raises(UserError, match=r"do not have the size of frame 00000 \(48x64, 64x48\)"):
        dataset.load_objects(video.name, "00000")
    assert dataset.load_objects(video.name, "00001") is not None
    # Without the frames, the masks of one frame must still agree.
    (mevis / "train" / "JPEGImages" / video.name / "00000.jpg").unlink()
    with pytest.raises(UserError, match="do not have the size"):
        dataset.load_objects(video.name, "00000")


def test_videos_without_expressions_are_told(mevis: Path) -> None:
    edit_json(
        mevis / "valid" / "meta_expressions.json", lambda x: x["videos"].update(v={"expressions": {}, "frames": ["0"]})
    )
    with pytest.warns(VLPRVOSWarning, match="1 of 2 videos have no expressions and are left out: 'v'"):
        assert len(open_benchmark("mevis", mevis, "valid").videos) == 2


def test_test_split_has_no_truth(mevis: Path) -> None:
    dataset = open_benchmark("mevis", mevis, "valid")
    video = dataset.videos[0]
    assert [x.object_ids for x in video.expressions] == [None] * 3
    assert dataset.load_objects(video.name, video.frames[0]) is None


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
        *(
            (
                lambda x, wrong=wrong: next(iter(x["videos"].values()))["expressions"]["0"].update(anno_id=[wrong]),
                "must be a list of numbers",
            )
            for wrong in (1.5, True, "x", None, float("inf"), float("nan"), [1])
        ),
        (lambda x: next(iter(x["videos"].values())).update(expressions=[]), "does not follow the MeViS layout"),
        (lambda x: x["videos"].clear(), "has no videos"),
        (lambda x: x.pop("videos"), "does not follow the MeViS layout"),
    ],
)
def test_broken_expressions(mevis: Path, change: Callable[[Any], object], message: str) -> None:
    edit_json(mevis / "train" / "meta_expressions.json", change)
    with pytest.raises(UserError, match=message):
        open_benchmark("mevis", mevis, "train")


def test_missing_files(mevis: Path) -> None:
    (mevis / "train" / "mask_dict.json").unlink()
    with pytest.raises(UserError, match=r"no such file: .*mask_dict.json"):
        open_benchmark("mevis", mevis, "train")
    (mevis / "valid" / "meta_expressions.json").unlink()
    with pytest.raises(UserError, match=r"no such file: .*meta_expressions.json"):
        open_benchmark("mevis", mevis, "valid")


def test_check(mevis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
