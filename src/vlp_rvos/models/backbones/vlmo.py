"""VLMo on its image path and its text path, opened into its parts.

One stack of attention layers serves both modalities, and each layer has an image expert and a text expert. The
vision-language experts are for sequences of both, which the method does not build: they are left out. `docs/method.md`
section 0 [P]; the marks [P] and [D] say whether a choice is the paper's or ours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Block
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
from vlp_rvos.models.backbones.shipped_weights import BERT_VOCABULARY
from vlp_rvos.models.backbones.wordpiece_tokenizer import WordPieceTokenizer

__all__ = ["VLMO_PRESETS", "VlmoBackbone", "VlmoConfig", "load_vlmo"]

_MAX_WORDS = 40
_BERT_VOCAB = 30522
_CLS_ROWS = 3
_CROSS_ROWS = 2
_TEXT_TYPE, _IMAGE_TYPE = 0, 1

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VlmoConfig:
    """Sizes of a VLMo. The defaults are those of the base model.

    Attributes:
        image_size: Side of the pretraining images, in pixels.
        patch_size: Side of a patch, in pixels.
        width: Token width of both paths and of the shared space.
        layers: Number of layers.
        heads: Number of attention heads.
        mlp_width: Hidden width of the MLP of each expert.
        vocab: Number of token ids.
        text_length: Longest text that the relative position bias knows, in tokens.
    """

    image_size: int = 224
    patch_size: int = 16
    width: int = 768
    layers: int = 12
    heads: int = 12
    mlp_width: int = 3072
    vocab: int = _BERT_VOCAB
    text_length: int = 196

    @property
    def grid(self) -> int:
        """Number of patches along a side of a pretraining image."""
        return self.image_size // self.patch_size

    @property
    def image_rows(self) -> int:
        """Number of rows of the bias table for pairs of patches: one for each offset."""
        return (2 * self.grid - 1) ** 2

    @property
    def bias_rows(self) -> int:
        """Number of rows of the bias table: patch offsets, image CLS, image-text pairs, word offsets, text CLS."""
        return self.image_rows + _CLS_ROWS + _CROSS_ROWS + 2 * self.text_length


VLMO_PRESETS: dict[str, VlmoConfig] = {
    "vlmo-b": VlmoConfig(),
    "vlmo-l": VlmoConfig(width=1024, layers=24, heads=16, mlp_width=4096),
}


class VlmoBackbone(PatchBackbone):
    """VLMo's image and text paths, whose layers share norm, attention and layer scale.

    It starts with random weights; `load_vlmo` gives pretrained ones.

    Attributes:
        config: Sizes of the model.
        unused_keys: Names of the tensors of the loaded checkpoint that neither path uses, for example those of the
            vision-language experts.
    """

    causal = False
    image_mean = (0.5, 0.5, 0.5)
    image_std = (0.5, 0.5, 0.5)

    def __init__(self, config: VlmoConfig, name: str) -> None:
        super().__init__()
        self.config, self.name = config, name
        self.patch_size = self.size_multiple = config.patch_size
        self.vision_width = self.text_width = self.shared_width = d = config.width
        self.text_length, self.max_words = config.text_length, min(_MAX_WORDS, config.text_length)
        self.pyramid_widths = {}
        self.unused_keys: list[str] = []

        self.patch_embedding = nn.Conv2d(3, d, config.patch_size, config.patch_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, d) * 0.02)
        self.modality_embedding = nn.Embedding(2, d)
        self.word_embedding = nn.Embedding(config.vocab, d)
        self.word_type_embedding = nn.Embedding(2, d)
        self.word_norm = nn.LayerNorm(d, eps=1e-12)
        self.bias_table = nn.Parameter(torch.randn(config.bias_rows, config.layers * config.heads) * 0.02)
        self.vision_blocks = nn.ModuleList(self._block() for _ in range(config.layers))
        self.text_blocks = nn.ModuleList(self._block() for _ in range(config.layers))
        self._share_attention()
        self.norm = nn.LayerNorm(d, eps=1e-6)
        self.vision_projection = nn.Linear(d, d, bias=False)
        self.text_projection = nn.Linear(d, d, bias=False)

    def _block(self) -> Block:
        c = self.config
        return Block(c.width, c.heads, c.mlp_width, "gelu", layer_scale=True, eps=1e-6)

    def _share_attention(self) -> None:
        for image_block, text_block in zip(self.vision_blocks, self.text_blocks, strict=True):
            image, text = cast(Block, image_block), cast(Block, text_block)
            text.norm1, text.qkv, text.out = image.norm1, image.qkv, image.out
            text.scale1, text.scale2 = image.scale1, image.scale2

    # --- words -----------------------------------------------------------------------------------------------------
    def default_tokenizer(self) -> WordPieceTokenizer:
        if self.config.vocab != _BERT_VOCAB:
            raise UserError(f"{self.name} has {self.config.vocab} token ids, which is not BERT's vocabulary")
        return WordPieceTokenizer(BERT_VOCABULARY)

    def place_words(self, words: Tensor) -> Tensor:
        """See `PatchBackbone.place_words`. Word positions are in the attention bias alone."""
        normed: Tensor = self.word_norm(words + self.word_type_embedding.weight[0])
        return normed + self.modality_embedding.weight[_TEXT_TYPE]

    def finish_text(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x)
        return normed

    def pool_text(self, x: Tensor, text: TextBatch) -> Tensor:
        return x[:, 0]

    def text_bias(self, mask: Tensor, layer: int = 0, prompts: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
        """See `Backbone.text_bias`: (B, heads, L, L). Words keep the distances that they have without prompts.

        As in the original, padding is hidden from every row, also from its own.
        """
        length, device = mask.shape[1], mask.device
        words = torch.cat([torch.arange(1, device=device), torch.arange(1 + prompts, length, device=device)])
        rows = text_bias_index(words.shape[0], self.config).to(device)
        bias = torch.zeros(self.config.heads, length, length, dtype=dtype, device=device)
        bias[:, words[:, None], words] = self._layer_table(layer)[rows].permute(2, 0, 1).to(dtype)
        return bias[None].masked_fill(~mask[:, None, None, :], float("-inf"))

    # --- frames ----------------------------------------------------------------------------------------------------
    def place_patches(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """See `PatchBackbone.place_patches`. Patch positions are in the attention bias alone."""
        return tokens + self.modality_embedding.weight[_IMAGE_TYPE].to(tokens.dtype)

    def vision_bias(self, layer: int, grid: tuple[int, int], extra: int = 0) -> Tensor:
        """See `Backbone.vision_bias`. For a grid other than the pretraining one the table is resized, bicubic [D]."""
        table, rows = self._layer_table(layer), self.config.image_rows
        cls = table[rows : rows + _CLS_ROWS]
        patches = resize_table(table[:rows], 2 * self.config.grid - 1, (2 * grid[0] - 1, 2 * grid[1] - 1))
        index = image_bias_index(grid).to(table.device)
        bias = torch.cat([patches, cls])[index].permute(2, 0, 1)
        return F.pad(bias, (0, extra, 0, extra))[None]

    def finish_vision(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x)
        return normed

    def _layer_table(self, layer: int) -> Tensor:
        """The columns of the bias table that belong to a layer, (rows, heads)."""
        heads = self.config.heads
        return self.bias_table[:, layer * heads : (layer + 1) * heads]


def _with_cls(pairs: Tensor, first_cls_row: int) -> Tensor:
    """(L, L) rows for pairs of tokens -> (1 + L, 1 + L) with the CLS token, which has three rows of its own.

    The rows from `first_cls_row` on are for: CLS to any token, any token to CLS, CLS to itself.
    """
    index = F.pad(pairs, (1, 0, 1, 0))
    index[0, :] = first_cls_row
    index[:, 0] = first_cls_row + 1
    index[0, 0] = first_cls_row + 2
    return index


def image_bias_index(grid: tuple[int, int]) -> Tensor:
    """Row of the table [patch offsets, CLS] for each query and key of a frame, (1 + h*w, 1 + h*w) int64."""
    h, w = grid
    y, x = torch.arange(h)[:, None].expand(-1, w).flatten(), torch.arange(w).repeat(h)
    dy, dx = y[:, None] - y[None, :] + h - 1, x[:, None] - x[None, :] + w - 1
    return _with_cls(dy * (2 * w - 1) + dx, (2 * h - 1) * (2 * w - 1))


def text_bias_index(length: int, config: VlmoConfig) -> Tensor:
    """Row of the whole bias table for each query and key of a text, (length, length) int64."""
    position = torch.arange(length - 1)
    first_word_row = config.image_rows + _CLS_ROWS + _CROSS_ROWS
    rows = position[None, :] - position[:, None] + (config.text_length - 2) + first_word_row
    return _with_cls(rows, config.bias_rows - _CLS_ROWS)


def load_vlmo(source: str | Path, name: str) -> VlmoBackbone:
    """A VLMo with pretrained weights, frozen, in float32.

    Args:
        source: File of an official checkpoint, base or large.
        name: Name for the backbone.

    Raises:
        UserError: There is no such file, it cannot be read, or the weights do not fit.
    """
    path, origin = Path(source), str(source)
    if not path.is_file():
        raise UserError(f"{source}: no such file; give an official VLMo checkpoint")
    state = read_checkpoint(path)
    config = _infer_config(state, origin)
    _check_index(state, "relative_position_index", image_bias_index((config.grid, config.grid)), origin)
    if (text_index := state.get("text_relative_position_index")) is not None:
        _check_index(state, "text_relative_position_index", text_bias_index(len(text_index), config), origin)
    for key in [key for key in state if key.endswith(".attn.q_bias")]:
        # The original attention has no key bias.
        state[key.removesuffix("q_bias") + "k_bias"] = torch.zeros_like(state[key])
    backbone = build_empty(lambda: VlmoBackbone(config, name), "VLMo", origin)
    backbone.unused_keys = load_strictly(backbone, state, _source, origin, lambda key: True)
    backbone._share_attention()
    _log.info("%s: %d tensors of the checkpoint are not used", origin, len(backbone.unused_keys))
    return backbone.freeze()


def _infer_config(state: Mapping[str, Tensor], origin: str) -> VlmoConfig:
    width, _, _, patch = shape_of(state, "transformer.patch_embed.proj.weight", origin, 4)
    rows, columns = shape_of(state, "relative_position_bias_table", origin, 2)
    layers = count_layers(state, "transformer.blocks.")
    if layers == 0 or columns % layers:
        raise UserError(
            f"{origin}: the weights do not fit: relative_position_bias_table has {columns} columns "
            f"for {layers} layers; give an official VLMo base or large"
        )
    if "relative_position_index" in state:
        grid = round((shape_of(state, "relative_position_index", origin, 2)[0] - 1) ** 0.5)
    else:
        pretraining_text = VlmoConfig.text_length
        grid = (round((rows - 2 * pretraining_text - _CROSS_ROWS - _CLS_ROWS) ** 0.5) + 1) // 2
    return VlmoConfig(
        image_size=grid * patch,
        patch_size=patch,
        width=width,
        layers=layers,
        heads=columns // layers,
        mlp_width=shape_of(state, "transformer.blocks.0.mlp_imag.fc1.weight", origin, 2)[0],
        vocab=shape_of(state, "text_embeddings.word_embeddings.weight", origin, 2)[0],
        text_length=(rows - (2 * grid - 1) ** 2 - _CROSS_ROWS - _CLS_ROWS) // 2,
    )


def _check_index(state: Mapping[str, Tensor], key: str, ours: Tensor, origin: str) -> None:
    """Refuse a checkpoint whose bias table has another layout, which would load and give wrong features."""
    if key in state and not torch.equal(state[key].long(), ours):
        raise UserError(f"{origin}: the weights do not fit: {key} is not the official one; give an official VLMo")


_OUTSIDE = {
    "cls_token": "transformer.cls_token",
    "bias_table": "relative_position_bias_table",
    "patch_embedding": "transformer.patch_embed.proj",
    "modality_embedding": "token_type_embeddings",
    "word_embedding": "text_embeddings.word_embeddings",
    "word_type_embedding": "text_embeddings.token_type_embeddings",
    "word_norm": "text_embeddings.LayerNorm",
    "norm": "transformer.norm",
    "vision_projection": "itc_image_proj.fc",
    "text_projection": "itc_text_proj.fc",
}
_BLOCK = {
    "norm1.weight": ("norm1.weight",),
    "norm1.bias": ("norm1.bias",),
    "qkv.weight": ("attn.qkv.weight",),
    "qkv.bias": ("attn.q_bias", "attn.k_bias", "attn.v_bias"),
    "out.weight": ("attn.proj.weight",),
    "out.bias": ("attn.proj.bias",),
    "scale1": ("gamma_1",),
    "scale2": ("gamma_2",),
}


def _source(name: str) -> Source:
    if block := split_block_name(name):
        tower, layer, part = block
        expert = {"vision": "imag", "text": "text"}[tower]
        own = {"norm2": f"norm2_{expert}", "fc1": f"mlp_{expert}.fc1", "fc2": f"mlp_{expert}.fc2"}
        keys = _BLOCK[part] if part in _BLOCK else (published_name(part, own),)
        return Source(tuple(f"transformer.blocks.{layer}.{key}" for key in keys))
    return Source((published_name(name, _OUTSIDE),))
