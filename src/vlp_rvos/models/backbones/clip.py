"""CLIP with a vision transformer, opened into its parts (`docs/method.md` section 0 [P]).

Read from Hugging Face format (folder or hub id) and from both forms of OpenAI's checkpoints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import huggingface_hub
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Activation, Backbone, Block, FrameTokens, TextBatch
from vlp_rvos.models.backbones.pretrained_files import Source, count_layers, load_strictly, read_checkpoint, shape_of
from vlp_rvos.models.backbones.tokenizers import ClipTokenizer
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
    """Sizes of a CLIP. The defaults are ViT-B/16.

    Attributes:
        image_size: side of the pretraining images in pixels.
        patch_size: side of a patch in pixels.
        vision_width, vision_layers, vision_heads, vision_mlp_width: of the vision tower.
        text_width, text_layers, text_heads, text_mlp_width: of the text tower.
        context: longest text in tokens.
        vocab: number of token ids.
        shared_width: width of the shared space.
        activation: of both towers' MLPs.
        eps: of every layer norm.
        end_token: its first place in a text gives the sentence feature; None takes the place of the largest id.
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
        """Patches along a side of a pretraining image."""
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


class ClipBackbone(Backbone):
    """A CLIP whose vision tower is a ViT.

    Built with the weights of a fresh initialisation and not yet frozen: use `random` or `load_clip`.

    Attributes:
        config: the sizes.
        tokenizer: words to ids; None until the first `tokenize` where the weights came without one.
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
        self.max_words = min(_MAX_WORDS, config.context)
        self.pyramid_widths = {}
        self.tokenizer: ClipTokenizer | None = None

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

    @classmethod
    def random(cls, config: ClipConfig, name: str) -> ClipBackbone:
        """A frozen backbone with random weights, for tests and for measuring speed."""
        backbone = cls(config, name)
        backbone.freeze()
        return backbone

    # --- words -----------------------------------------------------------------------------------------------------
    def tokenize(self, expressions: Sequence[str]) -> TextBatch:
        """See `Backbone.tokenize`.

        Raises:
            UserError: also where the weights came without a tokenizer and none fits or is installed.
        """
        if self.tokenizer is None:
            if self.config.vocab != _OPENAI_VOCAB:
                raise UserError(
                    f"{self.name} came without a tokenizer for its {self.config.vocab} ids; "
                    "give a Hugging Face folder that holds one"
                )
            self.tokenizer = ClipTokenizer.from_package()
        return self.tokenizer(expressions, self.max_words)

    def embed_text(self, text: TextBatch) -> Tensor:
        """Token and position embeddings, (B, S, d_t).

        Raises:
            ValueError: S is more than the context.
        """
        length = text.ids.shape[1]
        if length > self.config.context:
            raise ValueError(f"{length} tokens do not fit {self.name}: its context is {self.config.context}")
        embedded: Tensor = self.word_embedding(text.ids)
        return embedded + self.text_positions[:length]

    def finish_text(self, x: Tensor) -> Tensor:
        normed: Tensor = self.text_norm(x)
        return normed

    def pool_text(self, x: Tensor, text: TextBatch) -> Tensor:
        ids, end = text.ids, self.config.end_token
        position = (ids if end is None else (ids == end).long()).argmax(dim=1)
        return x[torch.arange(text.ids.shape[0], device=x.device), position]

    def project_text(self, x: Tensor) -> Tensor:
        projected: Tensor = self.text_projection(x)
        return projected

    # --- frames ----------------------------------------------------------------------------------------------------
    def embed_frames(self, images: Tensor, pool: int = 1) -> FrameTokens:
        height, width = images.shape[-2:]
        grid = self.check_size(height, width, pool)
        patches = self.patch_embedding(images).flatten(2).transpose(1, 2)
        cls = self.cls_token.to(patches.dtype).expand(patches.shape[0], 1, -1)
        tokens = torch.cat([cls, patches], dim=1) + self._positions(grid).to(patches.dtype)
        return FrameTokens(self.vision_norm_pre(tokens), grid, patches)

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        """Position embeddings of CLS and patches, (1 + h*w, d_v); as pretrained on the pretraining grid."""
        side = self.config.grid
        if grid == (side, side):
            return self.vision_positions
        square = self.vision_positions[1:].T.reshape(1, -1, side, side)
        resized = F.interpolate(square, grid, mode="bicubic", align_corners=False)
        return torch.cat([self.vision_positions[:1], resized[0].flatten(1).T])

    def finish_vision(self, x: Tensor) -> Tensor:
        normed: Tensor = self.vision_norm(x)
        return normed

    def project_vision(self, x: Tensor) -> Tensor:
        projected: Tensor = self.vision_projection(x)
        return projected


def load_clip(source: str | Path, name: str) -> ClipBackbone:
    """Load a frozen CLIP in float32.

    Args:
        source: a Hugging Face format folder or hub id (`config.json` with safetensors, else `pytorch_model.bin`), or
            an OpenAI checkpoint file, either a state dict or a TorchScript archive (of which no code is run).
        name: what the backbone is called from then on.

    Raises:
        UserError: there is no such file, folder or id, it cannot be read, or the weights do not fit.
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
    "patch_embedding.weight": Source(("visual.conv1.weight",)),
    "cls_token": Source(("visual.class_embedding",)),
    "vision_positions": Source(("visual.positional_embedding",)),
    "vision_norm_pre": Source(("visual.ln_pre",)),
    "vision_norm": Source(("visual.ln_post",)),
    "vision_projection.weight": Source(("visual.proj",), transposed=True),
    "word_embedding.weight": Source(("token_embedding.weight",)),
    "text_positions": Source(("positional_embedding",)),
    "text_norm": Source(("ln_final",)),
    "text_projection.weight": Source(("text_projection",), transposed=True),
}
_OPENAI_BLOCK = {
    "norm1": "ln_1",
    "out": "attn.out_proj",
    "norm2": "ln_2",
    "fc1": "mlp.c_fc",
    "fc2": "mlp.c_proj",
}


