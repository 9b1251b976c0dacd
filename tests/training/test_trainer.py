from __future__ import annotations

import itertools
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stubs import TinyBackbone
from torch import Tensor
from training_runs import CONFIG, SMALL, Squares, records, stop_after, trained

from vlp_rvos.data.mixture import build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.models.checkpoint import load_model, peek, save_trained
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training import batches, run_state, trainer
from vlp_rvos.training.batches import LoaderDiedError
from vlp_rvos.training.running_means import RunningMeans
from vlp_rvos.training.train_config import ModelChoice, Schedule, Stage
from vlp_rvos.training.trainer import Trainer


def test_a_run_leaves_a_usable_model_and_its_numbers(tmp_path: Path) -> None:
    result = Trainer(CONFIG, tmp_path, device="cpu").train()
    assert (result.finished, result.steps) == (True, 6)
    info = peek(result.model)
    assert info.training["finished"]
    assert info.training["samples"] == 12
    assert info.training["validation"] == result.validation
    assert set(result.validation) == {"iou", "iou_absent", "iou_present", "iou_there", "presence_accuracy"}
    assert load_model(result.model).config == ModelConfig.preset("mini").replace(**SMALL)
    assert [line["step"] for line in records(tmp_path, "train")] == [2, 4, 6]
    assert {"loss", "dice", "iou", "lr", "grad_norm", "seconds"} <= records(tmp_path, "train")[0].keys()
    assert len(records(tmp_path, "validation")) == 1
    assert list((tmp_path / "tensorboard").iterdir())


def test_only_trained_parameters_change(tmp_path: Path) -> None:
    one = Trainer(CONFIG, tmp_path, device="cpu")
    before = trained(one)
    one.train()
    after = one.model.trained_state_dict()
    frozen = TinyBackbone().state_dict()
    assert all(torch.equal(value, frozen[name]) for name, value in one.model.backbone.state_dict().items())
    assert all(parameter.grad is None for parameter in one.model.backbone.parameters())
    unmoved = [name for name in before if torch.equal(before[name], after[name])]
    assert unmoved == []


@pytest.mark.parametrize("precision", ["fp32", "bf16-mixed"])
def test_resumed_run_equals_an_uninterrupted_one_bit_by_bit(tmp_path: Path, precision: str) -> None:
    config = replace(CONFIG, precision=precision, schedule=Schedule("cosine", warmup_steps=2), accumulate=2)
    whole = Trainer(config, tmp_path / "whole", device="cpu")
    whole.train()
    first = Trainer(config, tmp_path / "parts", device="cpu")
    stop_after(first, 2)
    assert not first.train().finished
    torch.manual_seed(123)
    second = Trainer(config, tmp_path / "parts", device="cpu", resume=True)
    assert second.progress.step == 2
    second.train()
    assert second.progress.step == whole.progress.step == 6
    expected = trained(whole)
    assert all(torch.equal(value, expected[name]) for name, value in trained(second).items())
    averages = [load_file(tmp_path / part / "model.safetensors") for part in ("whole", "parts")]
    assert all(torch.equal(value, averages[1][name]) for name, value in averages[0].items())


def test_samples_are_taken_in_order_and_once(tmp_path: Path, mixtures: dict[str, list[Squares]]) -> None:
    first = Trainer(CONFIG, tmp_path, device="cpu")
    stop_after(first, 2)
    first.train()
    Trainer(CONFIG, tmp_path, device="cpu", resume=True).train()
    assert [mixture.requested for mixture in mixtures["train"]] == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9, 10, 11]]


