"""The mask that the chosen candidates and the dense head agree on. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: B expressions, T frames, K candidates,
(h, w) positions of the candidates' masks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Agreement"]

#: logits are clamped to this absolute value
LIMIT = 8.0
INPUTS = 6


class Agreement(nn.Module):
    """Joins the masks of candidates, by their scores, and corrects the dense mask with them, pixel by pixel.

    Args:
        hidden: hidden channels.
    """

    def __init__(self, hidden: int = 24) -> None:
        super().__init__()
        #: how fast a candidate's part falls with its distance from the best score, and where it begins
        self.slope, self.offset = nn.Parameter(torch.tensor(1.5)), nn.Parameter(torch.tensor(3.5))
        self.first = nn.Linear(INPUTS, hidden)
        self.last = nn.Linear(hidden, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.scale = nn.Parameter(torch.tensor([0.35, 0.65, -0.15]))

    def members(self, scores: Tensor) -> Tensor:
        """(B, K) scores -> how much each candidate belongs to what is meant, in [0, 1]."""
        best = scores.amax(-1, keepdim=True)
        gap = torch.where(scores.isfinite(), scores - best, -1e4)
        return (self.slope * gap + self.offset).sigmoid()

    def forward(self, dense: Tensor, masks: Tensor, scores: Tensor, none: Tensor) -> Tensor:
        """Join.

        Args:
            dense: (B, T, h, w) mask logits of the dense head.
            masks: (T, K, h, w) mask logits of the candidates; with B in front where each expression has its own.
            scores: (B, K) scores of the candidates, -inf where there is none.
            none: (B,) scores of "none".

        Returns:
            (B, T, h, w) mask logits.
        """
        member = self.members(scores)
        inside = masks.float().clamp(-LIMIT, LIMIT).sigmoid()
        inside = inside if masks.ndim == 5 else inside[None]
        part = member[:, None, :, None, None]
        chosen = (part * inside).amax(2)
        others = ((1 - part) * inside).amax(2)
        confident = torch.cat([scores, none[:, None]], -1).softmax(-1)[:, :-1].amax(-1)[:, None, None, None]
        d = dense.float().clamp(-LIMIT, LIMIT)
        c, o = (torch.logit(x.clamp(3e-4, 1 - 3e-4)) for x in (chosen, others))
        confidence = confident.expand_as(d)
        inputs = torch.stack([d / 4, c / 4, o / 4, confidence, confidence * c / 4, (1 - confidence) * d / 4], -1)
        correction = self.last(torch.relu(self.first(inputs)))[..., 0]
        return self.scale[0] * d + self.scale[1] * c + self.scale[2] * (o + LIMIT) + correction  # type: ignore[no-any-return]
