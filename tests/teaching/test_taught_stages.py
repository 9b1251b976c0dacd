from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from candidate_runs import CHOICE, small_model, staged_config, use_seeing_backbone, write_pictures
from lightning_fabric import Fabric

from vlp_rvos.data.outlined_pictures import GENERATED
from vlp_rvos.teaching.taught_stages import TaughtChoice, everyday_phrases, without_meant
from vlp_rvos.training.stage_loop import StageContext
from vlp_rvos.utils.signals import StopRequest


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaughtChoice:
    use_seeing_backbone(monkeypatch)
    config = staged_config(write_pictures(tmp_path / "data"))
    context = StageContext(config, tmp_path / "run", small_model(), Fabric(accelerator="cpu"))
    budget = replace(CHOICE, clips=0, generated=0, sources=CHOICE.sources[:1])
    taught = TaughtChoice(context, budget, ["red car"])
    assert taught.prepare(StopRequest())
    return taught


def test_nothing_is_lost_before_the_first_step(stage: TaughtChoice) -> None:
    stage.model.eval()
    batch = next(stage.batches(0))
    assert stage.losses(batch)["kept"].item() == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        for parameter in stage.path.choice.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    terms = stage.losses(batch)
    assert terms["kept"].item() > 1e-3
    terms["kept"].backward()
    assert all(parameter.grad is None for parameter in stage.before.parameters())


def test_pictures_without_what_is_meant_make_names_mean_nothing(stage: TaughtChoice) -> None:
    assert stage.samples is not None
    some = next(picture for picture in stage.samples.pictures if any(ids for _, ids, _ in picture.expressions))
    # The first candidate is the car, the second lies in its box, and the third beside it.
    geometry = torch.zeros(3, 12)
    geometry[:, :4] = torch.tensor([-0.5, -0.5, 0.5, 0.5])
    geometry[:, 6] = torch.tensor([0.0, 0.3, 0.9])
    picture = replace(
        some,
        descriptors={name: values[:1].repeat(3, *[1] * (values.ndim - 1)) for name, values in some.descriptors.items()}
        | {"geometry": geometry.half()},
        found=3,
        rows={"7": [(0, 0.9)]},
        expressions=[("the car", ["7"], "said"), ("the bus", [], "said"), ("the red car", ["7"], GENERATED)],
    )
    emptied = without_meant(picture)
    assert emptied is not None
    assert emptied.descriptors["geometry"][:, 6].tolist() == [picture.descriptors["geometry"][2, 6]]
    assert (emptied.found, emptied.rows) == (1, {})
    assert emptied.expressions == [("the car", [], "absent")]
    assert emptied.evidence.shape[:2] == (0, 1)
    assert without_meant(replace(picture, rows={})) is None
    assert without_meant(replace(picture, rows={"7": [(0, 0.9), (2, 0.8)]})) is None
    assert all(not ids for one in stage.samples.pictures for _, ids, origin in one.expressions if origin == "absent")


def test_everyday_phrases_leave_taught_words_out() -> None:
    phrases = everyday_phrases(["red car"])
    assert "the dog" in phrases
    assert "the small dog" in phrases
    assert not any("car" in phrase.split() or "red" in phrase.split() for phrase in phrases)
