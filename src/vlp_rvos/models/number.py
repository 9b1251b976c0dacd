"""How many things an expression means. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. "The dog on the left" means one, however alike two
dogs are; "both dogs" means two, and "all the dogs" some. Shapes: B expressions, S words, d_t width of the text tower.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vlp_rvos.models.encoder import PlainText

__all__ = ["COUNTS", "Number", "more_than"]

#: Numbers that are told apart: one, two, three, and more.
COUNTS = 4
#: Logits of these before training: most expressions mean one thing.
FIRST_LOGITS = (3.0, 0.0, -1.0, -1.0)


class Number(nn.Module):
    """Reads the words, each as much as it tells: attention by one learned query, then a linear classifier.

    Args:
        text_width: width d_t of the word states.
    """

    def __init__(self, text_width: int = 384) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(text_width)
        self.query, self.value = nn.Linear(text_width, 1, bias=False), nn.Linear(text_width, COUNTS)
        # At first all words count the same.
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.value.weight)
        with torch.no_grad():
            self.value.bias.copy_(torch.tensor(FIRST_LOGITS))

    def forward(self, text: PlainText) -> Tensor:
        """(B, COUNTS) logits, float32, of meaning one thing, two, three, and more."""
        words = self.norm(text.words.float())
        attention = self.query(words)[..., 0].float().masked_fill(~text.mask, float("-inf")).softmax(-1)
        logits: Tensor = (attention[..., None] * self.value(words).float()).sum(1)
        return logits


def more_than(logits: Tensor) -> Tensor:
    """(B, COUNTS) logits of `Number` -> (B, COUNTS - 1) probabilities that more than 1, 2, 3 things are meant."""
    # The sums over larger numbers, of which the one over all of them is left out.
    return logits.softmax(-1).flip(-1).cumsum(-1).flip(-1)[:, 1:]
