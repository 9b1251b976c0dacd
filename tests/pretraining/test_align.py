"""One whole alignment pretraining on a tiny folder, and its validation."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from coco_folder import Shape, write_coco

from vlp_rvos.cli.pretrain import pretrain
from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.mini import load_mini
from vlp_rvos.pretraining.align import align, validate
from vlp_rvos.pretraining.align_config import AlignConfig
from vlp_rvos.pretraining.crops import Crop


@pytest.mark.slow
def test_a_run_writes_a_tower_that_loads(tmp_path: Path) -> None:
    pictures = [
        [Shape("car", (10, 20, 70, 60), (200, 30, 30)), Shape("dog", (90, 30, 150, 80), (30, 160, 60))]
        for _ in range(30)
    ]
    folder = write_coco(tmp_path / "stills", pictures)
    settings = ["minutes=0.05", "batch=2", "crops=1", "hold_out=[]", "videos=''", f"stills={folder}"]
    pretrain(None, tmp_path / "run", settings)
    report = json.loads((tmp_path / "run" / "align.json").read_text())
    assert report["steps"] > 0
    assert np.isfinite(list(report["held_out"].values())).all()
    tower = load_mini(tmp_path / "run" / "mini-backbone.safetensors")
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    assert not list((tmp_path / "run").glob("*.part"))


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlp_rvos.pretraining.align.load_mini", lambda **_: pytest.fail("loaded"))
    (tmp_path / "file.txt").write_text("mine")
    with pytest.raises(UserError, match=r"cannot write into .*file\.txt"):
        align(AlignConfig(), tmp_path / "file.txt" / "run")
    assert (tmp_path / "file.txt").read_text() == "mine"


def test_a_failure_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        assert (tmp_path / "deep" / "run").is_dir()
        raise UserError("no data")

    monkeypatch.setattr("vlp_rvos.pretraining.align.load_mini", fail)
    with pytest.raises(UserError, match="no data"):
        align(AlignConfig(), tmp_path / "deep" / "run")
    assert not list(tmp_path.iterdir())


def test_validation_counts_patches_and_regions() -> None:
    """Two patches in a crop of 1 x 2; the region of phrase 0 is the first one."""
    vocabulary = torch.eye(3)
    crop = Crop({}, torch.tensor([[[1.0, 0.0]]]), [[0]], held_out=True)

    def measured(patches: list[list[float]]) -> dict[str, float]:
        aligner = SimpleNamespace(
            patches=lambda crops: (torch.tensor([patches], dtype=torch.float32), None),
            vocabulary=vocabulary,
            similar=torch.eye(3, dtype=torch.bool),
            locate_log_scale=torch.tensor(0.0),
            locate_bias=torch.tensor(-0.5),
        )
        return validate(aligner, [crop])

    assert measured([[1, 0, 0], [0, 1, 0]]) == {"patch_accuracy": 1.0, "locate_iou": 1.0}
    assert measured([[1, 0, 0], [1, 0, 0]]) == {"patch_accuracy": 1.0, "locate_iou": 0.5}
    assert measured([[0, 1, 0], [1, 0, 0]]) == {"patch_accuracy": 0.0, "locate_iou": 0.0}
    assert validate(SimpleNamespace(), []) == {"patch_accuracy": 0.0, "locate_iou": 0.0}
