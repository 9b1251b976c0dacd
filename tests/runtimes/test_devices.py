"""Devices are found by their names, and what they do not have is said in one line."""

from __future__ import annotations

import pytest
import torch

from vlp_rvos.errors import UserError
from vlp_rvos.runtimes.devices import check_precision, find_device


def test_automatic_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, expected in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=cuda: there)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda there=mps: there)
        assert find_device("auto") == torch.device(expected)


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("cpu", "cuda", "cuda:1"):
        assert find_device(name) == torch.device(name)
    for name in ("tpu", "cuda:x", "cuda:-1", ""):
        with pytest.raises(UserError, match=f"unknown device '{name}'"):
            find_device(name)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_gpu_that_is_not_there(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"no (CUDA|Apple) GPU is available here"):
        find_device(device)


def test_a_gpu_number_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="only 1 CUDA"):
        find_device("cuda:1")


def test_precisions_that_a_device_does_not_have() -> None:
    for precision, device, words in (
        ("fp8", "cpu", "unknown precision 'fp8': use auto, fp32, bf16, fp16, int8"),
        ("int8", "cuda", "precision 'int8' is for the CPU, this would run on cuda; use bf16, or --device cpu"),
        ("int8", "mps", "this would run on mps"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            check_precision(precision, torch.device(device))
        assert "\n" not in str(caught.value)
    for precision, device in (("int8", "cpu"), ("bf16", "cuda"), ("auto", "mps")):
        check_precision(precision, torch.device(device))
