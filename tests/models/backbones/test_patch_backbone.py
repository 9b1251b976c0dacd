"""Resizing of position tables, and the tokens that CLIP and VLMo make of frames."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.backbones.clip import ClipBackbone, ClipConfig
from vlp_rvos.models.backbones.patch_backbone import PatchBackbone, resize_table
from vlp_rvos.models.backbones.vlmo import VlmoBackbone, VlmoConfig

CLIP = ClipConfig(
    image_size=32, patch_size=8, vision_width=16, vision_layers=1, vision_heads=2, text_layers=1, vocab=60
)
VLMO = VlmoConfig(image_size=24, patch_size=8, width=16, layers=1, heads=2, mlp_width=8, vocab=50, text_length=12)


def ramp(height: int, width: int) -> Tensor:
    """Row and column of each position in [0, 1], (height * width, 2)."""
    rows, columns = ((torch.arange(n) + 0.5) / n for n in (height, width))
    return torch.cartesian_prod(rows, columns)


def test_a_table_of_the_same_size_is_kept() -> None:
    table = ramp(4, 4)
    assert resize_table(table, 4, (4, 4)) is table


def test_a_resized_table_keeps_rows_and_columns_apart() -> None:
    resized = resize_table(ramp(8, 8), 8, (16, 24)).unflatten(0, (16, 24))
    assert resized.shape == (16, 24, 2)
    expected = ramp(16, 24).unflatten(0, (16, 24))
    torch.testing.assert_close(resized[3:-3, 5:-5], expected[3:-3, 5:-5], atol=0.01, rtol=0)
    assert (resized[..., 0].diff(dim=0) > 0).all()
    assert (resized[..., 1].diff(dim=1) > 0).all()
    torch.testing.assert_close(resized[:, :1, 0].expand(16, 24), resized[..., 0])
    torch.testing.assert_close(resize_table(torch.full((9, 1), 7.0), 3, (2, 5)), torch.full((10, 1), 7.0))


@pytest.mark.parametrize("backbone", [ClipBackbone(CLIP, "clip"), VlmoBackbone(VLMO, "vlmo")])
def test_tokens_are_cls_and_patches(backbone: PatchBackbone) -> None:
    backbone.freeze()
    assert isinstance(backbone, Backbone)
    embedded = backbone.embed_frames(torch.randn(2, 3, 16, 40))
    assert embedded.grid == (2, 5)
    assert embedded.tokens.shape == (2, 11, backbone.vision_width)
    assert embedded.correspondence_features.shape == (2, 10, backbone.vision_width)
    plain = torch.cat([backbone.cls_token.expand(2, 1, -1), embedded.correspondence_features], 1)
    torch.testing.assert_close(embedded.tokens, backbone.place_patches(plain, (2, 5)))


@pytest.mark.parametrize("backbone", [ClipBackbone(CLIP, "clip"), VlmoBackbone(VLMO, "vlmo")])
def test_a_patch_depends_on_its_own_pixels(backbone: PatchBackbone) -> None:
    backbone.freeze()
    images = torch.randn(1, 3, 16, 16)
    changed = images.clone()
    changed[..., 8:, :8] += 1
    one, other = (backbone.embed_frames(frames).tokens for frames in (images, changed))
    assert (one != other).any(-1)[0].tolist() == [False, False, False, True, False]
