from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from stubs import TinyBackbone, tiny_config

from vlp_rvos.models.backbones.backbone import Block
from vlp_rvos.models.prompts import (
    HistoryPrompts,
    PromptEncoder,
    SharedTemporalCapture,
    TemporalCapture,
    TemporalPositions,
)


@pytest.mark.parametrize("counts", [(3, 2, 2), (0, 2, 2), (3, 0, 2), (3, 2, 0), (0, 0, 0)])
def test_every_layer_has_its_own_prompts(counts: tuple[int, int, int]) -> None:
    names = ("language_prompts", "vision_prompts", "temporal_prompts")
    encoder = PromptEncoder(tiny_config(**dict(zip(names, counts, strict=True))), 3, 2, 32, 24)
    prompts = encoder()
    assert prompts.language.shape == (2, counts[0], 24)
    assert prompts.vision.shape == (3, counts[1], 32)
    assert prompts.temporal.shape == (3, counts[2], 32)
    if counts[1]:
        assert not torch.allclose(prompts.vision[0], prompts.vision[1])


def test_kinds_inform_each_other_within_a_layer() -> None:
    encoder = PromptEncoder(tiny_config(), 3, 2, 32, 24)
    before = encoder()
    with torch.no_grad():
        encoder.tokens["language"][1, 0] += torch.randn(16)
    after = encoder()
    assert not torch.allclose(before.temporal[1], after.temporal[1])
    torch.testing.assert_close(before.temporal[0], after.temporal[0])


def test_temporal_positions_of_any_length() -> None:
    positions = TemporalPositions(3, 8)
    table = positions.table
    torch.testing.assert_close(positions(2), table[:2])
    longer = positions(5)
    torch.testing.assert_close(longer[::2], table)
    torch.testing.assert_close(longer[1], (table[0] + table[1]) / 2)


def plain_capture(
    block: Block, temporal: torch.Tensor, frame_tokens: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """The same layer with all keys and values projected."""
    normed = block.norm1(torch.cat([temporal, frame_tokens], 2) + positions[:, None])
    q = block.project_q(normed[:, :, : temporal.shape[2]].flatten(1, 2))
    k, v = block.project_kv(normed.flatten(1, 2))
    x = temporal.flatten(1, 2) + block.project_out(F.scaled_dot_product_attention(q, k, v))
    return (x + block.mlp(block.norm2(x))).view_as(temporal)


@pytest.mark.parametrize("layer_scale", [False, True])
def test_capture_equals_the_frozen_layer_applied_plainly(layer_scale: bool) -> None:
    block = TinyBackbone(layer_scale=layer_scale).vision_blocks[0]
    assert isinstance(block, Block)
    temporal, tokens, positions = torch.randn(2, 4, 3, 32), torch.randn(2, 4, 7, 32), torch.randn(4, 32)
    capture = TemporalCapture()
    assert not list(capture.parameters())
    expected = plain_capture(block, temporal, tokens, positions)
    torch.testing.assert_close(capture(block, temporal, tokens, positions), expected, atol=1e-5, rtol=1e-5)


def test_capture_reads_every_frame() -> None:
    block = TinyBackbone().vision_blocks[0]
    temporal, tokens, positions = torch.randn(1, 4, 2, 32), torch.randn(1, 4, 7, 32), torch.randn(4, 32)
    before = TemporalCapture()(block, temporal, tokens, positions)
    tokens[:, 3] += torch.randn(7, 32)
    after = TemporalCapture()(block, temporal, tokens, positions)
    assert ((before - after).abs().amax((0, 2, 3)) > 1e-4).all()


def test_shared_capture_equals_a_plain_implementation() -> None:
    block = TinyBackbone(layer_scale=True).vision_blocks[0]
    assert isinstance(block, Block)
    frames, count, tokens = 4, 3, 9
    temporal, positions = torch.randn(2, frames, count, 32), torch.randn(frames, 32)
    _, k, v = block.project_qkv(block.norm1(torch.randn(2 * frames, tokens, 32)))
    found = SharedTemporalCapture()(block, temporal, k, v, positions)
    for b in range(2):
        q = block.project_q(block.norm1(temporal[b] + positions[:, None]).flatten(0, 1)[None])[0]
        logits, everything = [], []
        for t in range(frames):
            of_frame = (block.qkv.weight[32:64] @ positions[t]).view(block.heads, 1, -1)
            logits.append(q @ (k[b * frames + t] + of_frame).mT / q.shape[-1] ** 0.5)
            everything.append(v[b * frames + t])
        heads = torch.cat(logits, -1).softmax(-1) @ torch.cat(everything, 1)
        x = temporal[b].flatten(0, 1) + block.project_out(heads[None])[0]
        expected = x + block.mlp(block.norm2(x))
        torch.testing.assert_close(found[b].flatten(0, 1), expected, atol=1e-5, rtol=1e-5)


def test_history_prompts() -> None:
    prompts = HistoryPrompts(24, 32)
    first = prompts(None, 3)
    assert first.shape == (3, 1, 32)
    torch.testing.assert_close(first[2], prompts.no_history[0])
    assert prompts(torch.randn(3, 5, 24), 3).shape == (3, 5, 32)
