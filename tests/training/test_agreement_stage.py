from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from candidate_runs import AGREEMENT, CHOICE, PICTURES, small_model, staged_config, use_seeing_backbone, write_pictures
from lightning_fabric import Fabric

from vlp_rvos.models.agreement import Agreement
from vlp_rvos.training.agreement_stage import AgreementTraining, JoinedMask, fit_presence, joined_mask_loss
from vlp_rvos.training.choice_samples import join_phrases
from vlp_rvos.training.stage_config import ChoiceStage
from vlp_rvos.training.stage_loop import StageContext
from vlp_rvos.utils.signals import StopRequest


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageContext:
    use_seeing_backbone(monkeypatch)
    config = staged_config(write_pictures(tmp_path / "data"))
    return StageContext(config, tmp_path / "run", small_model(), Fabric(accelerator="cpu"))


def prepared(context: StageContext, choice: ChoiceStage = CHOICE) -> AgreementTraining:
    stage = AgreementTraining(context, AGREEMENT, choice)
    assert stage.prepare(StopRequest())
    return stage


def test_the_loss_of_a_mask() -> None:
    truth = torch.zeros(8, 8, dtype=torch.bool)
    truth[:5] = True
    assert joined_mask_loss(torch.where(truth, 50.0, -50.0), truth).item() == pytest.approx(0, abs=1e-6)
    flat = joined_mask_loss(torch.zeros(8, 8), truth).item()
    assert flat == pytest.approx(1 - 41 / (32 + 40 + 1) + 0.5 * 64 * math.log(2) / 160, abs=1e-5)


def test_the_chosen_candidate_is_joined_with_the_dense_mask() -> None:
    masks = torch.full((2, 4, 4), -8.0)
    masks[0, :2], masks[1, 2:] = 8.0, 8.0
    mask = JoinedMask(
        masks, torch.zeros(4, 4), masks[0] > 0, torch.tensor([9.0, -9.0]), torch.tensor(-9.0), torch.zeros(3)
    )
    joined = mask.to(torch.device("cpu")).join(Agreement())
    assert torch.equal(joined > 0, mask.truth)
    close = replace(mask, scores=torch.tensor([1.0, 0.5]))
    assert not torch.equal(close.join(Agreement(), noise=5.0), close.join(Agreement()))


def test_presence_is_a_logistic_regression() -> None:
    torch.manual_seed(0)
    evidence = torch.cat([torch.randn(4000, 1), torch.ones(4000, 1)], 1)
    there = torch.rand(4000) < (2 * evidence[:, 0] - 0.5).sigmoid()
    weights = fit_presence(evidence, there)
    assert weights[0].item() == pytest.approx(2, abs=0.2)
    assert weights[1].item() == pytest.approx(-0.5, abs=0.15)


def test_the_agreement_learns_from_training_pictures_alone(context: StageContext) -> None:
    stage = prepared(context)
    assert stage.training
    assert stage.held_out
    batch = next(stage.batches(3))
    assert len(batch) == AGREEMENT.expressions
    assert torch.equal(next(stage.batches(3))[0].scores, batch[0].scores)
    stage.losses(batch)["mask"].backward()
    moved = {name for name, p in context.model.named_parameters() if p.grad is not None}
    assert moved
    assert all(name.startswith("candidate_path.agreement.") for name in moved)


def test_numbers_are_learned_from_what_is_said_of_things(context: StageContext) -> None:
    stage = prepared(context)
    one, several = ([text for text, n in stage.said.items() if (n > 1) == more] for more in (False, True))
    assert several == ["both cars"]
    assert {"the red car", "the blue car", "the car on the left"} <= set(one)
    assert stage.others.keys() <= stage.phrases.keys()
    assert all(number > 2 for number in stage.others.values())
    result = stage.measure(StopRequest())
    assert result is not None
    assert (result.numbers["one"], result.numbers["several"]) == (1, 1)
    text = join_phrases([stage.phrases[x] for x in (*several, *one)])
    assert (stage.path.number(text).argmax(-1) > 0).tolist() == [True] + [False] * len(one)


def test_without_groups_there_is_no_number_to_learn(context: StageContext) -> None:
    stage = prepared(context)
    stage.said = {text: number for text, number in stage.said.items() if number == 1}
    before = {name: value.clone() for name, value in stage.path.number.state_dict().items()}
    assert stage.measure(StopRequest())
    assert all(torch.equal(value, before[name]) for name, value in stage.path.number.state_dict().items())


def test_presence_is_calibrated_on_held_out_pictures(context: StageContext) -> None:
    stage = prepared(context)
    before = stage.path.calibration.detach().clone()
    result = stage.measure(StopRequest())
    assert result is not None
    assert set(result.numbers) == {"iou", "iou_dense", "one", "several", "noticed"}
    assert 0 <= result.inference_overrides["presence_threshold"] <= 1
    assert not torch.equal(stage.path.calibration, before)
    stage.clean_up()
    assert not (context.folder / "features").exists()


def test_without_held_out_pictures_presence_stays_as_it_is(context: StageContext) -> None:
    stage = prepared(context, replace(CHOICE, sources=(replace(PICTURES, hold_out_share=0.0),)))
    before = stage.path.calibration.detach().clone()
    result = stage.measure(StopRequest())
    assert result is not None
    assert (result.numbers, result.inference_overrides) == ({}, {})
    assert torch.equal(stage.path.calibration, before)
