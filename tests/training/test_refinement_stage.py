from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from candidate_runs import REFINEMENT, small_model, staged_config, write_pictures
from lightning_fabric import Fabric

from vlp_rvos.training.candidate_stage import path_of
from vlp_rvos.training.refinement_stage import RefinementTraining, redrawing_loss
from vlp_rvos.training.stage_config import RefinementStage
from vlp_rvos.training.stage_loop import StageContext
from vlp_rvos.utils.signals import StopRequest


def stage_of(root: Path, stage: RefinementStage = REFINEMENT) -> RefinementTraining:
    write_pictures(root)
    context = StageContext(staged_config(root), root / "run", small_model(), Fabric(accelerator="cpu"))
    training = RefinementTraining(context, stage)
    training.prepare(StopRequest())
    return training


def test_only_the_refinement_gets_gradients(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    (loss,) = stage.losses(next(stage.batches(0))).values()
    assert loss > 0
    loss.backward()
    moved = {name for name, p in stage.model.named_parameters() if p.grad is not None}
    assert moved == {name for name, _ in stage.model.named_parameters() if name.startswith(stage.parts)}


def test_batches_go_on_at_any_step(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    batches = stage.batches(0)
    next(batches)
    (step, views), (same_step, same_views) = next(batches), next(stage.batches(1))
    assert step == same_step == 1
    assert torch.equal(views[0].pixels, same_views[0].pixels)
    assert torch.equal(stage.losses((step, views))["mask"], stage.losses((step, views))["mask"])


def test_a_step_without_a_thing_that_is_large_enough_costs_nothing(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    step, views = next(stage.batches(0))
    (loss,) = stage.losses((step, [replace(view, masks=view.masks[:0]) for view in views])).values()
    assert loss == 0
    loss.backward()


def test_masks_learn_to_fit(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, replace(REFINEMENT, proposed=0.0, spoilt=1.0))
    item = next(stage.batches(0))
    optimizer = torch.optim.AdamW(stage.refinement.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = stage.losses(item)["mask"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_held_out_things_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlp_rvos.training.refinement_stage.LEAST_OVERLAP", 0.0)
    stage = stage_of(tmp_path)
    result = stage.measure(StopRequest())
    assert result is not None
    # Nothing has been learned yet.
    assert result.numbers["iou"] == pytest.approx(result.numbers["iou_rough"])
    torch.nn.init.ones_(path_of(stage.model).refinement.correction.weight)  # type: ignore[union-attr]
    changed = stage.measure(StopRequest())
    assert changed is not None
    assert changed.numbers["iou_rough"] == result.numbers["iou_rough"]
    assert changed.numbers["iou"] != pytest.approx(result.numbers["iou"])
    stop_request = StopRequest()
    stop_request.signal_number = 15
    assert stage.measure(stop_request) is None


def test_the_loss_is_small_where_masks_are_right() -> None:
    truth = torch.zeros(3, 16, 16, dtype=torch.bool)
    truth[:, 4:12, 4:12] = True
    logits = (truth.float() * 2 - 1) * 8
    logits[1, 6:8] *= -1
    logits[2] *= -1
    valid = torch.ones(16, 16, dtype=torch.bool)
    right, nearly, wrong = redrawing_loss(logits, truth, valid)
    assert right < 0.01 < nearly < wrong
    # What is beside the picture says nothing.
    valid[6:8] = False
    assert redrawing_loss(logits, truth, valid)[1] < 0.01
