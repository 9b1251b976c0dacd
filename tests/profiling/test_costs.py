"""Costs on paper: the counts are those of hand and of torch's own counter, and no table shows a number of nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from clips import tiny_model
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vlp_rvos.profiling.cost_report import Row, plot_lines, table, write_report
from vlp_rvos.profiling.costs import Cost, counted


def total(costs: dict[str, Cost]) -> Cost:
    return sum(costs.values(), Cost())


def test_a_linear_layer() -> None:
    layer, x = nn.Linear(8, 16, device="meta"), torch.empty(5, 8, device="meta")
    with counted() as costs:
        layer(x)
    assert total(costs) == Cost(2 * 5 * 8 * 16, 4 * (5 * 8 + 8 * 16 + 16 + 5 * 16))


def test_attention_is_one_operation_without_its_map() -> None:
    q, k, v = (torch.empty(2, 3, length, 4, device="meta") for length in (5, 7, 7))
    with counted() as costs:
        F.scaled_dot_product_attention(q, k, v)
    assert total(costs) == Cost(2 * 2 * 3 * 5 * 7 * (4 + 4), 4 * 2 * 3 * 4 * (5 + 7 + 7 + 5))


def test_parts_and_views() -> None:
    one, two = nn.Linear(4, 4, device="meta"), nn.Linear(4, 4, device="meta")
    x = torch.empty(3, 4, device="meta")
    with counted({"one": one, "two": two}) as costs:
        two(one(x).view(3, 4)) + 1
    assert costs["one"] == costs["two"]
    assert costs["rest"].flops == 0
    assert costs["rest"].bytes == 2 * 4 * 12


def test_a_whole_model_counts_as_torchs_counter_does() -> None:
    # On the meta device, because torch's counter does not know the CPU's attention kernel.
    model = tiny_model().eval().to("meta")
    text = model.backbone.tokenize(["the dog"]).to("meta")
    frames = torch.empty(1, 3, 3, 64, 64, device="meta")
    with FlopCounterMode(display=False) as counter:
        model(frames, text)
    with counted({"encoder": model.encoder, "reasoning": model.reasoning}) as costs:
        model(frames, text)
    assert total(costs).flops == pytest.approx(counter.get_total_flops(), rel=1e-3)
    assert min(costs[part].flops for part in ("encoder", "reasoning", "rest")) > 0


def test_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("fast", 0.5, 1.0), Row("slow", 3.0, 1.5, "GiB"), Row("free", 2.0)]
    write_report(rows, {"rounds": 3}, tmp_path / "a.json", tmp_path / "a.png")
    assert capsys.readouterr().out.strip() == table(rows)
    assert "| slow | 3 GiB | 1.5 GiB |" in table(rows)
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["rounds"] == 3
    assert [Row(**row) for row in report["rows"]] == rows
    plot_lines(tmp_path / "b.png", "cost", "frames", "GFLOPs", {"mini": {1.0: 2.0, 2.0: 4.0}})
    for name in ("a.png", "b.png"):
        with Image.open(tmp_path / name) as image:
            assert len(image.getcolors(1 << 20) or ()) > 3
