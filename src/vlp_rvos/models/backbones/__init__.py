"""Frozen vision-language backbones behind one interface: CLIP, VLMo and the offline `mini`."""

from __future__ import annotations

from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Backbone, Block, FrameTokens, TextBatch

__all__ = [
    "BACKBONES",
    "Backbone",
    "Block",
    "FrameTokens",
    "TextBatch",
    "earlier_weights",
    "load_backbone",
    "random_backbone",
]

#: name -> hub id of its weights; None where the user has to bring a file.
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
    """A backbone with its pretrained weights, frozen.

    Args:
        name: one of `BACKBONES`.
        weights: a Hugging Face folder or hub id, an OpenAI or VLMo checkpoint, or a safetensors file of mini's vision
            tower. Default: CLIP's own hub id; for mini what the package ships.

    Raises:
        UserError: unknown name, no weights to be found, or weights of another model.
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


def earlier_weights(name: str, fingerprint: str) -> Path | None:
    """Weights of a backbone that came with an earlier version, where the fingerprint (`vlp_rvos.models.checkpoint`) is theirs.

    They come with this version too, so that what was trained on them goes on working.
    """
    if name != "mini":
        return None
    from vlp_rvos.models.backbones.mini import EARLIER_TOWERS

    return EARLIER_TOWERS.get(fingerprint)


def random_backbone(name: str) -> Backbone:
    """A frozen backbone of a preset's exact sizes with random weights: for tests and cost measurements.

    Raises:
        UserError: unknown name.
    """
    _check_name(name)
    if name == "mini":
        from vlp_rvos.models.backbones.mini import MiniBackbone

        return MiniBackbone().freeze()
    if name.startswith("vlmo"):
        from vlp_rvos.models.backbones.vlmo import VLMO_PRESETS, VlmoBackbone

        return VlmoBackbone.random(VLMO_PRESETS[name], name)
    from vlp_rvos.models.backbones.clip import CLIP_PRESETS, ClipBackbone

    return ClipBackbone.random(CLIP_PRESETS[name], name)
