"""Frozen vision-language backbones behind one interface: CLIP, VLMo and the offline `mini`."""

from __future__ import annotations

from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Backbone, Block, FrameTokens
from vlp_rvos.models.backbones.expression_tokenizer import TextBatch

__all__ = [
    "BACKBONES",
    "Backbone",
    "Block",
    "FrameTokens",
    "TextBatch",
    "load_backbone",
    "random_backbone",
]

#: Name of a backbone -> hub id of its weights. None for `mini`, whose weights are shipped, and for VLMo, whose weights
#: the user has to give.
BACKBONES: dict[str, str | None] = {
    "clip-b16": "openai/clip-vit-base-patch16",
    "clip-l14": "openai/clip-vit-large-patch14",
    "clip-l14-336": "openai/clip-vit-large-patch14-336",
    "vlmo-b": None,
    "vlmo-l": None,
    "mini": None,
}


def _check_name(name: str) -> None:
    if name not in BACKBONES:
        raise UserError(f"unknown backbone '{name}': use one of {', '.join(BACKBONES)}")


def load_backbone(name: str, weights: str | Path | None = None) -> Backbone:
    """A backbone with pretrained weights, frozen.

    Args:
        name: One of `BACKBONES`.
        weights: Folder or hub id in Hugging Face format, or checkpoint file of OpenAI's CLIP or of VLMo, or safetensors
            file of mini's vision tower. Default: the hub id in `BACKBONES`, and the shipped tower for `mini`.

    Raises:
        UserError: The name is unknown, there are no weights, or they are of another model.
    """
    _check_name(name)
    if name == "mini":
        from vlp_rvos.models.backbones.mini import load_mini

        return load_mini(weights)
    source = weights or BACKBONES[name]
    if source is None:
        raise UserError(f"{name}: its weights cannot be downloaded by name; give the path of an official checkpoint")
    if name.startswith("vlmo"):
        from vlp_rvos.models.backbones.vlmo import load_vlmo

        return load_vlmo(source, name)
    from vlp_rvos.models.backbones.clip import load_clip

    return load_clip(source, name)


def random_backbone(name: str) -> Backbone:
    """A frozen backbone with the exact sizes of a preset and random weights, for tests and cost measurements.

    Raises:
        UserError: The name is unknown.
    """
    _check_name(name)
    if name == "mini":
        from vlp_rvos.models.backbones.mini import MiniBackbone

        return MiniBackbone().freeze()
    if name.startswith("vlmo"):
        from vlp_rvos.models.backbones.vlmo import VLMO_PRESETS, VlmoBackbone

        return VlmoBackbone(VLMO_PRESETS[name], name).freeze()
    from vlp_rvos.models.backbones.clip import CLIP_PRESETS, ClipBackbone

    return ClipBackbone(CLIP_PRESETS[name], name).freeze()
