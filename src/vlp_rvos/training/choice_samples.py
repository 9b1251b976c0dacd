"""Batches for the choice among candidates: a few pictures, and some of what is said of each. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: P pictures, K candidates at most, B
expressions, S words at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.data.language.nouns import called_kind, may_be_one_kind
from vlp_rvos.data.outlined_pictures import GENERATED
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.models.choice import EVIDENCE
from vlp_rvos.models.descriptors import Descriptors
from vlp_rvos.models.encoder import PlainText
from vlp_rvos.training.choice_features import PictureFeatures
from vlp_rvos.training.choice_variation import vary
from vlp_rvos.training.stage_config import ChoiceStage

__all__ = ["ChoiceBatch", "ChoiceSamples", "Phrases", "join_phrases", "join_pictures"]

#: text -> words (S, d_t) and sentence (d_s)
Phrases = Mapping[str, tuple[Tensor, Tensor]]
#: text, ids of the things that it means
Said = tuple[str, Sequence[str]]


@dataclass(frozen=True)
class ChoiceBatch:
    """Expressions about the candidates of pictures.

    Attributes:
        candidates: descriptions, (P, K, ...).
        present: (P, K) bool, False where a picture has fewer candidates.
        text: the B expressions.
        evidence: (B, K, EVIDENCE) what the dense head says; NaN where that is hidden or not known.
        picture_of: (B,) index of each expression's picture.
        targets: (B, K) how well each candidate fits what is meant, relative to the best; 0 if it is not meant.
    """

    candidates: Descriptors
    present: Tensor
    text: PlainText
    evidence: Tensor
    picture_of: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> ChoiceBatch:
        """The batch on a device."""
        return ChoiceBatch(
            Descriptors(**{name: value.to(device) for name, value in vars(self.candidates).items()}),
            self.present.to(device),
            self.text.to(device),
            self.evidence.to(device),
            self.picture_of.to(device),
            self.targets.to(device),
        )


def join_pictures(
    pictures: Sequence[PictureFeatures],
    said: Sequence[Sequence[Said]],
    phrases: Phrases,
    count: int,
    hidden: Sequence[Sequence[bool]] | None = None,
    rng: np.random.Generator | None = None,
) -> ChoiceBatch:
    """Join pictures and expressions about them.

    Args:
        pictures: the P pictures.
        said: for each of them, the expressions and the ids of the things that they mean.
        phrases: the expressions as the text tower sees them.
        count: number K of candidates to fill up to.
        hidden: for each expression, whether it is hidden what the dense head says; None hides nothing.
        rng: source of the variation of what is known of candidates, see `choice_variation`; None varies nothing.
    """
    joined: dict[str, list[Tensor]] = {field.name: [] for field in fields(Descriptors)}
    targets, evidence, picture_of = [], [], []
    for p, picture in enumerate(pictures):
        known_of = {name: picture.descriptors[name].float() for name in joined}
        if rng is not None:
            known_of = vary(known_of, rng)
        for name, values in joined.items():
            values.append(_filled(known_of[name], count))
        rows = {text: e for e, (text, _, _) in enumerate(picture.expressions[: len(picture.evidence)])}
        for e, (text, ids) in enumerate(said[p]):
            target = torch.zeros(count)
            for row, fit in picture.means(ids).items():
                target[row] = fit
            targets.append(target)
            picture_of.append(p)
            known = text in rows and not (hidden is not None and hidden[p][e])
            unknown = torch.full((count, EVIDENCE), float("nan"))
            evidence.append(_filled(picture.evidence[rows[text]].float(), count) if known else unknown)
    return ChoiceBatch(
        Descriptors(**{name: torch.stack(values) for name, values in joined.items()}),
        torch.stack([torch.arange(count) < len(picture.descriptors["looks"]) for picture in pictures]),
        join_phrases([phrases[text] for texts in said for text, _ in texts]),
        torch.stack(evidence),
        torch.tensor(picture_of),
        torch.stack(targets),
    )


def join_phrases(phrases: Sequence[tuple[Tensor, Tensor]]) -> PlainText:
    """Phrases of different lengths as one batch."""
    longest = max(len(words) for words, _ in phrases)
    words = torch.stack([_filled(words.float(), longest) for words, _ in phrases])
    mask = torch.stack([torch.arange(longest) < len(words) for words, _ in phrases])
    return PlainText(words, mask, torch.stack([sentence.float() for _, sentence in phrases]))


class ChoiceSamples:
    """Draws the batch of a step, from its number alone.

    Args:
        pictures: the pictures to train on.
        sources: their sources, by `PictureFeatures.source`.
        stage: how many pictures and expressions a step takes.
        phrases: all expressions as the text tower sees them.
        count: largest number K of candidates of a picture.
        seed: seed of all batches.

    Raises:
        ValueError: there is no picture of which anything is said, or no candidate is what is said of any.
    """

    def __init__(
        self,
        pictures: Sequence[PictureFeatures],
        sources: Sequence[PictureSource],
        stage: ChoiceStage,
        phrases: Phrases,
        count: int,
        seed: int,
    ) -> None:
        self.sources, self.stage, self.phrases, self.count, self.seed = sources, stage, phrases, count, seed
        weights = _weights(pictures, sources, stage.undescribed)
        self.pictures = [picture for picture, weight in zip(pictures, weights, strict=True) if weight]
        if not self.pictures:
            raise ValueError("nothing is said of any picture")
        # Without one, no batch could ever be drawn.
        if not any(not ids or picture.means(ids) for picture in self.pictures for _, ids, _ in picture.expressions):
            raise ValueError("no candidate is what is said of any picture")
        self.shares = np.array([weight for weight in weights if weight])
        self.shares /= self.shares.sum()
        self.foreign = [
            text
            for picture in self.pictures
            for text, ids, origin in picture.expressions
            if sources[picture.source].kind == "pictures" and sources[picture.source].foreign
            if len(ids) == 1 and origin != GENERATED
        ]

    def draw(self, step: int) -> ChoiceBatch:
        """The batch of a step."""
        rng = np.random.default_rng((self.seed, step))
        while True:
            number = min(self.stage.pictures, len(self.pictures))
            drawn = rng.choice(len(self.pictures), number, replace=False, p=self.shares)
            pictures = [self.pictures[int(k)] for k in drawn]
            said = [self._draw_expressions(picture, rng) for picture in pictures]
            if any(said):
                break
        hidden = [[bool(rng.random() < self.stage.evidence_dropout) for _ in texts] for texts in said]
        return join_pictures(pictures, said, self.phrases, self.count, hidden, rng)

    def _draw_expressions(self, picture: PictureFeatures, rng: np.random.Generator) -> list[Said]:
        """Some of what is said, without what means only things that no candidate is."""
        human = [(text, ids) for text, ids, origin in picture.expressions if origin != GENERATED]
        generated = [(text, ids) for text, ids, origin in picture.expressions if origin == GENERATED]
        most = self.stage.expressions
        kept = max(most - self.stage.generated_in_step, 1) if generated else most
        chosen = [human[k] for k in rng.permutation(len(human))[:kept]]
        chosen += [generated[k] for k in rng.permutation(len(generated))[: most - len(chosen)]]
        if self.foreign and rng.random() < self.sources[picture.source].foreign:
            text = self.foreign[int(rng.integers(len(self.foreign)))]
            # Another bird is a bird too, and so is "the small animal", perhaps.
            kind = called_kind(text)
            if not any(may_be_one_kind(kind, called_kind(own)) for own, _, _ in picture.expressions):
                chosen.append((text, []))
        return [(text, ids) for text, ids in chosen if not ids or picture.means(ids)]


def _weights(pictures: Sequence[PictureFeatures], sources: Sequence[PictureSource], undescribed: float) -> list[float]:
    """How often each picture is drawn: sources by their weights, pictures of which people say nothing less often."""
    described = [any(origin != GENERATED for _, _, origin in picture.expressions) for picture in pictures]
    some = {picture.source for picture, is_described in zip(pictures, described, strict=True) if is_described}
    weights = [
        0.0 if not picture.expressions else 1.0 if is_described or picture.source not in some else undescribed
        for picture, is_described in zip(pictures, described, strict=True)
    ]
    totals = [0.0] * len(sources)
    for picture, weight in zip(pictures, weights, strict=True):
        totals[picture.source] += weight
    return [
        weight * sources[picture.source].weight / totals[picture.source] if weight else 0.0
        for picture, weight in zip(pictures, weights, strict=True)
    ]


def _filled(values: Tensor, count: int) -> Tensor:
    """Values (K', ...) filled up to (count, ...) with zeros."""
    return F.pad(values, (0, 0) * (values.ndim - 1) + (0, count - len(values)))
