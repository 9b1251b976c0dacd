from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from training_runs import CONFIG

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.runtimes import number_formats
from vlp_rvos.training.distributed import average_gradients, make_fabric


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99"])
def test_a_device_that_does_not_exist(device: str) -> None:
    with pytest.raises(UserError, match="device"):
        make_fabric(CONFIG, device)


def dtype_of_products(precision: str) -> torch.dtype:
    with make_fabric(replace(CONFIG, precision=precision), "cpu").autocast():
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_precision_of_a_run(precision: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_formats, "cpu_features", lambda: frozenset({"amx_bf16"}))
    assert dtype_of_products(precision) == dtype


def test_a_processor_without_bfloat16_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_formats, "cpu_features", lambda: frozenset({"avx2"}))
    with pytest.warns(VLPRVOSWarning, match="cpu has no instructions for bfloat16, so the run computes in fp32"):
        assert dtype_of_products("bf16-mixed") == torch.float32
    assert dtype_of_products("fp32") == torch.float32


def test_gradients_are_averaged_and_missing_ones_count_as_zero() -> None:
    used, unused = nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(4))
    used.grad = torch.full((2, 3), 2.0)
    of_the_other = torch.cat([torch.full((6,), 4.0), torch.full((4,), 6.0)])

    def mean(flat: Tensor, reduce_op: str) -> None:
        assert reduce_op == "mean"
        flat.add_(of_the_other).div_(2)

    average_gradients(SimpleNamespace(world_size=2, all_reduce=mean), [used, unused])
    assert torch.equal(used.grad, torch.full((2, 3), 3.0))
    assert unused.grad is not None
    assert torch.equal(unused.grad, torch.full((4,), 3.0))


def test_one_process_keeps_its_gradients() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    average_gradients(make_fabric(CONFIG, "cpu"), [parameter])
    assert parameter.grad is None
