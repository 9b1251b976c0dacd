"""Sentence features of phrases, and of the classes that the stem was trained to tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.backbones.mini import MiniBackbone
from vlp_rvos.pretraining.class_names import class_names, everyday_word

__all__ = ["class_features", "phrase_features"]


def phrase_features(backbone: MiniBackbone, phrases: Sequence[str]) -> Tensor:
    """(K, d_s) sentence features of K phrases, of length 1."""
    with torch.inference_mode():
        parts = [
            backbone.encode_text(backbone.tokenize(phrases[start : start + 256]))
            for start in range(0, len(phrases), 256)
        ]
    return F.normalize(torch.cat(parts), dim=-1).clone()


def class_features(backbone: MiniBackbone) -> Tensor:
    """(1000, d_s) features of the stem's classes, of length 1: the mean of a class's own name and its everyday word."""
    names = class_names()
    own = phrase_features(backbone, [f"a {name}" for name in names])
    everyday = phrase_features(backbone, [f"a {everyday_word(index, name)}" for index, name in enumerate(names)])
    return F.normalize(own + everyday, dim=-1)
