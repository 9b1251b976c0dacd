from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_runs import CONFIG, SMALL, trained

from vlp_rvos.errors import UserError
from vlp_rvos.models.checkpoint import peek
from vlp_rvos.training.train_config import ModelChoice, TrainConfig
from vlp_rvos.training.trainer import Trainer


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(CONFIG, model=ModelChoice("mini", SMALL | {"presence": False})), "another model config"),
        (replace(CONFIG, ema=None), "another averaging"),
    ],
)
def test_another_run_is_not_resumed(tmp_path: Path, config: TrainConfig, message: str) -> None:
    Trainer(replace(CONFIG, steps=1), tmp_path, device="cpu").train()
    with pytest.raises(UserError, match=message):
        Trainer(config, tmp_path, device="cpu", resume=True)


def test_settings_of_inference_may_change(tmp_path: Path) -> None:
    Trainer(replace(CONFIG, steps=1), tmp_path, device="cpu").train()
    changed = replace(CONFIG, model=ModelChoice("mini", SMALL | {"min_part": 0.5, "propose_every": 7}))
    assert Trainer(changed, tmp_path, device="cpu", resume=True).progress.step == 1


def test_paths_of_the_training_machine_are_not_shipped(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=1, data=replace(CONFIG.data, root="/home/someone/data"))
    saved = Trainer(config, tmp_path, device="cpu").train().model
    assert "someone" not in json.dumps(peek(saved).training)


def test_a_checkpoint_older_than_a_config_field_is_resumed(tmp_path: Path) -> None:
    Trainer(replace(CONFIG, steps=1), tmp_path, device="cpu").train()
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    config = json.loads(saved["model_config"])
    del config["tune_backbone"]
    torch.save(saved | {"model_config": json.dumps(config)}, tmp_path / "last.ckpt")
    assert Trainer(CONFIG, tmp_path, device="cpu", resume=True).progress.step == 1


def test_broken_checkpoint_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match=r"last\.ckpt: cannot be resumed") as caught:
        Trainer(CONFIG, tmp_path, device="cpu", resume=True)
    assert "\n" not in str(caught.value)


def test_a_failed_checkpoint_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Trainer(replace(CONFIG, steps=1), tmp_path, device="cpu").train()
    before = (tmp_path / "last.ckpt").read_bytes()

    def fail(saved: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        Trainer(CONFIG, tmp_path, device="cpu", resume=True).train()
    assert (tmp_path / "last.ckpt").read_bytes() == before


def test_rates_follow_the_configuration_after_resuming(tmp_path: Path) -> None:
    Trainer(replace(CONFIG, steps=1), tmp_path, device="cpu").train()
    one = Trainer(replace(CONFIG, lr_new=0.5), tmp_path, device="cpu", resume=True)
    assert {group["base_lr"] for group in one.optimizer.param_groups} == {CONFIG.lr, 0.5}


def test_average_is_what_is_shipped(tmp_path: Path) -> None:
    one = Trainer(CONFIG, tmp_path, device="cpu")
    one.train()
    assert one.ema is not None
    shipped = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(value, shipped[name]) for name, value in one.ema.state.items())
    own = trained(one)
    assert not all(torch.equal(value, own[name]) for name, value in shipped.items())
