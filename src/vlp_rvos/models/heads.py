"""Mask and presence heads.

`docs/method.md` section 4. Shapes: B batch of expressions, V videos, T frames, N = h*w patches, d width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.prompts import masked_mean

__all__ = ["MaskHead", "PresenceHead"]

#: places of the convolutions' maps on a patch's side
SCALES = (1, 2, 4)


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class _Refine(nn.Sequential):
    """3x3 convolution, GroupNorm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.GroupNorm(math.gcd(8, channels_out), channels_out),
            nn.ReLU(inplace=True),
        )


class MaskHead(nn.Module):
    """Convolutions at the backbone's patches, twice and four times them, with bilinear upsampling between [O].

    The backbone's frozen maps, where it has them at these scales, are projected and added before the convolution of
    their scale [D]; that of the patches themselves only where the tokens are pooled and do not hold it any more. For
    patch 16 the scales are 1/16, 1/8 and 1/4 of the input.

    Args:
        config: sizes and switches.
        backbone: for its sizes only.
    """

    def __init__(self, config: ModelConfig, backbone: Backbone) -> None:
        super().__init__()
        full, half = config.head_width, config.head_width // 2
        inputs = (full, full, half)
        self.reduce = nn.Conv2d(config.width, full, 1)
        self.refine = nn.ModuleList(_Refine(i, o) for i, o in zip(inputs, (full, half, half), strict=True))
        self.logits = nn.Conv2d(half, 1, 1)
        # Most pixels are background: without this the first steps are spent on saying so.
        with torch.no_grad():
            self.logits.bias.fill_(-2.0)  # type: ignore[union-attr]
        self.patch_size, self.pool = backbone.patch_size, config.patch_pool
        self.finer = nn.ModuleDict()
        for scale, channels in zip(SCALES, inputs, strict=True):
            stride = self.patch_size // scale
            lost = scale > 1 or self.pool > 1
            if config.pyramid and lost and stride * scale == self.patch_size and stride in backbone.pyramid_widths:
                level = nn.Conv2d(backbone.pyramid_widths[stride], channels, 1)
                if scale == 1:
                    # Weights that were trained without pooling start where they ended.
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
            features: (B, T, N, d).
            grid: (h, w) of the tokens.
            pyramid: stride -> (V, T, C, H/stride, W/stride).
            video_of: (B,) which video each expression is about; None: one for each, in order.
            size: (H, W) of the result.

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
                # In place, and ReLU too: no new memory for the largest maps.
                x += (level if video_of is None else level[video_of]).flatten(0, 1)
            x = refine(x)
        return _resize(self.logits(x), size).view(batch, length, *size)


class PresenceHead(nn.Module):
    """Is what the expression refers to in the frame, in the clip at all? [D]

    It reads, per frame, the mean of the features, their mean under the predicted mask, the highest score of the score
    map, and the sentence. The mask's gradient does not pass: presence must not shape it.

    Args:
        config: sizes and switches.
        text_width: d_t.
    """

    def __init__(self, config: ModelConfig, text_width: int) -> None:
        super().__init__()
        self.pooled = 2 * config.width
        hidden = config.presence_width or config.width
        self.sentence_norm = nn.LayerNorm(text_width)
        self.frame = nn.Sequential(nn.Linear(self.pooled + text_width + config.score_map, hidden), nn.GELU())
        self.frame_logit = nn.Linear(hidden, 1)
        self.clip_logit = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, 1))

    def forward(
        self, features: Tensor, mask_logits: Tensor, score_logits: Tensor | None, sentence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict presence.

        Args:
            features: (B, T, N, d).
            mask_logits: (B, T, N), at the patch grid.
            score_logits: (B, T, N), or None where the config has no score map.
            sentence: (B, d_t).

        Returns:
            Logits per frame (B, T) and per clip (B,).
        """
        return self.judge(self.observe(features, mask_logits, score_logits, sentence))

    def observe(
        self, features: Tensor, mask_logits: Tensor, score_logits: Tensor | None, sentence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What is read, before anything is learned from it: of the frames (B, T, 2 d or 2 d + 1), and the sentence."""
        parts = [features.mean(2), masked_mean(features, mask_logits.detach())]
        if score_logits is not None:
            parts.append(score_logits.amax(-1, keepdim=True).to(features.dtype))
        return torch.cat(parts, -1), sentence

    def judge(self, observed: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The logits that `forward` gives, from what `observe` gives."""
        frames, sentence = observed
        words = self.sentence_norm(sentence)[:, None].expand(-1, frames.shape[1], -1).to(frames.dtype)
        # The sentence stands before the score.
        hidden = self.frame(torch.cat([frames[..., : self.pooled], words, frames[..., self.pooled :]], -1))
        return self.frame_logit(hidden)[..., 0], self.clip_logit(hidden.mean(1))[..., 0]
