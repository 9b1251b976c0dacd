from __future__ import annotations

import tomllib
from importlib import metadata

import pytest
from scripts import ROOT

from vlp_rvos import __version__
from vlp_rvos.diagnosis import packages
from vlp_rvos.diagnosis.packages import EXTRAS, diagnose_packages

REQUIRED = ["torch>=2.4", "numpy", "no-such-package>=1 ; extra == 'export'", 'pytest ; extra == "dev"', "vlp-rvos[a]"]


def test_versions_and_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: REQUIRED)
    versions, export = diagnose_packages()
    assert versions.status == "ok"
    assert f"vlp-rvos {__version__}" in versions.text
    assert (export.topic, export.status) == ("extra export", "gap")
    assert export.advice == "if you need it: pip install 'vlp-rvos[export]'"
    assert export.data["packages"] == {"no-such-package": None}


def test_a_missing_package_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "NEEDED", ("torch", "no-such-package"))
    monkeypatch.setattr(metadata, "requires", lambda _: None)
    (versions,) = diagnose_packages()
    assert versions.status == "failure"
    assert versions.advice == "install with: pip install no-such-package"


def test_described_extras_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert EXTRAS.keys() <= project["optional-dependencies"].keys()
