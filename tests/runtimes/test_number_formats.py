"""What a device multiplies is known from its features, without timing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vlp_rvos.runtimes import number_formats
from vlp_rvos.runtimes.number_formats import cpu_features, multiplies


@pytest.mark.parametrize(
    ("features", "bfloat16", "float16"),
    [
        ({"avx2", "fma", "avx512f", "avx512_vnni"}, False, False),
        ({"avx512f", "avx512_bf16"}, True, False),
        ({"amx_tile", "amx_bf16", "avx512_fp16"}, True, True),
        ({"fp", "asimd", "asimdhp"}, False, True),
        ({"asimd", "bf16"}, True, False),
        (set(), False, False),
    ],
)
def test_processors(features: set[str], bfloat16: bool, float16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_formats, "cpu_features", lambda: frozenset(features))
    cpu = torch.device("cpu")
    assert (multiplies(torch.bfloat16, cpu), multiplies(torch.float16, cpu)) == (bfloat16, float16)


def test_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, mps = torch.device("cuda"), torch.device("mps")
    for capability, expected in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, it=capability: it)
        assert multiplies(torch.bfloat16, cuda) == expected
    assert multiplies(torch.float16, cuda)
    assert (multiplies(torch.bfloat16, mps), multiplies(torch.float16, mps)) == (False, True)


@pytest.mark.parametrize("line", ["flags\t\t: fpu avx2 avx512_bf16", "Features\t: fp asimd bf16"])
def test_features_are_read_from_linux(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_formats.platform, "system", lambda: "Linux")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"processor\t: 0\n{line}\n\nprocessor: 1\n")
    cpu_features.cache_clear()
    try:
        assert cpu_features() == set(line.partition(":")[2].split())
    finally:
        cpu_features.cache_clear()


def test_features_are_asked_of_pytorch_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_formats.platform, "system", lambda: "Windows")
    for name, there in (("avx512_bf16", False), ("amx_tile", True)):
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda there=there: there, raising=False)
    monkeypatch.delattr(torch.cpu, "_is_amx_fp16_supported", raising=False)
    cpu_features.cache_clear()
    try:
        assert cpu_features() == {"amx_bf16"}
    finally:
        cpu_features.cache_clear()
