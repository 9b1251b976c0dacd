"""CLIP with a vision transformer, opened into its parts.

It is read from Hugging Face format (folder or hub id) and from both forms of OpenAI's checkpoints. `docs/method.md`
section 0 [P]; the marks [P], [O] and [D] say whether a choice is the paper's, the authors' release's or ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Activation, Block
from vlp_rvos.models.backbones.clip_tokenizer import ClipTokenizer
from vlp_rvos.models.backbones.expression_tokenizer import TextBatch
from vlp_rvos.models.backbones.patch_backbone import PatchBackbone, resize_table
from vlp_rvos.models.backbones.pretrained_files import (
    Source,
    build_empty,
    count_layers,
    load_strictly,
    published_name,
    read_checkpoint,
    shape_of,
    split_block_name,
)
from vlp_rvos.utils.extras import import_optional
from vlp_rvos.utils.text_files import read_text

__all__ = ["CLIP_PRESETS", "ClipBackbone", "ClipConfig", "load_clip"]

# 40 words and 37 language prompts fill CLIP's 77 positions [O,D].
_MAX_WORDS = 40
_OPENAI_VOCAB = 49408
_OPENAI_HEAD_WIDTH = 64
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_UNUSED_KEYS = re.compile(
    r"(.*\.)?(logit_scale|position_ids|attn_mask)|input_resolution|context_length|vocab_size", re.ASCII
)


@dataclass(frozen=True)
class ClipConfig:
    """Sizes of a CLIP. The defaults are those of ViT-B/16.

    Attributes:
        image_size: Side of the pretraining images, in pixels.
        patch_size: Side of a patch, in pixels.
        vision_width: Token width of the vision tower.
        vision_layers: Number of layers of the vision tower.
        vision_heads: Number of attention heads of the vision tower.
        vision_mlp_width: Hidden width of the MLPs of the vision tower.
        text_width: Token width of the text tower.
        text_layers: Number of layers of the text tower.
        text_heads: Number of attention heads of the text tower.
        text_mlp_width: Hidden width of the MLPs of the text tower.
        context: Longest text, in tokens.
        vocab: Number of token ids.
        shared_width: Width of the space that both towers are projected into.
        activation: Activation of the MLPs of both towers.
        eps: Epsilon of every layer norm.
        end_token: Token id whose first position in a text gives the sentence feature. None takes the position of the
            largest id.
    """

    image_size: int = 224
    patch_size: int = 16
    vision_width: int = 768
    vision_layers: int = 12
    vision_heads: int = 12
    vision_mlp_width: int = 3072
    text_width: int = 512
    text_layers: int = 12
    text_heads: int = 8
    text_mlp_width: int = 2048
    context: int = 77
    vocab: int = _OPENAI_VOCAB
    shared_width: int = 512
    activation: Activation = "quick_gelu"
    eps: float = 1e-5
    end_token: int | None = None

    @property
    def grid(self) -> int:
        """Number of patches along a side of a pretraining image."""
        return self.image_size // self.patch_size


def _large(image_size: int) -> ClipConfig:
    return ClipConfig(
        image_size=image_size,
        patch_size=14,
        vision_width=1024,
        vision_layers=24,
        vision_heads=16,
        vision_mlp_width=4096,
        text_width=768,
        text_heads=12,
        text_mlp_width=3072,
        shared_width=768,
    )


CLIP_PRESETS: dict[str, ClipConfig] = {
    "clip-b16": ClipConfig(),
    "clip-l14": _large(224),
    "clip-l14-336": _large(336),
}


class ClipBackbone(PatchBackbone):
    """A CLIP whose vision tower is a ViT. It starts with random weights; `load_clip` gives pretrained ones.

    Attributes:
        config: Sizes of the model.
    """

    causal = True
    image_mean = (0.48145466, 0.4578275, 0.40821073)
    image_std = (0.26862954, 0.26130258, 0.27577711)

    def __init__(self, config: ClipConfig, name: str) -> None:
        super().__init__()
        self.config, self.name = config, name
        self.patch_size = self.size_multiple = config.patch_size
        self.vision_width, self.text_width, self.shared_width = (
            config.vision_width,
            config.text_width,
            config.shared_width,
        )
        self.text_length, self.max_words = config.context, min(_MAX_WORDS, config.context)
        self.pyramid_widths = {}

        d_v, d_t = config.vision_width, config.text_width
        self.patch_embedding = nn.Conv2d(3, d_v, config.patch_size, config.patch_size, bias=False)
        self.cls_token = nn.Parameter(torch.randn(d_v) * d_v**-0.5)
        self.vision_positions = nn.Parameter(torch.randn(1 + config.grid**2, d_v) * d_v**-0.5)
        self.vision_norm_pre = nn.LayerNorm(d_v, eps=config.eps)
        self.vision_blocks = nn.ModuleList(
            Block(d_v, config.vision_heads, config.vision_mlp_width, config.activation, eps=config.eps)
            for _ in range(config.vision_layers)
        )
        self.vision_norm = nn.LayerNorm(d_v, eps=config.eps)
        self.vision_projection = nn.Linear(d_v, config.shared_width, bias=False)

        self.word_embedding = nn.Embedding(config.vocab, d_t)
        self.text_positions = nn.Parameter(torch.randn(config.context, d_t) * 0.01)
        self.text_blocks = nn.ModuleList(
            Block(d_t, config.text_heads, config.text_mlp_width, config.activation, eps=config.eps)
            for _ in range(config.text_layers)
        )
        self.text_norm = nn.LayerNorm(d_t, eps=config.eps)
        self.text_projection = nn.Linear(d_t, config.shared_width, bias=False)

    def default_tokenizer(self) -> ClipTokenizer:
        if self.config.vocab != _OPENAI_VOCAB:
            raise UserError(
                f"{self.name} came without a tokenizer for its {self.config.vocab} ids; "
                "give a Hugging Face folder that holds one"
            )
        return ClipTokenizer.from_package()

    def place_words(self, words: Tensor) -> Tensor:
        return words + self.text_positions[: words.shape[1]]

    def pool_text(self, x: Tensor, text: TextBatch) -> Tensor:
        ids, end = text.ids, self.config.end_token
        position = (ids if end is None else (ids == end).long()).argmax(dim=1)
        return x[torch.arange(text.ids.shape[0], device=x.device), position]

    def place_patches(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        cls, patches = self.vision_positions[:1], self.vision_positions[1:]
        positions = torch.cat([cls, resize_table(patches, self.config.grid, grid)])
        placed: Tensor = self.vision_norm_pre(tokens + positions.to(tokens.dtype))
        return placed


def load_clip(source: str | Path, name: str) -> ClipBackbone:
    """A CLIP with pretrained weights, frozen, in float32.

    Args:
        source: Folder or hub id in Hugging Face format (`config.json` with safetensors, or else `pytorch_model.bin`),
            or a checkpoint file from OpenAI: a state dict, or a TorchScript archive, whose code is not run.
        name: Name for the backbone.

    Raises:
        UserError: There is no such file, folder or hub id, it cannot be read, or the weights do not fit.
    """
    path = Path(source)
    if path.is_file():
        return _load_openai(path, name)
    if path.is_dir():
        return _load_hugging_face(path, name, str(path))
    if _HUB_ID.fullmatch(str(source)):
        return _load_hugging_face(_download(str(source)), name, str(source))
    raise UserError(f"{source}: no such file or folder; give a CLIP checkpoint, a Hugging Face folder or a hub id")


# --- OpenAI's checkpoints ---------------------------------------------------------------------------------------------
def _load_openai(path: Path, name: str) -> ClipBackbone:
    state, origin = read_checkpoint(path), str(path)
    vision_width, _, _, patch = shape_of(state, "visual.conv1.weight", origin, 4)
    positions, _ = shape_of(state, "visual.positional_embedding", origin, 2)
    context, text_width = shape_of(state, "positional_embedding", origin, 2)
    config = ClipConfig(
        image_size=round((positions - 1) ** 0.5) * patch,
        patch_size=patch,
        vision_width=vision_width,
        vision_layers=count_layers(state, "visual.transformer.resblocks."),
        vision_heads=max(1, vision_width // _OPENAI_HEAD_WIDTH),
        vision_mlp_width=4 * vision_width,
        text_width=text_width,
        text_layers=count_layers(state, "transformer.resblocks."),
        text_heads=max(1, text_width // _OPENAI_HEAD_WIDTH),
        text_mlp_width=4 * text_width,
        context=context,
        vocab=shape_of(state, "token_embedding.weight", origin, 2)[0],
        shared_width=shape_of(state, "text_projection", origin, 2)[1],
    )
    return _fill(config, name, state, openai=True, origin=origin)


_OPENAI_OUTSIDE = {
    "patch_embedding": "visual.conv1",
    "cls_token": "visual.class_embedding",
    "vision_positions": "visual.positional_embedding",
    "vision_norm_pre": "visual.ln_pre",
    "vision_norm": "visual.ln_post",
    "vision_projection.weight": "visual.proj",
    "word_embedding": "token_embedding",
    "text_positions": "positional_embedding",
    "text_norm": "ln_final",
    "text_projection.weight": "text_projection",
}
_OPENAI_TRANSPOSED = ("vision_projection.weight", "text_projection.weight")
_OPENAI_BLOCK = {
    "norm1": "ln_1",
    "qkv.weight": "attn.in_proj_weight",
    "qkv.bias": "attn.in_proj_bias",
    "out": "attn.out_proj",
    "norm2": "ln_2",
    "fc1": "mlp.c_fc",
    "fc2": "mlp.c_proj",
}


def _openai_source(name: str) -> Source:
    if block := split_block_name(name):
        tower, layer, part = block
        prefix = f"{'visual.' if tower == 'vision' else ''}transformer.resblocks.{layer}."
        return Source((prefix + published_name(part, _OPENAI_BLOCK),))
    return Source((published_name(name, _OPENAI_OUTSIDE),), transposed=name in _OPENAI_TRANSPOSED)


# --- Hugging Face format ----------------------------------------------------------------------------------------------
def _load_hugging_face(folder: Path, name: str, origin: str) -> ClipBackbone:
    config = _hugging_face_config(folder / "config.json", origin)
    backbone = _fill(config, name, _hugging_face_weights(folder, origin), openai=False, origin=origin)
    if any((folder / file).is_file() for file in ("tokenizer.json", "vocab.json")):
        backbone.tokenizer = ClipTokenizer.from_folder(folder)
    return backbone


def _download(hub_id: str) -> Path:
    """Folder with the files of a hub id, which are downloaded unless the hub's cache has them."""
    hub = import_optional("huggingface_hub", extra="clip")
    small = ["config.json", "tokenizer.json", "vocab.json", "merges.txt"]
    try:
        folder = Path(hub.snapshot_download(hub_id, allow_patterns=[*small, "model*.safetensors*"]))
        if not any(folder.glob("model*.safetensors*")):
            folder = Path(hub.snapshot_download(hub_id, allow_patterns=[*small, "pytorch_model.bin"]))
    except Exception as error:  # the client's errors differ between its versions
        raise UserError(
            f"{hub_id}: no such file or folder, and it cannot be downloaded from the Hugging Face hub "
            f"({type(error).__name__}); check the spelling and the connection, or give a local folder"
        ) from error
    return folder


