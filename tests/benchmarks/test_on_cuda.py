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
        assert rows[f"mini, {form}: share of pixels unlike the CPU, in the example with most"] <= module.LIMITS[form]
        assert rows[f"mini, {form}: frames a second"] > 0
    shares = found["models"]["mini"]["share_unlike"]
    assert shares["fp32"] == dict.fromkeys(module.EXAMPLES, 0.0)
    assert rows["mini, bf16-mixed: clips a second in training"] > 0
    assert "mini, bf16-mixed: peak memory of a training step" in rows
    assert found["models"]["clip-l14"]["flops"] > 1e10


def test_attention_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("on_cuda", monkeypatch)
    runtime = module.TorchRuntime(tiny_model(), "cpu", "fp32")
    kernels = module.attention_kernels(runtime, [torch.rand(1, 2, 3, 64, 64)], ["the dog"])
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


def test_the_examples_are_read_at_the_size_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("on_cuda", monkeypatch)
    clips = module.example_clips(tiny_model(), module.Setting(torch.device("cpu"), 2, (48, 64), 1, None))
    assert {path.name for path in module.FOLDER.glob("*.mp4")} == set(clips), "every example, with its expressions"
    assert all([tuple(clip.shape) for clip in two] == [(1, 2, 3, 48, 64)] * 2 for two in clips.values())
    two = clips["cat.mp4"]
    runtime = module.TorchRuntime(tiny_model(), "cpu", "fp32")
    assert module.logits_of(runtime, two, ["the cat", "a dog"]).shape == (2, 4, 48, 64)


@pytest.mark.parametrize(("trained", "share"), [(True, 0.0), (False, 0.5)])
def test_masks_of_random_weights_are_cut_at_the_median(
    trained: bool, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_benchmark("on_cuda", monkeypatch)
    expected, found = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([4.0, 2.0, 3.0, 1.0])
    assert module.shares_unlike({"clip": found}, {"clip": expected}, trained) == {"clip": share}


def test_without_a_gpu_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = load_benchmark("on_cuda", monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    kept = tmp_path / "out.json"
    kept.write_text('{"device": "a GPU"}')
    code, _ = run_script(module, monkeypatch, kept)
    assert (code, kept.read_text()) == (0, '{"device": "a GPU"}')
    assert capsys.readouterr().out.startswith("not measured: no CUDA GPU is available here")
