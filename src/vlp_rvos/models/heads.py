"""The heads: mask logits at the input size, and whether the target is present.

`docs/method.md` section 4. Marks: [O] from the authors' release, [D] decided here. Shapes: B expressions, V videos, T
frames, N = h*w tokens of a frame, d width, d_t width of the text tower, C channels of a feature map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.backbones.convolution import Convolution, Smooth
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.pooling import masked_mean
from vlp_rvos.models.videos import for_expressions

__all__ = ["MaskHead", "PresenceHead"]

#: pixels of each convolution's map along the side of a patch
SCALES = (1, 2, 4)


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class MaskHead(nn.Module):
    """Convolutions at the patch grid and at two and four times its resolution, with bilinear upsampling between [O].

    For patches of 16 pixels these scales are 1/16, 1/8 and 1/4 of the input. Where the backbone has a frozen feature
    map at one of the scales, the map is projected and added before that scale's convolution [D]. The map at the patch
    grid is added only where tokens are pooled, because pooled tokens have lost its detail.

    Args:
        config: sizes and switches.
        backbone: the backbone; only its sizes are read.
    """

    def __init__(self, config: ModelConfig, backbone: Backbone) -> None:
        super().__init__()
        full, half = config.head_width, config.head_width // 2
        inputs = (full, full, half)
        self.reduce = Convolution(config.width, full, 1)
        self.refine = nn.ModuleList(Smooth(i, o) for i, o in zip(inputs, (full, half, half), strict=True))
        self.logits = Convolution(half, 1, 1)
        # Most pixels are background. Starting there spares the first training steps from learning just that.
        with torch.no_grad():
            self.logits.bias.fill_(-2.0)  # type: ignore[union-attr]
        self.patch_size, self.pool = backbone.patch_size, config.patch_pool
        self.finer = nn.ModuleDict()
        for scale, channels in zip(SCALES, inputs, strict=True):
            stride = self.patch_size // scale
            adds_detail = scale > 1 or self.pool > 1
            divides = stride * scale == self.patch_size
            if config.pyramid and adds_detail and divides and stride in backbone.pyramid_widths:
                level = Convolution(backbone.pyramid_widths[stride], channels, 1)
                if scale == 1:
                    # Starting at 0, a model trained without pooling predicts the same until this layer learns.
                    nn.init.zeros_(level.weight)
                    nn.init.zeros_(level.bias)  # type: ignore[arg-type]
                self.finer[str(stride)] = level

    def forward(
        self,
        features: Tensor,
        grid: tuple[int, int],
        pyramid: dict[int, Tensor],
        video_of: Tensor | None,
        size: tuple[int, int],
    ) -> Tensor:
        """Predict masks.

        Args:
            features: (B, T, N, d) features of the tokens.
            grid: (h, w) tokens of a frame.
            pyramid: the backbone's feature maps, stride -> (V, T, C, H/stride, W/stride).
            video_of: (B,) index of the video that each expression is about. None: one expression for each video, in
                order.
            size: (H, W) pixels of the result.

        Returns:
            Mask logits (B, T, H, W).
        """
        batch, length = features.shape[:2]
        x = self.reduce(features.flatten(0, 1).transpose(1, 2).unflatten(-1, grid))
        for scale, refine in zip(SCALES, self.refine, strict=True):
            if (finer := scale * self.pool) > 1:
                x = _resize(x, (finer * grid[0], finer * grid[1]))
            stride = self.patch_size // scale
            if str(stride) in self.finer:
                level = self.finer[str(stride)](pyramid[stride].flatten(0, 1)).unflatten(0, (-1, length))
                # In place, like the ReLU: these are the largest maps of the model.
                x.unflatten(0, (batch, length)).add_(for_expressions(level, video_of))
            x = refine(x)
        return _resize(self.logits(x), size).view(batch, length, *size)


class PresenceHead(nn.Module):
    """Predicts whether the target of the expression is in each frame, and whether it is in the clip at all [D].

    For each frame it reads the mean of the features, their mean under the predicted mask, the highest score of the
    score map, and the sentence. No gradient flows into the mask, because presence must not shape it.

    Args:
        config: sizes and switches.
        text_width: width d_t of the text tower.
    """

    def __init__(self, config: ModelConfig, text_width: int) -> None:
        super().__init__()
        self.pooled_width = 2 * config.width
        hidden = config.presence_width or config.width
        self.sentence_norm = nn.LayerNorm(text_width)
        self.frame = nn.Sequential(nn.Linear(self.pooled_width + text_width + config.score_map, hidden), nn.GELU())
        self.frame_logit = nn.Linear(hidden, 1)
        self.clip_logit = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, 1))

    def forward(
        self, features: Tensor, mask_logits: Tensor, score_logits: Tensor | None, sentence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict presence.

        Args:
            features: (B, T, N, d) features of the tokens.
            mask_logits: (B, T, N) mask logits at the token grid.
            score_logits: (B, T, N) logits of the score map, or None where the config has none.
            sentence: (B, d_t) sentence features.

        Returns:
            Logits per frame (B, T) and per clip (B,).
        """
        return self.classify(self.pool(features, mask_logits, score_logits, sentence))

    def pool(
        self, features: Tensor, mask_logits: Tensor, score_logits: Tensor | None, sentence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Pool the inputs of the trained layers: frames (B, T, 2 d), with a score (B, T, 2 d + 1), and the sentence.

        Nothing is learned here, so a head can be trained alone on stored results of this method.
        """
        pooled = [features.mean(2), masked_mean(features, mask_logits.detach())]
        if score_logits is not None:
            pooled.append(score_logits.amax(-1, keepdim=True).to(features.dtype))
        return torch.cat(pooled, -1), sentence

    def classify(self, pooled: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Logits per frame (B, T) and per clip (B,) from the result of `pool`."""
        frames, sentence = pooled
        sentences = self.sentence_norm(sentence)[:, None].expand(-1, frames.shape[1], -1).to(frames.dtype)
        means, score = frames[..., : self.pooled_width], frames[..., self.pooled_width :]
        hidden = self.frame(torch.cat([means, sentences, score], -1))
        return self.frame_logit(hidden)[..., 0], self.clip_logit(hidden.mean(1))[..., 0]
