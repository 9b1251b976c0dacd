"""Trainings that fork: a trunk, and forks that go on from its end, each without another fold."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from candidate_runs import CHOICE, PICTURES, small_model, staged_config, use_seeing_backbone, write_pictures
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import Tensor
from training_runs import CONFIG, Squares, records, same

from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.sources.holdout import fold_of
from vlp_rvos.errors import UserError
from vlp_rvos.models.checkpoint import peek
from vlp_rvos.training import choice_stage
from vlp_rvos.training.choice_features import PictureFeatures
from vlp_rvos.training.choice_stage import FeatureSource
from vlp_rvos.training.forks import forks_of, trunk
from vlp_rvos.training.run_checkpoint import CHECKPOINT
from vlp_rvos.training.stage_loop import StageContext
from vlp_rvos.training.train_config import Forks, TrainConfig
from vlp_rvos.training.trainer import Trainer
from vlp_rvos.utils.signals import StopRequest

#: of six steps, two are of the trunk
FORKING = replace(
    CONFIG,
    data=replace(CONFIG.data, described=(PictureSource("described"),)),
    forks=Forks(count=2, begin=1 / 3),
    ema=None,
    val_samples=0,
)


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def test_each_fork_leaves_out_a_fold_and_the_trunk_all_of_them(tmp_path: Path) -> None:
    begin = trunk(FORKING, FORKING.data, tmp_path)
    assert (begin.folder, begin.end, begin.data.left_out) == (tmp_path, 1 / 3, (0, 1))
    forks = forks_of(FORKING, FORKING.data, tmp_path)
    assert [(fork.folder.name, fork.end, fork.data.left_out) for fork in forks] == [
        ("fork-0", 1.0, (0,)),
        ("fork-1", 1.0, (1,)),
    ]
    plain = replace(FORKING, forks=None)
    assert trunk(plain, plain.data, tmp_path).data == plain.data
    assert forks_of(plain, plain.data, tmp_path) == []


def test_the_model_is_the_mean_of_forks_that_go_on_from_the_trunk(
    tmp_path: Path, mixtures: dict[str, list[Squares]]
) -> None:
    result = Trainer(FORKING, tmp_path / "run", device="cpu").train()
    assert (result.finished, result.steps, result.model) == (True, 6, tmp_path / "run" / "model.safetensors")
    forks = [weights(tmp_path / "run" / f"fork-{number}") for number in range(2)]
    mean = weights(tmp_path / "run")
    for name, value in mean.items():
        torch.testing.assert_close(value, (forks[0][name] + forks[1][name]) / 2)
    assert [built.config.left_out for built in mixtures["train"]] == [(0, 1), (0,), (1,)]
    # The forks see what a training that does not fork would have seen in the same steps.
    assert [len(built.requested) for built in mixtures["train"]] == [4, 8, 8]
    assert mixtures["train"][1].requested == mixtures["train"][2].requested
    steps = [
        [entry["step"] for entry in records(tmp_path / "run" / name, "train")] for name in ("", "fork-0", "fork-1")
    ]
    assert steps == [[2], [4, 6], [4, 6]]
    assert peek(result.model).training["finished"]


@pytest.mark.parametrize(("branch", "step"), [("test", 1), ("test fork 0", 4), ("test fork 1", 5)])
def test_a_run_that_is_stopped_in_a_branch_goes_on_there(tmp_path: Path, branch: str, step: int) -> None:
    Trainer(FORKING, tmp_path / "whole", device="cpu").train()
    run = Trainer._step

    def stopped(self: Trainer, *args: object) -> None:
        run(self, *args)  # type: ignore[arg-type]
        if (self.branch.name, self.progress.step) == (branch, step):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", stopped)
        result = Trainer(FORKING, tmp_path / "parts", device="cpu").train()
    assert (result.finished, result.steps) == (False, step)
    assert result.stage == ("" if branch == "test" else branch.removeprefix("test ").replace(" ", "-"))
    torch.manual_seed(99)
    resumed = Trainer(FORKING, tmp_path / "parts", device="cpu", resume=True).train()
    assert resumed.finished
    assert same(tmp_path / "parts", tmp_path / "whole")


def test_forks_may_begin_at_once_from_a_model(tmp_path: Path) -> None:
    start = Trainer(replace(CONFIG, steps=1, val_samples=0), tmp_path / "start", device="cpu").train().model
    config = replace(FORKING, init_from=str(start), forks=Forks(begin=0.0, start_share=0.75), steps=2)
    result = Trainer(config, tmp_path / "run", device="cpu").train()
    assert (result.finished, result.steps) == (True, 2)
    forks = [weights(tmp_path / "run" / f"fork-{number}") for number in range(2)]
    for name, value in load_file(start).items():
        mean = (forks[0][name] + forks[1][name]) / 2
        torch.testing.assert_close(weights(tmp_path / "run")[name], mean.lerp(value, 0.75))
    assert not (tmp_path / "run" / "log.jsonl").exists()
    assert not same(tmp_path / "run", start.parent)


def test_a_folder_of_the_user_is_not_taken_for_a_fork(tmp_path: Path) -> None:
    (tmp_path / "run" / "fork-1").mkdir(parents=True)
    (tmp_path / "run" / "fork-1" / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"fork-1: holds a model.safetensors already"):
        Trainer(FORKING, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / CHECKPOINT).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": replace(FORKING.data, described=())}, r"forks need data.described, or sources that are folded"),
        ({"data": replace(FORKING.data, folds=2, left_out=(1,))}, r"data.left_out and forks exclude each other"),
        ({"forks": Forks(begin=0.0)}, "forks that begin at 0 need init_from"),
    ],
)
def test_what_a_wrong_configuration_gets(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(FORKING, **change)  # type: ignore[arg-type]


# --- what the choice learns from -----------------------------------------------------------------------------------
@pytest.fixture
def forked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    use_seeing_backbone(monkeypatch)
    config = staged_config(write_pictures(tmp_path / "data"))
    return replace(
        config, data=replace(config.data, described=(PICTURES,)), forks=Forks(begin=0.5), val_samples=0, ema=None
    )


def test_the_choice_learns_of_a_picture_from_the_fork_that_has_not_seen_it(
    forked: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model()
    dense = {name: x.clone() for name, x in model.trained_state_dict().items() if not name.startswith("candidate_path")}
    forks = tuple({name: x + number for name, x in dense.items()} for number in (1, 2))
    asked: list[tuple[str, float]] = []
    known = next(iter(dense))

    def look(model: object, picture: object, *args: object, **settings: object) -> PictureFeatures:
        now = model.trained_state_dict()[known] - dense[known]  # type: ignore[attr-defined]
        asked.append((getattr(picture, "unit", "clip"), round(float(now.mean()))))
        return small_features

    def look_at_clip(model: object, sample: object, name: str, *args: object, **settings: object) -> PictureFeatures:
        now = model.trained_state_dict()[known] - dense[known]  # type: ignore[attr-defined]
        asked.append((name, round(float(now.mean()))))
        return small_features

    context = StageContext(forked, tmp_path / "run", model, Fabric(accelerator="cpu"))
    plain = FeatureSource(context, CHOICE, 0)
    assert plain.fill(StopRequest())
    small_features = next(plain.cache.load())
    monkeypatch.setattr(choice_stage, "picture_features", look)
    monkeypatch.setattr(choice_stage, "clip_features", look_at_clip)
    source = FeatureSource(replace(context, forks=forks), CHOICE, 0)
    assert source.cache.key != plain.cache.key
    assert source.fill(StopRequest())
    held_out = {job.what.unit for job in source.jobs if job.held_out}
    assert held_out
    composed = [(name, fork) for name, fork in asked if name.startswith("clip ")]
    assert composed == [(f"clip {number}", number % 2 + 1) for number in range(CHOICE.clips)]
    folds = set()
    for name, fork in asked[: -CHOICE.clips]:
        unit = name.partition("/clip")[0]
        fold = fold_of(unit, 2)
        assert fork == (0 if unit in held_out else fold + 1), name
        folds.add(fork)
    assert folds == {0, 1, 2}
    assert [source._mixture(fold).config.left_out for fold in (0, 1)] == [(1,), (0,)]
    for name, value in model.trained_state_dict().items():
        assert name.startswith("candidate_path") or torch.equal(value, dense[name])


def test_a_forked_run_trains_the_candidate_path_on_the_mean(forked: TrainConfig, tmp_path: Path) -> None:
    result = Trainer(forked, tmp_path / "run", device="cpu").train()
    assert result.finished
    whole = weights(tmp_path / "run")
    forks = [weights(tmp_path / "run" / f"fork-{number}") for number in range(2)]
    for name, value in forks[0].items():
        torch.testing.assert_close(whole[name], (value + forks[1][name]) / 2)
    assert any(name.startswith("candidate_path") for name in whole)
    # As on another machine, after the last checkpoint of the forks and before the choice.
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    for name in ("choice.ckpt", "agreement.ckpt", "model.safetensors"):
        (tmp_path / "again" / name).unlink()
    assert Trainer(forked, tmp_path / "again", device="cpu", resume=True).train().finished
    assert same(tmp_path / "again", tmp_path / "run")
