"""The mask that the chosen candidates and the dense head agree on. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: B expressions, T frames, K candidates,
(h, w) positions of the candidates' masks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Agreement", "confidence_of"]

#: Logits are clamped to this absolute value, and probabilities accordingly.
LARGEST_LOGIT, SMALLEST_PROBABILITY = 8.0, 3e-4
#: Numbers at each position from which the correction is computed.
INPUTS = 6
#: Logits are divided by this number before they enter the network.
LOGIT_SCALE = 4
#: `Agreement.slope` and `Agreement.offset` before training, where one thing is meant and where several are.
FIRST_SLOPES, FIRST_OFFSETS = (3.5, 1.5), (3.5, 3.5)
#: Takes the place of minus infinity, which a gradient would not survive.
FAR_BELOW = -1e4


class Agreement(nn.Module):
    """Joins the masks of candidates, by their scores, and corrects the dense mask with them, pixel by pixel.

    The result is a weighted sum of the logits of the dense mask, of the chosen candidates and of all others, and of a
    correction by a small network, which starts at 0. How near to the best score a candidate must come depends on
    whether one thing is meant or several.

    Args:
        hidden: hidden channels of that network.
    """

    def __init__(self, hidden: int = 24) -> None:
        super().__init__()
        #: how fast a candidate's part falls with its distance from the best score, and where it begins, where one thing
        #: is meant, and where several are
        self.slope, self.offset = nn.Parameter(torch.tensor(FIRST_SLOPES)), nn.Parameter(torch.tensor(FIRST_OFFSETS))
        self.first = nn.Linear(INPUTS, hidden)
        self.last = nn.Linear(hidden, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        #: weights of the dense mask, of the chosen candidates, and of all others
        self.scale = nn.Parameter(torch.tensor([0.35, 0.65, -0.15]))

    def members(self, scores: Tensor, several: Tensor) -> Tensor:
        """How much each candidate belongs to what is meant.

        Args:
            scores: (B, K) scores of the candidates, -inf where there is none.
            several: (B,) probabilities that several things are meant.

        Returns:
            (B, K) in [0, 1]; 0 where the score is -inf.
        """
        best = scores.amax(-1, keepdim=True)
        gap = torch.where(scores.isfinite(), scores - best, FAR_BELOW)
        slope, offset = (torch.lerp(x[0], x[1], several)[:, None] for x in (self.slope, self.offset))
        return (slope * gap + offset).sigmoid()

    def forward(self, dense: Tensor, masks: Tensor, members: Tensor, confidence: Tensor) -> Tensor:
        """Join.

        Args:
            dense: (B, T, h, w) mask logits of the dense head.
            masks: (T, K, h, w) mask logits of the candidates; with B in front where each expression has its own.
            members: (B, K) how much each candidate belongs to what is meant.
            confidence: (B,) probability of the likeliest candidate, see `confidence_of`.

        Returns:
            (B, T, h, w) mask logits, float32.
        """
        member = members[:, None, :, None, None]
        inside = masks.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT).sigmoid()
        inside = inside if masks.ndim == 5 else inside[None]
        chosen, others = _logit((member * inside).amax(2)), _logit(((1 - member) * inside).amax(2))
        dense = dense.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        confidence = confidence[:, None, None, None].expand_as(dense)
        d, c, o = (logits / LOGIT_SCALE for logits in (dense, chosen, others))
        inputs = torch.stack([d, c, o, confidence, confidence * c, (1 - confidence) * d], -1)
        correction: Tensor = self.last(torch.relu(self.first(inputs)))[..., 0]
        of_dense, of_chosen, of_others = self.scale.unbind()
        # Nothing is taken away where there are no others.
        return of_dense * dense + of_chosen * chosen + of_others * (others + LARGEST_LOGIT) + correction


def confidence_of(scores: Tensor, none: Tensor) -> Tensor:
    """Scores (B, K) of candidates and (B,) of "none" -> (B,) probability of the likeliest candidate."""
    return torch.cat([scores, none[:, None]], -1).softmax(-1)[:, :-1].amax(-1)


def _logit(probabilities: Tensor) -> Tensor:
    return torch.logit(probabilities.clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
