"""A converted folder appears whole or not at all, and replaces nothing but an earlier one of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.formats.converted_folder import LIST, ConvertedFolder


def convert(target: Path, text: str = "first") -> None:
    with ConvertedFolder(target) as output:
        (output.part / "inner").mkdir()
        (output.part / "a.txt").write_text(text)
        (output.part / "inner" / "b.txt").write_text("b")


def test_it_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with ConvertedFolder(target) as output:
        (output.part / "a.txt").write_text("a")
        assert not target.exists()
    assert {path.name for path in target.iterdir()} == {"a.txt", LIST}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_earlier_one_is_replaced_whole(tmp_path: Path) -> None:
    convert(tmp_path / "out")
    with ConvertedFolder(tmp_path / "out") as output:
        (output.part / "c.txt").write_text("c")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"c.txt", LIST}


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    convert(tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_text() == "first"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_an_exception_leaves_the_earlier_one_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    convert(tmp_path / "out")
    output = ConvertedFolder(tmp_path / "out")
    (output.part / "a.txt").write_text("second")
    with pytest.raises(error), output:
        raise error
    assert (tmp_path / "out" / "a.txt").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def change(target: Path, how: str) -> None:
    """Change what a conversion wrote."""
    if how == "changed":
        (target / "a.txt").write_text("mine!")
    elif how == "changed in its folder":
        (target / "inner" / "b.txt").write_text("c")
    elif how == "added":
        (target / "notes.txt").write_text("mine")
    elif how == "link to a file":
        (target / "a.txt").unlink()
        (target / "a.txt").symlink_to(target / "inner" / "b.txt")
    elif how == "link to a folder":
        (target / "more").symlink_to(target.parent)
    else:
        (target / LIST).write_text(how)


@pytest.mark.parametrize(
    "how",
    [
        *("changed", "changed in its folder", "added", "link to a file", "link to a folder"),
        *("", "[]", '{"format": "vlp-rvos-conversion"}\n[1]\n', '{"format": "vlp-rvos-conversion"}\n{'),
    ],
)
def test_what_somebody_changed_is_kept(tmp_path: Path, how: str) -> None:
    target = tmp_path / "out"
    convert(target)
    change(target, how)
    before = sorted(str(path) for path in target.rglob("*"))
    with pytest.raises(UserError, match="did not write, or that was changed since"):
        convert(target, "second")
    assert sorted(str(path) for path in target.rglob("*")) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_was_removed_does_not_matter(tmp_path: Path) -> None:
    convert(tmp_path / "out")
    (tmp_path / "out" / "a.txt").unlink()
    convert(tmp_path / "out", "second")
    assert (tmp_path / "out" / "a.txt").read_text() == "second"


def test_a_file_in_its_place_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError):
        ConvertedFolder(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_what_is_added_while_it_is_written_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "out"
    output = ConvertedFolder(target)
    (output.part / "a.txt").write_text("a")
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds 'mine\.txt'"):
        output.close()
    assert (target / "mine.txt").read_text() == "mine"


def test_the_list_names_all_files(tmp_path: Path) -> None:
    convert(tmp_path / "out")
    mark, *entries = [json.loads(line) for line in (tmp_path / "out" / LIST).read_text().splitlines()]
    assert mark == {"format": "vlp-rvos-conversion"}
    assert [(entry["file"], entry["size"]) for entry in entries] == [("a.txt", 5), ("inner/b.txt", 1)]
