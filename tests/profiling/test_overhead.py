"""The ratios follow from the times; the times themselves are not tested."""

from __future__ import annotations

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.models.model_config import PRESETS, ModelConfig
from vlp_rvos.profiling.overhead import measure_overhead


def test_ratios_follow_from_the_times() -> None:
    found = measure_overhead("mini", frames=2, size=(32, 64), rounds=1)
    times = found.seconds
    assert found.model_over_tower == times["model"] / times["tower"]
    assert found.bf16_over_fp32 == times["model in bf16"] / times["model"]
    assert found.training_step_over_forward == times["training step"] / times["forward of two clips"]
    assert found.second_expression_over_first == times["model, two expressions"] / times["model"] - 1
    assert (found.frames, found.height, found.width) == (2, 32, 64)


def test_sizes_and_names_that_do_not_fit() -> None:
    with pytest.raises(UserError, match="unknown model"):
        measure_overhead("resnet")
    with pytest.raises(UserError, match="multiples of 32"):
        measure_overhead("mini", size=(30, 64))


def test_a_model_with_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "mini", ModelConfig.preset("mini").replace(candidates=24))
    found = measure_overhead("mini", frames=2, size=(32, 64), rounds=1)
    assert found.seconds["training step"] > 0
