"""Comparing what is there with the official numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlp_rvos.data.benchmarks.completeness import CheckItem, check_item, count_frames, try_to_read
from vlp_rvos.data.benchmarks.referring_dataset import ReferringVideo
from vlp_rvos.errors import UserError


@pytest.mark.parametrize(
    ("found", "expected", "complete"), [(3, 3, True), (2, 3, False), (4, 3, False), (1, None, True), (0, None, False)]
)
def test_only_what_is_incomplete_has_a_hint(found: int, expected: int | None, complete: bool) -> None:
    item = check_item("videos", found, expected, "get them")
    assert item == CheckItem("videos", found, expected, "" if complete else "get them")
    assert item.complete == complete


def test_broken_parts_are_empty_and_explained() -> None:
    def broken() -> list[int]:
        raise UserError("no such file: list.txt")

    def explained() -> list[int]:
        raise UserError("no such file: list.txt; get it")

    assert try_to_read(lambda: [1, 2], "get it") == ([1, 2], "get it")
    for read in (broken, explained):
        assert try_to_read(read, "get it") == ((), "no such file: list.txt; get it")


def test_frames_are_counted_by_name(tmp_path: Path) -> None:
    videos = [ReferringVideo(name, ["1", "2", "3"], []) for name in ("there", "missing")]
    (tmp_path / "there").mkdir()
    for name in ("1.jpg", "3.jpg", "4.jpg", "2.png"):
        (tmp_path / "there" / name).touch()
    assert count_frames(tmp_path, videos, ".jpg") == 2
    assert count_frames(tmp_path, videos, ".png") == 1
