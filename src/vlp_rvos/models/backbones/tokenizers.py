"""Expressions to token ids: CLIP's byte-pair encoding and BERT's WordPiece (`docs/method.md` section 0)."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.extras import import_optional
from vlp_rvos.utils.plain_text import short_repr

__all__ = ["ClipTokenizer", "ExpressionTokenizer", "TextBatch", "WordPieceTokenizer"]

_CLIP_START, _CLIP_END = "<|startoftext|>", "<|endoftext|>"
_CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


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

    Args:
        encode: Function from one expression to its token ids, without start and end token.
        start: Id of the start token.
        end: Id of the end token.
    """

    def __init__(self, encode: Callable[[str], list[int]], start: int, end: int) -> None:
        self._encode = encode
        self.start, self.end = start, end

    def __call__(self, expressions: Sequence[str], max_words: int) -> TextBatch:
        """Tokenize a batch, and pad it with 0 to the length of its longest expression.

        Args:
            expressions: B texts.
            max_words: Largest number of tokens of an expression, start and end token included. A longer expression is
                cut off before its end token, with a `VLPRVOSWarning` that names the expression and the limit.

        Raises:
            UserError: An expression is empty, is white space only, or gives no tokens.
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

    def _tokenize(self, expression: str, max_words: int) -> list[int]:
        # The tokenizers refuse what UTF-8 cannot hold, such as a byte of another encoding typed into a terminal.
        words = self._encode(expression.encode("utf-8", "replace").decode())
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


class ClipTokenizer(ExpressionTokenizer):
    """CLIP's byte-pair encoding of the lower-cased expression."""

    @classmethod
    def from_folder(cls, folder: Path) -> ClipTokenizer:
        """The tokenizer of a folder in Hugging Face format: `tokenizer.json`, or else `vocab.json` and `merges.txt`.

        Raises:
            UserError: The folder has neither, or they cannot be read.
        """
        whole, vocab, merges = (folder / name for name in ("tokenizer.json", "vocab.json", "merges.txt"))
        try:
            if whole.is_file():
                tokenizer = Tokenizer.from_file(str(whole))
            elif vocab.is_file() and merges.is_file():
                tokenizer = _clip_bpe(vocab, merges)
            else:
                raise UserError(
                    f"{folder}: no tokenizer.json, nor vocab.json and merges.txt; add CLIP's tokenizer files"
                )
        except UserError:
            raise
        except Exception as error:  # tokenizers raises bare Exception
            raise UserError(f"{folder}: cannot read CLIP's tokenizer files ({error}); download them again") from error
        start, end = tokenizer.token_to_id(_CLIP_START), tokenizer.token_to_id(_CLIP_END)
        if start is None or end is None:
            raise UserError(f"{folder}: its tokenizer lacks {_CLIP_START} or {_CLIP_END}; give CLIP's tokenizer files")
        tokenizer.no_padding()
        tokenizer.no_truncation()
        # A user who types "<|endoftext|>" means these characters: they must not end the text.
        tokenizer.encode_special_tokens = True
        return cls(lambda text: tokenizer.encode(text, add_special_tokens=False).ids, start, end)

    @classmethod
    def from_package(cls) -> ClipTokenizer:
        """The tokenizer of OpenAI's checkpoints, from the package instant-clip-tokenizer.

        Raises:
            UserError: The package is not installed.
        """
        tokenizer = import_optional("instant_clip_tokenizer", extra="clip").Tokenizer()
        return cls(
            lambda text: list(tokenizer.encode(unicodedata.normalize("NFC", text))),
            tokenizer.start_of_text(),
            tokenizer.end_of_text(),
        )


def _clip_bpe(vocab: Path, merges: Path) -> Tokenizer:
    tokenizer = Tokenizer(
        models.BPE.from_file(
            str(vocab),
            str(merges),
            unk_token=_CLIP_END,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer


class WordPieceTokenizer(ExpressionTokenizer):
    """BERT's WordPiece encoding of the lower-cased expression.

    Args:
        path: Vocabulary file with one word piece a line, BERT's `vocab.txt`.

    Raises:
        UserError: The file cannot be read, or lacks [CLS], [SEP] or [UNK].
    """

    def __init__(self, path: Path | str) -> None:
        try:
            vocab = models.WordPiece.read_file(str(path))
        except Exception as error:  # tokenizers raises bare Exception
            raise UserError(f"{path}: cannot read the vocabulary ({error}); give BERT's vocab.txt") from error
        missing = [token for token in ("[CLS]", "[SEP]", "[UNK]") if token not in vocab]
        if missing:
            raise UserError(f"{path}: the vocabulary lacks {', '.join(missing)}; give BERT's vocab.txt")
        tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        super().__init__(lambda text: tokenizer.encode(text).ids, vocab["[CLS]"], vocab["[SEP]"])
