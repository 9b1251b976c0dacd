"""Which of the candidates an expression means, one, several or none of them. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Candidates attend to each other, with a bias made
of their relative places and sizes, to the words, and to their own parts; then each of them gets a score, and so does
"none". Shapes: P pictures, B expressions, K candidates of a picture, S words, d_t / d_s widths of the text tower and
the shared space, d token width. The tokens about an expression are [candidates | none], K + 1 in all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.attention import attention_weights
from vlp_rvos.models.descriptors import MOTION, PARTS, Descriptors
from vlp_rvos.models.encoder import PlainText

__all__ = ["EVIDENCE", "OVERLAP", "RELATIONS", "Choice", "dense_evidence", "relations"]

#: Numbers that say how two candidates lie to each other, see `relations`.
RELATIONS = 14
#: Numbers that the dense head says of a candidate, see `dense_evidence`.
EVIDENCE = 8
#: Which of them is the intersection over union of the candidate and the dense mask.
OVERLAP = 2
#: Hidden width of the networks that turn relations into a bias of the attention.
RELATION_HIDDEN = 48
#: Number of layers among the words.
WORD_LAYERS = 1
#: Standard deviation of learned tokens before training.
TOKEN_STD = 0.02
#: Cosine similarities are multiplied by this number, so that usual differences are near 1.
SIMILARITY_SCALE = 4
#: Logits are clamped to this absolute value before they become numbers about a candidate, and divided by the other.
LARGEST_LOGIT, LOGIT_SCALE = 8, 4


def relations(geometry: Tensor) -> Tensor:
    """How candidates lie to each other.

    Args:
        geometry: (..., K, 12) as `Descriptors.geometry`.

    Returns:
        (..., K, K, RELATIONS), what [i, j] says of j as seen from i: way to the right and down, the same in square
        roots, the same in sizes of i, ratios of the widths, heights and areas, shares of the boxes of i and j that they
        have in common, gap between the boxes, difference of the lower ends, distance.
    """
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
    numbers = [
        offset,
        offset.sign() * offset.abs().sqrt(),
        (offset / scale).clamp(-6, 6) / 3,
        log_size,
        log_area[..., None],
        (both / whole[..., :, None])[..., None],
        (both / whole[..., None, :])[..., None],
        gap[..., None],
        boxes[..., None, :, 3:] - boxes[..., :, None, 3:],
        offset.norm(dim=-1, keepdim=True),
    ]
    return torch.cat(numbers, -1)


class _Attention(nn.Module):
    """Multi-head attention with a bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, y: Tensor, bias: Tensor | None = None, y_of: Tensor | None = None) -> Tensor:
        """`x` attends to `y`.

        Args:
            x: (B, ..., L, d).
            y: (B, ..., L', d); with `y_of`, (P, ..., L', d).
            bias: added to the attention logits, broadcastable to (B, ..., heads, L, L').
            y_of: (B,) row of `y` that each row of `x` attends to. Rows that several of them share are projected once.
        """
        key, value = self.key(y), self.value(y)
        if y_of is not None:
            key, value = key[y_of], value[y_of]
        q, k, v = (self._split_heads(z) for z in (self.query(x), key, value))
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        out: Tensor = self.out(attended.transpose(-2, -3).flatten(-2))
        return out

    def weights(self, x: Tensor, y: Tensor, bias: Tensor | None = None) -> Tensor:
        """How much `x` reads of `y`, the mean over the heads: (B, ..., L, L') float32. Arguments as for `forward`."""
        q, k = self._split_heads(self.query(x)), self._split_heads(self.key(y))
        return attention_weights(q, k, bias).mean(-3)

    def _split_heads(self, x: Tensor) -> Tensor:
        """(..., L, d) -> (..., heads, L, d/heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)  # type: ignore[no-any-return]


@dataclass
class _Context:
    """What the tokens of every layer look at.

    Attributes:
        relation: (P, K, K, RELATIONS) how the candidates of a picture lie to each other.
        hidden: (B, 1, 1, K + 1) bias that hides candidates that are not there.
        words: (B, S, d).
        padding: (B, 1, 1, S) bias that hides padding.
        likeness: (B, K + 1, S, 2) cosine similarity, at least 0, of words with the names of candidates.
        parts: (P, K, PARTS**2, d) parts of the candidates.
        picture_of: (B,) picture of each expression.
        word_weights: gets from each layer how much each token reads of each word, (B, K + 1, S); None asks for nothing.
    """

    relation: Tensor
    hidden: Tensor
    words: Tensor
    padding: Tensor
    likeness: Tensor
    parts: Tensor
    picture_of: Tensor
    word_weights: list[Tensor] | None = None


class _Layer(nn.Module):
    """Tokens attend to each other, to the words and, with `parts`, to their own parts."""

    def __init__(self, width: int, heads: int, dropout: float, parts: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 + parts))
        self.among, self.to_words = _Attention(width, heads), _Attention(width, heads)
        self.to_parts = _Attention(width, heads) if parts else None
        self.relation = nn.Sequential(
            nn.Linear(RELATIONS, RELATION_HIDDEN), nn.GELU(), nn.Linear(RELATION_HIDDEN, heads)
        )
        #: how much each head heeds the likeness of words with either name
        self.similar = nn.Parameter(torch.zeros(heads, 2))
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: _Context) -> Tensor:
        """(B, K + 1, d) tokens -> (B, K + 1, d)."""
        normed = self.norms[0](x)
        x = x + self.drop(self.among(normed, normed, self._bias_among(context).to(x.dtype)))
        to_words = context.padding + torch.einsum("bkns,hn->bhks", context.likeness, self.similar)
        normed = self.norms[1](x)
        if context.word_weights is not None:
            context.word_weights.append(self.to_words.weights(normed, context.words, to_words))
        x = x + self.drop(self.to_words(normed, context.words, to_words.to(x.dtype)))
        if self.to_parts is not None:
            # One query for each candidate, over its own parts only.
            queries = self.norms[3](x[:, :-1])[:, :, None]
            seen = self.to_parts(queries, context.parts, y_of=context.picture_of)[:, :, 0]
            x = x + F.pad(self.drop(seen), (0, 0, 0, 1))
        return x + self.drop(self.mlp(self.norms[2](x)))  # type: ignore[no-any-return]

    def _bias_among(self, context: _Context) -> Tensor:
        """(B, heads, K + 1, K + 1); relations say nothing of "none"."""
        bias = F.pad(self.relation(context.relation).permute(0, 3, 1, 2), (0, 1, 0, 1))
        return bias[context.picture_of] + context.hidden


class Choice(nn.Module):
    """Scores candidates for expressions.

    Args:
        widths: channels of the fields of `Descriptors`, see `descriptor_widths`.
        text_width: width d_t of the word states.
        width: token width d.
        layers: number of layers; the later half attends to parts.
        heads: number of attention heads.
        dropout: share of activations that are dropped in training.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        text_width: int = 384,
        width: int = 192,
        layers: int = 4,
        heads: int = 6,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        # `geometry` and `colours` have networks of their own; their layers here are in checkpoints, but unused.
        self.inputs = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.LayerNorm(widths[name]) if name in ("looks", "surroundings", "names") else nn.Identity(),
                    nn.Linear(widths[name], width),
                )
                for name in ("looks", "names", "classes", "geometry", "colours", "surroundings")
            }
        )
        self.geometry_mlp = _mlp(widths["geometry"], width)
        self.colour_mlp = _mlp(widths["colours"], width)
        self.evidence = _mlp(EVIDENCE + 1, width)
        self.similarity = nn.Linear(4, width)
        self.motion = _mlp(MOTION, width, bias=False)
        self.part = nn.Sequential(nn.LayerNorm(widths["parts"]), nn.Linear(widths["parts"], width))
        self.part_place = nn.Parameter(torch.randn(PARTS * PARTS, width) * TOKEN_STD)
        self.input_norm = nn.LayerNorm(width)
        self.none = nn.Parameter(torch.randn(width) * TOKEN_STD)
        self.word = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, width))
        self.word_layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)
            for _ in range(WORD_LAYERS)
        )
        self.layers = nn.ModuleList(_Layer(width, heads, dropout, parts=k >= layers // 2) for k in range(layers))
        self.norm = nn.LayerNorm(width)
        self.score, self.none_score = _scorer(width), _scorer(width)
        self.input_drop = nn.Dropout(dropout)
        for last in (self.score[-1], self.none_score[-1]):
            assert isinstance(last, nn.Linear)
            nn.init.zeros_(last.weight)

    def forward(
        self,
        candidates: Descriptors,
        present: Tensor,
        text: PlainText,
        evidence: Tensor | None = None,
        picture_of: Tensor | None = None,
        word_weights: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Score.

        Args:
            candidates: descriptions of the candidates of P pictures, (P, K, ...).
            present: (P, K) bool, False where a picture has fewer candidates.
            text: B expressions.
            evidence: (B, K, EVIDENCE) what the dense head says; None, or NaN in a row, where it said nothing.
            picture_of: (B,) index of each expression's picture; None: expression b is about picture b.
            word_weights: a list to which each layer appends how much candidates and, last, "none" read of each word:
                (B, K + 1, S) float32, whose rows sum to 1. None computes none.

        Returns:
            (B, K) scores, -inf where there is no candidate, and (B,) scores of "none"; float32.
        """
        if picture_of is None:
            picture_of = torch.arange(len(text.words), device=text.words.device)
        here = present[picture_of]
        looks = self._embed(candidates)[picture_of]
        words, padding = self._read(text)
        to_sentence, to_words = _compare(F.normalize(candidates.names.float(), dim=-1)[picture_of], text)
        similar = torch.cat([to_sentence, to_words.amax(-1)], -1) * SIMILARITY_SCALE
        x = self.input_norm(looks + self.similarity(similar) + self._embed_evidence(evidence, here))
        x = torch.cat([x, self.none.expand(len(x), 1, -1)], 1)
        likeness = to_words.clamp(min=0) * text.mask[:, None, None]
        context = _Context(
            relation=relations(candidates.geometry),
            hidden=_hide(F.pad(here, (0, 1), value=True))[:, None, None],
            words=words,
            padding=padding[:, None, None],
            likeness=F.pad(likeness, (0, 0, 0, 0, 0, 1)),
            parts=self.part(candidates.parts) + self.part_place,
            picture_of=picture_of,
            word_weights=word_weights,
        )
        for layer in self.layers:
            x = layer(x, context)
        x = self.norm(x)
        scores = self.score(x[:, :-1])[..., 0].float().masked_fill(~here, float("-inf"))
        return scores, self.none_score(x[:, -1])[..., 0].float()

    def _embed(self, candidates: Descriptors) -> Tensor:
        """Descriptions (P, K, ...) without parts -> tokens (P, K, d)."""
        embedded = (
            self.inputs["looks"](candidates.looks)
            + self.inputs["names"](candidates.names.flatten(-2))
            + self.inputs["classes"](candidates.classes)
            + self.geometry_mlp(candidates.geometry)
            + self.colour_mlp(candidates.colours)
            + self.inputs["surroundings"](candidates.surroundings)
            # No motion adds nothing.
            + self.motion(candidates.motion)
            - self.motion(torch.zeros_like(candidates.motion))
        )
        return self.input_drop(embedded)  # type: ignore[no-any-return]

    def _embed_evidence(self, evidence: Tensor | None, here: Tensor) -> Tensor:
        """What the dense head says (B, K, EVIDENCE), None or NaN where nothing, -> (B, K, d)."""
        if evidence is None:
            evidence = torch.full((*here.shape, EVIDENCE), float("nan"), device=here.device)
        unknown = evidence.isnan().any(-1, keepdim=True)
        known = torch.cat([evidence.masked_fill(unknown, 0.0), unknown.to(evidence)], -1)
        return self.evidence(known)  # type: ignore[no-any-return]

    def _read(self, text: PlainText) -> tuple[Tensor, Tensor]:
        """Expressions -> words (B, S, d), and the bias (B, S) that hides padding."""
        words = self.word(text.words)
        padding = _hide(text.mask, words.dtype)
        # PyTorch's layers take no empty batch.
        for layer in self.word_layers if len(words) else ():
            words = layer(words, src_key_padding_mask=padding)
        return words, padding


def _mlp(inputs: int, width: int, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width, bias=bias))


def _scorer(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))


def _hide(visible: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Bias of attention logits: 0 where `visible`, -inf elsewhere."""
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill(~visible, float("-inf"))


def _compare(names: Tensor, text: PlainText) -> tuple[Tensor, Tensor]:
    """Compare both names of candidates with the words.

    Args:
        names: (B, K, 2, d_s) of length 1.
        text: B expressions; words are in the shared space too.

    Returns:
        Cosine similarities (B, K, 2) with the sentence and (B, K, 2, S) with each word, -1 for padding.
    """
    sentence, words = F.normalize(text.sentence.float(), dim=-1), F.normalize(text.words.float(), dim=-1)
    to_words = torch.einsum("bknd,bsd->bkns", names, words).masked_fill(~text.mask[:, None, None], -1.0)
    return torch.einsum("bknd,bd->bkn", names, sentence), to_words


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
        (B, K, EVIDENCE): mean logit and mean probability inside, intersection over union, share of the dense mask that
        lies inside, mean score inside, share of the frame that the dense mask covers, presence of frame and clip.
    """
    logits = mask_logits.flatten(1).float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
    probabilities, flat = logits.sigmoid(), masks.flatten(1).float()
    area = flat.sum(1).clamp(min=1.0)
    total = probabilities.sum(1).clamp(min=1.0)
    inside = probabilities @ flat.T
    scores = score_logits.flatten(1).float().sigmoid()
    shape = inside.shape
    return torch.stack(
        [
            (logits @ flat.T) / area / LOGIT_SCALE,
            inside / area,
            inside / (total[:, None] + area - inside).clamp(min=1.0),
            inside / total[:, None],
            (scores @ flat.T) / area,
            (total / probabilities.shape[1])[:, None].expand(shape),
            presence.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)[:, None].expand(shape) / LOGIT_SCALE,
            clip_presence.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)[:, None].expand(shape) / LOGIT_SCALE,
        ],
        -1,
    )
