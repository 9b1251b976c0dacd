"""Which of the candidates an expression means, one, several or none of them. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Candidates attend to each other, with a bias made
of their relative places and sizes, to the words, and to their own parts; then each of them gets a score, and so does
"none". Shapes: B expressions, K candidates of the picture that each expression is about, S words, d width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.descriptors import MOTION, PARTS, Descriptors
from vlp_rvos.models.encoder import PlainText

__all__ = ["Choice", "dense_evidence", "relations"]

RELATIONS = 14
#: what a dense mask says of a candidate, see `dense_evidence`
EVIDENCE = 8


def relations(geometry: Tensor) -> Tensor:
    """How candidates lie to each other: (..., K, 12) geometry -> (..., K, K, RELATIONS)."""
    centre, size = geometry[..., 6:8], geometry[..., 4:6].clamp(min=0.01)
    area = geometry[..., 8].clamp(min=1e-5)
    boxes = geometry[..., :4]
    offset = centre[..., None, :, :] - centre[..., :, None, :]
    scale = size[..., :, None, :]
    log_size = (size[..., None, :, :] / scale).log().clamp(-4, 4) / 2
    log_area = (area[..., None, :] / area[..., :, None]).log().clamp(-8, 8) / 4
    low = torch.maximum(boxes[..., :, None, :2], boxes[..., None, :, :2])
    high = torch.minimum(boxes[..., :, None, 2:], boxes[..., None, :, 2:])
    both = (high - low).clamp(min=0).prod(-1)
    whole = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0.005).prod(-1)
    gap = (low - high).clamp(min=0).amax(-1)
    return torch.cat(
        [
            offset,
            offset.sign() * offset.abs().sqrt(),
            (offset / scale).clamp(-6, 6) / 3,
            log_size,
            log_area[..., None],
            (both / whole[..., :, None])[..., None],
            (both / whole[..., None, :])[..., None],
            gap[..., None],
            (boxes[..., None, :, 3:] - boxes[..., :, None, 3:]),
            offset.norm(dim=-1, keepdim=True),
        ],
        -1,
    )


class _Attention(nn.Module):
    """Multi-head attention with a bias, and a gain of its own for what the bias says."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, y: Tensor, bias: Tensor | None = None, y_of: Tensor | None = None) -> Tensor:
        """`x` attends to `y`. With `y_of`, row b of `x` attends to row `y_of[b]` of `y`, which is projected only once."""

        def split(z: Tensor) -> Tensor:
            return z.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

        key, value = self.key(y), self.value(y)
        if y_of is not None:
            key, value = key[y_of], value[y_of]
        out = F.scaled_dot_product_attention(split(self.query(x)), split(key), split(value), attn_mask=bias)
        return self.out(out.transpose(-2, -3).flatten(-2))  # type: ignore[no-any-return]


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float, parts: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 + parts))
        self.among, self.to_words = _Attention(width, heads), _Attention(width, heads)
        self.to_parts = _Attention(width, heads) if parts else None
        self.relation = nn.Sequential(nn.Linear(RELATIONS, 48), nn.GELU(), nn.Linear(48, heads))
        self.similar = nn.Parameter(torch.zeros(heads, 2))
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.drop = nn.Dropout(dropout)


