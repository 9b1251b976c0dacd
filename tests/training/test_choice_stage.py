from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from candidate_runs import CHOICE, PICTURES, small_model, staged_config, use_seeing_backbone, write_pictures
from lightning_fabric import Fabric

from vlp_rvos.errors import UserError
from vlp_rvos.training.choice_stage import ChoiceTraining, FeatureSource, score_picture
from vlp_rvos.training.stage_config import ChoiceStage
from vlp_rvos.training.stage_loop import StageContext
from vlp_rvos.utils.signals import StopRequest


@pytest.fixture(autouse=True)
def _seeing(monkeypatch: pytest.MonkeyPatch) -> None:
    use_seeing_backbone(monkeypatch)


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    config = staged_config(write_pictures(tmp_path / "data"))
    return StageContext(config, tmp_path / "run", small_model(), Fabric(accelerator="cpu"))


def prepared(context: StageContext, stage: ChoiceStage = CHOICE, masked: int = 0) -> ChoiceTraining:
    training = ChoiceTraining(context, stage, masked)
    assert training.prepare(StopRequest())
    return training


def test_pictures_their_mirror_images_and_clips_are_seen_once(context: StageContext) -> None:
    source = FeatureSource(context, CHOICE, masked_pictures=3)
    described = [job for job in source.jobs if job.what.expressions and not job.held_out]
    assert sum(job.mirrored for job in described) == sum(
        not job.mirrored and hasattr(job.what, "generate") for job in described
    )
    assert source.fill(StopRequest())
    found = list(source.cache.load(masks=True))
    assert len(found) == len(source.jobs) + CHOICE.clips
    training = [picture for picture in found if len(picture.truth) and not picture.held_out]
    assert len(training) == 3
    assert all(len(picture.truth) for picture in found if picture.held_out)
    assert [picture.source for picture in found[-CHOICE.clips :]] == [2] * CHOICE.clips
    assert any(picture.name.startswith("duck/clip") for picture in found)
    again = FeatureSource(context, CHOICE, masked_pictures=3)
    assert again.cache.key == source.cache.key
    assert FeatureSource(context, replace(CHOICE, generated=4), 3).cache.key != source.cache.key


def test_the_same_features_are_made_on_another_machine(context: StageContext, tmp_path: Path) -> None:
    one = FeatureSource(context, CHOICE, 0)
    other = FeatureSource(replace(context, folder=tmp_path / "elsewhere"), CHOICE, 0)
    for source in (one, other):
        source.fill(StopRequest())
    for a, b in zip(one.cache.load(), other.cache.load(), strict=True):
        assert (a.name, a.rows, a.expressions) == (b.name, b.rows, b.expressions)
        assert torch.equal(a.evidence, b.evidence)


def test_only_the_choice_gets_gradients(context: StageContext) -> None:
    stage = prepared(context)
    context.model.train()
    batch = next(stage.batches(0))
    terms = stage.losses(batch)
    assert set(terms) == {"choice", "members"}
    torch.stack(list(terms.values())).sum().backward()
    moved = {name for name, p in context.model.named_parameters() if p.grad is not None}
    assert moved
    assert all(name.startswith(stage.parts) for name in moved)


def test_held_out_pictures_are_measured_and_features_removed(context: StageContext) -> None:
    stage = prepared(context)
    result = stage.measure(StopRequest())
    assert result is not None
    assert set(result.numbers) == {"right", "noticed"}
    stop_request = StopRequest()
    stop_request.signal_number = 15
    assert stage.measure(stop_request) is None
    stage.clean_up()
    assert not (context.folder / "features").exists()


def test_features_stay_for_the_stage_that_follows(context: StageContext) -> None:
    stage = prepared(context, masked=2)
    stage.clean_up()
    assert list((context.folder / "features").iterdir())


def test_scores_are_those_of_what_people_say(context: StageContext) -> None:
    stage = prepared(context)
    picture = stage.held_out[0]
    scored = score_picture(stage.path, picture, stage.phrases)
    assert scored is not None
    assert scored.scores.shape == (len(picture.evidence), 5)
    assert len(scored.meant) == len(scored.presence) == len(picture.evidence)
    assert torch.allclose(scored.presence, scored.scores.logsumexp(1) - scored.none)
    picture.expressions.clear()
    assert score_picture(stage.path, picture, stage.phrases) is None


def test_without_expressions_generated_ones_take_their_place(context: StageContext) -> None:
    (Path(context.config.data.root) / "described" / "expressions.json").unlink()
    stage = prepared(context, replace(CHOICE, sources=(PICTURES,), clips=0), masked=3)
    assert stage.features is not None
    assert not stage.features.spoken
    found = list(stage.features.cache.load(masks=True))
    assert any(len(picture.truth) for picture in found if not picture.held_out)
    assert any(len(picture.evidence) for picture in found if picture.held_out)
    assert stage.losses(next(stage.batches(0)))


def test_data_about_which_nothing_is_said_is_one_line(context: StageContext) -> None:
    file = Path(context.config.data.root) / "described" / "expressions.json"
    file.write_text(json.dumps({"images": {}}))
    with pytest.raises(UserError, match="nothing is said of any picture, so that no choice is learned"):
        prepared(context, replace(CHOICE, sources=(PICTURES,), clips=0, generated=0))
