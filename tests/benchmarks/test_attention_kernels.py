from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scripts import load_benchmark, run_script


def test_both_forms_are_one_function_and_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("attention_kernels", monkeypatch)
    q, k, v = torch.randn(3, 2, 4, 5, 8)
    kernel, written_out = (form(q, k, v) for form in module.FORMS.values())
    torch.testing.assert_close(kernel, written_out)
    monkeypatch.setattr(module, "SHAPES", {"small": (2, 2, 5, 3, 8)})
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", "--rounds", 1, "--threads", 1)
    assert [row["what"].split(": ")[0] for row in result["rows"]] == [
        f"small, {dtype}, {what}" for dtype in ("bfloat16", "float32") for what in ("forward", "forward and backward")
    ]
    assert all(row["value"] > 0 for row in result["rows"])
