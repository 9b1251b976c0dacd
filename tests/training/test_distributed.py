from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from training_runs import CONFIG

from vlp_rvos.errors import UserError
from vlp_rvos.training.distributed import average_gradients, make_fabric


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99"])
def test_a_device_that_does_not_exist(device: str) -> None:
    with pytest.raises(UserError, match="device"):
        make_fabric(CONFIG, device)


@pytest.mark.parametrize("precision", ["fp32", "bf16-mixed"])
def test_precision_of_a_run(precision: str) -> None:
    fabric = make_fabric(replace(CONFIG, precision=precision), "cpu")
    with fabric.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.float32 if precision == "fp32" else torch.bfloat16)


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
