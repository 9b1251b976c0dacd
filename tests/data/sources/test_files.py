"""What is checked of folders, names and JSON files that come with a data set."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from vlp_rvos.data.benchmarks import ReferringExpression, ReferringVideo
from vlp_rvos.data.sources.files import (
    check_videos,
    existing_folder,
    finite_number,
    plain_name,
    read_json,
    warn_of_lost_expressions,
    whole_number,
)
from vlp_rvos.errors import UserError, VLPRVOSWarning


def test_folders(tmp_path: Path) -> None:
    assert existing_folder(tmp_path) == tmp_path
    (tmp_path / "file").touch()
    for missing in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(UserError, match=rf"no such data set folder: .*{missing.name}"):
            existing_folder(missing)


@pytest.mark.parametrize("name", ["dog", "00005", "a b", ".hidden", "..dog", "狗"])
def test_plain_names(name: str) -> None:
    assert plain_name(name, Path("meta.json")) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/etc", "..\\x", "C:x", "a\0", "a\nb", "\x1b[31m", "\x9b", "\ud800", 3, None, ["dog"]],
)
def test_names_that_could_lead_elsewhere(name: object) -> None:
    with pytest.raises(UserError, match=r"meta\.json has .* plain name"):
        plain_name(name, Path("meta.json"))


def test_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"dog": ["a", 1, null]}', encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"dog": ["a", 1, None]}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_left_out(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.json").write_text('{"dög": 1}', encoding=encoding)
    assert read_json(tmp_path / "a.json") == {"dög": 1}


def test_equal_keys_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"v": {"0": 1, "1": 2, "0": 3}, "w": {"0": 1}, "v": {"0": 4, "0": 5}}')
    with pytest.warns(VLPRVOSWarning) as warned:
        assert read_json(tmp_path / "a.json") == {"v": {"0": 5}, "w": {"0": 1}}
    assert [str(warning.message).partition(": ")[2] for warning in warned] == [
        "3 mappings have two equal keys, of which the last one counts: '0', '0', 'v'"
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": 1}}'])
def test_broken_json_gets_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read .*a\.json") as caught:
        read_json(file)
    assert "\n" not in str(caught.value)


def test_missing_json(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file: .*a\.json"):
        read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match="cannot read"):
        read_json(tmp_path)


@pytest.mark.parametrize(("value", "number"), [(7, 7), (-7, -7), ("7", 7), (7.0, 7), ("007", 7), (10**30, 10**30)])
def test_whole_numbers(value: object, number: int) -> None:
    found = whole_number(value)
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize(
    "value", [True, 1.5, "1.5", "", " 7", "1_0", "\u0663", math.nan, math.inf, "9" * 5000, None, [7], {"a": 1}]
)
def test_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"whole number|Exceeds the limit") as caught:
        whole_number(value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("value", "number"), [(7, 7), ("7.5", 7.5), (-0.5, -0.5)])
def test_finite_numbers(value: object, number: float) -> None:
    assert finite_number(value) == number


@pytest.mark.parametrize("value", [True, math.nan, math.inf, "nan", "1e999", 10**400, "", "x", None, [7]])
def test_what_is_no_finite_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"number|could not convert"):
        finite_number(value)


def video(name: str, frames: list[str], expressions: int = 1) -> ReferringVideo:
    return ReferringVideo(name, frames, [ReferringExpression(str(i), "a dog", (1,)) for i in range(expressions)])


def test_videos_without_expressions_are_counted() -> None:
    videos = [video("v\ufeff", ["0"], 0), video("w", ["0"]), *(video(f"x{i}", ["0"], 0) for i in range(4))]
    with pytest.warns(VLPRVOSWarning) as warned:
        check_videos(videos, Path("meta.json"))
    assert [str(warning.message) for warning in warned] == [
        "meta.json: 5 of 6 videos have no expressions and are left out: 'v\\ufeff', 'x0', 'x1', ..."
    ]


def test_frames_that_were_sorted_as_text_are_told() -> None:
    videos = [video("v", ["1", "10", "2"]), video("w", ["1", "2", "10"])]
    with pytest.warns(VLPRVOSWarning) as warned:
        check_videos(videos, Path("meta.json"))
    assert [str(warning.message) for warning in warned] == [
        "meta.json: the frames of 1 of 2 videos are not listed in the order of their numbers, but taken as listed: 'v'"
    ]


def test_lost_expressions_are_counted() -> None:
    with pytest.warns(VLPRVOSWarning) as warned:
        warn_of_lost_expressions({"\ufeffcat": [1, 2], "dgo": [3]}, Path("a.txt"))
    assert [str(warning.message) for warning in warned] == [
        "a.txt: 3 expressions are lost, the data set has no videos of these names: '\\ufeffcat', 'dgo'"
    ]


@pytest.mark.filterwarnings("error")
def test_nothing_is_said_of_what_is_whole() -> None:
    check_videos([video("v", ["1", "2", "10"])], Path("meta.json"))
    check_videos([], Path("meta.json"))
    warn_of_lost_expressions({}, Path("a.txt"))
