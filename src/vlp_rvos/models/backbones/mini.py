"""The `mini` backbone, whose pretrained parts come with the package, so that it works offline.

An EfficientNet-Lite2 trained on ImageNet is the image stem, and MiniLM is the text tower. A small transformer reads the
maps of the stem. `vlp_rvos.pretraining.align` brought its patches into MiniLM's sentence space, by contrast of regions
of images with words and by distillation of the stem's class head. Now it is frozen like any other backbone.
`docs/method.md` section 0; the mark [D] there says that this backbone is our decision, not the paper's.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from vlp_rvos.models.backbones.backbone import Backbone, Block, FrameTokens
from vlp_rvos.models.backbones.efficientnet_lite import EfficientNetLite
from vlp_rvos.models.backbones.expression_tokenizer import TextBatch
from vlp_rvos.models.backbones.placeholder_weights import PlaceholderWeights
from vlp_rvos.models.backbones.pretrained_files import Source, load_strictly, read_checkpoint, shape_of
from vlp_rvos.models.backbones.shipped_weights import BERT_VOCABULARY, EFFICIENTNET_LITE2, MINI_TOWER, MINILM
from vlp_rvos.models.backbones.wordpiece_tokenizer import WordPieceTokenizer
from vlp_rvos.utils.atomic import replace_file

__all__ = ["MiniBackbone", "MiniConfig", "load_mini"]

STEM_CLASSES = 1000
#: Beginnings of the names of the tensors that are MiniLM's.
MINILM_PARTS = ("word_embedding.", "position_embedding.", "type_embedding.", "embedding_norm.", "text_blocks.")


@dataclass(frozen=True)
class MiniConfig:
    """Sizes of the vision tower that reads the stem's maps.

    Attributes:
        width: Token width d_v.
        layers: Number of transformer layers.
        heads: Number of attention heads.
        mlp_width: Hidden width of each MLP.
        class_temperature: Temperature of the softmax over the stem's classes.
    """

    width: int = 256
    layers: int = 4
    heads: int = 4
    mlp_width: int = 192
    class_temperature: float = 1.0


def sine_positions(height: int, width: int, channels: int, device: torch.device | None = None) -> Tensor:
    """2-D sine and cosine position embedding, (height * width, channels).

    Positions are relative to the size of the grid, in [0, 1], so that they mean the same in grids of any size.
    """
    bands = torch.logspace(0, 6, channels // 4, base=2.0, device=device)
    y = (torch.arange(height, device=device) + 0.5) / height
    x = (torch.arange(width, device=device) + 0.5) / width

    def waves(positions: Tensor) -> Tensor:
        phase = torch.pi * positions[:, None] * bands
        return torch.cat([phase.sin(), phase.cos()], -1)

    rows = waves(y)[:, None].expand(-1, width, -1)
    columns = waves(x)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], -1).flatten(0, 1)


class MiniBackbone(Backbone):
    """EfficientNet-Lite2 stem, small vision transformer, MiniLM text tower.

    It starts with random weights, for tests and cost measurements; `load_mini` gives pretrained ones.

    Attributes:
        config: Sizes of the vision tower.
        stem: Convolutional network that gives the maps of an image.
        class_text: (1000, 384) sentence feature of the name of each of the stem's classes.
    """

    def __init__(self, config: MiniConfig | None = None, vocabulary_size: int = 30522) -> None:
        super().__init__()
        config = config or MiniConfig()
        self.config = config
        self.name = "mini"
        self.patch_size, self.size_multiple = 16, 32
        self.pools = (1, 2)
        self.vision_width, self.text_width, self.shared_width = config.width, 384, 384
        self.max_words, self.causal = 64, False
        self.names_classes, self.embedding_cost = True, 3.0
        # EfficientNet-Lite was trained on (pixel - 127) / 128.
        self.image_mean, self.image_std = (127 / 255,) * 3, (128 / 255,) * 3

        self.stem = EfficientNetLite("lite2")
        self.pyramid_widths = {stride: self.stem.widths[stride] for stride in (32, 16, 8, 4)}
        middle, deep = self.stem.widths[16], self.stem.widths[32]
        self.class_text: Tensor
        self.register_buffer("class_text", torch.randn(STEM_CLASSES, self.text_width))
        self.norm_middle, self.norm_deep = nn.LayerNorm(middle), nn.LayerNorm(deep)
        self.norm_class = nn.LayerNorm(self.text_width)
        self.join = nn.Linear(middle + deep + self.text_width, config.width)
        self.cls_token = nn.Parameter(torch.zeros(config.width))
        self.vision_blocks = nn.ModuleList(
            Block(config.width, config.heads, config.mlp_width) for _ in range(config.layers)
        )
        self.vision_norm = nn.LayerNorm(config.width)
        self.vision_projection = nn.Linear(config.width, self.shared_width)

        self.word_embedding = nn.Embedding(vocabulary_size, self.text_width)
        self.position_embedding = nn.Embedding(512, self.text_width)
        self.type_embedding = nn.Embedding(2, self.text_width)
        self.embedding_norm = nn.LayerNorm(self.text_width, eps=1e-12)
        self.text_blocks = nn.ModuleList(Block(384, 12, 1536, norm_first=False, eps=1e-12) for _ in range(6))
        self.text_norm = self.text_projection = nn.Identity()

    # --- words -----------------------------------------------------------------------------------------------------
    def default_tokenizer(self) -> WordPieceTokenizer:
        return WordPieceTokenizer(BERT_VOCABULARY)

    def embed_text(self, text: TextBatch) -> Tensor:
        positions = self.position_embedding.weight[: text.ids.shape[1]]
        return self.embedding_norm(self.word_embedding(text.ids) + positions + self.type_embedding.weight[0])  # type: ignore[no-any-return]

    def pool_text(self, x: Tensor, text: TextBatch) -> Tensor:
        weight = text.mask.to(x.dtype)[..., None]
        return (x * weight).sum(1) / weight.sum(1)

    # --- frames ----------------------------------------------------------------------------------------------------
    def stem_maps(self, images: Tensor) -> dict[int, Tensor]:
        """Normalised images (N, 3, H, W) -> the stem's maps by stride.

        The entry 0 is a stride-32 map of the stem's class probabilities times `class_text`, (N, 384, H/32, W/32).
        """
        maps = self.stem.forward_features(images)
        # The convolutions leave their channels last. In this order nothing is copied.
        logits = self.stem.classify(maps[32]).permute(0, 2, 3, 1).float()
        if self.config.class_temperature != 1:
            logits = logits / self.config.class_temperature
        classes = logits.softmax(-1).to(maps[32].dtype)
        maps[0] = (classes @ self.class_text.to(classes.dtype)).permute(0, 3, 1, 2)
        return maps

    def join_maps(self, maps: dict[int, Tensor], pool: int = 1) -> FrameTokens:
        """The stem's maps (`stem_maps`) -> [CLS | patches] with positions; `pool` as in `embed_frames`."""
        middle = F.avg_pool2d(maps[16], pool) if pool > 1 else maps[16]
        height, width = middle.shape[-2:]
        parts = []
        for norm, level in ((self.norm_middle, middle), (self.norm_deep, maps[32]), (self.norm_class, maps[0])):
            tokens = norm(level.flatten(2).transpose(1, 2))
            if level.shape[-2:] != middle.shape[-2:]:
                coarse = tokens.transpose(1, 2).unflatten(-1, level.shape[-2:])
                fine = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
                tokens = fine.flatten(2).transpose(1, 2)
            parts.append(tokens)
        patches = self.join(torch.cat(parts, -1))
        patches = patches + sine_positions(height, width, self.vision_width, patches.device).to(patches.dtype)
        cls = self.cls_token.to(patches.dtype).expand(patches.shape[0], 1, -1)
        correspondence = middle.flatten(2).transpose(1, 2)
        pyramid = {stride: maps[stride] for stride in self.pyramid_widths if stride in maps}
        return FrameTokens(torch.cat([cls, patches], 1), (height, width), correspondence, pyramid, maps[0])

    def embed_frames(self, images: Tensor, pool: int = 1) -> FrameTokens:
        height, width = images.shape[-2:]
        self.check_size(height, width, pool)
        return self.join_maps(self.stem_maps(images.contiguous(memory_format=torch.channels_last)), pool)

    # --- the part that is pretrained here --------------------------------------------------------------------------
    def aligned_state_dict(self) -> dict[str, Tensor]:
        """The part that `pretraining.align` trains: everything except EfficientNet-Lite2 and MiniLM."""
        published = ("stem.", *MINILM_PARTS)
        return {name: value for name, value in self.state_dict().items() if not name.startswith(published)}

    def save_aligned(self, path: Path) -> None:
        """Write `aligned_state_dict` in half precision, atomically, for `load_mini`."""
        state = {name: value.half().contiguous() for name, value in self.aligned_state_dict().items()}
        replace_file(path, lambda temporary: save_file(state, temporary))


