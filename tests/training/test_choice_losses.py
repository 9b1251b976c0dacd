from __future__ import annotations

import math

import pytest
import torch

from vlp_rvos.training.choice_losses import choice_losses


def test_one_of_two_is_meant() -> None:
    losses = choice_losses(
        torch.zeros(1, 2), torch.zeros(1), torch.tensor([[1.0, 0.0]]), torch.ones(1, 2, dtype=torch.bool)
    )
    # Of three equal scores, that of "none" among them, one is right.
    assert losses["choice"].item() == pytest.approx(math.log(3))
    assert losses["members"].item() == pytest.approx(0.5 * math.log(2) * (1 + 0.25))


def test_any_of_several_is_right_and_all_are_members() -> None:
    losses = choice_losses(
        torch.zeros(1, 2), torch.zeros(1), torch.tensor([[1.0, 1.0]]), torch.ones(1, 2, dtype=torch.bool)
    )
    assert losses["choice"].item() == pytest.approx(math.log(3 / 2))
    assert losses["members"].item() == pytest.approx(0.5 * math.log(2))


def test_a_candidate_that_fits_less_counts_less() -> None:
    losses = choice_losses(
        torch.zeros(1, 2), torch.zeros(1), torch.tensor([[1.0, 0.4]]), torch.ones(1, 2, dtype=torch.bool)
    )
    assert losses["choice"].item() == pytest.approx(-math.log(1.4 / 3))


def test_none_is_right_where_nothing_is_meant_and_missing_candidates_do_not_count() -> None:
    scores = torch.tensor([[0.0, float("-inf")]])
    losses = choice_losses(scores, torch.zeros(1), torch.zeros(1, 2), torch.tensor([[True, False]]))
    assert losses["choice"].item() == pytest.approx(math.log(2))
    assert losses["members"].item() == pytest.approx(0.5 * 0.25 * math.log(2))


def test_gradients_are_finite_at_the_limits() -> None:
    scores = torch.tensor([[500.0, -500.0, float("-inf")]], requires_grad=True)
    present = torch.tensor([[True, True, False]])
    sum(choice_losses(scores, torch.zeros(1), torch.tensor([[0.0, 1.0, 0.0]]), present).values()).backward()  # type: ignore[union-attr]
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()
