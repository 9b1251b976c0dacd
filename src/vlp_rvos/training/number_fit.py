"""Fit `Number` to expressions of which it is known how many things they mean. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
import torch.nn.functional as F

from vlp_rvos.data.language.numbers import with_other_number
from vlp_rvos.models.number import COUNTS, Number
from vlp_rvos.training.choice_samples import Phrases, join_phrases

__all__ = ["fit_number", "other_numbers"]

#: number of expressions about one thing, and about several, in a step
IN_STEP = (96, 32)
#: More steps, or larger ones, learn by heart which nouns people use for several things.
STEPS, RATE = 400, 2e-3
#: how often an expression about several things is said of another number
OTHERS = 2


def other_numbers(said: Mapping[str, int], seed: int) -> dict[str, int]:
    """Expressions about several things as they would be said of other numbers: most are about two, or three.

    Args:
        said: expressions, and how many things they mean.
        seed: seed of what is drawn.
    """
    rng = np.random.default_rng(seed)
    several = [(text, number) for text, number in said.items() if number > 1 for _ in range(OTHERS)]
    changed = (with_other_number(text, number, rng) for text, number in several)
    return {text: number for text, number in filter(None, changed) if text not in said}


def fit_number(number: Number, phrases: Phrases, said: Mapping[str, int], others: Mapping[str, int], seed: int) -> None:
    """Train it from the start. It takes some seconds on a CPU.

    Args:
        number: what is trained, in place.
        phrases: the expressions as the text tower sees them.
        said: expressions and how many things they mean; some mean one, and some several.
        others: expressions about several things, see `other_numbers`; half of those about several are drawn of these.
        seed: seed of what is drawn.
    """
    device = number.value.weight.device
    rng = np.random.default_rng(seed)
    number.load_state_dict(Number(number.value.in_features).state_dict())
    optimizer = torch.optim.Adam(number.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    one, several = IN_STEP
    of_others = several // 2 if others else 0
    drawn_from = [
        ([text for text, n in said.items() if n == 1], one),
        ([text for text, n in said.items() if n > 1], several - of_others),
        (list(others), of_others),
    ]
    counts = {**said, **others}
    with torch.enable_grad():
        for _ in range(STEPS):
            drawn = [texts[int(k)] for texts, size in drawn_from if size for k in rng.integers(len(texts), size=size)]
            text = join_phrases([phrases[x] for x in drawn]).to(device)
            optimizer.zero_grad()
            F.cross_entropy(number(text), classes_of([counts[x] for x in drawn]).to(device)).backward()
            optimizer.step()
            schedule.step()


def classes_of(counts: Iterable[int]) -> torch.Tensor:
    """Numbers of things, from 1 on -> the index of each among the logits of `Number`."""
    return torch.tensor([min(count, COUNTS) - 1 for count in counts])
