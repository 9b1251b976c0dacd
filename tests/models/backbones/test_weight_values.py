"""Weights of a wrong type, NaN and infinite ones are refused; all others are returned in float32."""

from __future__ import annotations

import math

import pytest
import torch

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.weight_values import as_weights


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_real_numbers_become_float32(dtype: torch.dtype) -> None:
    weights = as_weights(torch.tensor([[1.5, -2.0]], dtype=dtype), "a", "file")
    assert weights.dtype == torch.float32
    assert weights.tolist() == [[1.5, -2.0]]


def test_a_sum_that_overflows_is_no_fault() -> None:
    largest = torch.finfo(torch.float32).max
    assert as_weights(torch.tensor([largest, largest]), "a", "file").tolist() == [largest, largest]
    assert as_weights(torch.zeros(0), "a", "file").numel() == 0


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int8, torch.int64, torch.complex64])
def test_other_types_are_refused(dtype: torch.dtype) -> None:
    words = str(dtype).removeprefix("torch.")
    with pytest.raises(UserError, match=rf"^file: the tensor head\.bias is of type {words}, not of real numbers"):
        as_weights(torch.ones(2).to(dtype), "head.bias", "file")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    for dtype in (torch.float16, torch.float32):
        with pytest.raises(UserError, match=r"^file: the tensor a\\x0ab holds NaN or infinite numbers \(1 of 3\)"):
            as_weights(torch.tensor([0.0, value, 1.0], dtype=dtype), "a\nb", "file")