def _hugging_face_config(path: Path, origin: str) -> ClipConfig:
    """The sizes in `config.json`. Missing entries take the defaults of the format."""
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise UserError(f"{origin}: cannot read config.json ({error}); give a folder in Hugging Face format") from error
    if not isinstance(content, dict) or content.get("model_type") != "clip":
        raise UserError(
            f"{origin}: config.json is not of a CLIP (model_type 'clip'); give a CLIP in Hugging Face format"
        )
    vision, text = _section(content, "vision"), _section(content, "text")

    def same_in_both(key: str, default: Any) -> Any:
        values = vision.get(key, default), text.get(key, default)
        if values[0] != values[1]:
            raise UserError(f"{origin}: config.json has two values of {key}, {values}; only equal ones are supported")
        return values[0]

    activation = same_in_both("hidden_act", "quick_gelu")
    if activation not in get_args(Activation):
        raise UserError(
            f"{origin}: config.json asks for the activation {activation!r}; quick_gelu or gelu is supported"
        )
    end_token = text.get("eos_token_id", 49407)
    try:
        return ClipConfig(
            image_size=int(vision.get("image_size", 224)),
            patch_size=int(vision.get("patch_size", 32)),
            vision_width=int(vision.get("hidden_size", 768)),
            vision_layers=int(vision.get("num_hidden_layers", 12)),
            vision_heads=int(vision.get("num_attention_heads", 12)),
            vision_mlp_width=int(vision.get("intermediate_size", 3072)),
            text_width=int(text.get("hidden_size", 512)),
            text_layers=int(text.get("num_hidden_layers", 12)),
            text_heads=int(text.get("num_attention_heads", 8)),
            text_mlp_width=int(text.get("intermediate_size", 2048)),
            context=int(text.get("max_position_embeddings", 77)),
            vocab=int(text.get("vocab_size", _OPENAI_VOCAB)),
            shared_width=int(content.get("projection_dim", 512)),
            activation=activation,
            eps=float(same_in_both("layer_norm_eps", 1e-5)),
            # The first published configs state a wrong end token, 2, and mean the largest id.
            end_token=None if end_token == 2 else int(end_token),
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"{origin}: config.json holds a size that is not a number ({error})") from error


