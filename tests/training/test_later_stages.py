from __future__ import annotations

import logging
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from candidate_runs import PICTURES, staged_config, use_seeing_backbone, write_pictures
from safetensors.torch import load_file
from training_runs import records, same

from vlp_rvos.errors import UserError
from vlp_rvos.models.checkpoint import load_model, peek
from vlp_rvos.training import stage_loop
from vlp_rvos.training.later_stages import STAGE_CHECKPOINTS, check_pictures
from vlp_rvos.training.stage_loop import LaterStage
from vlp_rvos.training.train_config import ModelChoice, TrainConfig
from vlp_rvos.training.trainer import Trainer


@pytest.fixture(autouse=True)
def _seeing(monkeypatch: pytest.MonkeyPatch) -> None:
    use_seeing_backbone(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, and a finished run of all stages in `run`."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        use_seeing_backbone(patch)
        Trainer(staged_config(write_pictures(folder / "data")), folder / "run", device="cpu").train()
    return folder


@pytest.fixture
def config(whole: Path, tmp_path: Path) -> TrainConfig:
    shutil.copytree(whole / "data", tmp_path / "data")
    return staged_config(tmp_path / "data")


@pytest.fixture
def finished(whole: Path, tmp_path: Path) -> Path:
    """The folder of a run of all stages."""
    return Path(shutil.copytree(whole / "run", tmp_path / "whole"))


def stop_in(stage: str, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send the signal of a kill in a step of a stage."""
    run = stage_loop._Run._step

    def stopped(self: stage_loop._Run, *args: object) -> None:
        run(self, *args)  # type: ignore[arg-type]
        if self.stage.name == stage and self.progress.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(stage_loop._Run, "_step", stopped)


def test_one_run_trains_everything(finished: Path) -> None:
    info = peek(finished / "model.safetensors")
    assert info.config["candidates"] == 5
    assert set(info.inference_overrides) == {"presence_threshold"}
    assert info.training["finished"]
    assert {name: stage["steps"] for name, stage in info.training["stages"].items()} == {
        "candidates": 3,
        "refinement": 3,
        "choice": 3,
        "agreement": 3,
    }
    model = load_model(finished / "model.safetensors")
    with torch.inference_mode():
        out = model(torch.rand(1, 2, 3, 32, 64), model.backbone.tokenize(["the red car"]))
    assert out.things is not None
    assert sorted(path.name for path in finished.iterdir()) == sorted(
        [*STAGE_CHECKPOINTS, "config.json", "last.ckpt", "log.jsonl", "model.safetensors", "tensorboard"]
    )
    # No candidate fits well enough to be redrawn.
    assert all(records(finished, f"{stage} validation") for stage in ("candidates", "choice", "agreement"))


@pytest.mark.parametrize(("stage", "step"), [("candidates", 2), ("refinement", 1), ("choice", 1), ("agreement", 2)])
def test_a_run_that_is_stopped_in_a_stage_goes_on_there(
    config: TrainConfig, finished: Path, tmp_path: Path, stage: str, step: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_in(stage, step, patch)
        result = Trainer(config, tmp_path / "parts", device="cpu").train()
    assert (result.finished, result.stage, result.steps) == (False, stage, step)
    assert result.signal_number == signal.SIGTERM
    assert "candidate_path" not in str(peek(tmp_path / "parts" / "model.safetensors").training)
    # As on another machine, which has only the checkpoints.
    for file in (tmp_path / "parts").glob("features/*"):
        file.unlink()
    torch.manual_seed(99)
    resumed = Trainer(config, tmp_path / "parts", device="cpu", resume=True).train()
    assert resumed.finished
    assert same(finished, tmp_path / "parts")
    assert peek(resumed.model).inference_overrides == peek(finished / "model.safetensors").inference_overrides


def test_a_finished_run_stays_as_it_is(config: TrainConfig, finished: Path, tmp_path: Path) -> None:
    before = load_file(finished / "model.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LaterStage, "prepare", lambda self, stop_request: pytest.fail("trains again"))
        assert Trainer(config, finished, device="cpu", resume=True).train().finished
    after = load_file(finished / "model.safetensors")
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_later_stages_alone_on_a_dense_model(config: TrainConfig, tmp_path: Path) -> None:
    dense = replace(config, model=ModelChoice("mini", {**config.model.overrides, "candidates": 0}))
    dense = replace(dense, candidates=None, refinement=None, choice=None, agreement=None)
    start = Trainer(dense, tmp_path / "dense", device="cpu").train().model
    result = Trainer(replace(config, steps=0, init_from=str(start)), tmp_path / "later", device="cpu").train()
    assert result.finished
    before, after = load_file(start), load_file(result.model)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert {name.split(".")[0] for name in after.keys() - before} == {"candidate_path"}


def test_a_model_that_has_the_path_may_train_the_choice_alone(
    config: TrainConfig, finished: Path, tmp_path: Path
) -> None:
    further = replace(config, steps=0, init_from=str(finished / "model.safetensors"), candidates=None)
    further = replace(further, refinement=None, agreement=None)
    result = Trainer(further, tmp_path / "further", device="cpu").train()
    assert result.finished
    before, after = load_file(finished / "model.safetensors"), load_file(result.model)
    changed = {".".join(n.split(".")[:2]) for n, value in before.items() if not torch.equal(value, after[n])}
    assert changed == {"candidate_path.choice"}


def test_a_model_without_refinement_learns_it_alone(config: TrainConfig, tmp_path: Path) -> None:
    plain = replace(config, model=ModelChoice("mini", {**config.model.overrides, "refinement": False}), refinement=None)
    start = Trainer(plain, tmp_path / "plain", device="cpu").train().model
    further = replace(config, steps=0, init_from=str(start), candidates=None, choice=None, agreement=None)
    result = Trainer(further, tmp_path / "further", device="cpu").train()
    assert result.finished
    before, after = load_file(start), load_file(result.model)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert {".".join(name.split(".")[:2]) for name in after.keys() - before} == {"candidate_path.refinement"}


def test_a_path_may_be_kept_while_the_dense_head_is_trained(
    config: TrainConfig, finished: Path, tmp_path: Path
) -> None:
    start = str(finished / "model.safetensors")
    further = replace(config, init_from=start, candidates=None, refinement=None, choice=None, agreement=None)
    result = Trainer(further, tmp_path / "further", device="cpu").train()
    before, after = load_file(finished / "model.safetensors"), load_file(result.model)
    changed = {n.split(".")[0] for n, value in before.items() if not torch.equal(value, after[n])}
    assert "candidate_path" not in changed
    assert "mask_head" in changed


def test_stages_without_a_path_and_a_path_without_stages_are_refused(config: TrainConfig, tmp_path: Path) -> None:
    without = replace(config, model=ModelChoice("mini", {**config.model.overrides, "candidates": 0}))
    with pytest.raises(UserError, match="no candidate path, which candidates and refinement and choice would"):
        Trainer(without, tmp_path / "run", device="cpu")
    with pytest.raises(UserError, match="nothing trains the choice of this model"):
        Trainer(replace(config, choice=None, agreement=None), tmp_path / "run", device="cpu")
    plain = replace(config, model=ModelChoice("mini", {**config.model.overrides, "refinement": False}))
    with pytest.raises(UserError, match=r"no refinement, which refinement would train: set .*=true"):
        Trainer(plain, tmp_path / "run", device="cpu")
    with pytest.raises(UserError, match=r"nothing trains the refinement of this model: .*overrides.refinement=false"):
        Trainer(replace(config, refinement=None), tmp_path / "run", device="cpu")
    with pytest.raises(ValueError, match="agreement needs choice"):
        replace(config, choice=None)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        replace(config, steps=0)


def test_files_of_a_stage_without_a_run_are_not_replaced(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "choice.ckpt").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"holds choice.ckpt, but no last.ckpt"):
        Trainer(config, tmp_path / "run", device="cpu")


def test_more_steps_after_a_later_stage_are_refused(config: TrainConfig, finished: Path) -> None:
    longer = Trainer(replace(config, steps=9), finished, device="cpu", resume=True)
    with pytest.raises(UserError, match=r"candidates.ckpt was made after"):
        longer.train()


def test_a_threshold_of_the_user_is_kept(config: TrainConfig, tmp_path: Path) -> None:
    choice = replace(config.model, overrides={**config.model.overrides, "presence_threshold": 0.25})
    result = Trainer(replace(config, model=choice), tmp_path / "run", device="cpu").train()
    assert load_model(result.model).config.presence_threshold == 0.25


def test_own_pictures_without_expressions(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "data" / "described" / "expressions.json").unlink()
    assert config.candidates is not None
    assert config.choice is not None
    own = replace(
        config,
        candidates=replace(config.candidates, sources=(PICTURES,)),
        choice=replace(config.choice, sources=(PICTURES,), clips=0),
    )
    result = Trainer(own, tmp_path / "run", device="cpu").train()
    assert result.finished
    assert "agreement noticed" in result.validation


def test_missing_data_is_found_before_anything_is_trained(
    config: TrainConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shutil.rmtree(tmp_path / "data" / "described")
    Trainer(config, tmp_path / "run", device="cpu")
    check_pictures(config)
    assert caplog.messages == [f"passed over, because it is not there: {tmp_path / 'data' / 'described'}"]
    shutil.rmtree(tmp_path / "data" / "videos")
    with pytest.raises(UserError, match="no picture with an outlined thing is left to train on; looked in: "):
        Trainer(config, tmp_path / "run", device="cpu").train()
    assert not (tmp_path / "run" / "last.ckpt").exists()
