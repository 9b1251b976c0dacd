from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from vlp_rvos.pretraining.alignment_losses import AlignmentLosses
from vlp_rvos.pretraining.crops import Crop

#: phrases 0 and 1 mean nearly the same; 2 is another one
VOCABULARY = torch.nn.functional.normalize(torch.tensor([[1.0, 0, 0], [1, 0.1, 0], [0, 0, 1]]), dim=-1)


class FixedPatches(AlignmentLosses):
    """The losses for given patches in place of those of a backbone."""

    def __init__(self, patches: Tensor, cls: Tensor, distil: float = 1.0) -> None:
        super().__init__(torch.nn.Identity(), VOCABULARY, distil)
        self.given = patches.requires_grad_(), cls

    def patches(self, batch: Sequence[Crop]) -> tuple[Tensor, Tensor]:
        return self.given


def crop(regions: list[list[float]], phrases: list[list[int]], classes: Tensor) -> Crop:
    """A crop of 1 x 2 patches."""
    maps = {16: torch.zeros(4, 1, 2), 32: torch.zeros(4, 1, 1), 0: classes.view(3, 1, 2)}
    return Crop(maps, torch.tensor(regions).view(-1, 1, 2), phrases, held_out=False)


NO_CLASS = torch.zeros(3, 2)


def losses(patches: list[list[float]], one: Crop, distil: float = 1.0) -> dict[str, Tensor]:
    module = FixedPatches(torch.tensor([patches], dtype=torch.float32), torch.tensor([[1.0, 0.0, 0.0]]), distil)
    return module([one], np.random.default_rng(0))


def test_similar_phrases_are_never_negatives() -> None:
    found = losses([[1, 0, 0], [0, 1, 0]], crop([[1, 0]], [[0]], NO_CLASS))
    # Of the first patch alone, against phrase 2. Phrase 1 as a negative would make it about 0.7.
    assert 0 <= found["contrast"].item() < 1e-5
    wrong = losses([[0, 0, 1], [0, 1, 0]], crop([[1, 0]], [[0]], NO_CLASS))
    assert wrong["contrast"].item() == pytest.approx(14.0, rel=1e-3)


def test_locate_wants_the_mask_of_the_phrase() -> None:
    right = losses([[1, 0, 0], [0, 1, 0]], crop([[1, 0]], [[0]], NO_CLASS))["locate"]
    wrong = losses([[0, 1, 0], [1, 0, 0]], crop([[1, 0]], [[0]], NO_CLASS))["locate"]
    scores, target = torch.tensor([10.0 - 3, -3.0]), torch.tensor([1.0, 0.0])
    bce = torch.nn.functional.binary_cross_entropy_with_logits(scores, target)
    dice = 1 - (2 * (scores.sigmoid() * target).sum() + 1) / (scores.sigmoid().sum() + target.sum() + 1)
    assert right.item() == pytest.approx((2 * bce + dice).item(), rel=1e-4)
    assert wrong > right + 1


def test_distillation_counts_where_the_classifier_is_certain() -> None:
    # The first place is certain of a class in the direction of the third axis, the second one of nothing.
    classes = torch.tensor([[0.0, 0.1], [0.0, 0.0], [1.0, 0.0]])
    one = crop([[1, 0]], [[2]], classes)
    overall = 1 - torch.nn.functional.normalize(classes.mean(1), dim=0)[0]
    agrees = losses([[0, 0, 1], [0, 1, 0]], one, distil=0.5)["distil"]
    differs = losses([[0, 1, 0], [0, 1, 0]], one, distil=0.5)["distil"]
    assert agrees.item() == pytest.approx(0.5 * 0.2 * overall.item(), rel=1e-4)
    # The weight of the certain place is 0.7, and weights below 1 in all are not scaled up.
    assert differs.item() == pytest.approx(0.5 * (0.7 + 0.2 * overall.item()), rel=1e-4)


def test_a_crop_without_a_large_region_has_no_contrast() -> None:
    found = losses([[1, 0, 0], [0, 1, 0]], crop([[0.4, 0]], [[0]], NO_CLASS))
    assert found["contrast"].item() == 0
    found["contrast"].backward()
