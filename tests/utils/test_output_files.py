"""Checking and writing output files."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.atomic import write_json
from vlp_rvos.utils.output_files import prepare_output


def test_unwritable_outputs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the folder"):
        prepare_output(tmp_path / "file" / "scores.json")
    with pytest.raises(UserError, match="is a folder"):
        prepare_output(tmp_path)
    with pytest.raises(UserError, match="cannot write"):
        write_json(tmp_path, {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "nan.json", {"J": float("nan")})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
