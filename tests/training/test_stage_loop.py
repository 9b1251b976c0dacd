from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from candidate_runs import small_model
from lightning_fabric import Fabric
from torch import Tensor
from training_runs import CONFIG, records

from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.stage_config import StageBudget
from vlp_rvos.training.stage_loop import LaterStage, StageContext, StageResult, _Run, run_stage
from vlp_rvos.utils.signals import StopRequest

BUDGET = StageBudget(steps=6, lr=0.1, warmup_steps=0, ema=0.5)


class Toy(LaterStage[float]):
    """Moves the calibration of presence to the numbers of the steps, with noise."""

    name = "toy"
    parts = ("candidate_path.calibration",)
    log: ClassVar[list[str]] = []

    def __init__(self, context: StageContext, budget: StageBudget = BUDGET, stop_at: int = -1) -> None:
        super().__init__(context, budget)
        self.stop_at, self.factor, self.stop_request = stop_at, 1.0, StopRequest()

    def prepare(self, stop_request: StopRequest) -> bool:
        self.log.append("prepare")
        return True

    def batches(self, step: int) -> Iterator[float]:
        return map(float, itertools.count(step))

    def losses(self, batch: float) -> dict[str, Tensor]:
        if batch == self.stop_at:
            self.stop_request.signal_number = 15
        path = self.model.candidate_path
        assert path is not None
        away = path.calibration - self.factor * batch + torch.randn(4)
        return {"far": away.square().mean(), "nothing": away.sum() * 0}

    def measure(self, stop_request: StopRequest) -> StageResult | None:
        path = self.model.candidate_path
        assert path is not None
        with torch.no_grad():
            path.calibration[0] = 7.0
        return StageResult(numbers={"seven": 7.0}, inference_overrides={"presence_threshold": 0.5})

    def clean_up(self) -> None:
        self.log.append("clean up")


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    Toy.log.clear()


def context(folder: Path, model: VLPRVOS | None = None) -> StageContext:
    config = replace(CONFIG, log_every=2, checkpoint_every=None)
    return StageContext(config, folder, model or small_model(), Fabric(accelerator="cpu"))


def calibration(stage: Toy) -> list[float]:
    assert stage.model.candidate_path is not None
    return stage.model.candidate_path.calibration.tolist()


def test_a_stage_trains_its_part_alone_and_leaves_the_average(tmp_path: Path) -> None:
    stage = Toy(context(tmp_path))
    before = {name: tensor.clone() for name, tensor in stage.model.trained_state_dict().items()}
    result = run_stage(stage, StopRequest())
    assert (result.finished, result.progress.step) == (True, 6)
    assert (result.numbers, result.inference_overrides) == ({"seven": 7.0}, {"presence_threshold": 0.5})
    changed = {n for n, tensor in stage.model.trained_state_dict().items() if not torch.equal(tensor, before[n])}
    assert changed == {"candidate_path.calibration"}
    assert [line["step"] for line in records(tmp_path, "toy")] == [2, 4, 6]
    assert records(tmp_path, "toy validation")[0]["seven"] == 7
    assert list((tmp_path / "tensorboard" / "toy").iterdir())
    assert Toy.log == ["prepare", "clean up"]


def test_a_stopped_stage_goes_on_and_equals_one_that_was_not_stopped(tmp_path: Path) -> None:
    whole = Toy(context(tmp_path / "whole"))
    run_stage(whole, whole.stop_request)
    first = Toy(context(tmp_path / "parts"), stop_at=2)
    stopped = run_stage(first, first.stop_request)
    assert (stopped.finished, stopped.progress.step) == (False, 3)
    torch.manual_seed(123)
    second = Toy(context(tmp_path / "parts"))
    assert run_stage(second, second.stop_request).finished
    assert calibration(second) == calibration(whole)
    assert calibration(second)[0] == 7.0, "what was measured belongs to the stage"


SEVERAL = replace(BUDGET, cycles=3, start_share=0.25)


def final(stage: Toy) -> torch.Tensor:
    """What the stage left, without the first number, which `measure` sets."""
    return torch.tensor(calibration(stage)[1:])


