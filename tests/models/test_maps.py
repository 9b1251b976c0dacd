from __future__ import annotations

import pytest
import torch

from vlp_rvos.models.maps import halve, join_channels, join_frames

LAST = torch.channels_last


def test_halving_is_pooling() -> None:
    maps = torch.rand(2, 3, 6, 8)
    torch.testing.assert_close(halve(maps), torch.nn.functional.avg_pool2d(maps, 2))


@pytest.mark.parametrize("count", [1, 2])
def test_joined_channels_are_last_in_memory(count: int) -> None:
    window = torch.randn(count, 4, 5, 9).bfloat16().contiguous(memory_format=LAST)[..., 2:8]
    single, first = torch.randn(count, 1, 5, 6), torch.randn(count, 3, 5, 6).bfloat16()
    joined = join_channels(first, window, single)
    torch.testing.assert_close(joined, torch.cat([first, window, single.bfloat16()], 1), rtol=0, atol=0)
    assert joined.is_contiguous(memory_format=LAST)


@pytest.mark.parametrize("videos", [1, 2])
def test_joined_frames_have_their_channels_last_in_memory(videos: int) -> None:
    parts = [torch.randn(videos * t, 4, 5, 6).contiguous(memory_format=LAST).unflatten(0, (videos, t)) for t in (1, 2)]
    joined = join_frames(parts)
    torch.testing.assert_close(joined, torch.cat(parts, 1), rtol=0, atol=0)
    assert joined.flatten(0, 1).is_contiguous(memory_format=LAST)