class Choice(nn.Module):
    """Scores candidates for expressions.

    Args:
        widths: channels of the fields of `Descriptors`, see `descriptor_widths`.
        text_width: width d_t of the word states.
        width: token width d.
        layers: number of layers.
        heads: number of attention heads.
        dropout: share of activations that are dropped in training.
    """

    def __init__(
        self,
        widths: dict[str, int],
        text_width: int = 384,
        width: int = 192,
        layers: int = 4,
        heads: int = 6,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.inputs = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.LayerNorm(widths[name]) if name in ("looks", "surroundings", "names") else nn.Identity(),
                    nn.Linear(widths[name], width),
                )
                for name in ("looks", "names", "classes", "geometry", "colours", "surroundings")
            }
        )
        self.geometry_mlp = nn.Sequential(nn.Linear(widths["geometry"], width), nn.GELU(), nn.Linear(width, width))
        self.colour_mlp = nn.Sequential(nn.Linear(widths["colours"], width), nn.GELU(), nn.Linear(width, width))
        self.evidence = nn.Sequential(nn.Linear(EVIDENCE + 1, width), nn.GELU(), nn.Linear(width, width))
        self.similarity = nn.Linear(4, width)
        self.motion = nn.Sequential(nn.Linear(MOTION, width), nn.GELU(), nn.Linear(width, width, bias=False))
        self.part = nn.Sequential(nn.LayerNorm(widths["parts"]), nn.Linear(widths["parts"], width))
        self.part_place = nn.Parameter(torch.randn(PARTS * PARTS, width) * 0.02)
        self.input_norm = nn.LayerNorm(width)
        self.none = nn.Parameter(torch.randn(width) * 0.02)
        self.word = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, width))
        self.word_layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)
            for _ in range(1)
        )
        self.layers = nn.ModuleList(_Layer(width, heads, dropout, parts=k >= layers // 2) for k in range(layers))
        self.norm = nn.LayerNorm(width)
        self.score = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.none_score = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.input_drop = nn.Dropout(dropout)
        nn.init.zeros_(self.score[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.none_score[-1].weight)  # type: ignore[arg-type]

    def forward(
        self,
        candidates: Descriptors,
        present: Tensor,
        text: PlainText,
        evidence: Tensor | None = None,
        picture_of: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Score.

        Args:
            candidates: descriptions with P pictures in front, (P, K, ...).
            present: (P, K) bool, False where a picture has fewer candidates.
            text: B expressions.
            evidence: (B, K, EVIDENCE) what the dense head says; None, or NaN in a row, where it said nothing.
            picture_of: (B,) index of each expression's picture; None: picture b.

        Returns:
            (B, K) scores, -inf where there is no candidate, and (B,) scores of "none".
        """
        c = candidates
        if picture_of is None:
            picture_of = torch.arange(len(text.words), device=text.words.device)
        names = F.normalize(c.names.float(), dim=-1)
        own = (
            self.inputs["looks"](c.looks)
            + self.inputs["names"](c.names.flatten(-2))
            + self.inputs["classes"](c.classes)
            + self.geometry_mlp(c.geometry)
            + self.colour_mlp(c.colours)
            + self.inputs["surroundings"](c.surroundings)
            + self.motion(c.motion)
            - self.motion(torch.zeros_like(c.motion))
        )
        own = self.input_drop(own)
        parts = self.part(c.parts) + self.part_place
        relation = relations(c.geometry)

        words = self.word(text.words)
        padding = torch.zeros(text.mask.shape, dtype=words.dtype, device=words.device).masked_fill(
            ~text.mask, float("-inf")
        )
        for layer in self.word_layers:
            words = layer(words, src_key_padding_mask=padding)
        names = names[picture_of]
        sentence = F.normalize(text.sentence.float(), dim=-1)
        to_sentence = torch.einsum("bknd,bd->bkn", names, sentence)
        unit_words = F.normalize(text.words.float(), dim=-1)
        to_words = torch.einsum("bknd,bsd->bkns", names, unit_words).masked_fill(~text.mask[:, None, None], -1.0)
        similar = torch.cat([to_sentence, to_words.amax(-1)], -1)
        here = present[picture_of]
        if evidence is None:
            evidence = torch.full((*here.shape, EVIDENCE), float("nan"), device=words.device)
        unknown = evidence.isnan().any(-1, keepdim=True)
        evidence = torch.cat([evidence.masked_fill(unknown, 0.0), unknown.to(evidence)], -1)
        x = own[picture_of] + self.similarity(similar * 4) + self.evidence(evidence)
        x = self.input_norm(x)
        x = torch.cat([x, self.none.expand(len(x), 1, -1)], 1)

        count = x.shape[1]
        hidden = torch.zeros(len(x), 1, 1, count, device=x.device).masked_fill(
            ~F.pad(here, (0, 1), value=True)[:, None, None], float("-inf")
        )
        word_bias = padding[:, None, None]
        to_words = F.pad(to_words.clamp(min=0) * text.mask[:, None, None], (0, 0, 0, 0, 0, 1))
        for layer in self.layers:
            bias = F.pad(layer.relation(relation).permute(0, 3, 1, 2), (0, 1, 0, 1))[picture_of] + hidden
            normed = layer.norms[0](x)
            x = x + layer.drop(layer.among(normed, normed, bias.to(x.dtype)))
            sims = torch.einsum("bkns,hn->bhks", to_words, layer.similar)
            x = x + layer.drop(layer.to_words(layer.norms[1](x), words, (word_bias + sims).to(x.dtype)))
            if layer.to_parts is not None:
                # One query for each candidate, over its own parts only.
                looking = layer.norms[3](x[:, :-1])[:, :, None]
                seen = layer.to_parts(looking, parts, y_of=picture_of)[:, :, 0]
                x = x + F.pad(layer.drop(seen), (0, 0, 0, 1))
            x = x + layer.drop(layer.mlp(layer.norms[2](x)))
        x = self.norm(x)
        scores = self.score(x[:, :-1])[..., 0].float().masked_fill(~here, float("-inf"))
        return scores, self.none_score(x[:, -1])[..., 0].float()


def dense_evidence(
    mask_logits: Tensor, score_logits: Tensor, presence: Tensor, clip_presence: Tensor, masks: Tensor
) -> Tensor:
    """What the dense head says of each candidate.

    Args:
        mask_logits: (B, h, w) the dense head's mask logits, at the size of the candidates' masks.
        score_logits: (B, h, w) logits of the text-pixel score map, at the same size.
        presence: (B,) presence logits of the frame.
        clip_presence: (B,) presence logits of the clip.
        masks: (K, h, w) the candidates' masks in [0, 1].

    Returns:
        (B, K, EVIDENCE).
    """
    logits = mask_logits.flatten(1).float().clamp(-8, 8)
    probabilities, flat = logits.sigmoid(), masks.flatten(1).float()
    area = flat.sum(1).clamp(min=1.0)
    total = probabilities.sum(1).clamp(min=1.0)
    inside = probabilities @ flat.T
    scores = score_logits.flatten(1).float().sigmoid()
    shape = inside.shape
    return torch.stack(
        [
            (logits @ flat.T) / area / 4,
            inside / area,
            inside / (total[:, None] + area - inside).clamp(min=1.0),
            inside / total[:, None],
            (scores @ flat.T) / area,
            (total / probabilities.shape[1])[:, None].expand(shape),
            presence.float().clamp(-8, 8)[:, None].expand(shape) / 4,
            clip_presence.float().clamp(-8, 8)[:, None].expand(shape) / 4,
        ],
        -1,
    )