def test_several_cycles_leave_the_mean_of_their_ends_and_a_share_of_the_start(tmp_path: Path) -> None:
    ends, model = [], small_model()
    for number in range(3):
        # Each cycle goes on from the last one's parameters, with a new optimizer.
        one = Toy(context(tmp_path / str(number), model))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_Run, "number", property(partial(_number, number)))
            patch.setattr(_Run, "_use_average", lambda run: ends.append(run.ema.state[Toy.parts[0]][1:].clone()))
            patch.setattr(Toy, "measure", lambda self, stop_request: StageResult())
            run_stage(one, StopRequest())
    assert not torch.allclose(ends[0], ends[1])
    several = Toy(context(tmp_path / "several"), SEVERAL)
    start = final(several)
    result = run_stage(several, StopRequest())
    assert (result.finished, result.progress.step) == (True, 6)
    torch.testing.assert_close(final(several), 0.75 * torch.stack(ends).mean(0) + 0.25 * start)
    assert [line["step"] for line in records(tmp_path / "several", "toy")] == [2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert [line["step"] for line in records(tmp_path / "several", "toy validation")] == [18]


def _number(before: int, run: _Run) -> int:
    return 6 * before + run.progress.step


@pytest.mark.parametrize("stop_at", [2, 8, 16])
def test_several_cycles_go_on_where_they_were_stopped(tmp_path: Path, stop_at: int) -> None:
    whole = Toy(context(tmp_path / "whole"), SEVERAL)
    run_stage(whole, StopRequest())
    first = Toy(context(tmp_path / "parts"), SEVERAL, stop_at=stop_at)
    assert not run_stage(first, first.stop_request).finished
    second = Toy(context(tmp_path / "parts"), SEVERAL)
    assert run_stage(second, StopRequest()).finished
    assert calibration(second) == calibration(whole)


def test_a_signal_during_the_measurement_keeps_all_cycles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Toy(context(tmp_path / "whole"), SEVERAL)
    run_stage(whole, StopRequest())
    with monkeypatch.context() as patch:
        patch.setattr(Toy, "measure", lambda self, stop_request: None)
        assert not run_stage(Toy(context(tmp_path / "parts"), SEVERAL), StopRequest()).finished
    again = Toy(context(tmp_path / "parts"), SEVERAL)
    assert run_stage(again, StopRequest()).finished
    assert calibration(again) == calibration(whole)


def test_a_checkpoint_of_before_there_were_cycles_goes_on(tmp_path: Path) -> None:
    whole = Toy(context(tmp_path / "whole"))
    run_stage(whole, StopRequest())
    first = Toy(context(tmp_path / "parts"), stop_at=2)
    run_stage(first, first.stop_request)
    saved = torch.load(first.checkpoint, weights_only=True)
    del saved["ended"]
    torch.save(saved, first.checkpoint)
    second = Toy(context(tmp_path / "parts"))
    assert run_stage(second, StopRequest()).finished
    assert calibration(second) == calibration(whole)


def test_a_finished_stage_is_not_run_again(tmp_path: Path) -> None:
    one = Toy(context(tmp_path))
    run_stage(one, StopRequest())
    Toy.log.clear()
    again = Toy(context(tmp_path))
    result = run_stage(again, StopRequest())
    assert (result.finished, result.numbers) == (True, {"seven": 7.0})
    assert result.inference_overrides == {"presence_threshold": 0.5}
    assert Toy.log == []
    assert calibration(again) == calibration(one)


def test_a_signal_during_the_measurement_is_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Toy, "measure", lambda self, stop_request: None)
        assert not run_stage(Toy(context(tmp_path)), StopRequest()).finished
    result = run_stage(Toy(context(tmp_path)), StopRequest())
    assert (result.finished, result.progress.step) == (True, 6)


def test_the_time_limit_ends_a_stage(tmp_path: Path) -> None:
    result = run_stage(Toy(context(tmp_path), replace(BUDGET, steps=10**6, time_limit_minutes=1e-6)), StopRequest())
    assert (result.finished, result.progress.step) == (True, 1)


def test_steps_that_are_not_finite_are_left_out_and_many_end_the_run(tmp_path: Path) -> None:
    stage = Toy(context(tmp_path), replace(BUDGET, steps=100))
    stage.factor = float("nan")
    before = calibration(stage)
    with pytest.raises(VLPRVOSError, match=r"stage toy stopped at step 20: .* not finite 20 times in a row"):
        run_stage(stage, StopRequest())
    assert calibration(stage) == before


def test_data_that_cannot_be_used_does_not_lose_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Toy, step: int) -> Iterator[float]:
        yield from (0.0, 1.0)
        raise UserError("a.png: not an image; replace it")

    with monkeypatch.context() as patch:
        patch.setattr(Toy, "batches", broken)
        with pytest.raises(UserError, match=r"a.png"):
            run_stage(Toy(context(tmp_path)), StopRequest())
    stage = Toy(context(tmp_path), stop_at=2)
    assert run_stage(stage, stage.stop_request).progress.step == 3


def test_checkpoints_of_other_models_and_broken_ones_are_refused(tmp_path: Path) -> None:
    run_stage(Toy(context(tmp_path)), StopRequest())
    other = small_model()
    # What changes nothing in training does not matter.
    other.config = other.config.replace(min_part=0.5, candidates_in_picture=9)
    assert run_stage(Toy(context(tmp_path, other)), StopRequest()).finished
    other.config = other.config.replace(candidates=other.config.candidates + 1)
    with pytest.raises(UserError, match=r"toy.ckpt: was made with another model"):
        run_stage(Toy(context(tmp_path, other)), StopRequest())
    (tmp_path / "toy.ckpt").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"toy.ckpt: cannot be resumed .*; remove it"):
        run_stage(Toy(context(tmp_path)), StopRequest())
