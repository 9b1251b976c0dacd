from __future__ import annotations

import torch

from vlp_rvos.models.number import Number
from vlp_rvos.training.choice_samples import join_phrases
from vlp_rvos.training.number_fit import fit_number


def test_it_learns_which_word_means_several() -> None:
    torch.manual_seed(0)
    both, names = torch.randn(8), torch.randn(40, 8)
    phrases = {f"the {k}": (torch.stack([torch.ones(8), names[k]]), torch.zeros(4)) for k in range(40)}
    phrases |= {f"both {k}": (torch.stack([both, names[k]]), torch.zeros(4)) for k in range(40)}
    number = Number(8)
    fit_number(number, phrases, [f"the {k}" for k in range(20)], [f"both {k}" for k in range(20)], seed=0)
    unseen = join_phrases([phrases[f"{word} {k}"] for word in ("the", "both") for k in range(20, 40)])
    assert ((number(unseen) > 0) == (torch.arange(40) >= 20)).float().mean() > 0.9


def test_the_seed_decides_and_the_start_does_not() -> None:
    torch.manual_seed(0)
    phrases = {name: (torch.randn(3, 8), torch.zeros(4)) for name in "abcd"}
    found = []
    for seed in (1, 1, 2):
        number = Number(8)
        torch.nn.init.normal_(number.value.weight)
        fit_number(number, phrases, ["a", "b"], ["c", "d"], seed)
        found.append(number.value.weight.detach().clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