def test_unsupervised_frames_are_ignored_in_training_and_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two clips of two frames only the first frame is supervised; the masks of the others must not matter."""
    whole = Squares.sample
    wrong = False

    def sparse(self: Squares, index: int) -> Sample:
        sample = whole(self, index)
        supervised = torch.zeros(sample.masks.shape[:2], dtype=torch.bool)
        supervised[:, 0] = True
        masks = sample.masks.clone()
        masks[:, 1:] = wrong
        return replace(sample, masks=masks, supervised=supervised)

    monkeypatch.setattr(Squares, "sample", sparse)
    results = []
    for folder in ("right", "wrong"):
        one = Trainer(replace(CONFIG, steps=2), tmp_path / folder, device="cpu")
        backward, calls = one.fabric.backward, []
        monkeypatch.setattr(one.fabric, "backward", lambda loss, f=backward, c=calls: (c.append(1), f(loss)))
        result = one.train()
        assert len(calls) == 2, "clips without a supervised frame have no backward pass"
        assert set(result.validation) == {"iou", "iou_absent", "iou_present", "iou_there", "presence_accuracy"}
        results.append((result.validation, trained(one)))
        wrong = True
    assert results[0][0] == results[1][0]
    assert all(torch.equal(value, results[1][1][name]) for name, value in results[0][1].items())


def test_the_default_size_is_that_of_the_model(tmp_path: Path, mixtures: dict[str, list[Squares]]) -> None:
    config = replace(CONFIG, steps=1, data=replace(CONFIG.data, height=0, width=0))
    Trainer(config, tmp_path, device="cpu").train()
    assert [mixture.config.size for kind in ("train", "holdout") for mixture in mixtures[kind]] == [(64, 64)] * 2


def test_a_size_that_does_not_fit_is_found_at_the_start(tmp_path: Path) -> None:
    for stages in ((), (Stage(until=1.0, height=64, width=72, clip_length=1),)):
        config = replace(CONFIG, data=replace(CONFIG.data, height=64, width=64 if stages else 72), stages=stages)
        with pytest.raises(UserError, match=r"input size 64x72 does not fit .*: both sides must be multiples of"):
            Trainer(config, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_missing_validation_data_is_found_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(config: MixtureConfig, split: str) -> Squares:
        raise UserError(f"no {split}")

    monkeypatch.setattr(trainer, "build_mixture", build)
    one = Trainer(CONFIG, tmp_path / "run", device="cpu")
    with pytest.raises(UserError, match="no holdout"):
        one.train()
    assert one.progress.step == 0


def test_the_second_clip_gets_the_detached_history_of_the_first(tmp_path: Path) -> None:
    one = Trainer(replace(CONFIG, history_dropout=0.0, steps=1), tmp_path, device="cpu")
    given: list[Tensor | None] = []
    one.model.register_forward_pre_hook(lambda module, inputs: given.append(inputs[2]))
    one._step(one._loader(None), None, 0.0, RunningMeans())
    first, second = given
    assert first is None
    assert second is not None
    assert not second.requires_grad


def test_a_tuned_backbone_changes_and_is_resumed_and_loaded(tmp_path: Path) -> None:
    config = replace(CONFIG, model=ModelChoice("mini", SMALL | {"tune_backbone": True}), lr_backbone=1e-3)
    first = Trainer(config, tmp_path, device="cpu")
    stop_after(first, 2)
    first.train()
    result = Trainer(config, tmp_path, device="cpu", resume=True).train()
    loaded, fresh = load_model(result.model).backbone.state_dict(), TinyBackbone().state_dict()
    moved = {name for name, value in loaded.items() if not torch.equal(value, fresh[name])}
    assert moved == {name for name in fresh if name.startswith(("vision_blocks.", "text_blocks."))}


def test_folder_of_another_run_is_not_overwritten(tmp_path: Path) -> None:
    Trainer(replace(CONFIG, steps=1), tmp_path, device="cpu").train()
    with pytest.raises(UserError, match="holds a run already"):
        Trainer(CONFIG, tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", "weights"),
        ("config.json", '{"architectures": ["Mine"]}'),
        ("log.jsonl", "a log of mine\n"),
        ("tensorboard", "a file"),
    ],
)
def test_files_of_the_user_are_not_overwritten(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    for resume in (False, True):
        with pytest.raises(UserError, match=re.escape(name)):
            Trainer(CONFIG, tmp_path, device="cpu", resume=resume)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, content)]


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(tmp_path: Path) -> None:
    Trainer(replace(CONFIG, steps=1), tmp_path, device="cpu").train()
    for name in ("last.ckpt", "model.safetensors"):
        (tmp_path / name).unlink()
    assert Trainer(replace(CONFIG, steps=1), tmp_path, device="cpu").train().finished


def test_missing_data_leaves_no_files_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "build_mixture", build_mixture)
    config = replace(CONFIG, data=replace(CONFIG.data, root=str(tmp_path / "nowhere")))
    with pytest.raises(UserError, match="nowhere"):
        Trainer(config, tmp_path / "run", device="cpu").train()
    assert not (tmp_path / "run").exists()


def test_starts_from_a_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(9)
    before = VLPRVOS(TinyBackbone(), ModelConfig.preset("mini").replace(**SMALL))
    save_trained(tmp_path / "pretrained.safetensors", before, {})
    one = Trainer(replace(CONFIG, init_from=str(tmp_path / "pretrained.safetensors")), tmp_path / "run", device="cpu")
    assert all(torch.equal(value, trained(one)[name]) for name, value in before.trained_state_dict().items())


def test_inference_settings_of_the_checkpoint_are_inherited(tmp_path: Path) -> None:
    torch.manual_seed(9)
    before = VLPRVOS(TinyBackbone(), ModelConfig.preset("mini").replace(**SMALL))
    file = tmp_path / "pretrained.safetensors"
    save_trained(file, before, {}, inference_overrides={"presence_threshold": 0.1, "min_part": 0.5})
    choice = replace(CONFIG.model, overrides={**CONFIG.model.overrides, "min_part": 0.25})
    one = Trainer(replace(CONFIG, init_from=str(file), model=choice), tmp_path / "run", device="cpu")
    assert one.model.config.presence_threshold == 0
    one.train()
    info = peek(tmp_path / "run/model.safetensors")
    assert info.inference_overrides == {"presence_threshold": 0.1}
    used = load_model(tmp_path / "run/model.safetensors").config
    assert (used.presence_threshold, used.min_part) == (0.1, 0.25)


def test_step_that_is_not_finite_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Trainer(replace(CONFIG, steps=1), tmp_path, device="cpu")
    before = trained(one)
    monkeypatch.setattr(one, "_backward", lambda batch, numbers: torch.tensor(float("nan")))
    one.train()
    assert one.progress.skipped == 1
    assert all(torch.equal(value, before[name]) for name, value in trained(one).items())


def test_many_steps_that_are_not_finite_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Trainer(replace(CONFIG, steps=100), tmp_path, device="cpu")
    monkeypatch.setattr(one, "_backward", lambda batch, numbers: torch.tensor(float("inf")))
    with pytest.raises(VLPRVOSError, match="not finite 20 times in a row"):
        one.train()
    assert one.progress.step == 20


def test_time_limit_ends_the_run_and_counts_all_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock advances by 0.1 seconds each time it is read."""
    ticks = itertools.count()
    monkeypatch.setattr(run_state, "time", SimpleNamespace(monotonic=lambda: 0.1 * next(ticks)))
    config = replace(CONFIG, steps=10**6, time_limit_minutes=0.01, val_samples=0)
    one = Trainer(config, tmp_path, device="cpu")
    result = one.train()
    assert result.finished
    assert 0.6 <= result.seconds < 1
    again = Trainer(config, tmp_path, device="cpu", resume=True).train()
    assert again.steps == result.steps


