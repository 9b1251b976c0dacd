"""BERT's token ids against `transformers` and the library `tokenizers`, and vocabularies that do not fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from vocabularies import EXPRESSIONS, write_bert_vocabulary

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.shipped_weights import BERT_VOCABULARY
from vlp_rvos.models.backbones.wordpiece_tokenizer import WordPieceTokenizer, split_words


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    return write_bert_vocabulary(tmp_path)


@pytest.fixture(scope="module")
def shipped() -> WordPieceTokenizer:
    return WordPieceTokenizer(BERT_VOCABULARY)


def test_equals_transformers(vocabulary: Path) -> None:
    from transformers import BertTokenizer

    theirs = BertTokenizer(vocab=str(vocabulary), do_lower_case=True)
    ours = WordPieceTokenizer(vocabulary)
    for expression in EXPRESSIONS:
        assert ours([expression], 200).ids[0].tolist() == theirs(expression).input_ids


@pytest.mark.parametrize(
    "characters",
    [
        pytest.param(range(0x0600), id="latin, greek, cyrillic, hebrew"),
        pytest.param(range(0x1E00, 0x20D0), id="accents, punctuation, currencies"),
        pytest.param(range(0x3000, 0x3400), id="kana"),
        pytest.param(range(0x3FFF, 0x5000), id="ideographs"),
        pytest.param(range(0xAC00, 0xAD00), id="hangul"),
        pytest.param(range(0xFE00, 0x10000), id="half and full width"),
        pytest.param(range(0x1F300, 0x1F700), id="emoji"),
    ],
)
def test_equals_the_library_on_every_character(shipped: WordPieceTokenizer, characters: range) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    theirs = Tokenizer(models.WordPiece(models.WordPiece.read_file(str(BERT_VOCABULARY)), unk_token="[UNK]"))
    theirs.normalizer = normalizers.BertNormalizer(lowercase=True)
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    texts = [f"a{char}b dog{char} {char}S{char}" for char in map(chr, characters)]
    for text, expected in zip(texts, theirs.encode_batch(texts), strict=True):
        assert shipped([text], 200).ids[0].tolist()[1:-1] == expected.ids, ascii(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A  red\tcar,isn't it?", ["a", "red", "car", ",", "isn", "'", "t", "it", "?"]),
        ("the café's ΝΑΟΣ", ["the", "cafe", "'", "s", "ναοσ"]),
        ("你好dog\u200b\x00s\ufffd", ["你", "好", "dogs"]),
        ("$5^2 \u2028 «x»", ["$", "5", "^", "2", "«", "x", "»"]),
        (" \n", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_pieces_are_the_longest_ones(vocabulary: Path) -> None:
    tokenizer = WordPieceTokenizer(vocabulary)
    assert tokenizer(["dogs jumpss"], 40).ids[0].tolist() == [2, 6, 8, 7, 8, 8, 3]
    # A word that does not end in pieces is unknown as a whole, and so is a very long one.
    assert tokenizer(["jumpsx"], 40).ids[0].tolist() == [2, 1, 3]
    assert tokenizer(["dog" + "s" * 97], 200).ids[0, 1].item() == 6
    assert tokenizer(["dog" + "s" * 98], 200).ids[0].tolist() == [2, 1, 3]


def test_no_optional_package_is_needed() -> None:
    code = (
        "import sys; sys.modules['tokenizers'] = sys.modules['huggingface_hub'] = None\n"
        "from vlp_rvos.models.backbones.mini import MiniBackbone\n"
        "print(MiniBackbone().tokenize(['the dog']).ids.tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[[101, 1996, 3899, 102]]"


def test_unusable_vocabularies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the vocabulary"):
        WordPieceTokenizer(tmp_path / "absent.txt")
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot read the vocabulary"):
        WordPieceTokenizer(tmp_path / "vocab.txt")
    (tmp_path / "vocab.txt").write_text("the\ndog\n")
    with pytest.raises(UserError, match=r"lacks \[CLS\], \[SEP\], \[UNK\]"):
        WordPieceTokenizer(tmp_path / "vocab.txt")
