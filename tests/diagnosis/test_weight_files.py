from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vlp_rvos.diagnosis import weight_files
from vlp_rvos.diagnosis.weight_files import diagnose_weights
from vlp_rvos.errors import UserError


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_file({"a": torch.ones(3)}, tmp_path / "tower.safetensors")
    monkeypatch.setattr(weight_files, "WEIGHTS", tmp_path)
    monkeypatch.setattr(weight_files, "_recorded_hashes", dict)
    monkeypatch.setattr(weight_files, "shipped_models", lambda: ["mini"])
    monkeypatch.setattr(weight_files, "load_model", lambda name: None)
    return tmp_path


def test_complete_files(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256((weights / "tower.safetensors").read_bytes()).digest()
    recorded = {"tower.safetensors": base64.urlsafe_b64encode(digest).decode().rstrip("=")}
    monkeypatch.setattr(weight_files, "_recorded_hashes", lambda: recorded)
    files, model = diagnose_weights()
    assert (files.status, model.status) == ("ok", "ok")
    assert files.data == {"files": ["tower.safetensors"], "checked_by_checksum": 1, "broken": {}}


@pytest.mark.parametrize("damage", ["cut", "checksum"])
def test_damaged_files(weights: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = weights / "tower.safetensors"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-4])
    else:
        monkeypatch.setattr(weight_files, "_recorded_hashes", lambda: {"tower.safetensors": "x"})

    def refuse(name: str) -> None:
        raise UserError("the tower is another one")

    monkeypatch.setattr(weight_files, "load_model", refuse)
    files, model = diagnose_weights()
    assert (files.status, model.status) == ("failure", "failure")
    assert list(files.data["broken"]) == ["tower.safetensors"]
    assert files.advice
    assert model.text == "the tower is another one"
