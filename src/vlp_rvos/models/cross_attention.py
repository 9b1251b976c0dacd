"""Cross-attention between two sequences of one width, as used by the fusion and by the decoders on shallow features."""

from __future__ import annotations

from torch import Tensor, nn

from vlp_rvos.models.backbones.attention import attend, attention_weights

__all__ = ["CrossAttention"]


class CrossAttention(nn.Module):
    """Pre-norm multi-head attention from one sequence of tokens to another; the caller adds the residual.

    Args:
        width: token width d of both sequences, divisible by `heads`.
        heads: number of attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_norm, self.key_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.kv, self.out = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, visible: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (B, L, d) tokens that ask (queries).
            context: (B, S, d) tokens that are read (keys and values).
            visible: (B, S) bool, False masks a key out; each row has at least one True. None masks nothing.

        Returns:
            (B, L, d).
        """
        q, k, v, mask = self._project(x, context, visible)
        attended = attend(q, k, v, mask)
        return self.out(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def weights(self, x: Tensor, context: Tensor, visible: Tensor | None = None) -> Tensor:
        """How much each token that asks reads of each that is read, the mean over the heads; arguments as above.

        Returns:
            (B, L, S) float32, whose rows sum to 1. `forward` never makes them.
        """
        q, k, _, mask = self._project(x, context, visible)
        return attention_weights(q, k, mask).mean(1)

    def _project(
        self, x: Tensor, context: Tensor, visible: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Queries, keys and values (B, heads, L or S, d/heads), and the mask of the keys."""
        q = self.q(self.query_norm(x))
        k, v = self.kv(self.key_norm(context)).chunk(2, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        return q, k, v, None if visible is None else visible[:, None, None, :]
