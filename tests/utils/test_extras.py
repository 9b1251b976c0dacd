"""Optional packages that are missing are named, with the command that installs them."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.extras import Extra, import_optional, is_installed, require_installed


def test_what_is_installed_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    assert is_installed("broken_package")
    assert not is_installed("no_such_package")
    require_installed("json", "broken_package", extra="export")
    assert import_optional("json", extra="export") is json


def test_missing_packages_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    one = r"^no_such_a is not installed; install with: pip install 'vlp-rvos\[export\]'$"
    with pytest.raises(UserError, match=one):
        require_installed("json", "no_such_a", extra="export")
    with pytest.raises(UserError, match=r"^no_such_a and no_such_b are not installed; .*'vlp-rvos\[train\]'$"):
        require_installed("no_such_a", "no_such_b", extra="train")
    monkeypatch.setitem(sys.modules, "json.decoder", None)
    with pytest.raises(UserError, match=r"^json is not installed; .*'vlp-rvos\[benchmarks\]'$"):
        import_optional("json.decoder", extra="benchmarks")


def test_every_extra_exists() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(get_args(Extra)) <= project["optional-dependencies"].keys()
