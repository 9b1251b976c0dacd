"""Modules that are filled from a file are built without random numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vlp_rvos.models import checkpoint
from vlp_rvos.models.backbones.placeholder_weights import PlaceholderWeights


@pytest.mark.parametrize(
    "build",
    [lambda: nn.Linear(20, 30), lambda: nn.Conv2d(3, 8, 3), lambda: nn.Embedding(9, 4)],
    ids=["linear", "convolution", "embedding"],
)
def test_zeros_stand_where_random_numbers_would_be(build: object) -> None:
    state = torch.get_rng_state()
    with PlaceholderWeights():
        module = build()  # type: ignore[operator]
    assert all(not parameter.any() and parameter.requires_grad for parameter in module.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert build().weight.any(), "outside, everything is as usual"  # type: ignore[operator]


def test_truncated_normal_numbers_end() -> None:
    """PyTorch draws until all numbers lie within the bounds, and memory that is not written never does."""
    with PlaceholderWeights():
        parameter = nn.init.trunc_normal_(nn.Parameter(torch.full((4, 4), 1e9)), std=0.02)
        assert nn.init.normal_(tensor=parameter).requires_grad
    assert not parameter.any()


def test_loading_fills_everything() -> None:
    """Zeros that stayed would be a part of the model that no file has filled."""
    model = checkpoint.load_model("mini")
    empty = [name for name, parameter in model.named_parameters() if parameter.ndim > 1 and not parameter.any()]
    assert empty == []
