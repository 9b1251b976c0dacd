"""What all backbones share: the layer and its parts, the attention bias of texts, the size check, and being frozen."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from stubs import TinyBackbone

from vlp_rvos.models.backbones.backbone import Block


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("layer_scale", [True, False])
def test_the_layer_is_its_parts(norm_first: bool, layer_scale: bool) -> None:
    block = Block(16, 4, 32, layer_scale=layer_scale, norm_first=norm_first).requires_grad_(False)
    if layer_scale:
        block.scale1.uniform_()
        block.scale2.uniform_()
    x = torch.randn(2, 5, 16)
    normed = block.norm1(x) if norm_first else x
    k, v = block.project_kv(normed)
    attended = x + block.project_out(F.scaled_dot_product_attention(block.project_q(normed), k, v))
    if norm_first:
        expected = attended + block.mlp(block.norm2(attended))
    else:
        attended = block.norm1(attended)
        expected = block.norm2(attended + block.mlp(attended))
    torch.testing.assert_close(block(x), expected)


def test_quick_gelu_is_the_same_with_and_without_gradients() -> None:
    block = Block(16, 4, 32, "quick_gelu")
    x = torch.randn(2, 5, 16)
    hidden = block.fc1(x)
    expected = block.fc2(hidden * torch.sigmoid(1.702 * hidden))
    torch.testing.assert_close(block.mlp(x), expected)
    with torch.no_grad():
        torch.testing.assert_close(block.mlp(x), expected)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width 10 is not divisible by 4 heads"):
        Block(10, 4, 32)


def test_text_bias_hides_padding_and_what_comes_later() -> None:
    mask = torch.tensor([[True, True, False]])
    both_ways = TinyBackbone().text_bias(mask)
    causal = TinyBackbone(causal=True).text_bias(mask)
    assert both_ways.shape == causal.shape == (1, 1, 3, 3)
    assert both_ways[0, 0].isneginf().tolist() == [[False, False, True]] * 2 + [[False, False, False]]
    assert causal[0, 0].isneginf().tolist() == [[False, True, True], [False, False, True], [False, False, False]]
    assert not both_ways[~both_ways.isneginf()].any()


def test_normalize_subtracts_the_mean_and_divides() -> None:
    backbone = TinyBackbone()
    frames = torch.rand(2, 3, 4, 4)
    mean, std = (torch.tensor(values)[:, None, None] for values in (backbone.image_mean, backbone.image_std))
    torch.testing.assert_close(backbone.normalize(frames), (frames - mean) / std)


def test_check_size_gives_the_grid_of_tokens() -> None:
    backbone = TinyBackbone(pools=(1, 2))
    assert backbone.check_size(64, 96) == (4, 6)
    assert backbone.check_size(64, 96, 2) == (2, 3)
    for size in ((48, 64), (64, 0)):
        with pytest.raises(ValueError, match=r"does not fit tiny: both sides must be multiples of 32"):
            backbone.check_size(*size)
    with pytest.raises(ValueError, match="pools squares of 1, 2 patches on a side, not of 3"):
        backbone.check_size(64, 96, 3)


def test_a_frozen_backbone_stays_frozen() -> None:
    backbone = TinyBackbone()
    assert backbone.freeze() is backbone
    assert backbone.train() is backbone
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


def test_the_default_tokenizer_is_opened_once() -> None:
    backbone = TinyBackbone()
    assert backbone.tokenizer is None
    text = backbone.tokenize(["the dog", "a red car"])
    opened = backbone.tokenizer
    assert len(text) == 2
    assert backbone.tokenize(["the dog"]).ids[0].tolist() == text.ids[0, :4].tolist()
    assert backbone.tokenizer is opened


def test_a_sentence_is_pooled_from_its_words() -> None:
    backbone = TinyBackbone(causal=True)
    text = backbone.tokenize(["the dog that jumps", "it"])
    words = backbone.encode_words(text)
    assert words.shape == (2, text.ids.shape[1], backbone.text_width)
    expected = backbone.project_text(backbone.pool_text(words, text))
    assert torch.equal(backbone.encode_text(text), expected)
    alone = backbone.encode_words(backbone.tokenize(["it"]))
    torch.testing.assert_close(words[1:, : alone.shape[1]], alone, atol=1e-5, rtol=1e-5)
