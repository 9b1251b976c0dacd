from __future__ import annotations

import pytest
import torch

from vlp_rvos.data.picture_views import PictureView
from vlp_rvos.models.candidates import CandidateHead, Proposals
from vlp_rvos.training.proposal_losses import generalized_box_iou, mask_losses, proposal_losses

INPUTS = {4: 3, 8: 4, 16: 5, 32: 6}


def view(*, things: bool = True, complete: bool = True) -> PictureView:
    masks = torch.zeros(int(things), 16, 16, dtype=torch.bool)
    masks[:, 4:12, 4:12] = True
    off = torch.zeros(16, 16, dtype=torch.bool)
    return PictureView(torch.zeros(3, 64, 64, dtype=torch.uint8), masks, off, ~off, complete)


def head_and_proposals(frames: int = 1) -> tuple[CandidateHead, Proposals]:
    torch.manual_seed(0)
    head = CandidateHead(INPUTS, width=16, boxes_given=False)
    return head, head({s: torch.randn(frames, c, 64 // s, 64 // s) for s, c in INPUTS.items()})


def test_generalized_iou() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    others = torch.tensor([[0.0, 0, 10, 10], [0, 5, 10, 10], [30, 0, 40, 10]])
    # Apart, the hull of 400 has 200 that belong to neither.
    assert generalized_box_iou(boxes, others).tolist() == pytest.approx([1, 0.5, -0.5])


def test_mask_losses() -> None:
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[:, :5] = True
    perfect = torch.where(masks[:1], 100.0, -100.0)
    losses = mask_losses(torch.cat([perfect, torch.zeros(1, 8, 8)]), masks)
    assert losses[0].item() == pytest.approx(0, abs=1e-6)
    # Probabilities of a half on 64 positions, 40 of which are right.
    dice = 1 - (2 * 20 + 1) / (16 + 40 + 1)
    assert losses[1].item() == pytest.approx(dice + 0.5 * 64 * 0.693147 / (4 * 40), abs=1e-4)


def test_without_things_only_the_objectness_learns() -> None:
    head, proposals = head_and_proposals()
    losses = proposal_losses(head, proposals, [view(things=False)])
    probabilities = proposals.objectness[0].sigmoid()
    focal = -(1 - probabilities).log() * probabilities.square()
    assert losses["objectness"].item() == pytest.approx(1.5 * focal.sum().item(), rel=1e-5)
    assert (losses["box"].item(), losses["mask"].item()) == (0, 0)
    unknown = proposal_losses(head, proposals, [view(things=False, complete=False)])
    assert unknown["objectness"].item() == pytest.approx(0.06 * losses["objectness"].item(), rel=1e-5)


def test_everything_learns_from_a_thing() -> None:
    head, proposals = head_and_proposals(2)
    sum(proposal_losses(head, proposals, [view(), view(things=False)]).values()).backward()  # type: ignore[union-attr]
    without = [name for name, parameter in head.named_parameters() if parameter.grad is None]
    assert without == []


def test_a_few_steps_find_the_thing() -> None:
    head, _ = head_and_proposals()
    maps = {s: torch.randn(1, c, 64 // s, 64 // s) for s, c in INPUTS.items()}
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3)
    for _ in range(60):
        loss = sum(proposal_losses(head, head(maps), [view()]).values())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[union-attr]
        optimizer.step()
    best = head.select(head(maps), 0, 3)
    wanted = view().masks[0]
    found = best.mask_logits[0] > 0
    assert ((found & wanted).sum() / (found | wanted).sum()).item() > 0.8
