"""The `mini` backbone: frozen, pretrained parts that come as ordinary packages, so that it works offline.

An ImageNet-trained EfficientNet-Lite2 is the image stem and MiniLM the text tower. On the stem's stride-16 tokens
stands a small transformer whose patches were brought into MiniLM's sentence space by `vlp_rvos.pretraining.align`
(contrast of image regions with words, distillation of the stem's own class head). After that it is frozen like any
other backbone. `docs/method.md` section 0 [D].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Backbone, Block, FrameTokens, TextBatch
from vlp_rvos.models.backbones.efficientnet_lite import EfficientNetLite, load_efficientnet_lite
from vlp_rvos.models.backbones.packaged import MINILM, MINILM_VOCABULARY, STEM
from vlp_rvos.models.backbones.pretrained_files import shape_of
from vlp_rvos.models.backbones.tokenizers import WordPieceTokenizer
from vlp_rvos.utils.atomic import replace_file

__all__ = ["MiniBackbone", "MiniConfig", "load_mini"]

STEM_CLASSES = 1000
WEIGHTS = Path(str(resources.files("vlp_rvos") / "weights"))
TOWER = WEIGHTS / "mini-backbone.safetensors"
#: what was shipped before, for what was trained on it: fingerprint of the whole backbone -> its vision tower
EARLIER_TOWERS = {
    "39a118d7cd9bf0e02071611ba6815a7bfd9c337ff52dde01f35879ff02ce9346": WEIGHTS / "mini-backbone-wide.safetensors"
}


@dataclass(frozen=True)
class MiniConfig:
    """Sizes of the vision tower that stands on the stem.

    Attributes:
        width: token width d_v.
        layers: transformer layers.
        heads: attention heads.
        mlp_width: hidden width of each MLP.
        class_temperature: of the softmax over the stem's classes.
    """

    width: int = 256
    layers: int = 4
    heads: int = 4
    mlp_width: int = 192
    class_temperature: float = 1.0


def sine_positions(height: int, width: int, channels: int, device: torch.device | None = None) -> Tensor:
    """2-D sine and cosine position embedding over [0, 1]^2, (height * width, channels); any size, same meaning."""
    bands = torch.logspace(0, 6, channels // 4, base=2.0, device=device)
    y = (torch.arange(height, device=device) + 0.5) / height
    x = (torch.arange(width, device=device) + 0.5) / width

    def waves(places: Tensor) -> Tensor:
        phase = torch.pi * places[:, None] * bands
        return torch.cat([phase.sin(), phase.cos()], -1)

    rows = waves(y)[:, None].expand(-1, width, -1)
    columns = waves(x)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], -1).flatten(0, 1)


class MiniBackbone(Backbone):
    """EfficientNet-Lite2 stem, small vision transformer, MiniLM text tower.

    Without `load_mini` all weights are random: of use for tests and cost measurements only.
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
        self.embedding_cost = 3.0
        # EfficientNet-Lite was trained on (pixel - 127) / 128.
        self.image_mean, self.image_std = (127 / 255,) * 3, (128 / 255,) * 3

        self.stem = EfficientNetLite("lite2")
        self.pyramid_widths = {stride: self.stem.widths[stride] for stride in (16, 8, 4)}
        middle, deep = self.stem.widths[16], self.stem.widths[32]
        #: sentence feature of each of the stem's classes
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
        self.tokenizer: WordPieceTokenizer | None = None

    # --- words -----------------------------------------------------------------------------------------------------
    def tokenize(self, expressions: Sequence[str]) -> TextBatch:
        if self.tokenizer is None:
            self.tokenizer = WordPieceTokenizer(MINILM_VOCABULARY.locate())
        return self.tokenizer(expressions, self.max_words)

    def embed_text(self, text: TextBatch) -> Tensor:
        positions = self.position_embedding.weight[: text.ids.shape[1]]
        return self.embedding_norm(self.word_embedding(text.ids) + positions + self.type_embedding.weight[0])  # type: ignore[no-any-return]

    def finish_text(self, x: Tensor) -> Tensor:
        return x

    def pool_text(self, x: Tensor, text: TextBatch) -> Tensor:
        weight = text.mask.to(x.dtype)[..., None]
        return (x * weight).sum(1) / weight.sum(1)

    def project_text(self, x: Tensor) -> Tensor:
        return x

    # --- frames ----------------------------------------------------------------------------------------------------
    def stem_maps(self, images: Tensor) -> dict[int, Tensor]:
        """Normalised images (N, 3, H, W) -> the stem's maps by stride; 0 holds the class map in text space."""
        maps = self.stem.forward_features(images)
        # Channels last, as the convolutions leave them: then nothing is copied.
        logits = self.stem.classify(maps[32]).permute(0, 2, 3, 1).float()
        if self.config.class_temperature != 1:
            logits = logits / self.config.class_temperature
        classes = logits.softmax(-1).to(maps[32].dtype)
        maps[0] = (classes @ self.class_text.to(classes.dtype)).permute(0, 3, 1, 2)
        return maps

    def join_maps(self, maps: dict[int, Tensor], pool: int = 1) -> FrameTokens:
        """The stem's maps -> [CLS | patches] with positions; `pool` as in `embed_frames`."""
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
        return FrameTokens(torch.cat([cls, patches], 1), (height, width), correspondence, pyramid)

    def embed_frames(self, images: Tensor, pool: int = 1) -> FrameTokens:
        height, width = images.shape[-2:]
        self.check_size(height, width, pool)
        return self.join_maps(self.stem_maps(images.contiguous(memory_format=torch.channels_last)), pool)

    def finish_vision(self, x: Tensor) -> Tensor:
        return self.vision_norm(x)  # type: ignore[no-any-return]

    def project_vision(self, x: Tensor) -> Tensor:
        return self.vision_projection(x)  # type: ignore[no-any-return]

    # --- what is pretrained here -----------------------------------------------------------------------------------
    def aligned_state_dict(self) -> dict[str, Tensor]:
        """The part that `pretraining.align` learned: everything but the packages' own weights."""
        foreign = (
            "stem.",
            "word_embedding.",
            "position_embedding.",
            "type_embedding.",
            "embedding_norm.",
            "text_blocks.",
        )
        return {name: value for name, value in self.state_dict().items() if not name.startswith(foreign)}

    def save_aligned(self, path: Path) -> None:
        """Write that part in half precision, atomically, for `load_mini`."""
        state = {name: value.half().contiguous() for name, value in self.aligned_state_dict().items()}
        replace_file(path, lambda temporary: save_file(state, temporary))


