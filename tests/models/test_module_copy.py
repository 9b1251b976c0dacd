from __future__ import annotations

import torch
from stubs import tiny_model
from torch import nn

from vlp_rvos.models.module_copy import copy_module_tree


def test_the_copy_has_the_same_tensors_and_computes_the_same() -> None:
    model = tiny_model().eval()
    twin = copy_module_tree(model)
    assert [name for name, _ in twin.named_modules()] == [name for name, _ in model.named_modules()]
    assert all(a is b for a, b in zip(twin.parameters(), model.parameters(), strict=True))
    frames, text = torch.rand(1, 2, 3, 32, 48), model.backbone.tokenize(["a red car"])
    with torch.inference_mode():
        assert torch.equal(twin(frames, text).mask_logits, model(frames, text).mask_logits)


def test_exchanging_parts_leaves_the_original() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2)), nn.ModuleList())
    weight = model[0][0].weight
    twin = copy_module_tree(model)
    twin[0][0].weight = nn.Parameter(torch.zeros(2, 2))
    twin[0][0] = nn.Identity()
    twin[1].append(nn.Identity())
    twin.train(False)
    assert isinstance(model[0][0], nn.Linear)
    assert model[0][0].weight is weight
    assert len(model[1]) == 0
    assert model.training
    assert model[0].training
