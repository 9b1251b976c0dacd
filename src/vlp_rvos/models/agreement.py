"""The mask that the chosen candidates and the dense head agree on. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: B expressions, T frames, K candidates,
(h, w) positions of the candidates' masks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Agreement"]

#: Logits are clamped to this absolute value, and probabilities accordingly.
LARGEST_LOGIT, SMALLEST_PROBABILITY = 8.0, 3e-4
#: Numbers at each position from which the correction is computed.
INPUTS = 6
#: Logits are divided by this number before they enter the network.
LOGIT_SCALE = 4
#: Takes the place of minus infinity, which a gradient would not survive.
FAR_BELOW = -1e4


class Agreement(nn.Module):
    """Joins the masks of candidates, by their scores, and corrects the dense mask with them, pixel by pixel.

    The result is a weighted sum of the logits of the dense mask, of the chosen candidates and of all others, and of a
    correction by a small network, which starts at 0.

    Args:
        hidden: hidden channels of that network.
    """

    def __init__(self, hidden: int = 24) -> None:
        super().__init__()
        #: how fast a candidate's part falls with its distance from the best score, and where it begins
        self.slope, self.offset = nn.Parameter(torch.tensor(1.5)), nn.Parameter(torch.tensor(3.5))
        self.first = nn.Linear(INPUTS, hidden)
        self.last = nn.Linear(hidden, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        #: weights of the dense mask, of the chosen candidates, and of all others
        self.scale = nn.Parameter(torch.tensor([0.35, 0.65, -0.15]))

    def members(self, scores: Tensor) -> Tensor:
        """(B, K) scores -> how much each candidate belongs to what is meant, in [0, 1]; 0 where the score is -inf."""
        best = scores.amax(-1, keepdim=True)
        gap = torch.where(scores.isfinite(), scores - best, FAR_BELOW)
        return (self.slope * gap + self.offset).sigmoid()

    def forward(self, dense: Tensor, masks: Tensor, scores: Tensor, none: Tensor) -> Tensor:
        """Join.

        Args:
            dense: (B, T, h, w) mask logits of the dense head.
            masks: (T, K, h, w) mask logits of the candidates; with B in front where each expression has its own.
            scores: (B, K) scores of the candidates, -inf where there is none.
            none: (B,) scores of "none".

        Returns:
            (B, T, h, w) mask logits, float32.
        """
        member = self.members(scores)[:, None, :, None, None]
        inside = masks.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT).sigmoid()
        inside = inside if masks.ndim == 5 else inside[None]
        chosen, others = _logit((member * inside).amax(2)), _logit(((1 - member) * inside).amax(2))
        dense = dense.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        confidence = torch.cat([scores, none[:, None]], -1).softmax(-1)[:, :-1].amax(-1)
        confidence = confidence[:, None, None, None].expand_as(dense)
        d, c, o = (logits / LOGIT_SCALE for logits in (dense, chosen, others))
        inputs = torch.stack([d, c, o, confidence, confidence * c, (1 - confidence) * d], -1)
        correction: Tensor = self.last(torch.relu(self.first(inputs)))[..., 0]
        of_dense, of_chosen, of_others = self.scale.unbind()
        # Nothing is taken away where there are no others.
        return of_dense * dense + of_chosen * chosen + of_others * (others + LARGEST_LOGIT) + correction


def _logit(probabilities: Tensor) -> Tensor:
    return torch.logit(probabilities.clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
