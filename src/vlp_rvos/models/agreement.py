"""The mask that the chosen candidates and the dense head agree on. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: B expressions, T frames, K candidates,
(h, w) positions of the candidates' masks, C numbers of things that are told apart (`number.COUNTS`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vlp_rvos.models.candidates import distinct

__all__ = ["Agreement", "Members", "confidence_of", "shared_parts"]

#: Logits are clamped to this absolute value, and probabilities accordingly.
LARGEST_LOGIT, SMALLEST_PROBABILITY = 8.0, 3e-4
#: Numbers at each position from which the correction is computed.
INPUTS = 6
#: Logits are divided by this number before they enter the network.
LOGIT_SCALE = 4
#: `Agreement.slope` and `Agreement.offset` before training, where one thing is meant and where several are.
FIRST_SLOPES, FIRST_OFFSETS = (3.5, 1.5), (3.5, 3.5)
#: Where several things are meant with less than this probability, the second best is not looked for.
LEAST_SEVERAL = 0.1
#: Probability from which on a thing counts as one of those that are meant.
LIKELY = 0.5
#: Two candidates are one thing, whole or in part, if they share more than this part of the smaller one.
SAME_THING = 0.75
#: Takes the place of minus infinity, which a gradient would not survive.
FAR_BELOW = -1e4


@dataclass(frozen=True)
class Members:
    """Which candidates are what is meant.

    Attributes:
        part: (B, K) how much each belongs to it, in [0, 1]; 0 where the score is -inf.
        separate: (B, K) bool, the best candidate, and the next best other things where the words mean several.
        counted: (B, K) bool, which of these belong to it by the number more than by their scores.
    """

    part: Tensor
    separate: Tensor
    counted: Tensor

    def smallest_share(self, masks: Tensor) -> Tensor:
        """(B,) area of the smallest separate thing relative to the largest one, of masks (T, K, h, w), in [0, 1]."""
        area = (masks > 0).flatten(2).sum(-1).amax(0).float()
        largest = torch.where(self.separate, area, 0.0).amax(1)
        smallest = torch.where(self.separate, area, float("inf")).amin(1)
        return smallest / largest.clamp(min=1)


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

    def members(self, scores: Tensor, more_than: Tensor, masks: Tensor, seen: Tensor | None = None) -> Members:
        """How much each candidate belongs to what is meant.

        A candidate belongs to it whose score comes near the best one. Where the words mean several things, the next
        best of those that are other things belong to it as well, however far behind: "both dogs" means two.

        Args:
            scores: (B, K) scores of the candidates, -inf where there is none.
            more_than: (B, C - 1) probabilities that more than 1, 2, ... things are meant, see `number.more_than`.
            masks: (T, K, h, w) mask logits of the candidates.
            seen: (T, K) bool, in which frames they are seen; None for all of them.
        """
        best = scores.amax(-1, keepdim=True)
        gap = torch.where(scores.isfinite(), scores - best, FAR_BELOW)
        slope, offset = (torch.lerp(x[0], x[1], more_than[:, 0])[:, None] for x in (self.slope, self.offset))
        near = (slope * gap + offset).sigmoid()
        next_best = _next_best(scores, more_than, masks, seen)
        is_best = torch.arange(scores.shape[1], device=scores.device) == scores.argmax(-1, keepdim=True)
        # The next best ones belong to it as much as the best one does.
        counted = near.amax(-1, keepdim=True) * next_best
        return Members(torch.maximum(near, counted), is_best | (next_best > LIKELY), counted > near)

    def forward(self, dense: Tensor, masks: Iterable[Tensor], members: Tensor, confidence: Tensor) -> Tensor:
        """Join.

        Args:
            dense: (B, T, h, w) mask logits of the dense head.
            masks: for each expression (T, K, h, w) mask logits of the candidates.
            members: (B, K) how much each candidate belongs to what is meant.
            confidence: (B,) probability of the likeliest candidate, see `confidence_of`.

        Returns:
            (B, T, h, w) mask logits, float32.
        """
        # One frame of one expression after the other: its masks fit into a processor's cache.
        joined = [
            self._join(frame, of_candidates, part, sure)
            for clip, candidates, part, sure in zip(dense.float(), masks, members, confidence, strict=True)
            for frame, of_candidates in zip(clip, candidates, strict=True)
        ]
        return torch.stack(joined).view_as(dense) if joined else dense.float()

    def _join(self, dense: Tensor, masks: Tensor, part: Tensor, confidence: Tensor) -> Tensor:
        """One frame of one expression: (h, w), (K, h, w), (K,) and one number -> (h, w)."""
        inside = masks.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT).sigmoid()
        part = part[:, None, None]
        chosen, others = _logit((part * inside).amax(0)), _logit(((1 - part) * inside).amax(0))
        dense = dense.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        d, c, o = (logits / LOGIT_SCALE for logits in (dense, chosen, others))
        inputs = torch.stack([d, c, o, confidence.expand_as(d), confidence * c, (1 - confidence) * d], -1)
        correction: Tensor = self.last(torch.relu(self.first(inputs)))[..., 0]
        of_dense, of_chosen, of_others = self.scale.unbind()
        # Nothing is taken away where there are no others.
        return of_dense * dense + of_chosen * chosen + of_others * (others + LARGEST_LOGIT) + correction


def confidence_of(scores: Tensor, none: Tensor) -> Tensor:
    """Scores (B, K) of candidates and (B,) of "none" -> (B,) probability of the likeliest candidate."""
    return torch.cat([scores, none[:, None]], -1).softmax(-1)[:, :-1].amax(-1)


def shared_parts(masks: Tensor, seen: Tensor | None = None) -> Tensor:
    """How much of the smaller one of two candidates lies inside the other one, in the frames that show both.

    Args:
        masks: (T, K, h, w) mask logits of the candidates.
        seen: (T, K) bool, in which frames they are seen; None for all of them.

    Returns:
        (K, K) in [0, 1]; 1 for two that no frame shows together, since they may be the same thing at different times.
    """
    inside = (masks > 0).transpose(0, 1).flatten(2).float()
    shown = torch.ones_like(inside[..., 0]) if seen is None else seen.T.float()
    # Of each candidate, the area in the frames in which the other one is seen.
    area = inside.sum(-1) @ shown.T
    smaller = torch.minimum(area, area.T)
    common = inside.flatten(1) @ inside.flatten(1).T
    return torch.where(smaller > 0, common / smaller.clamp(min=1), 1.0)


def _next_best(scores: Tensor, more_than: Tensor, masks: Tensor, seen: Tensor | None) -> Tensor:
    """(B, K) probabilities that candidates are the second, third, ... thing that is meant, see `Agreement.members`."""
    found = torch.zeros_like(scores, dtype=more_than.dtype)
    # Where costs are counted without values, nothing means several things.
    rows = [] if scores.is_meta else (more_than[:, 0] > LEAST_SEVERAL).nonzero()[:, 0].tolist()
    if not rows:
        return found
    shared = shared_parts(masks, seen)
    for row in rows:
        order = scores[row].argsort(descending=True, stable=True)[: int(scores[row].isfinite().sum())]
        things = order[distinct(shared[order][:, order], SAME_THING)][1 : 1 + more_than.shape[1]]
        found[row, things] = more_than[row, : len(things)]
    return found


def _logit(probabilities: Tensor) -> Tensor:
    return torch.logit(probabilities.clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