def load_mini(weights: str | Path | None = None, *, aligned: bool = True) -> MiniBackbone:
    """The `mini` backbone with pretrained weights, frozen, in float32.

    Args:
        weights: Safetensors file of the vision tower, whose MLPs may have any width. Default: the shipped file.
        aligned: Whether the vision tower is pretrained. False leaves it random, for `pretraining.align` to start from.

    Raises:
        UserError: A file cannot be read, or its weights do not fit.
    """
    path = Path(weights or MINI_TOWER)
    tower = read_checkpoint(path) if aligned else {}
    config = MiniConfig()
    if aligned:
        config = replace(config, mlp_width=shape_of(tower, "vision_blocks.0.fc1.weight", str(path), dims=2)[0])
    with PlaceholderWeights() if aligned else nullcontext():
        backbone = MiniBackbone(config)
    if not aligned:
        tower = backbone.aligned_state_dict()
    state = dict(tower)
    for file in (EFFICIENTNET_LITE2, MINILM):
        state |= {f"{file.stem}/{name}": value for name, value in read_checkpoint(file).items()}
    load_strictly(backbone, state, _source, str(path), lambda name: False)
    backbone.stem.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return backbone.freeze()


def _source(name: str) -> Source:
    """Where a tensor is read from: `<file>/<name>` in a shipped file, its own name in the vision tower's file."""
    if name.startswith("stem."):
        return Source((f"{EFFICIENTNET_LITE2.stem}/{name.removeprefix('stem.')}",))
    return Source((f"{MINILM.stem}/{name}" if name.startswith(MINILM_PARTS) else name,))
