from __future__ import annotations

import pytest
import torch
from stubs import TinyBackbone, tiny_config

from vlp_rvos.models.heads import MaskHead, PresenceHead


@pytest.mark.parametrize(
    ("patch_size", "pool", "strides"),
    [(14, 1, set()), (16, 1, set()), (16, 2, set()), (16, 1, {"8", "4"}), (16, 2, {"16", "8", "4"})],
)
def test_mask_logits_at_the_input_size(patch_size: int, pool: int, strides: set[str]) -> None:
    backbone = TinyBackbone(patch_size=patch_size, pools=(1, 2), pyramid=bool(strides))
    head = MaskHead(tiny_config(patch_pool=pool), backbone)
    size = (2 * pool * patch_size, 3 * pool * patch_size)
    maps = {
        stride: torch.randn(1, 4, c, size[0] // stride, size[1] // stride)
        for stride, c in backbone.pyramid_widths.items()
    }
    logits = head(torch.randn(2, 4, 6, 24), (2, 3), maps, torch.tensor([0, 0]), size)
    assert logits.shape == (2, 4, *size)
    assert set(head.finer) == strides


def test_pyramid_follows_its_video_and_can_be_switched_off() -> None:
    backbone = TinyBackbone(pyramid=True)
    head = MaskHead(tiny_config(), backbone)
    maps = {8: torch.randn(2, 3, 6, 4, 6), 4: torch.randn(2, 3, 5, 8, 12)}
    features = torch.randn(2, 3, 6, 24)
    video_of = torch.tensor([1, 0])
    swapped = head(features, (2, 3), maps, video_of, (32, 48))
    expected = head(features, (2, 3), {s: level.flip(0) for s, level in maps.items()}, None, (32, 48))
    torch.testing.assert_close(swapped, expected)
    assert not MaskHead(tiny_config(pyramid=False), backbone).finer


def test_frames_do_not_influence_each_other() -> None:
    head = MaskHead(tiny_config(), TinyBackbone())
    features = torch.randn(1, 3, 6, 24)
    before = head(features, (2, 3), {}, None, (32, 48))
    features[:, 1] += 1
    after = head(features, (2, 3), {}, None, (32, 48))
    torch.testing.assert_close(before[:, ::2], after[:, ::2])


@pytest.mark.parametrize("score_map", [True, False])
@pytest.mark.parametrize("hidden", [0, 40])
def test_presence_reads_the_mask_without_shaping_it(score_map: bool, hidden: int) -> None:
    head = PresenceHead(tiny_config(score_map=score_map, presence_width=hidden), 24)
    assert head.frame_logit.in_features == (hidden or 24)
    mask_logits = torch.randn(2, 3, 6, requires_grad=True)
    score = torch.randn(2, 3, 6) if score_map else None
    features = torch.randn(2, 3, 6, 24, requires_grad=True)
    frame, clip = head(features, mask_logits, score, torch.randn(2, 24))
    assert frame.shape == (2, 3)
    assert clip.shape == (2,)
    (frame.sum() + clip.sum()).backward()
    assert features.grad is not None
    assert mask_logits.grad is None
