"""What killed runs of version 0.1.0 left is told from the user's own files by its content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlp_rvos.cli.segment_leftovers import remove_leftovers

#: A number that no process has.
DEAD = 2**22 + 1


@pytest.mark.parametrize(
    ("name", "content", "stays"),
    [
        (f".overlay.mp4.{DEAD}.part", b"\0\0\0\x20ftypisom....", False),
        (f".overlay.mp4.{DEAD}.part", b"my own notes", True),
        (f".masks.json.{DEAD}.part", b'{"video": {"na', False),
        (f".masks.json.{DEAD}.part", b'{"mine": 1}', True),
        (f".masks.json.{DEAD}.old", b"put back", False),
        (f".plot.png.{DEAD}.part", b"", True),
        (".masks.json.x.part", b"", True),
    ],
)
def test_only_leftovers_are_removed(name: str, content: bytes, stays: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    remove_leftovers(tmp_path)
    assert (tmp_path / name).exists() == stays


def test_an_earlier_output_comes_back_only_where_its_place_is_free(tmp_path: Path) -> None:
    moved = tmp_path / f".masks.json.{DEAD}.old"
    moved.write_text("earlier")
    remove_leftovers(tmp_path)
    assert (tmp_path / "masks.json").read_text() == "earlier"
    moved.write_text('{"video": {"name": "a"}}')
    remove_leftovers(tmp_path)
    assert [(x.name, x.read_text()) for x in tmp_path.iterdir()] == [("masks.json", "earlier")]


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="only Linux tells when a process began")
def test_a_living_process_keeps_its_files(tmp_path: Path) -> None:
    file = tmp_path / f".masks.json.{os.getppid()}.part"
    file.touch()
    remove_leftovers(tmp_path)
    assert file.exists()
