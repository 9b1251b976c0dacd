from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vlp_rvos.models.cube_frame import CubeFrameAttention
from vlp_rvos.models.model_config import AttentionKind


def dense_reference(module: CubeFrameAttention, x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Plain attention over all T*N tokens, in which every pair of tokens that a head must not relate is masked."""
    batch, length, _, width = x.shape
    t, row, column = torch.cartesian_prod(torch.arange(length), torch.arange(grid[0]), torch.arange(grid[1])).T
    q, k, v = module.qkv(x.flatten(1, 2)).unflatten(-1, (3, module.heads, -1)).permute(2, 0, 3, 1, 4)
    logits = q @ k.mT / q.shape[-1] ** 0.5

    same_frame = t[:, None] == t
    c = module.cube_size
    cube = [(place + module.shift) // c for place in (row, column)]
    same_cube = (cube[0][:, None] == cube[0]) & (cube[1][:, None] == cube[1])
    first_cube_head = module.heads - module.cube_heads
    for head in range(module.heads):
        if head >= first_cube_head:
            for i, j in same_cube.nonzero().tolist():
                latest = module.clip_length - 1
                offset = max(-latest, min(latest, int(t[i] - t[j]))) + latest
                place = (offset, int(row[i] - row[j]) + c - 1, int(column[i] - column[j]) + c - 1)
                logits[:, head, i, j] += module.position_bias[place][head - first_cube_head]
            logits[:, head].masked_fill_(~same_cube, float("-inf"))
        elif module.kind != "full":
            logits[:, head].masked_fill_(~same_frame, float("-inf"))
    attended = (logits.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, -1, width)
    return module.out(attended)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["cube_frame", "cube", "frame", "full"]),
    length=st.integers(1, 4),
    grid=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    cube_size=st.integers(1, 4),
    clip_length=st.integers(1, 3),
    shifted=st.booleans(),
)
def test_equals_dense_attention(
    kind: AttentionKind, length: int, grid: tuple[int, int], cube_size: int, clip_length: int, shifted: bool
) -> None:
    torch.manual_seed(0)
    module = CubeFrameAttention(8, 2, cube_size, clip_length, kind, shifted=shifted)
    if module.cube_heads:
        torch.nn.init.normal_(module.position_bias)
    x = torch.randn(2, length, grid[0] * grid[1], 8)
    with torch.no_grad():
        torch.testing.assert_close(module(x, grid), dense_reference(module, x, grid), atol=1e-5, rtol=1e-5)


def test_shift_moves_the_cubes() -> None:
    plain, shifted = (CubeFrameAttention(8, 2, 4, 3, "cube", shifted=shifted) for shifted in (False, True))
    shifted.load_state_dict(plain.state_dict())
    x = torch.randn(1, 2, 64, 8)
    moved = x.clone()
    moved[:, :, 0] += torch.randn(8)
    for module, reached in ((plain, {0, 1, 2, 3}), (shifted, {0, 1})):
        changed = (module(x, (8, 8)) - module(moved, (8, 8))).abs().amax((0, 1, 3)).view(8, 8) > 1e-6
        assert set(changed.nonzero()[:, 0].tolist()) == set(changed.nonzero()[:, 1].tolist()) == reached


def test_gradients_equal_those_of_dense_attention() -> None:
    module = CubeFrameAttention(8, 2, 2, 3, shifted=True)
    x = torch.randn(2, 3, 15, 8, requires_grad=True)
    target = torch.randn(2, 3, 15, 8)
    inputs = [x, *module.parameters()]
    ours = torch.autograd.grad((module(x, (3, 5)) * target).sum(), inputs)
    theirs = torch.autograd.grad((dense_reference(module, x, (3, 5)) * target).sum(), inputs)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_heads_that_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="3 heads"):
        CubeFrameAttention(9, 3, 4, 3)
    assert CubeFrameAttention(9, 3, 4, 3, "full").cube_heads == 0