def _load_minilm(backbone: MiniBackbone) -> None:
    state = load_file(MINILM.locate())

    def copy(module: nn.Module, name: str) -> None:
        for part, value in module.named_parameters():
            value.copy_(state[f"{name}.{part}"])

    with torch.no_grad():
        copy(backbone.word_embedding, "embeddings.word_embeddings")
        copy(backbone.position_embedding, "embeddings.position_embeddings")
        copy(backbone.type_embedding, "embeddings.token_type_embeddings")
        copy(backbone.embedding_norm, "embeddings.LayerNorm")
        for index, block in enumerate(backbone.text_blocks):
            assert isinstance(block, Block)
            prefix = f"encoder.layer.{index}."
            for part in ("weight", "bias"):
                attention = [state[f"{prefix}attention.self.{name}.{part}"] for name in ("query", "key", "value")]
                getattr(block.qkv, part).copy_(torch.cat(attention))
            copy(block.out, prefix + "attention.output.dense")
            copy(block.norm1, prefix + "attention.output.LayerNorm")
            copy(block.fc1, prefix + "intermediate.dense")
            copy(block.fc2, prefix + "output.dense")
            copy(block.norm2, prefix + "output.LayerNorm")


def load_mini(weights: str | Path | None = None, *, aligned: bool = True) -> MiniBackbone:
    """The `mini` backbone with its pretrained weights, frozen.

    Args:
        weights: safetensors of the aligned vision tower, its MLPs of any width; default: the shipped one.
        aligned: False leaves the vision tower random, for `pretraining.align` to start from.

    Raises:
        UserError: a package's file is missing or not the expected one, or the weights do not fit.
    """
    path = Path(weights or TOWER)
    state = _read_tower(path) if aligned else {}
    config = MiniConfig()
    if aligned:
        config = replace(config, mlp_width=shape_of(state, "vision_blocks.0.fc1.weight", str(path), dims=2)[0])
    backbone = MiniBackbone(config)
    stem_state = torch.load(STEM.locate(), map_location="cpu", weights_only=True)
    backbone.stem = load_efficientnet_lite(stem_state).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    _load_minilm(backbone)
    if aligned:
        own = backbone.aligned_state_dict()
        wrong = sorted(own.keys() ^ state.keys()) or [n for n in own if own[n].shape != state[n].shape]
        if wrong:
            raise UserError(f"{path} does not fit mini's vision tower; first differing keys: {', '.join(wrong[:5])}")
        with torch.no_grad():
            for name, value in state.items():
                own[name].copy_(value)
    backbone.freeze()
    return backbone


def _read_tower(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read the weights of mini's vision tower {path}: {error}") from error
