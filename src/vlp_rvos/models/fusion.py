"""Vision-language feature fusion (VLFF): patches and words attend to each other, then the sentence joins the patches.

`docs/method.md` section 2.2. Marks: [P] from the paper, [O] from the authors' release, [D] decided here. Shapes: B
batch, T frames, N = h*w patches, S words, d width of the trained modules, d_v / d_t / d_s widths of the vision tower,
the text tower and the shared space.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.cross_attention import CrossAttention
from vlp_rvos.models.encoder import TextFeatures
from vlp_rvos.models.model_config import ModelConfig

__all__ = ["VLFF", "ScoreMap", "clip_positions"]


class ScoreMap(nn.Module):
    """Text-pixel score map [O]: cosine similarity of each patch and the sentence in the backbone's shared space.

    A learned scale and a learned bias, which start at 10 and -1, turn the cosine into a logit [D].
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-1.0))

    def forward(self, patches_shared: Tensor, sentence_shared: Tensor) -> Tensor:
        """Score every patch.

        Args:
            patches_shared: (B, T, N, d_s) patches in the shared space, not normalised.
            sentence_shared: (B, d_s) sentence features in the shared space, not normalised.

        Returns:
            (B, T, N) logits, float32.
        """
        sentence = F.normalize(sentence_shared.float(), dim=-1)
        patches = patches_shared.float()
        lengths = torch.linalg.vector_norm(patches, dim=-1).clamp_min(1e-6)
        cosine: Tensor = (patches * sentence[:, None, None]).sum(-1) / lengths
        return cosine * self.log_scale.exp() + self.bias


class VLFF(nn.Module):
    """Dual propagation and fusion [P], with the score map as an input [O].

    Dual propagation: the patches attend to the words, and the words attend to the patches of all frames of the clip.
    Both directions read what the other side was before this step [D]. Fusion: `LN(v + MLP([v, v * sentence, score]))`,
    then fixed position embeddings of frame, row and column are added [D].

    With `config.vlff` off, patches, words and sentence are only projected, and the sentence is added to the patches.

    Args:
        config: sizes and switches.
        backbone: the backbone; only its sizes are read.
    """

    def __init__(self, config: ModelConfig, backbone: Backbone) -> None:
        super().__init__()
        d, d_v, d_t = config.width, backbone.vision_width, backbone.text_width
        self.vision = nn.Sequential(nn.LayerNorm(d_v), nn.Linear(d_v, d))
        decoders_read_words = config.shallow and config.str_blocks > 0
        reads_words = config.vlff or decoders_read_words
        self.words = nn.Sequential(nn.LayerNorm(d_t), nn.Linear(d_t, d)) if reads_words else None
        self.sentence = nn.Sequential(nn.LayerNorm(d_t), nn.Linear(d_t, d))
        self.score_map = ScoreMap() if config.score_map else None
        self.fused = config.vlff
        if config.vlff:
            self.words_to_vision = CrossAttention(d, config.str_heads)
            self.vision_to_words = CrossAttention(d, config.str_heads) if decoders_read_words else None
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
            backbone: the frozen backbone, which projects the patches into the shared space.
            patches: (B, T, N, d_v) output of the vision tower.
            grid: (h, w) patches of a frame.
            text: features of B expressions.
            motion: (B, T, N, d) motion features to add to the patches; None adds nothing.

        Returns:
            Fused features (B, T, N, d); words (B, S, d), None where no module reads them; score logits (B, T, N), None
            where the config has no score map.
        """
        length = patches.shape[1]
        score = None
        if self.score_map is not None:
            score = self.score_map(backbone.project_vision(patches), text.sentence_shared)
        v, s = self._tokens(patches, motion), self.sentence(text.sentence)[:, None]
        w = None if self.words is None else self.words(text.words)
        if self.fused:
            informed = w if self.vision_to_words is None else w + self.vision_to_words(w, v)
            v, w = v + self.words_to_vision(v, w, text.mask), informed
            inputs = [v, v * s] if score is None else [v, v * s, score.flatten(1)[..., None].to(v.dtype)]
            features = self.norm(v + self.fusion(torch.cat(inputs, -1)))
        else:
            features = self.norm(v + s)
        features = features.unflatten(1, (length, -1))
        positions = clip_positions(length, grid, features.shape[-1], features.device)
        return features + positions.to(features.dtype), w, score

    def score_words(self, backbone: Backbone, patches: Tensor, text: TextFeatures) -> Tensor | None:
        """The score map of each word by itself, as if it were the sentence; nothing of the model reads it.

        Args:
            backbone: the frozen backbone.
            patches: (B, T, N, d_v) output of the vision tower.
            text: features of B expressions.

        Returns:
            (B, S, T, N) logits, float32; None where the config has no score map.
        """
        if self.score_map is None:
            return None
        shared, words = backbone.project_vision(patches), backbone.project_text(text.words)
        return torch.stack([self.score_map(shared, word) for word in words.unbind(1)], 1)

    def word_weights(self, patches: Tensor, text: TextFeatures, motion: Tensor | None = None) -> Tensor | None:
        """How much each patch reads of each word where the patches attend to the words; arguments as for `forward`.

        Returns:
            (B, T, N, S) float32, whose rows sum to 1; None with `config.vlff` off.
        """
        if not self.fused or self.words is None:
            return None
        weights = self.words_to_vision.weights(self._tokens(patches, motion), self.words(text.words), text.mask)
        return weights.unflatten(1, patches.shape[1:3])  # type: ignore[no-any-return]

    def _tokens(self, patches: Tensor, motion: Tensor | None) -> Tensor:
        """Patches (B, T, N, d_v) and their motion (B, T, N, d) -> (B, T * N, d)."""
        v = self.vision(patches)
        return (v if motion is None else v + motion).flatten(1, 2)  # type: ignore[no-any-return]


def clip_positions(length: int, grid: tuple[int, int], width: int, device: torch.device | None = None) -> Tensor:
    """Fixed sine and cosine position embeddings of the tokens of a clip [D].

    Frame, row and column get a third of the channels each; up to five channels are left over and stay 0. Rows and
    columns run from 0 to 1, so that "left" means the same at every input size; frames are counted one by one.

    Args:
        length: number of frames T.
        grid: (h, w) patches of a frame.
        width: token width d.
        device: device of the result; None takes PyTorch's default.

    Returns:
        (T, h*w, width).
    """
    bands = width // 6

    def waves(positions: Tensor, slowest: float, fastest: float) -> Tensor:
        phase = positions[:, None] * torch.logspace(math.log10(slowest), math.log10(fastest), bands, device=device)
        return torch.cat([phase.sin(), phase.cos()], -1)

    frames, (rows, columns) = (
        torch.arange(length, device=device),
        ((torch.arange(size, device=device) + 0.5) / size for size in grid),
    )
    shape = (length, *grid, -1)
    axes = [
        waves(frames, 0.01, 1.0)[:, None, None].expand(shape),
        waves(rows, math.pi / 2, 32 * math.pi)[None, :, None].expand(shape),
        waves(columns, math.pi / 2, 32 * math.pi)[None, None].expand(shape),
    ]
    return F.pad(torch.cat(axes, -1), (0, width - 6 * bands)).flatten(1, 2)
