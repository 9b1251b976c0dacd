"""Places for results are checked, and made, before there are results."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.output_files import prepare_output


def test_folders_are_made(tmp_path: Path) -> None:
    prepare_output(tmp_path / "a" / "b" / "scores.json")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert not list((tmp_path / "a" / "b").iterdir())
    prepare_output(tmp_path / "c" / "masks", folder=True)
    assert (tmp_path / "c" / "masks").is_dir()


def test_what_is_there_is_left(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text("old")
    prepare_output(tmp_path / "scores.json")
    prepare_output(tmp_path, folder=True)
    assert (tmp_path / "scores.json").read_text() == "old"


def test_unwritable_outputs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the folder"):
        prepare_output(tmp_path / "file" / "scores.json")
    with pytest.raises(UserError, match="cannot make the folder"):
        prepare_output(tmp_path / "file", folder=True)
    with pytest.raises(UserError, match="is a folder"):
        prepare_output(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests may run as a user who may do everything.
    monkeypatch.setattr(os, "access", lambda path, mode: not (Path(path) == tmp_path and mode == os.W_OK))
    with pytest.raises(UserError, match=r"the folder .* cannot be written to"):
        prepare_output(tmp_path / "scores.json")
