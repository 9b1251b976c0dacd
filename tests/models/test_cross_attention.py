from __future__ import annotations

import torch
from torch import nn

from vlp_rvos.models.cross_attention import CrossAttention


def test_equals_torch_multihead_attention() -> None:
    ours, theirs = CrossAttention(24, 4), nn.MultiheadAttention(24, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.q.weight, ours.kv.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.q.bias, ours.kv.bias]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    x, context = torch.randn(2, 5, 24), torch.randn(2, 4, 24)
    visible = torch.tensor([[True, True, True, False], [True, False, False, False]])
    normed = ours.key_norm(context)
    expected, _ = theirs(ours.query_norm(x), normed, normed, key_padding_mask=~visible)
    torch.testing.assert_close(ours(x, context, visible), expected, atol=1e-5, rtol=1e-5)


def test_weights_are_those_of_torch() -> None:
    ours, theirs = CrossAttention(24, 4), nn.MultiheadAttention(24, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.q.weight, ours.kv.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.q.bias, ours.kv.bias]))
    x, context = torch.randn(2, 5, 24), torch.randn(2, 4, 24)
    visible = torch.tensor([[True, True, True, False], [True, False, False, False]])
    normed = ours.key_norm(context)
    _, expected = theirs(ours.query_norm(x), normed, normed, key_padding_mask=~visible)
    torch.testing.assert_close(ours.weights(x, context, visible), expected, atol=1e-5, rtol=1e-5)
