"""Fit `Number` to expressions of which it is known whether they mean one thing or several. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from vlp_rvos.models.number import Number
from vlp_rvos.training.choice_samples import Phrases, join_phrases

__all__ = ["fit_number"]

#: number of expressions about one thing, and about several, in a step
IN_STEP = (96, 32)
STEPS, RATE = 400, 5e-3


def fit_number(number: Number, phrases: Phrases, one: Sequence[str], several: Sequence[str], seed: int) -> None:
    """Train it from the start. It takes some seconds on a CPU.

    Args:
        number: what is trained, in place.
        phrases: the expressions as the text tower sees them.
        one: expressions about one thing, at least one.
        several: expressions about several things, at least one.
        seed: seed of what is drawn.
    """
    device = number.value.weight.device
    rng = np.random.default_rng(seed)
    number.load_state_dict(Number(number.value.in_features).state_dict())
    optimizer = torch.optim.Adam(number.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    means_several = (torch.arange(sum(IN_STEP), device=device) >= IN_STEP[0]).float()
    with torch.enable_grad():
        for _ in range(STEPS):
            drawn = [
                texts[int(k)]
                for texts, size in zip((one, several), IN_STEP, strict=True)
                for k in rng.integers(len(texts), size=size)
            ]
            text = join_phrases([phrases[x] for x in drawn]).to(device)
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(number(text), means_several).backward()
            optimizer.step()
            schedule.step()
