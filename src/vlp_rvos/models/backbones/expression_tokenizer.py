"""Padded batches of token ids. How the words of an expression are encoded is the tokenizer's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.plain_text import is_blank, short_repr

__all__ = ["ExpressionTokenizer", "TextBatch"]


@dataclass(frozen=True)
class TextBatch:
    """Tokenized expressions.

    Attributes:
        ids: (B, S) int64 token ids. Position 0 holds the start token.
        mask: (B, S) bool, True for tokens of the expression, its start and end token included, and False for padding.
    """

    ids: Tensor
    mask: Tensor

    def to(self, device: torch.device | str) -> TextBatch:
        """The same batch on another device."""
        return TextBatch(self.ids.to(device), self.mask.to(device))

    def __len__(self) -> int:
        return self.ids.shape[0]


class ExpressionTokenizer:
    """Turns expressions into padded token ids, with a start and an end token around each expression.

    Attributes:
        encode: Function from one expression to its token ids, without start and end token.
        start: Id of the start token.
        end: Id of the end token.
    """

    def __init__(self, encode: Callable[[str], list[int]], start: int, end: int) -> None:
        self.encode, self.start, self.end = encode, start, end

    def __call__(self, expressions: Sequence[str], max_words: int) -> TextBatch:
        """Tokenize a batch, and pad it with 0 to the length of its longest expression.

        Args:
            expressions: B texts.
            max_words: Largest number of tokens of an expression, start and end token included. A longer expression is
                cut off before its end token, with a `VLPRVOSWarning` that names the expression and the limit.

        Raises:
            UserError: Nothing of an expression can be seen, or it gives no tokens.
            ValueError: There are no expressions, or the limit leaves no room for a word.
        """
        if isinstance(expressions, str) or not expressions:
            raise ValueError("expressions must be a non-empty sequence of strings")
        if max_words < 3:
            raise ValueError(f"max_words must be at least 3, not {max_words}")
        rows = [self._tokenize(expression, max_words) for expression in expressions]
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
        mask = torch.zeros(ids.shape, dtype=torch.bool)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = True
        return TextBatch(ids, mask)

    def words(self, expression: str, max_words: int) -> list[tuple[str, list[int]]]:
        """The words of an expression, as white space separates them, with the positions of their tokens in its row.

        Args:
            expression: The text.
            max_words: As for `__call__`; words that are cut off are left out.

        Returns:
            (word, positions) in order; words without tokens are left out. Where words are not encoded one by one, the
            whole expression counts as one word.
        """
        whole, last = self._encode(expression), max_words - 1
        parts = [(word, self._encode(word)) for word in expression.split()]
        if [token for _, tokens in parts for token in tokens] != whole:
            parts = [(expression.strip(), whole)]
        found, position = [], 1
        for word, tokens in parts:
            positions = [p for p in range(position, position + len(tokens)) if p < last]
            position += len(tokens)
            if positions:
                found.append((word, positions))
        return found

    def _encode(self, expression: str) -> list[int]:
        # The tokenizers refuse what UTF-8 cannot hold, such as a byte of another encoding typed into a terminal.
        return self.encode(expression.encode("utf-8", "replace").decode())

    def _tokenize(self, expression: str, max_words: int) -> list[int]:
        words = [] if is_blank(expression) else self._encode(expression)
        if not words:
            raise UserError(f"the expression {short_repr(expression)} is empty; say in words what to find")
        if len(words) > max_words - 2:
            warnings.warn(
                f"the expression {short_repr(expression)} has {len(words)} tokens, the text encoder takes "
                f"{max_words - 2}: the rest is cut off",
                VLPRVOSWarning,
                stacklevel=3,
            )
        return [self.start, *words[: max_words - 2], self.end]
