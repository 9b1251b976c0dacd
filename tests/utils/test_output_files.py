from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.output_files import prepare_output


def test_folders_are_made(tmp_path: Path) -> None:
    prepare_output(tmp_path / "a" / "scores.json")
    prepare_output(tmp_path / "b" / "c", folder=True)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == [Path("a"), Path("b"), Path("b/c")]


def test_unwritable_outputs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the folder"):
        prepare_output(tmp_path / "file" / "scores.json")
    with pytest.raises(UserError, match="is a folder"):
        prepare_output(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_may_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(UserError, match="cannot be written to"):
        prepare_output(tmp_path / "scores.json")
