"""Which 16-bit number formats a device multiplies in hardware. Elsewhere they are many times slower than float32."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

import torch

__all__ = ["cpu_features", "multiplies"]

#: Number format -> names of instructions that multiply it, as Linux writes them for x86 and for ARM.
INSTRUCTIONS = {
    torch.bfloat16: frozenset({"avx512_bf16", "amx_bf16", "bf16"}),
    torch.float16: frozenset({"avx512_fp16", "amx_fp16", "asimdhp"}),
}
#: The oldest CUDA GPUs that multiply bfloat16 are of this compute capability. PyTorch imitates it on older ones.
BFLOAT16_CAPABILITY = (8, 0)


@lru_cache(maxsize=1)
def cpu_features() -> frozenset[str]:
    """Names of the processor's instruction sets, as Linux writes them; elsewhere those that PyTorch can tell."""
    if platform.system() == "Linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            name, _, values = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return frozenset(values.split())
    # Versions of PyTorch differ in which of these questions they answer.
    asked = {"avx512_bf16": "avx512_bf16", "amx_tile": "amx_bf16", "amx_fp16": "amx_fp16"}
    answers = {name: getattr(torch.cpu, f"_is_{question}_supported", None) for question, name in asked.items()}
    return frozenset(name for name, answer in answers.items() if answer is not None and answer())


def multiplies(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether a device has instructions for products in a 16-bit number format.

    Args:
        dtype: bfloat16 or float16.
        device: The device. Apple GPUs count as having float16 alone, because not all have bfloat16.
    """
    if device.type == "cpu":
        return bool(cpu_features() & INSTRUCTIONS[dtype])
    if dtype == torch.float16:
        return True
    if device.type != "cuda":
        return False
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= BFLOAT16_CAPABILITY
