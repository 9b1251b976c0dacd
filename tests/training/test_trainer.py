from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from safetensors.torch import load_file
from stubs import TinyBackbone
from torch import Tensor

import vlp_rvos.models.checkpoint
from vlp_rvos.cli.train import train
from vlp_rvos.data.mixture import build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.models.backbones import Backbone
from vlp_rvos.models.checkpoint import load_model, peek, save_trained
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training import batches, trainer
from vlp_rvos.training.optimization import make_optimizer
from vlp_rvos.training.run_state import RunningMeans
from vlp_rvos.training.train_config import ModelChoice, Schedule, Stage, TrainConfig
from vlp_rvos.training.trainer import Trainer
from vlp_rvos.training.validation import frame_iou

SMALL: dict[str, Any] = {
    "width": 32,
    "input_size": 64,
    "patch_pool": 1,
    "language_prompts": 2,
    "vision_prompts": 2,
    "temporal_prompts": 1,
    "prompt_width": 16,
    "prompt_layers": 1,
    "prompt_heads": 2,
    "shallow_layers": [1],
    "str_blocks": 1,
    "str_heads": 2,
    "mlp_ratio": 2.0,
    "head_width": 16,
}
CONFIG = TrainConfig(
    name="test",
    model=ModelChoice("mini", SMALL),
    data=replace(MixtureConfig(), height=32, width=48, clip_length=2),
    steps=6,
    batch=2,
    lr=1e-3,
    lr_new=1e-3,
    workers=0,
    log_every=2,
    checkpoint_minutes=None,
    checkpoint_every=None,
    val_every=None,
    val_samples=2,
    ema=0.9,
    history_dropout=0.5,
)


class Squares:
    """A bright square that moves right over noise; the second video of each pair has an absent target too."""

    requested: list[int]

    def __init__(self, config: MixtureConfig) -> None:
        self.config, self.requested = config, []

    def sample(self, index: int) -> Sample:
        self.requested.append(index)
        length, height, width = self.config.frames, self.config.height, self.config.width
        noise = torch.Generator().manual_seed(index)
        frames = torch.randint(0, 100, (length, 3, height, width), dtype=torch.uint8, generator=noise)
        masks = torch.zeros(1 + index % 2, length, height, width, dtype=torch.bool)
        for t in range(length):
            masks[0, t, 8:24, 4 + 2 * t : 20 + 2 * t] = True
        frames = torch.where(masks[0, :, None], 255, frames).to(torch.uint8)
        names = ["the white square", "the red circle"][: len(masks)]
        return Sample(frames=frames, expressions=names, masks=masks, kinds=["there", "absent"][: len(masks)])


@pytest.fixture(autouse=True)
def mixtures(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Squares]]:
    """A tiny backbone and synthetic data in place of the real ones; the mixtures that were built, by split."""
    built: dict[str, list[Squares]] = {"train": [], "holdout": []}

    def build(config: MixtureConfig, split: str) -> Squares:
        built[split].append(Squares(config))
        return built[split][-1]

    def backbone(name: str, weights: object = None) -> Backbone:
        return TinyBackbone()

    monkeypatch.setattr(trainer, "load_backbone", backbone)
    monkeypatch.setattr(vlp_rvos.models.checkpoint, "load_backbone", backbone)
    monkeypatch.setattr(trainer, "build_mixture", build)
    monkeypatch.setattr(batches, "build_mixture", build)
    return built


def stop_after(one: Trainer, steps: int) -> None:
    """Have a trainer receive the signal of a kill during its `steps`-th step of this part."""
    step, count = one._step, 0

    def counted(*args: Any) -> None:
        nonlocal count
        step(*args)
        count += 1
        if count == steps:
            os.kill(os.getpid(), signal.SIGTERM)

    one._step = counted  # type: ignore[method-assign]


def records(folder: Path, event: str) -> list[dict[str, float]]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == event]


def trained(one: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in one.model.trained_state_dict().items()}


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


def test_only_what_is_trained_moves(tmp_path: Path) -> None:
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


