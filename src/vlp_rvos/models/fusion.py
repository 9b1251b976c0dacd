"""Vision-language feature fusion: patches and words inform each other, then patches meet the sentence.

`docs/method.md` section 2.2. Shapes: B batch, T frames, N = h*w patches, S words, d width of what is trained,
d_v / d_t / d_s widths of the vision tower, the text tower and the shared space.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.attention import attend
from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.encoder import TextFeatures
from vlp_rvos.models.model_config import ModelConfig

__all__ = ["VLFF", "CrossAttention", "ScoreMap", "clip_positions"]


class CrossAttention(nn.Module):
    """Pre-norm multi-head attention from one token sequence to another, the residual not added.

    Args:
        width: d of both sequences.
        heads: d must be divisible by it.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_norm, self.key_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.kv, self.out = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, visible: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (B, L, d) queries.
            context: (B, S, d) keys and values.
            visible: (B, S) bool, False hides a key; every row has a True.

        Returns:
            (B, L, d).
        """
        q = self.q(self.query_norm(x))
        k, v = self.kv(self.key_norm(context)).chunk(2, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        mask = None if visible is None else visible[:, None, None, :]
        attended = attend(q, k, v, mask)
        return self.out(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class ScoreMap(nn.Module):
    """Text-pixel score map [O]: cosine of every patch with the sentence in the backbone's shared space, as a logit.

    The cosine is scaled and shifted by two learned numbers, which start at 10 and -1 [D].
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-1.0))

    def forward(self, patches_shared: Tensor, sentence_shared: Tensor) -> Tensor:
        """(B, T, N, d_s) and (B, d_s), not normalised -> logits (B, T, N), float32."""
        sentence = F.normalize(sentence_shared.float(), dim=-1)
        patches = patches_shared.float()
        lengths = torch.linalg.vector_norm(patches, dim=-1).clamp_min(1e-6)
        cosine: Tensor = (patches * sentence[:, None, None]).sum(-1) / lengths
        return cosine * self.log_scale.exp() + self.bias


class VLFF(nn.Module):
    """Dual propagation and fusion [P], with the score map as an input [O].

    Dual propagation: patches of each frame attend to the words, and words to the patches of all frames of the clip;
    both read the other's state from before. Fusion: `LN(v + MLP([v, v * sentence, score]))`, plus fixed positions of
    frame, row and column [D].

    Without `config.vlff` patches, words and sentence are only projected, and patches and sentence added.

    Args:
        config: sizes and switches.
        backbone: for its sizes only.
    """

    def __init__(self, config: ModelConfig, backbone: Backbone) -> None:
        super().__init__()
        d, d_v, d_t = config.width, backbone.vision_width, backbone.text_width
        self.vision = nn.Sequential(nn.LayerNorm(d_v), nn.Linear(d_v, d))
        words_are_read_later = config.shallow and config.str_blocks > 0
        self.words = (
            nn.Sequential(nn.LayerNorm(d_t), nn.Linear(d_t, d)) if config.vlff or words_are_read_later else None
        )
        self.sentence = nn.Sequential(nn.LayerNorm(d_t), nn.Linear(d_t, d))
        self.score_map = ScoreMap() if config.score_map else None
        self.fused = config.vlff
        if config.vlff:
            self.words_to_vision = CrossAttention(d, config.str_heads)
            self.vision_to_words = CrossAttention(d, config.str_heads) if words_are_read_later else None
            self.fusion = nn.Sequential(nn.Linear(2 * d + config.score_map, d), nn.GELU(), nn.Linear(d, d))
        self.norm = nn.LayerNorm(d)

    def forward(
        self,
        backbone: Backbone,
        patches: Tensor,
        grid: tuple[int, int],
        text: TextFeatures,
        motion: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Fuse.

        Args:
            backbone: for its projection into the shared space.
            patches: (B, T, N, d_v) finished.
            grid: (h, w).
            text: of B expressions.
            motion: (B, T, N, d) of the patches, added to them; None adds nothing.

        Returns:
            Fused features (B, T, N, d), words (B, S, d) or None where the config has no reader of them, score
            logits (B, T, N) or None.
        """
        length = patches.shape[1]
        score = None
        if self.score_map is not None:
            score = self.score_map(backbone.project_vision(patches), text.sentence_shared)
        v, s = self.vision(patches), self.sentence(text.sentence)[:, None]
        v = (v if motion is None else v + motion).flatten(1, 2)
        w = None if self.words is None else self.words(text.words)
        if self.fused:
            informed = w if self.vision_to_words is None else w + self.vision_to_words(w, v)
            v, w = v + self.words_to_vision(v, w, text.mask), informed
            parts = [v, v * s] if score is None else [v, v * s, score.flatten(1)[..., None].to(v.dtype)]
            features = self.norm(v + self.fusion(torch.cat(parts, -1)))
        else:
            features = self.norm(v + s)
        features = features.unflatten(1, (length, -1))
        positions = clip_positions(length, grid, features.shape[-1], features.device)
        return features + positions.to(features.dtype), w, score


def clip_positions(length: int, grid: tuple[int, int], width: int, device: torch.device | None = None) -> Tensor:
    """Fixed sine and cosine positions of the tokens of a clip [D], (T, h*w, width).

    Rows and columns are counted from 0 to 1, so that "left" is the same at every input size; frames one by one.
    A third of the channels each; channels that do not divide are 0.
    """
    bands = width // 6

    def waves(places: Tensor, slowest: float, fastest: float) -> Tensor:
        phase = places[:, None] * torch.logspace(math.log10(slowest), math.log10(fastest), bands, device=device)
        return torch.cat([phase.sin(), phase.cos()], -1)

    frames, (rows, columns) = (
        torch.arange(length, device=device),
        ((torch.arange(size, device=device) + 0.5) / size for size in grid),
    )
    shape = (length, *grid, -1)
    parts = [
        waves(frames, 0.01, 1.0)[:, None, None].expand(shape),
        waves(rows, math.pi / 2, 32 * math.pi)[None, :, None].expand(shape),
        waves(columns, math.pi / 2, 32 * math.pi)[None, None].expand(shape),
    ]
    return F.pad(torch.cat(parts, -1), (0, width - 6 * bands)).flatten(1, 2)