def test_stages_change_the_clip_size_and_batch(tmp_path: Path, mixtures: dict[str, list[Squares]]) -> None:
    stages = (Stage(0.5, 32, 32, 1, batch=3, clips=1), Stage(1.0, 32, 48, 2))
    Trainer(replace(CONFIG, stages=stages), tmp_path, device="cpu").train()
    small, large = mixtures["train"]
    assert (small.config.width, small.config.frames, small.requested) == (32, 1, list(range(9)))
    assert (large.config.width, large.config.frames, large.requested) == (48, 4, list(range(10, 16)))


@pytest.mark.slow
def test_overfits_one_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = Squares(CONFIG.data).sample(0)
    monkeypatch.setattr(Squares, "sample", lambda self, index: sample)
    config = replace(CONFIG, steps=200, batch=1, lr=3e-3, lr_new=3e-3, grad_clip=1.0, ema=None, val_samples=1)
    result = Trainer(config, tmp_path, device="cpu").train()
    assert result.validation["iou"] > 0.9


def test_a_loading_process_that_dies_while_a_stop_was_requested_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Trainer(CONFIG, tmp_path, device="cpu")
    step = one._step

    def die_in_the_third(*args: Any) -> None:
        if one.progress.step == 2:
            if stopped:
                os.kill(os.getpid(), signal.SIGTERM)
            raise LoaderDiedError("died")
        step(*args)

    monkeypatch.setattr(one, "_step", die_in_the_third)
    stopped = True
    result = one.train()
    assert (result.finished, result.steps, result.signal_number) == (False, 2, signal.SIGTERM)
    assert peek(result.model).training["steps"] == 2
    stopped = False
    with pytest.raises(LoaderDiedError):
        one.train()


def test_a_signal_during_validation_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(CONFIG, steps=2, val_samples=1000)
    one = Trainer(config, tmp_path, device="cpu")
    sample, asked = Squares.sample, []

    def interrupted(self: Squares, index: int) -> Sample:
        asked.append(index)
        if index == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return sample(self, index)

    monkeypatch.setattr(Squares, "sample", interrupted)
    result = one.train()
    assert (result.finished, result.steps, result.validation) == (False, 2, {})
    assert max(asked) == 7
    assert not records(tmp_path, "validation")
    monkeypatch.setattr(Squares, "sample", sample)
    resumed = Trainer(replace(config, val_samples=3), tmp_path, device="cpu", resume=True).train()
    assert (resumed.finished, resumed.steps) == (True, 2)
    assert "iou" in resumed.validation


def test_data_that_breaks_off_a_run_does_not_lose_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = Squares.sample

    def broken(self: Squares, index: int) -> Sample:
        if index == 5:
            raise UserError("dog/00003.png: not an image; replace it")
        return sample(self, index)

    monkeypatch.setattr(Squares, "sample", broken)
    with pytest.raises(UserError, match=r"^dog/00003.png: not an image; replace it$"):
        Trainer(CONFIG, tmp_path, device="cpu").train()
    monkeypatch.setattr(Squares, "sample", sample)
    resumed = Trainer(CONFIG, tmp_path, device="cpu", resume=True)
    assert resumed.progress.step == 2
    assert resumed.train().finished


def test_held_out_data_of_no_use_is_found_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def useless(self: Squares, index: int) -> Sample:
        raise UserError("no expression can be made")

    monkeypatch.setattr(Squares, "sample", useless)
    one = Trainer(CONFIG, tmp_path, device="cpu")
    with pytest.raises(UserError, match="no expression can be made"):
        one.train()
    assert not (tmp_path / "last.ckpt").exists()
