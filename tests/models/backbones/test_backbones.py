"""Backbones by name."""

from __future__ import annotations

import pytest
import torch

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones import BACKBONES, load_backbone, random_backbone


def test_unknown_names() -> None:
    with pytest.raises(UserError, match="unknown backbone 'resnet'"):
        load_backbone("resnet")
    with pytest.raises(UserError, match="unknown backbone 'resnet'"):
        random_backbone("resnet")
    with pytest.raises(UserError, match="give the path"):
        load_backbone("vlmo-b")


@pytest.mark.parametrize("name", BACKBONES)
def test_every_name_has_sizes_and_is_frozen(name: str) -> None:
    with torch.device("meta"):
        backbone = random_backbone(name)
    assert backbone.name == name
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
