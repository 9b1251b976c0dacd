"""The stages that teach: candidates and choice, held near what the model answered before.

Shapes: P pictures, K candidates, G phrases.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.data.outlined_pictures import GENERATED
from vlp_rvos.models.backbones.nanodet import CLASS_NAMES
from vlp_rvos.models.choice import EVIDENCE
from vlp_rvos.teaching.lesson_phrases import unrelated
from vlp_rvos.training.choice_features import PictureFeatures, encode_phrases
from vlp_rvos.training.choice_samples import ChoiceBatch, join_phrases
from vlp_rvos.training.choice_stage import ChoiceTraining
from vlp_rvos.training.stage_config import ChoiceStage
from vlp_rvos.training.stage_loop import StageContext
from vlp_rvos.utils.signals import StopRequest

__all__ = ["TaughtChoice", "everyday_phrases", "without_meant"]

#: Weight of the distance to the earlier answers, and phrases for which they are compared in a step.
KEPT_WEIGHT, KEPT_PHRASES = 2.0, 8
#: Takes the place of minus infinity, which would make the distance NaN.
FAR_BELOW = -1e4
TEMPLATES = ("the {}", "the {} on the left", "the small {}", "the red {}")
#: Everyday words beside the classes of the detector.
NOUNS = ("man", "woman", "child", "tree", "building", "sky", "road", "shirt", "shoe", "hat", "animal", "thing")


def everyday_phrases(taught: Sequence[str]) -> list[str]:
    """Phrases that a model knows, without those that share a word with a taught name."""
    return unrelated([form.format(noun) for noun in (*CLASS_NAMES, *NOUNS) for form in TEMPLATES], taught)


def without_meant(picture: PictureFeatures) -> PictureFeatures | None:
    """The same picture as if the things that people name were not in it: then their names mean nothing.

    Candidates that are these things, and those whose centre lies in their boxes, are left out.

    Returns:
        The picture; None where nothing would be left in it.
    """
    spoken = [(text, ids) for text, ids, origin in picture.expressions if origin != GENERATED and ids]
    rows = sorted({row for _, ids in spoken for row in picture.means(ids)})
    if not rows:
        return None
    geometry = picture.descriptors["geometry"].float()
    left, top, right, bottom = geometry[rows, :4].unbind(1)
    x, y = geometry[:, 6, None], geometry[:, 7, None]
    inside = ((x > left) & (x < right) & (y > top) & (y < bottom)).any(1)
    inside[rows] = True
    kept = (~inside).nonzero()[:, 0]
    if not len(kept):
        return None
    return replace(
        picture,
        descriptors={name: values[kept] for name, values in picture.descriptors.items()},
        found=int((kept < picture.found).sum()),
        rows={},
        expressions=[(text, [], "absent") for text, _ in spoken],
        # What the dense head says was said of the whole picture.
        evidence=torch.zeros(0, len(kept), EVIDENCE, dtype=picture.evidence.dtype),
        presence=picture.presence[:0],
    )


class TaughtChoice(ChoiceTraining):
    """Teaches `Choice` new names, while its answers to everyday phrases stay what they were.

    Args:
        context: the run; its model is the one to start from.
        budget: how long, and on what.
        taught: the names that are taught.
    """

    def __init__(self, context: StageContext, budget: ChoiceStage, taught: Sequence[str]) -> None:
        super().__init__(context, budget)
        self.before = copy.deepcopy(self.path.choice).eval().requires_grad_(False)
        self.texts = everyday_phrases(taught)
        self.everyday: list[tuple[Tensor, Tensor]] = []

    def prepare(self, stop_request: StopRequest) -> bool:
        if not super().prepare(stop_request):
            return False
        encoded = encode_phrases(self.model, self.texts)
        self.everyday = [encoded[text] for text in self.texts]
        return True

    def further_pictures(self, pictures: Sequence[PictureFeatures]) -> list[PictureFeatures]:
        return [found for picture in pictures if (found := without_meant(picture)) is not None]

    def losses(self, batch: ChoiceBatch) -> dict[str, Tensor]:
        return {**super().losses(batch), "kept": KEPT_WEIGHT * self._distance(batch.to(self.fabric.device))}

    def _distance(self, batch: ChoiceBatch) -> Tensor:
        """Mean divergence of the answers to some everyday phrases from those before."""
        drawn = torch.randint(len(self.everyday), (KEPT_PHRASES,)).tolist()
        pictures = len(batch.present)
        device = self.fabric.device
        text = join_phrases([self.everyday[k] for _ in range(pictures) for k in drawn]).to(device)
        picture_of = torch.arange(pictures, device=device).repeat_interleave(len(drawn))
        evidence = torch.full((len(picture_of), batch.present.shape[1], EVIDENCE), float("nan"), device=device)
        inputs = (batch.candidates, batch.present, text, evidence, picture_of)
        with self.fabric.autocast():
            now = torch.cat([(found := self.path.choice(*inputs))[0], found[1][:, None]], 1).float()
            with torch.no_grad():
                earlier = torch.cat([(was := self.before(*inputs))[0], was[1][:, None]], 1).float()
        now, earlier = (scores.clamp(min=FAR_BELOW).log_softmax(1) for scores in (now, earlier))
        return F.kl_div(now, earlier, log_target=True, reduction="batchmean")