def test_workers_give_the_same_batches() -> None:
    for workers in (0, 1):
        loaded = batches.batches(CONFIG.data, batch=2, position=3, rank=1, world=2, workers=workers)
        batch = next(loaded)
        assert torch.equal(batch.frames[0], Squares(CONFIG.data).sample(5).frames)
        assert batch.expressions == ["the white square", "the red circle", "the white square"]
        assert batch.video_of.tolist() == [0, 0, 1]
        assert batch.masks.shape == (3, 4, 32, 48)
        assert batch.refers().tolist() == batch.masks.flatten(1).any(1).tolist()
        nothing_known = replace(batch, supervised=torch.zeros_like(batch.supervised))
        assert nothing_known.refers().all(), "what is not known may be there"


def test_frames_without_truth_teach_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two clips of two frames only the first frame is supervised: masks elsewhere are never looked at."""
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
        assert len(calls) == 2, "clips without truth are not sent backward"
        assert set(result.validation) == {"iou", "iou_absent", "iou_present", "iou_there", "presence_accuracy"}
        results.append((result.validation, trained(one)))
        wrong = True
    assert results[0][0] == results[1][0]
    assert all(torch.equal(value, results[1][1][name]) for name, value in results[0][1].items())


def test_the_size_is_the_model_s_where_none_is_given(tmp_path: Path, mixtures: dict[str, list[Squares]]) -> None:
    config = replace(CONFIG, steps=1, data=replace(CONFIG.data, height=0, width=0))
    Trainer(config, tmp_path, device="cpu").train()
    assert [mixture.config.size for kind in ("train", "holdout") for mixture in mixtures[kind]] == [(64, 64)] * 2


def test_validation_data_that_is_not_there_is_found_out_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(config: MixtureConfig, split: str) -> Squares:
        raise UserError(f"no {split}")

    monkeypatch.setattr(trainer, "build_mixture", build)
    one = Trainer(CONFIG, tmp_path / "run", device="cpu")
    with pytest.raises(UserError, match="no holdout"):
        one.train()
    assert one.progress.step == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_data_that_cannot_be_used_is_one_line(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    def fail(self: Squares, index: int) -> Sample:
        raise UserError("dog/00003.png: not an image; replace it")

    monkeypatch.setattr(Squares, "sample", fail)
    with pytest.raises(UserError, match=r"^dog/00003.png: not an image; replace it$"):
        next(batches.batches(CONFIG.data, batch=2, position=0, workers=workers))


def test_second_clip_gets_the_first_one_s_history_detached(tmp_path: Path) -> None:
    one = Trainer(replace(CONFIG, history_dropout=0.0, steps=1), tmp_path, device="cpu")
    given: list[Tensor | None] = []
    one.model.register_forward_pre_hook(lambda module, inputs: given.append(inputs[2]))
    one._step(one._loader(None), None, 0.0, RunningMeans())
    first, second = given
    assert first is None
    assert second is not None
    assert not second.requires_grad


def test_parameter_groups() -> None:
    model = VLPRVOS(TinyBackbone(), ModelConfig.preset("mini").replace(**SMALL, tune_backbone=True))
    optimizer = make_optimizer(model, replace(CONFIG, lr=1.0, lr_new=2.0, lr_backbone=3.0, weight_decay=0.5))
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {
        names[parameter]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert found.keys() == model.trained_state_dict().keys()
    tables = ("table", "position_bias", "no_history")
    for name, parameter in model.named_trained_parameters():
        of_prompts = name.startswith(("encoder.prompts.", "encoder.positions.", "encoder.history."))
        decays = parameter.ndim > 1 and not name.endswith(tables) and ".tokens." not in name
        rate = 1.0 if of_prompts else 3.0 if name.startswith("backbone.") else 2.0
        assert found[name] == (rate, 0.5 if decays else 0.0), name


def test_a_tuned_backbone_moves_and_comes_back(tmp_path: Path) -> None:
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


def test_data_that_is_not_there_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "build_mixture", build_mixture)
    config = replace(CONFIG, data=replace(CONFIG.data, root=str(tmp_path / "nowhere")))
    with pytest.raises(UserError, match="nowhere"):
        Trainer(config, tmp_path / "run", device="cpu").train()
    assert not (tmp_path / "run").exists()


def test_paths_of_the_training_machine_are_not_shipped(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=1, data=replace(CONFIG.data, root="/home/someone/data"))
    saved = Trainer(config, tmp_path, device="cpu").train().model
    assert "someone" not in json.dumps(peek(saved).training)


def test_a_checkpoint_from_before_a_new_switch_is_resumed(tmp_path: Path) -> None:
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


def test_starts_from_a_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(9)
    before = VLPRVOS(TinyBackbone(), ModelConfig.preset("mini").replace(**SMALL))
    save_trained(tmp_path / "pretrained.safetensors", before, {})
    one = Trainer(replace(CONFIG, init_from=str(tmp_path / "pretrained.safetensors")), tmp_path / "run", device="cpu")
    assert all(torch.equal(value, trained(one)[name]) for name, value in before.trained_state_dict().items())


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


def test_time_limit_ends_the_run_and_counts_all_its_parts(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=10**6, time_limit_minutes=0.01, val_samples=0)
    one = Trainer(config, tmp_path, device="cpu")
    result = one.train()
    assert result.finished
    assert 0.6 <= result.seconds < 5
    again = Trainer(config, tmp_path, device="cpu", resume=True).train()
    assert again.steps == result.steps


def test_stages_change_the_clip_size_and_batch(tmp_path: Path, mixtures: dict[str, list[Squares]]) -> None:
    stages = (Stage(0.5, 32, 32, 1, batch=3, clips=1), Stage(1.0, 32, 48, 2))
    Trainer(replace(CONFIG, stages=stages), tmp_path, device="cpu").train()
    small, large = mixtures["train"]
    assert (small.config.width, small.config.frames, small.requested) == (32, 1, list(range(9)))
    assert (large.config.width, large.config.frames, large.requested) == (48, 4, list(range(10, 16)))


def test_average_is_what_is_shipped(tmp_path: Path) -> None:
    one = Trainer(CONFIG, tmp_path, device="cpu")
    one.train()
    assert one.average is not None
    shipped = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(value, shipped[name]) for name, value in one.average.state.items())
    own = trained(one)
    assert not all(torch.equal(value, own[name]) for name, value in shipped.items())


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99"])
def test_device_that_is_not_there(tmp_path: Path, device: str) -> None:
    with pytest.raises(UserError, match="device"):
        Trainer(CONFIG, tmp_path, device=device)


def test_frame_iou() -> None:
    masks = torch.zeros(3, 2, 2, dtype=torch.bool)
    masks[0, 0] = True
    masks[1, 0, 0] = True
    predicted = torch.zeros(3, 2, 2, dtype=torch.bool)
    predicted[0, :, 0] = True
    assert frame_iou(predicted, masks).tolist() == pytest.approx([1 / 3, 0, 1])


@pytest.fixture
def yaml_file(tmp_path: Path) -> Path:
    values = {
        "model": {"preset": "mini", "overrides": SMALL},
        "data": {"height": 32, "width": 48, "clip_length": 2},
        "steps": 2,
        "workers": 0,
        "val_samples": 1,
    }
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(values))
    return path


def test_command_says_where_the_model_is(yaml_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(yaml_file, tmp_path / "out", device="cpu", overrides=["steps=1"])
    assert "model.safetensors: 1 steps" in capsys.readouterr().out
    assert peek(tmp_path / "out" / "model.safetensors").training["steps"] == 1


def test_stopped_command_says_how_to_go_on(
    yaml_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer._step

    def interrupted(self: Trainer, *args: Any) -> None:
        step(self, *args)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    with pytest.raises(typer.Exit) as caught:
        train(yaml_file, tmp_path / "out", device="cpu")
    assert caught.value.exit_code == 130
    assert "--resume" in capsys.readouterr().out
    assert (tmp_path / "out" / "last.ckpt").exists()


@pytest.mark.slow
def test_overfits_one_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = Squares(CONFIG.data).sample(0)
    monkeypatch.setattr(Squares, "sample", lambda self, index: sample)
    config = replace(CONFIG, steps=200, batch=1, lr=3e-3, lr_new=3e-3, grad_clip=1.0, ema=None, val_samples=1)
    result = Trainer(config, tmp_path, device="cpu").train()
    assert result.validation["iou"] > 0.9
