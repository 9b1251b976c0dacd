"""A tiny random backbone and a tiny model with every part of the real ones, which run in milliseconds."""

from __future__ import annotations

from zlib import crc32

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.backbone import Backbone, Block, FrameTokens
from vlp_rvos.models.backbones.expression_tokenizer import ExpressionTokenizer, TextBatch
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS

START, END, FIRST_WORD = 1, 2, 3


class TinyBackbone(Backbone):
    """Random and frozen; `seed` determines its weights.

    Args:
        vision_width, vision_layers, text_width, text_layers, shared_width, heads: sizes of the towers.
        patch_size: pixels per patch side.
        pools: see `Backbone`; `size_multiple` is the largest square's side.
        causal: give it a text tower like CLIP's (causal; the end token is the sentence) and not like BERT's (mean).
        pyramid: give maps at strides 16, 8 and 4 (needs patch_size 16).
        named: give these and one at stride 32, and class names there; then `size_multiple` is 32 and `shared_width` is
            `text_width`.
        relative_bias: VLMo-like relative position bias in the vision layers.
        layer_scale: VLMo-like layer scale.
        post_norm_text: BERT-like text layers.
        seed: of the weights.
    """

    def __init__(
        self,
        *,
        vision_width: int = 32,
        vision_layers: int = 3,
        text_width: int = 24,
        text_layers: int = 2,
        shared_width: int = 16,
        heads: int = 2,
        patch_size: int = 16,
        causal: bool = False,
        pools: tuple[int, ...] = (1,),
        pyramid: bool = False,
        named: bool = False,
        relative_bias: bool = False,
        layer_scale: bool = False,
        post_norm_text: bool = False,
        vocabulary: int = 200,
        max_words: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.name = "tiny"
        self.patch_size, self.pools = patch_size, pools
        self.size_multiple = patch_size * max(pools)
        shared_width = text_width if named else shared_width
        self.vision_width, self.text_width, self.shared_width = vision_width, text_width, shared_width
        self.max_words, self.causal = max_words, causal
        self.image_mean, self.image_std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
        self.pyramid_widths = {16: 7, 8: 6, 4: 5} if pyramid or named else {}
        self.names_classes = named
        if named:
            self.pyramid_widths = {32: 8, **self.pyramid_widths}
            self.size_multiple = max(32, self.size_multiple)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.patches = nn.Conv2d(3, vision_width, patch_size, patch_size)
            self.cls_token = nn.Parameter(torch.randn(vision_width))
            self.positions = nn.Parameter(0.5 * torch.randn(1, vision_width, 4, 4))
            self.vision_blocks = nn.ModuleList(
                Block(
                    vision_width, heads, 2 * vision_width, "quick_gelu" if causal else "gelu", layer_scale=layer_scale
                )
                for _ in range(vision_layers)
            )
            self.vision_norm = nn.LayerNorm(vision_width)
            self.vision_projection = nn.Linear(vision_width, shared_width, bias=False)
            self.finer = nn.ModuleDict({str(s): nn.Conv2d(3, c, s, s) for s, c in self.pyramid_widths.items()})
            self.class_map = nn.Conv2d(3, shared_width, 32, 32) if named else None
            self.bias_scale = nn.Parameter(torch.rand(heads)) if relative_bias else None

            self.vocabulary = vocabulary
            self.word_embedding = nn.Embedding(vocabulary, text_width)
            self.word_positions = nn.Parameter(0.5 * torch.randn(max_words, text_width))
            self.text_blocks = nn.ModuleList(
                Block(text_width, heads, 2 * text_width, norm_first=not post_norm_text) for _ in range(text_layers)
            )
            self.text_norm = nn.LayerNorm(text_width)
            self.text_projection = nn.Linear(text_width, shared_width, bias=False)
            for block in (*self.vision_blocks, *self.text_blocks):
                for parameter in block.parameters():
                    if parameter.ndim == 1:
                        nn.init.normal_(parameter, parameter.mean().item(), 0.1)
        self.freeze()

    def default_tokenizer(self) -> ExpressionTokenizer:
        ids = self.vocabulary - FIRST_WORD
        return ExpressionTokenizer(
            lambda text: [FIRST_WORD + crc32(word.encode()) % ids for word in text.lower().split()], START, END
        )

    def embed_text(self, text: TextBatch) -> Tensor:
        return self.word_embedding(text.ids) + self.word_positions[: text.ids.shape[1]]

    def pool_text(self, x: Tensor, text: TextBatch) -> Tensor:
        if self.causal:
            return x[torch.arange(text.ids.shape[0]), text.mask.sum(1) - 1]
        weight = text.mask.to(x.dtype)[..., None]
        return (x * weight).sum(1) / weight.sum(1)

    def embed_frames(self, images: Tensor, pool: int = 1) -> FrameTokens:
        height, width = images.shape[-2:]
        grid = self.check_size(height, width, pool)
        correspondence = F.avg_pool2d(self.patches(images), pool)
        x = correspondence + F.interpolate(self.positions, size=grid, mode="bilinear", align_corners=False)
        cls = self.cls_token.to(x.dtype).expand(x.shape[0], 1, -1)
        pyramid = {int(stride): convolution(images) for stride, convolution in self.finer.items()}
        tokens = torch.cat([cls, x.flatten(2).transpose(1, 2)], 1)
        named = None if self.class_map is None else self.class_map(images)
        return FrameTokens(tokens, grid, correspondence.flatten(2).transpose(1, 2), pyramid, named)

    def vision_bias(self, layer: int, grid: tuple[int, int], extra: int = 0) -> Tensor | None:
        if self.bias_scale is None:
            return None
        places = torch.cartesian_prod(torch.arange(grid[0]), torch.arange(grid[1])).float()
        distance = F.pad(torch.cdist(places, places), (1, extra, 1, extra))
        return -(layer + 1) * 0.1 * self.bias_scale[None, :, None, None] * distance.to(self.bias_scale.device)


def tiny_config(**changes: object) -> ModelConfig:
    """A config with everything switched on but motion, small enough for `TinyBackbone`."""
    values: dict[str, object] = {
        "width": 24,
        "clip_length": 3,
        "input_size": 64,
        "language_prompts": 3,
        "vision_prompts": 2,
        "temporal_prompts": 2,
        "prompt_width": 16,
        "prompt_heads": 2,
        "shallow_layers": [3, 2, 1],
        "str_heads": 4,
        "cube_size": 2,
        "mlp_ratio": 2.0,
        "head_width": 16,
    }
    return ModelConfig.from_dict({**values, **changes})


def tiny_model(backbone: TinyBackbone | None = None, **changes: object) -> VLPRVOS:
    """A whole model with random weights, always the same ones."""
    torch.manual_seed(0)
    config = ModelConfig(
        width=32,
        clip_length=3,
        input_size=64,
        keep_aspect=True,
        language_prompts=2,
        vision_prompts=2,
        temporal_prompts=1,
        prompt_width=32,
        prompt_heads=2,
        prompt_layers=1,
        shallow_layers=(2, 1),
        str_blocks=2,
        str_heads=4,
        cube_size=2,
        head_width=16,
    )
    return VLPRVOS(backbone or TinyBackbone(), config.replace(**changes))
