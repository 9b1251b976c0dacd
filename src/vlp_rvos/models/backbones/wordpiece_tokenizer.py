"""BERT's uncased WordPiece encoding, with the standard library alone."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.expression_tokenizer import ExpressionTokenizer
from vlp_rvos.utils.text_files import read_text

__all__ = ["WordPieceTokenizer", "split_words"]

_UNKNOWN = "[UNK]"
#: A longer word, in characters, is unknown as a whole.
_LONGEST_WORD = 100
#: First and last code points of the blocks whose characters are words by themselves.
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


class WordPieceTokenizer(ExpressionTokenizer):
    """BERT's WordPiece encoding of the lower-cased expression.

    Args:
        path: Vocabulary file with one word piece a line, BERT's `vocab.txt`.

    Raises:
        UserError: The file cannot be read, or lacks [CLS], [SEP] or [UNK].
    """

    def __init__(self, path: Path | str) -> None:
        try:
            lines = read_text(Path(path)).split("\n")
        except (OSError, UnicodeError) as error:
            raise UserError(f"{path}: cannot read the vocabulary ({error}); give BERT's vocab.txt") from error
        self._vocabulary = {line.rstrip(): index for index, line in enumerate(lines) if line.strip()}
        missing = [token for token in ("[CLS]", "[SEP]", _UNKNOWN) if token not in self._vocabulary]
        if missing:
            raise UserError(f"{path}: the vocabulary lacks {', '.join(missing)}; give BERT's vocab.txt")
        super().__init__(self._encode_words, self._vocabulary["[CLS]"], self._vocabulary["[SEP]"])

    def _encode_words(self, text: str) -> list[int]:
        return [piece for word in split_words(text) for piece in self._encode_word(word)]

    def _encode_word(self, word: str) -> list[int]:
        """Ids of the longest pieces from left to right; that of [UNK] where a part is no piece."""
        pieces: list[int] = []
        start = 0
        while start < len(word) <= _LONGEST_WORD:
            for end in range(len(word), start, -1):
                piece = self._vocabulary.get(f"##{word[start:end]}" if start else word[:end])
                if piece is not None:
                    pieces.append(piece)
                    start = end
                    break
            else:
                break
        return pieces if start == len(word) else [self._vocabulary[_UNKNOWN]]


def split_words(text: str) -> list[str]:
    """Words, punctuation marks and ideographs of a text, in lower case and without accents."""
    spaced = "".join(map(_space_out, text))
    bare = "".join(char for char in unicodedata.normalize("NFD", spaced) if unicodedata.category(char) != "Mn")
    # Character by character: as a whole, Python gives a sigma at the end of a word another form.
    lower = "".join(char.lower() for char in bare)
    return "".join(f" {char} " if _is_punctuation(char) else char for char in lower).split()


def _space_out(char: str) -> str:
    """The character itself, a space for white space, nothing for a control character, spaces around an ideograph."""
    category = unicodedata.category(char)
    if char in "\t\n\r" or category in ("Zs", "Zl", "Zp"):
        return " "
    if category in ("Cc", "Cf", "Cs", "Co") or char == "\ufffd":
        return ""
    return f" {char} " if any(first <= ord(char) <= last for first, last in _IDEOGRAPHS) else char


def _is_punctuation(char: str) -> bool:
    # ASCII counts as punctuation what Unicode calls a symbol, such as "$" and "^".
    return unicodedata.category(char).startswith("P") or (char.isascii() and char.isprintable() and not char.isalnum())
