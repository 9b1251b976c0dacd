"""The losses of the alignment, on the stride-16 patches in the shared space (`docs/method.md` section 0 [D]).

- contrast: a patch inside an annotated region must match the region's phrases better than all others of the vocabulary;
- locate: the similarity of a phrase and the patches must give the mask of its region;
- distil: a patch must match the sentence feature of the class that the stem's own classifier sees at its place.

Shapes: B crops, R regions of a crop, N patches, K phrases of the vocabulary, d_s width of the shared space.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.mini import MiniBackbone
from vlp_rvos.pretraining.crops import Crop

__all__ = ["AlignmentLosses"]


class AlignmentLosses(nn.Module):
    """Computes the losses. Its learned scales and bias are trained with the backbone, but are not part of it.

    Args:
        backbone: backbone whose vision tower is trained.
        vocabulary: (K, d_s) sentence features of all phrases, of length 1.
        distil: weight of the distillation loss.
    """

    def __init__(self, backbone: MiniBackbone, vocabulary: Tensor, distil: float) -> None:
        super().__init__()
        self.backbone, self.distil = backbone, distil
        self.log_scale = nn.Parameter(torch.tensor(math.log(14.0)))
        self.locate_log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.locate_bias = nn.Parameter(torch.tensor(-3.0))
        self.vocabulary: Tensor
        self.register_buffer("vocabulary", vocabulary)
        #: (K, K), which phrases mean nearly the same; they are never each other's negatives
        self.similar: Tensor
        self.register_buffer("similar", vocabulary @ vocabulary.T > 0.6)

    def patches(self, batch: Sequence[Crop]) -> tuple[Tensor, Tensor]:
        """Patches (B, N, d_s) and CLS (B, d_s) of crops of one size in the shared space, all of length 1."""
        maps = {stride: torch.stack([crop.maps[stride] for crop in batch]) for stride in (16, 32, 0)}
        tokens = self.backbone.join_maps(maps)
        x = tokens.tokens
        for block in self.backbone.vision_blocks:
            x = block(x)
        shared = F.normalize(self.backbone.project_vision(self.backbone.finish_vision(x)).float(), dim=-1)
        return shared[:, 1:], shared[:, 0]

    def forward(self, batch: Sequence[Crop], rng: np.random.Generator) -> dict[str, Tensor]:
        """The losses of crops of one size: "contrast", "locate" and "distil", which includes its weight.

        Args:
            batch: the crops.
            rng: chooses the phrase of each region for "locate".
        """
        patches, cls = self.patches(batch)
        contrast, locate = [], []
        for crop, shared in zip(batch, patches, strict=True):
            regions = crop.regions.float().flatten(1)  # R N
            chosen = [int(rng.choice(options)) for options in crop.phrases]
            similarity = shared @ self.vocabulary.T  # N K
            positive = torch.zeros_like(similarity, dtype=torch.bool)
            for coverage, options in zip(regions, crop.phrases, strict=True):
                positive[:, options] |= (coverage > 0.5)[:, None]
            inside = positive.any(1)
            if inside.any():
                logits = similarity[inside] * self.log_scale.exp()
                allowed = ~(positive[inside].float() @ self.similar.float()).bool() | positive[inside]
                everything = logits.masked_fill(~allowed, -torch.inf).logsumexp(1)
                contrast.append((everything - logits.masked_fill(~positive[inside], -torch.inf).logsumexp(1)).mean())
            scores = similarity[:, chosen].T * self.locate_log_scale.exp() + self.locate_bias  # R N
            bce = F.binary_cross_entropy_with_logits(scores, regions)
            overlap = 2 * (scores.sigmoid() * regions).sum(1) + 1
            dice = 1 - overlap / (scores.sigmoid().sum(1) + regions.sum(1) + 1)
            locate.append(2 * bce + dice.mean())
        classes = torch.stack([crop.maps[0] for crop in batch]).float()
        classes = F.interpolate(classes, size=batch[0].maps[16].shape[-2:], mode="bilinear").flatten(2).transpose(1, 2)
        confidence = classes.norm(dim=-1)  # near 1 where one class, or one group of similar classes, is certain
        weight = (confidence - 0.3).clamp(min=0)
        distance = 1 - (patches * F.normalize(classes, dim=-1)).sum(-1)
        distil = (distance * weight).sum() / weight.sum().clamp(min=1)
        overall = F.normalize(classes.mean(1), dim=-1)
        zero = patches.sum() * 0
        return {
            "contrast": torch.stack(contrast).mean() if contrast else zero,
            "locate": torch.stack(locate).mean(),
            "distil": self.distil * (distil + 0.2 * (1 - (cls * overall).sum(-1)).mean()),
        }