def _section(content: Mapping[str, Any], tower: str) -> Mapping[str, Any]:
    for key in (f"{tower}_config", f"{tower}_config_dict"):
        if isinstance(content.get(key), dict):
            section: dict[str, Any] = content[key]
            return section
    return {}


def _hugging_face_weights(folder: Path, origin: str) -> dict[str, Tensor]:
    single, index, pickled = (
        folder / file for file in ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
    )
    if single.is_file():
        return read_checkpoint(single)
    if index.is_file():
        try:
            files = sorted(set(json.loads(read_text(index))["weight_map"].values()))
        except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
            raise UserError(f"{index}: cannot read the list of weight files; download it again") from error
        state: dict[str, Tensor] = {}
        for file in files:
            # Only the name: an index must not lead out of its folder.
            state |= read_checkpoint(folder / Path(file).name)
        return state
    if pickled.is_file():
        return read_checkpoint(pickled)
    raise UserError(
        f"{origin}: no model.safetensors, model.safetensors.index.json or pytorch_model.bin; add the weights"
    )


_HUGGING_FACE_OUTSIDE = {
    "patch_embedding": "vision_model.embeddings.patch_embedding",
    "cls_token": "vision_model.embeddings.class_embedding",
    "vision_positions": "vision_model.embeddings.position_embedding.weight",
    "vision_norm_pre": "vision_model.pre_layrnorm",
    "vision_norm": "vision_model.post_layernorm",
    "vision_projection": "visual_projection",
    "word_embedding": "text_model.embeddings.token_embedding",
    "text_positions": "text_model.embeddings.position_embedding.weight",
    "text_norm": "text_model.final_layer_norm",
    "text_projection": "text_projection",
}
_HUGGING_FACE_BLOCK = {
    "norm1": ("layer_norm1",),
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.out_proj",),
    "norm2": ("layer_norm2",),
    "fc1": ("mlp.fc1",),
    "fc2": ("mlp.fc2",),
}


def _hugging_face_source(name: str) -> Source:
    if block := split_block_name(name):
        tower, layer, part = block
        module, _, kind = part.partition(".")
        prefix = f"{tower}_model.encoder.layers.{layer}."
        return Source(tuple(f"{prefix}{key}.{kind}" for key in _HUGGING_FACE_BLOCK[module]))
    return Source((published_name(name, _HUGGING_FACE_OUTSIDE),))


# --- both -------------------------------------------------------------------------------------------------------------
def _fill(config: ClipConfig, name: str, state: Mapping[str, Tensor], *, openai: bool, origin: str) -> ClipBackbone:
    backbone = build_empty(lambda: ClipBackbone(config, name), "CLIP", origin)
    source_of = _openai_source if openai else _hugging_face_source
    load_strictly(backbone, state, source_of, origin, lambda key: _UNUSED_KEYS.fullmatch(key) is not None)
    return backbone.freeze()