def _openai_source(name: str) -> Source:
    if block := re.fullmatch(r"(vision|text)_blocks\.(\d+)\.(\w+)\.(weight|bias)", name):
        tower, layer, part, kind = block.groups()
        prefix = f"{'visual.' if tower == 'vision' else ''}transformer.resblocks.{layer}."
        suffix = f"attn.in_proj_{kind}" if part == "qkv" else f"{_OPENAI_BLOCK[part]}.{kind}"
        return Source((prefix + suffix,))
    return _outside_blocks(name, _OPENAI_OUTSIDE)


# --- Hugging Face format ----------------------------------------------------------------------------------------------
def _load_hugging_face(folder: Path, name: str, origin: str) -> ClipBackbone:
    config = _hugging_face_config(folder / "config.json", origin)
    backbone = _fill(config, name, _hugging_face_weights(folder, origin), openai=False, origin=origin)
    if any((folder / file).is_file() for file in ("tokenizer.json", "vocab.json")):
        backbone.tokenizer = ClipTokenizer.from_folder(folder)
    return backbone


def _download(hub_id: str) -> Path:
    """The files of a hub id that are needed, from the cache where they are there."""
    small = ["config.json", "tokenizer.json", "vocab.json", "merges.txt"]
    try:
        folder = Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=[*small, "model*.safetensors*"]))
        if not any(folder.glob("model*.safetensors*")):
            folder = Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=[*small, "pytorch_model.bin"]))
    except Exception as error:  # what the client raises differs between its versions
        raise UserError(
            f"{hub_id}: no such file or folder, and not to be had from the Hugging Face hub "
            f"({type(error).__name__}); check the spelling and the connection, or give a local folder"
        ) from error
    return folder


def _hugging_face_config(path: Path, origin: str) -> ClipConfig:
    """The sizes in `config.json`; what it leaves out has the format's own defaults."""
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
            raise UserError(f"{origin}: config.json has two values of {key}, {values}; such a CLIP is not supported")
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
            # The first published configs carry a wrong end token, 2: they mean the largest id.
            end_token=None if end_token == 2 else int(end_token),
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"{origin}: config.json holds a size that is no number ({error})") from error


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
    "patch_embedding.weight": Source(("vision_model.embeddings.patch_embedding.weight",)),
    "cls_token": Source(("vision_model.embeddings.class_embedding",)),
    "vision_positions": Source(("vision_model.embeddings.position_embedding.weight",)),
    "vision_norm_pre": Source(("vision_model.pre_layrnorm",)),
    "vision_norm": Source(("vision_model.post_layernorm",)),
    "vision_projection.weight": Source(("visual_projection.weight",)),
    "word_embedding.weight": Source(("text_model.embeddings.token_embedding.weight",)),
    "text_positions": Source(("text_model.embeddings.position_embedding.weight",)),
    "text_norm": Source(("text_model.final_layer_norm",)),
    "text_projection.weight": Source(("text_projection.weight",)),
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
    if block := re.fullmatch(r"(vision|text)_blocks\.(\d+)\.(\w+)\.(weight|bias)", name):
        tower, layer, part, kind = block.groups()
        prefix = f"{tower}_model.encoder.layers.{layer}."
        return Source(tuple(f"{prefix}{key}.{kind}" for key in _HUGGING_FACE_BLOCK[part]))
    return _outside_blocks(name, _HUGGING_FACE_OUTSIDE)


# --- both -------------------------------------------------------------------------------------------------------------
def _outside_blocks(name: str, table: Mapping[str, Source]) -> Source:
    if name in table:
        return table[name]
    module, _, kind = name.rpartition(".")
    return Source(tuple(f"{key}.{kind}" for key in table[module].keys))


def _fill(config: ClipConfig, name: str, state: Mapping[str, Tensor], *, openai: bool, origin: str) -> ClipBackbone:
    try:
        with torch.device("meta"):
            backbone = ClipBackbone(config, name)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{origin}: its sizes make no CLIP ({error}); give another checkpoint") from error
    source_of = _openai_source if openai else _hugging_face_source
    load_strictly(backbone, state, source_of, origin, lambda key: _UNUSED_KEYS.fullmatch(key) is not None)
    backbone.freeze()
    return backbone
