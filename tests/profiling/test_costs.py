"""Counted costs equal those by hand and those of PyTorch's own counter."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from stubs import tiny_model
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vlp_rvos.models.model_config import PRESETS, ModelConfig
from vlp_rvos.profiling.costs import PART_TITLES, Cost, MetaModel, count_costs


def total(costs: dict[str, Cost]) -> Cost:
    return sum(costs.values(), Cost())


def test_a_linear_layer() -> None:
    layer, x = nn.Linear(8, 16, device="meta"), torch.empty(5, 8, device="meta")
    with count_costs() as costs:
        layer(x)
    assert total(costs) == Cost(2 * 5 * 8 * 16, 4 * (5 * 8 + 8 * 16 + 16 + 5 * 16))


def test_attention_is_one_operation_without_its_map() -> None:
    q, k, v = (torch.empty(2, 3, length, 4, device="meta") for length in (5, 7, 7))
    with count_costs() as costs:
        F.scaled_dot_product_attention(q, k, v)
    assert total(costs) == Cost(2 * 2 * 3 * 5 * 7 * (4 + 4), 4 * 2 * 3 * 4 * (5 + 7 + 7 + 5))


def test_parts_and_views() -> None:
    one, two = nn.Linear(4, 4, device="meta"), nn.Linear(4, 4, device="meta")
    x = torch.empty(3, 4, device="meta")
    with count_costs({"one": one, "two": two}) as costs:
        two(one(x).view(3, 4)) + 1
    assert costs["one"] == costs["two"]
    assert costs["rest"].flops == 0
    assert costs["rest"].bytes == 2 * 4 * 12


def test_a_whole_model_costs_what_torchs_counter_finds() -> None:
    # On the meta device, because torch's counter does not know the CPU's attention kernel.
    model = tiny_model().eval().to("meta")
    text = model.backbone.tokenize(["the dog"]).to("meta")
    frames = torch.empty(1, 3, 3, 64, 64, device="meta")
    with FlopCounterMode(display=False) as counter:
        model(frames, text)
    with count_costs({"encoder": model.encoder, "reasoning": model.reasoning}) as costs:
        model(frames, text)
    assert total(costs).flops == pytest.approx(counter.get_total_flops(), rel=1e-3)
    assert min(costs[part].flops for part in ("encoder", "reasoning", "rest")) > 0


@pytest.mark.parametrize("candidates", [0, 24])
def test_parts_of_a_clip_add_up_to_what_torchs_counter_finds(candidates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "mini", ModelConfig.preset("mini").replace(candidates=candidates))
    meta = MetaModel("mini")
    parts = meta.clip(frames=2, size=(64, 96))
    assert parts.keys() == PART_TITLES.keys() - (set() if candidates else {"proposals", "choice"})
    if candidates:
        assert parts["proposals"].flops > parts["tower"].flops
        assert 0 < parts["choice"].flops < parts["proposals"].flops
    assert meta.per_clip(frames=2, size=(64, 96)) == total(parts) - parts["text"]
    text = meta.model.encode_text(meta.model.backbone.tokenize(["the dog that jumps over the fence"]).to("meta"))
    frames, history = torch.empty(1, 2, 3, 64, 96, device="meta"), torch.empty(1, 2, meta.config.width, device="meta")
    with FlopCounterMode(display=False) as counter:
        meta.model(frames, text, history)
    assert (total(parts) - parts["text"]).flops == pytest.approx(counter.get_total_flops(), rel=1e-3)
    assert meta.weights == sum(parameter.numel() for parameter in meta.model.parameters())
    assert meta.size == (288, 512)
