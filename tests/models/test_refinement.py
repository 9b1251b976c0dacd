from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vlp_rvos.models.refinement import LARGEST_LOGIT, Refinement, _window

WIDTHS = {4: 5, 8: 6, 16: 7}
#: Height and width of the masks.
SIZE = (24, 32)


@pytest.fixture
def refinement() -> Refinement:
    """With random weights, so that it changes something."""
    torch.manual_seed(0)
    refinement = Refinement(WIDTHS).eval()
    nn.init.normal_(refinement.correction.weight)
    return refinement


def frames(count: int = 1) -> tuple[Tensor, dict[int, Tensor]]:
    """Frames, and their frozen maps."""
    drawn = torch.Generator().manual_seed(1)
    height, width = SIZE
    maps = {
        stride: torch.randn(count, channels, 4 * height // stride, 4 * width // stride, generator=drawn)
        for stride, channels in WIDTHS.items()
    }
    return torch.rand(count, 3, 4 * height, 4 * width, generator=drawn), maps


def box(top: int, bottom: int, left: int, right: int, logit: float = 5.0) -> Tensor:
    logits = torch.full(SIZE, -6.0)
    logits[top:bottom, left:right] = logit
    return logits


@torch.no_grad()
def test_an_untrained_one_changes_nothing() -> None:
    refinement = Refinement(WIDTHS)
    logits = torch.stack([box(2, 9, 3, 12), box(0, 24, 0, 32)])[None]
    assert torch.equal(refinement(refinement.read(*frames()), logits), logits)
    assert torch.equal(refinement(refinement.read(*frames()), logits * 10), (logits * 10).clamp(-8, LARGEST_LOGIT))


@torch.no_grad()
def test_nothing_far_from_a_mask_changes(refinement: Refinement) -> None:
    logits = box(2, 6, 2, 8)[None, None]
    redrawn = refinement(refinement.read(*frames()), logits)
    assert redrawn.dtype == torch.float32
    assert not torch.equal(redrawn, logits)
    # A quarter of its size and four positions beside it, up to a multiple of four.
    left, top, right, bottom = _window(logits[:, 0]) or pytest.fail("no window")
    assert (left, top, right, bottom) == (0, 0, 16, 12)
    redrawn[..., :bottom, :right] = logits[..., :bottom, :right]
    assert torch.equal(redrawn, logits)


@torch.no_grad()
def test_an_empty_mask_stays_empty(refinement: Refinement) -> None:
    logits = torch.full((2, 2, *SIZE), -3.0)
    logits[0, 0] = box(4, 9, 4, 9)
    redrawn = refinement(refinement.read(*frames(2)), logits)
    assert torch.equal(redrawn[:, 1], logits[:, 1])
    assert not torch.equal(redrawn[0, 0], logits[0, 0])
    assert torch.equal(redrawn[1, 0], logits[1, 0]), "the thing is in the other frame alone"
    assert refinement(refinement.read(*frames(2)), logits[:, :0]).shape == (2, 0, *SIZE)


@torch.no_grad()
def test_masks_do_not_depend_on_each_other(refinement: Refinement) -> None:
    surroundings = refinement.read(*frames(2))
    logits = torch.stack([torch.stack([box(4, 9, 4, 9), box(0, 20, 8, 30)]), torch.stack([box(6, 12, 5, 9)] * 2)])
    together = refinement(surroundings, logits)
    for k in range(2):
        assert torch.equal(refinement(surroundings, logits[:, k : k + 1])[:, 0], together[:, k])


@torch.no_grad()
def test_a_window_holds_the_thing_in_all_frames(refinement: Refinement) -> None:
    logits = torch.stack([box(0, 4, 0, 4), box(18, 22, 26, 30)])
    assert _window(logits) == (0, 0, 32, 24)
    assert _window(logits[:1]) == (0, 0, 12, 12)
    assert _window(logits.to("meta")) == (0, 0, 32, 24)
    # Where it is empty in one of the frames, this says nothing of the window.
    logits[1] = -6.0
    assert _window(logits) == (0, 0, 12, 12)


def test_everything_learns(refinement: Refinement) -> None:
    logits = box(4, 15, 4, 19)[None, None].requires_grad_()
    refinement(refinement.read(*frames()), logits).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in refinement.parameters())
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0
