from __future__ import annotations

import torch
from stubs import tiny_model
from training_runs import CONFIG

from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.distributed import make_fabric
from vlp_rvos.training.placement import WholePlacement
from vlp_rvos.training.weight_ema import WeightEMA


def placed() -> WholePlacement:
    return WholePlacement(tiny_model(), make_fabric(CONFIG, "cpu"), CONFIG)


def total(model: VLPRVOS) -> torch.Tensor:
    return torch.stack([parameter.sum() for parameter in model.trained_parameters()]).sum()


def test_gradients_are_scaled_down_together() -> None:
    one = placed()
    one.backward(total(one.model))
    one.average_gradients()
    count = sum(parameter.numel() for parameter in one.model.trained_parameters())
    assert one.clip_gradients(1.0).item() == torch.tensor(count).sqrt().item()
    norms = [p.grad.norm() for p in one.model.trained_parameters() if p.grad is not None]
    torch.testing.assert_close(torch.stack(norms).norm().item(), 1.0, rtol=1e-4, atol=0)
    one.zero_gradients()
    assert all(parameter.grad is None for parameter in one.model.trained_parameters())


def test_the_average_is_validated_and_shipped() -> None:
    one = placed()
    ema = WeightEMA(one.model, 0.9)
    before = total(one.model).item()
    with torch.no_grad():
        for parameter in one.model.trained_parameters():
            parameter += 1
    with one.validated(ema) as model:
        assert model is one.model
        assert total(model).item() == before
    assert total(one.model).item() != before
    assert all(torch.equal(tensor, ema.state[name]) for name, tensor in one.shipped(ema).items())
    own = one.model.trained_state_dict()
    assert all(torch.equal(tensor, own[name]) for name, tensor in one.shipped(None).items())
    with one.validated(None) as model:
        assert model is one.model
