"""Small vocabularies in the files that tokenizers read, and expressions that are not easy to split."""

from __future__ import annotations

import json
from pathlib import Path

EXPRESSIONS = [
    "the dog that jumps",
    "A  Woman's red\tdress, isn't it?",
    "the 2nd car\non the left (blue)",
    "the café's naïve waiter - 你好!",
]
#: An expression of words that are special tokens of CLIP and of BERT.
SPECIAL_TOKENS = "<|endoftext|> dog [SEP]"


def write_clip_files(folder: Path) -> Path:
    """A byte-pair vocabulary in Hugging Face form: every byte, and a few merges."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e</w>"), ("d", "o"), ("do", "g</w>"), ("'", "s</w>"), ("r", "e"), ("re", "d</w>")]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge) for merge in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_bert_vocabulary(folder: Path) -> Path:
    """A word-piece vocabulary in BERT's form."""
    path = folder / "vocab.txt"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "jump", "##s", "that", "'", "s", ",", "cafe"]
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return path
