from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from candidate_runs import CANDIDATES, PICTURES, VIDEOS, small_model, staged_config, write_pictures
from lightning_fabric import Fabric

from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.picture_sources import open_pictures
from vlp_rvos.training.candidate_stage import (
    CandidateTraining,
    ViewBatches,
    best_overlaps,
    path_of,
    picture_frames,
    spread,
)
from vlp_rvos.training.stage_loop import StageContext
from vlp_rvos.utils.signals import StopRequest


def stage_of(root: Path) -> CandidateTraining:
    write_pictures(root)
    context = StageContext(staged_config(root), root / "run", small_model(), Fabric(accelerator="cpu"))
    return CandidateTraining(context, CANDIDATES)


def test_views_of_a_step_have_one_size_and_follow_from_its_number(tmp_path: Path) -> None:
    sources = open_pictures([PICTURES, VIDEOS], MixtureConfig(root=str(write_pictures(tmp_path))))
    batches = ViewBatches(sources, CANDIDATES, seed=0)
    sizes = {tuple(view.pixels.shape[1:]) for view in (view for step in range(8) for view in batches.item(step))}
    assert sizes == {(64, 96), (96, 64)}
    for step in range(4):
        first, second = batches.item(step)
        assert first.pixels.shape == second.pixels.shape
        assert torch.equal(ViewBatches(sources, CANDIDATES, seed=0).item(step)[0].pixels, first.pixels)
    assert {view.complete for step in range(8) for view in batches.item(step)} == {False, True}
    one_size = replace(CANDIDATES, size_weights=(1.0, 1e-9))
    assert {view.pixels.shape[1] for view in ViewBatches(sources, one_size, seed=0).item(0)} == {64}


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_go_on_at_any_step(tmp_path: Path, workers: int) -> None:
    stage = stage_of(tmp_path)
    stage.context = replace(stage.context, config=replace(stage.context.config, workers=workers))
    stage.prepare(StopRequest())
    batches = stage.batches(0)
    next(batches)
    assert torch.equal(next(batches)[0].pixels, next(stage.batches(1))[0].pixels)


def test_only_the_head_gets_gradients(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    stage.prepare(StopRequest())
    terms = stage.losses(next(stage.batches(0)))
    assert set(terms) == {"objectness", "box", "mask"}
    torch.stack(list(terms.values())).sum().backward()
    moved = {name for name, p in stage.model.named_parameters() if p.grad is not None}
    assert moved == {name for name, _ in stage.model.named_parameters() if name.startswith(stage.parts)}


def test_held_out_things_are_measured(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    stage.prepare(StopRequest())
    result = stage.measure(StopRequest())
    assert result is not None
    assert set(result.numbers) == {"iou", "recall"}
    stop_request = StopRequest()
    stop_request.signal_number = 15
    assert stage.measure(stop_request) is None
    nothing = [replace(source, held_out=()) for source in stage.sources]
    stage.sources = nothing
    result = stage.measure(StopRequest())
    assert result is not None
    assert result.numbers == {}


def test_the_best_overlap_of_each_thing_that_is_no_group(tmp_path: Path) -> None:
    model = small_model()
    (source, _) = open_pictures([PICTURES, VIDEOS], MixtureConfig(root=str(write_pictures(tmp_path))))
    picture = source.training[0].load()
    with torch.no_grad():
        out = model.embed(picture_frames(model, picture.pixels))
    assert out.things is not None
    masks = torch.nn.functional.interpolate(out.things[0][0][0].mask_logits[None], (90, 160), mode="bilinear")[0] > 0
    found = best_overlaps(model, replace(picture, masks=masks[:2].numpy()), torch.device("cpu"))
    assert found == pytest.approx([1.0] * int(masks[:2].flatten(1).any(1).sum()))
    assert best_overlaps(model, replace(picture, crowd=(True, True)), torch.device("cpu")) == []


def test_pictures_are_fitted_to_the_input_size() -> None:
    model = small_model()
    assert picture_frames(model, np.zeros((90, 160, 3), np.uint8)).shape == (1, 1, 3, 32, 64)
    assert path_of(model) is model.candidate_path


def test_spread() -> None:
    assert spread("abcdef", 3) == ["a", "c", "e"]
    assert spread("ab", 3) == ["a", "b"]
    assert spread("ab", 0) == []
