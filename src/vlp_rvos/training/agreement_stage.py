"""The stage "agreement": how candidates and dense head are joined, and what presence means. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. The few parameters of `Agreement` are fitted on the
masks of training pictures that the stage before has kept, those of `Number` on all expressions about things there. The
calibration of presence, a logistic regression, and the presence threshold are fitted on held-out pictures: the choice
is too sure of those that it was trained on. Shapes: E expressions of a picture, K candidates, (h, w) positions of the
masks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.models.agreement import Agreement, confidence_of
from vlp_rvos.models.number import COUNTS, more_than
from vlp_rvos.training.candidate_stage import path_of
from vlp_rvos.training.choice_samples import Phrases, join_phrases
from vlp_rvos.training.choice_stage import FeatureSource, ScoredPicture, score_picture
from vlp_rvos.training.number_fit import fit_number, other_numbers
from vlp_rvos.training.stage_config import AgreementStage, ChoiceStage
from vlp_rvos.training.stage_loop import LaterStage, StageContext, StageResult
from vlp_rvos.training.validation import frame_iou
from vlp_rvos.utils.progress import announce
from vlp_rvos.utils.signals import StopRequest

__all__ = ["AgreementTraining", "JoinedMask", "fit_presence", "joined_mask_loss"]

#: weight of the squared coefficients in the regression of presence
RIDGE = 1e-3


@dataclass(frozen=True)
class JoinedMask:
    """What is joined for one expression about one picture.

    Attributes:
        masks: (K, h, w) mask logits of the candidates.
        dense: (h, w) mask logits of the dense head.
        truth: (h, w) bool.
        scores: (K,) scores of the candidates.
        none: score of "none".
        more_than: (C - 1,) probabilities that more than 1, 2, ... things are meant, see `number.more_than`.
    """

    masks: Tensor
    dense: Tensor
    truth: Tensor
    scores: Tensor
    none: Tensor
    more_than: Tensor

    def join(self, agreement: Agreement, noise: float = 0.0) -> Tensor:
        """(h, w) mask logits, with noise on the scores."""
        scores = self.scores + noise * torch.randn(self.scores.shape).to(self.scores)
        none = self.none + noise * torch.randn(()).to(self.none)
        members = agreement.members(scores[None], self.more_than[None], self.masks[None])
        confidence = confidence_of(scores[None], none[None])
        joined = agreement(self.dense.float()[None, None], [self.masks.float()[None]], members.part, confidence)
        found: Tensor = joined[0, 0]
        return found

    def to(self, device: torch.device) -> JoinedMask:
        """The same on a device."""
        return JoinedMask(*(value.to(device) for value in vars(self).values()))


class AgreementTraining(LaterStage[list[JoinedMask]]):
    """Fits `Agreement`, `Number` and the calibration of presence.

    Args:
        context: the run.
        budget: how long it fits.
        choice: the stage before, with whose features it works.
    """

    name = "agreement"
    parts = ("candidate_path.agreement.", "candidate_path.number.", "candidate_path.calibration")

    def __init__(self, context: StageContext, budget: AgreementStage, choice: ChoiceStage) -> None:
        super().__init__(context, budget)
        self.stage, self.path = budget, path_of(self.model)
        self.choice = choice
        self.features: FeatureSource | None = None
        self.training: list[JoinedMask] = []
        self.held_out: list[ScoredPicture] = []
        self.phrases: Phrases = {}
        #: what people say of things, and how many of them are meant; and the same with other numbers
        self.said: dict[str, int] = {}
        self.others: dict[str, int] = {}

    def prepare(self, stop_request: StopRequest) -> bool:
        self.features = FeatureSource(self.context, self.choice, self.stage.pictures)
        if not self.features.fill(stop_request):
            return False
        pictures = [p for p in self.features.cache.load(masks=True) if p.held_out or len(p.truth)]
        self.said = self.features.numbers()
        self.others = other_numbers(self.said, self.context.config.seed)
        of_pictures = (text for p in pictures for text, _, _ in p.expressions)
        self.phrases = self.features.encode({*self.said, *self.others, *of_pictures})
        for picture in pictures:
            scored = score_picture(self.path, picture, self.phrases)
            if scored is None:
                continue
            if picture.held_out:
                self.held_out.append(scored)
            else:
                # Here it is known how many are meant.
                known = torch.arange(1, COUNTS)
                self.training += _joined(scored, (torch.tensor(scored.meant)[:, None] > known).float())
        if not self.training:
            raise UserError("people say nothing of any picture, so that no agreement is fitted: set agreement=null")
        return True

    def batches(self, step: int) -> Iterator[list[JoinedMask]]:
        return map(self._draw, count(step))

    def _draw(self, step: int) -> list[JoinedMask]:
        rng = np.random.default_rng((self.context.config.seed, step))
        return [self.training[int(k)] for k in rng.integers(len(self.training), size=self.stage.expressions)]

    def losses(self, batch: list[JoinedMask]) -> dict[str, Tensor]:
        device = self.fabric.device
        found = [
            joined_mask_loss(mask.join(self.path.agreement, self.stage.noise), mask.truth)
            for mask in (mask.to(device) for mask in batch)
        ]
        return {"mask": torch.stack(found).mean()}

    def measure(self, stop_request: StopRequest) -> StageResult | None:
        """Fit the number, measure on held-out pictures, and fit presence on them.

        The numbers are the mean IoU of the joined masks, beside that of the dense head, the share of the expressions
        about several things, and about one, that are known as such, and the share of the false ones that are noticed.
        """
        assert self.features is not None
        if {count > 1 for count in self.said.values()} == {False, True}:
            fit_number(self.path.number, self.phrases, self.said, self.others, self.context.config.seed)
        else:
            announce("nothing is said about one thing, or about several, so that no number is learned")
        ious, dense = [], []
        known: tuple[list[bool], list[bool]] = ([], [])
        with torch.no_grad():
            for scored in self.held_out:
                more = self._more_than(scored)
                for number, probability in zip(scored.meant, more[:, 0].tolist(), strict=True):
                    if number and self.features.counts_things(scored.picture.source):
                        known[number > 1].append((probability > 0.5) == (number > 1))
                for mask in _joined(scored, more):
                    if stop_request:
                        return None
                    joined = mask.to(self.fabric.device).join(self.path.agreement).cpu()
                    ious.append(float(frame_iou(joined > 0, mask.truth)))
                    dense.append(float(frame_iou(mask.dense > 0, mask.truth)))
        result = StageResult()
        if ious:
            result.numbers = {"iou": float(np.mean(ious)), "iou_dense": float(np.mean(dense))}
        for name, right in zip(("one", "several"), known, strict=True):
            if right:
                result.numbers[name] = float(np.mean(right))
        evidence, there = _presence(self.held_out)
        if not len(there) or there.all() or not there.any():
            announce("no held-out picture has true and false expressions, so that presence is not calibrated")
            return result
        weights = fit_presence(evidence, there)
        with torch.no_grad():
            self.path.calibration.copy_(weights)
        probabilities = (evidence @ weights).sigmoid()
        threshold = float(torch.quantile(probabilities[there], 1 - self.stage.kept))
        result.numbers["noticed"] = float((probabilities[~there] < threshold).float().mean())
        result.inference_overrides = {"presence_threshold": round(threshold, 4)}
        return result

    def _more_than(self, scored: ScoredPicture) -> Tensor:
        """(E, C - 1) probabilities of how many things the expressions of people about a picture mean."""
        text = join_phrases([self.phrases[x] for x in scored.texts])
        return more_than(self.path.number(text.to(self.fabric.device))).cpu()

    def clean_up(self) -> None:
        if self.features is not None:
            self.features.cache.remove()


def joined_mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Dice loss and cross entropy, relative to the area of what is meant, of one mask: (h, w) logits and bool."""
    target, probabilities = truth.float(), logits.sigmoid()
    dice = 1 - (2 * (probabilities * target).sum() + 1) / (probabilities.sum() + target.sum() + 1)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="sum")
    return dice + 0.5 * (entropy / (4 * target.sum().clamp(min=20))).clamp(max=4)


