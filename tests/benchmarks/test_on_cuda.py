from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scripts import load_benchmark, run_script
from stubs import tiny_model


@pytest.mark.slow
def test_a_dry_run_takes_every_step_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("on_cuda", monkeypatch)
    monkeypatch.setattr(module, "build_model", lambda name: tiny_model())
    options = ["--dry-run", "--models", "mini", "clip-l14"]
    code, found = run_script(module, monkeypatch, tmp_path / "out.json", *options)
    assert code == 0
    assert found["device"] == "dry run on the CPU"
    rows = {row["what"]: row["value"] for row in found["rows"]}
    for form in ("fp32", "bf16", "bf16, compiled"):
        assert rows[f"mini, {form}: share of pixels unlike the CPU"] <= module.LIMITS[form]
        assert rows[f"mini, {form}: frames a second"] > 0
    assert rows["mini, fp32: share of pixels unlike the CPU"] == 0
    assert rows["mini, bf16-mixed: clips a second in training"] > 0
    assert "mini, bf16-mixed: peak memory of a training step" in rows
    assert found["models"]["clip-l14"]["flops"] > 1e10


def test_attention_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("on_cuda", monkeypatch)
    runtime = module.TorchRuntime(tiny_model(), "cpu", "fp32")
    kernels = module.attention_kernels(runtime, torch.rand(1, 2, 3, 64, 64))
    assert kernels["aten::scaled_dot_product_attention"] > 0


def test_masks_that_differ_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("on_cuda", monkeypatch)
    wrong = [module.Measurement("share", 0.5, 0.02)]
    monkeypatch.setattr(module, "measure", lambda name, setting: (wrong, {}))
    code, _ = run_script(module, monkeypatch, tmp_path / "out.json", "--dry-run", "--models", "mini")
    assert code == 0, "the numbers of a dry run mean nothing"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(module, "_name_of", lambda arguments: "a GPU")
    code, _ = run_script(module, monkeypatch, tmp_path / "out.json", "--models", "mini")
    assert code == 1


def test_without_a_gpu_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = load_benchmark("on_cuda", monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        run_script(module, monkeypatch, tmp_path / "out.json")
    assert ended.value.code == 2
    assert "no CUDA GPU is available here" in capsys.readouterr().err
