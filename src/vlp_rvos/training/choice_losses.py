"""The loss of the choice among candidates. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: B expressions, K candidates.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["choice_losses"]

MEMBER_WEIGHT = 0.5
#: weight of each candidate that is not meant, relative to all together that are
OTHERS = 0.25
LIMIT = 20.0
#: how well a candidate must fit to count as a member
WELL = 0.5


def choice_losses(scores: Tensor, none: Tensor, targets: Tensor, present: Tensor) -> dict[str, Tensor]:
    """The weighted terms of the loss; their sum is minimised.

    "choice" is the cross entropy of a softmax over the candidates and "none", of which any that is meant is right, the
    more the better it fits.
    "members" is a binary cross entropy of every candidate against "none", so that all members of a group learn.

    Args:
        scores: (B, K), -inf where there is no candidate.
        none: (B,) scores of "none".
        targets: (B, K) in [0, 1], how well each candidate fits what is meant, relative to the best; 0 if it is not
            meant. In a row of zeros, "none" is right.
        present: (B, K) bool, False where there is no candidate.
    """
    logs = torch.cat([scores, none[:, None]], 1).log_softmax(1)
    meant = targets > 0
    right = torch.cat([targets, (~meant.any(1, keepdim=True)).to(targets)], 1)
    # -inf times 0 would be NaN.
    chosen = (logs + right.clamp(min=1e-30).log()).masked_fill(right == 0, float("-inf"))
    relative = (scores - none[:, None]).masked_fill(~present, -LIMIT).clamp(-LIMIT, LIMIT)
    entropy = F.binary_cross_entropy_with_logits(relative, (targets > WELL).float(), reduction="none")
    shared = 1 / meant.float().sum(1, keepdim=True).clamp(min=1)
    weights = torch.where(meant, shared, torch.full_like(entropy, OTHERS)) * present
    return {"choice": -chosen.logsumexp(1).mean(), "members": MEMBER_WEIGHT * (entropy * weights).sum(1).mean()}
