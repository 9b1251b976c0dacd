"""A copy of `mini`'s backbone whose image features no longer match its text encoder, as a control in ablations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from vlp_rvos.models.backbones.mini import load_mini
from vlp_rvos.utils.atomic import replace_file

__all__ = ["misaligned", "write_misaligned_backbone"]


def misaligned(tower: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """The weights of `mini`'s vision tower, with a random rotation after its projection into the shared space.

    Rotating keeps the image features before the shared space and all distances within it, and the text encoder stays as
    it is. Only the match between image and text is lost. It is the tower that the same pretraining would have given for
    a text encoder with a rotated space. The image side is rotated and not the text side, because words reach the rest
    of the model through learned linear maps of random start, for which a rotation makes hardly a difference.

    Args:
        tower: weights from `MiniBackbone.aligned_state_dict`.
        seed: seed of the rotation.
    """
    state = {name: value.detach().clone().contiguous() for name, value in tower.items()}
    weight, bias = "vision_projection.weight", "vision_projection.bias"
    random = torch.randn(2 * (state[weight].shape[0],), generator=torch.Generator().manual_seed(seed))
    rotation = torch.linalg.qr(random).Q
    return state | {weight: rotation @ state[weight], bias: rotation @ state[bias]}


def write_misaligned_backbone(path: Path) -> None:
    """Write the misaligned weights of the shipped `mini` backbone, unless the file is already there."""
    if not path.exists():
        state = misaligned(load_mini().aligned_state_dict())
        replace_file(path, lambda part: save_file(state, part))
