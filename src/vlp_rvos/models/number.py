"""Whether an expression means one thing or several. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. "The dog on the left" means one, however alike two
dogs are; "both dogs" means two. Shapes: B expressions, S words, d_t width of the text tower.
"""

from __future__ import annotations

from torch import Tensor, nn

from vlp_rvos.models.encoder import PlainText

__all__ = ["Number"]

#: Logit of every expression before training: most mean one thing.
FIRST_LOGIT = -3.0


class Number(nn.Module):
    """Reads the words, each as much as it tells: attention by one learned query, then a linear classifier.

    Args:
        text_width: width d_t of the word states.
    """

    def __init__(self, text_width: int = 384) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(text_width)
        self.query, self.value = nn.Linear(text_width, 1, bias=False), nn.Linear(text_width, 1)
        # At first all words count the same.
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.value.weight)
        nn.init.constant_(self.value.bias, FIRST_LOGIT)

    def forward(self, text: PlainText) -> Tensor:
        """(B,) logits, float32, of meaning several things."""
        words = self.norm(text.words.float())
        attention = self.query(words)[..., 0].float().masked_fill(~text.mask, float("-inf")).softmax(-1)
        logits: Tensor = (attention * self.value(words)[..., 0].float()).sum(-1)
        return logits
