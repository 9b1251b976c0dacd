"""CLIP's byte-pair encoding, from the files of a model or from a package."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.expression_tokenizer import ExpressionTokenizer
from vlp_rvos.utils.extras import import_optional

__all__ = ["ClipTokenizer"]

_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class ClipTokenizer(ExpressionTokenizer):
    """CLIP's byte-pair encoding of the lower-cased expression."""

    @classmethod
    def from_folder(cls, folder: Path) -> ClipTokenizer:
        """The tokenizer of a folder in Hugging Face format: `tokenizer.json`, or else `vocab.json` and `merges.txt`.

        Raises:
            UserError: The folder has neither, they cannot be read, or the package tokenizers is not installed.
        """
        library = import_optional("tokenizers", extra="clip")
        whole, vocab, merges = (folder / name for name in ("tokenizer.json", "vocab.json", "merges.txt"))
        try:
            if whole.is_file():
                tokenizer = library.Tokenizer.from_file(str(whole))
            elif vocab.is_file() and merges.is_file():
                tokenizer = _byte_pair_encoding(library, vocab, merges)
            else:
                raise UserError(
                    f"{folder}: no tokenizer.json, nor vocab.json and merges.txt; add CLIP's tokenizer files"
                )
        except UserError:
            raise
        except Exception as error:  # tokenizers raises bare Exception
            raise UserError(f"{folder}: cannot read CLIP's tokenizer files ({error}); download them again") from error
        start, end = tokenizer.token_to_id(_START), tokenizer.token_to_id(_END)
        if start is None or end is None:
            raise UserError(f"{folder}: its tokenizer lacks {_START} or {_END}; give CLIP's tokenizer files")
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


def _byte_pair_encoding(library: Any, vocab: Path, merges: Path) -> Any:
    tokenizer = library.Tokenizer(
        library.models.BPE.from_file(
            str(vocab),
            str(merges),
            unk_token=_END,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
        )
    )
    normalizers, pre_tokenizers, regex = library.normalizers, library.pre_tokenizers, library.Regex
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer
