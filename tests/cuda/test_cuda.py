"""What only a CUDA GPU can show about the code, with tiny models; `benchmarks/on_cuda.py` measures the real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from scripts import load_benchmark
from stubs import tiny_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from training_runs import CONFIG, stop_after, use_tiny_model_and_squares

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.attention import attend
from vlp_rvos.models.checkpoint import load_model, peek
from vlp_rvos.runtimes.torch_runtime import TorchRuntime
from vlp_rvos.training.distributed import make_fabric
from vlp_rvos.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU is available here")
several = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def logits(device: str, precision: str) -> torch.Tensor:
    """Mask logits of two clips, the second with the history of the first, on the CPU."""
    runtime = TorchRuntime(tiny_model(), device, precision)  # type: ignore[arg-type]
    frames = torch.rand(1, 3, 3, 64, 64, generator=torch.Generator().manual_seed(0)).to(device)
    text, state = runtime.encode_text(["the dog", "a red car"]), None
    found = []
    for _ in range(2):
        out = runtime.step(frames, text, state)
        state = out.state
        found.append(out.mask_logits.float().cpu())
    return torch.cat(found)


def test_masks_are_those_of_the_cpu() -> None:
    torch.testing.assert_close(logits("cuda", "fp32"), logits("cpu", "fp32"), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_masks_of_the_examples_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real clips and expressions, with the shipped weights."""
    module = load_benchmark("on_cuda", monkeypatch)
    model = load_model("mini")
    clips = module.example_clips(model, module.Setting(torch.device("cuda"), None, None, 1, None))
    cpu, gpu = (
        {name: module.logits_of(runtime, clips[name], expressions) for name, expressions in module.EXAMPLES.items()}
        for runtime in (TorchRuntime(model, "cpu", "fp32"), TorchRuntime(load_model("mini"), "cuda", "fp32"))
    )
    assert any((logits > 0).any() for logits in cpu.values())
    assert max(module.shares_unlike(gpu, cpu, True).values()) <= module.LIMITS["fp32"]


def test_bfloat16_stays_near_float32() -> None:
    near, exact = logits("cuda", "bf16"), logits("cuda", "fp32")
    assert (near - exact).abs().mean() < 0.05 * exact.abs().mean() + 0.01


@pytest.mark.parametrize("backend", [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION])
def test_attention_has_a_fused_kernel(backend: SDPBackend) -> None:
    q, k, v = (torch.randn(2, 4, 32, 64, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    with sdpa_kernel(backend):
        fused = attend(q, k, v)
    with sdpa_kernel(SDPBackend.MATH):
        torch.testing.assert_close(fused, attend(q, k, v), rtol=0.02, atol=0.02)


@pytest.mark.slow
def test_a_compiled_model_gives_the_same_masks() -> None:
    runtime = TorchRuntime(tiny_model(), "cuda", "fp32")
    frames, text = torch.rand(1, 3, 3, 64, 64, device="cuda"), runtime.encode_text(["the dog"])
    expected = runtime.step(frames, text).mask_logits
    runtime.model = torch.compile(runtime.model)  # type: ignore[assignment]
    torch.testing.assert_close(runtime.step(frames, text).mask_logits, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16-mixed"])
def test_a_run_goes_from_the_gpu_to_the_cpu(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_model_and_squares(monkeypatch)
    config = replace(CONFIG, precision=precision)
    first = Trainer(config, tmp_path, device="cuda")
    stop_after(first, 2)
    first.train()
    assert next(first.model.parameters()).device.type == "cuda"
    result = Trainer(config, tmp_path, device="cpu", resume=True).train()
    assert (result.finished, result.steps) == (True, 6)


def test_more_processes_than_gpus() -> None:
    count = torch.cuda.device_count()
    with pytest.raises(UserError, match=f"{count + 1} processes need a GPU each, but this machine has {count}"):
        make_fabric(replace(CONFIG, devices=count + 1), "cuda")


@several
@pytest.mark.slow
@pytest.mark.parametrize("distributed", ["ddp", "fsdp"])
def test_two_gpus_train_together(distributed: str, tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "two_processes.py"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in (str(script.parent), *sys.path) if path)}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    options = [str(tmp_path / "run"), "torchrun", "--device", "cuda", "--distributed", distributed]
    subprocess.run([*launcher, *options], env=environment, check=True, timeout=300)
    assert peek(tmp_path / "run" / "model.safetensors").training["finished"]
    assert all(tensor.isfinite().all() for tensor in load_file(tmp_path / "run" / "model.safetensors").values())