def fit_presence(evidence: Tensor, there: Tensor) -> Tensor:
    """Logistic regression.

    Args:
        evidence: (N, C), the last column of which may be 1.
        there: (N,) bool.

    Returns:
        (C,) coefficients.
    """
    weights = torch.zeros(evidence.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200)

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = F.binary_cross_entropy_with_logits(evidence @ weights, there.float())
        found = found + RIDGE * weights.square().sum()
        found.backward()
        return found

    with torch.enable_grad():
        optimizer.step(loss)
    return weights.detach()


def _joined(scored: ScoredPicture, more: Tensor) -> list[JoinedMask]:
    """What is joined for each of the E expressions of which a mask is kept and that means something.

    Args:
        scored: the picture.
        more: (E, C - 1) probabilities that more than 1, 2, ... things are meant.
    """
    picture, truth = scored.picture, scored.picture.truth > 127
    scores = scored.scores[:, : picture.found]
    return [
        JoinedMask(picture.mask_logits, picture.dense_logits[e], truth[e], scores[e], scored.none[e], more[e])
        for e in range(len(truth))
        if scored.meant[e] and truth[e].any()
    ]


def _presence(scored: Sequence[ScoredPicture]) -> tuple[Tensor, Tensor]:
    """(N, 4) what `CandidatePath.calibration` weighs, and (N,) bool whether what is meant is there."""
    rows, there = [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.bool)]
    for one in scored:
        known = len(one.picture.presence)
        frame, clip = one.picture.presence.float().unbind(1)
        rows.append(torch.stack([one.presence[:known], clip, frame, torch.ones(known)], 1))
        there.append(torch.tensor(one.meant[:known], dtype=torch.int64) > 0)
    return torch.cat(rows), torch.cat(there)
