"""Token ids against `transformers`' own tokenizers, and what becomes of unusable expressions."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.models.backbones.tokenizers import ClipTokenizer, WordPieceTokenizer

EXPRESSIONS = [
    "the dog that jumps",
    "A  Woman's red\tdress, isn't it?",
    "the 2nd car\non the left (blue)",
    "the café's naïve waiter - 你好!",
    "<|endoftext|> dog [SEP]",
]


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small byte-pair vocabulary in Hugging Face form: every byte, and a few merges."""
    from tokenizers.pre_tokenizers import ByteLevel

    folder = tmp_path_factory.mktemp("clip")
    letters = sorted(ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e</w>"), ("d", "o"), ("do", "g</w>"), ("'", "s</w>"), ("r", "e"), ("re", "d</w>")]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge) for merge in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bert_vocab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bert") / "vocab.txt"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "jump", "##s", "that", "'", "s", ",", "cafe"]
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["vocab.json", "tokenizer.json"])
def test_clip_equals_transformers(clip_folder: Path, tmp_path: Path, form: str) -> None:
    from transformers import CLIPTokenizer

    theirs = CLIPTokenizer.from_pretrained(clip_folder)
    folder = clip_folder
    if form == "tokenizer.json":
        theirs.save_pretrained(tmp_path)
        assert (tmp_path / form).is_file()
        folder = tmp_path
    ours = ClipTokenizer.from_folder(folder)

    for expression in EXPRESSIONS[:-1]:
        assert ours([expression], 200).ids[0].tolist() == theirs(expression).input_ids


def test_wordpiece_equals_transformers(bert_vocab: Path) -> None:
    from transformers import BertTokenizer

    theirs = BertTokenizer(vocab=str(bert_vocab), do_lower_case=True)
    ours = WordPieceTokenizer(bert_vocab)
    for expression in EXPRESSIONS[:-1]:
        assert ours([expression], 200).ids[0].tolist() == theirs(expression).input_ids


@pytest.fixture(params=["folder", "saved", "package", "wordpiece"])
def tokenizer(
    request: pytest.FixtureRequest, clip_folder: Path, bert_vocab: Path, tmp_path: Path
) -> ClipTokenizer | WordPieceTokenizer:
    if request.param == "wordpiece":
        return WordPieceTokenizer(bert_vocab)
    if request.param == "package":
        pytest.importorskip("instant_clip_tokenizer")
        return ClipTokenizer.from_package()
    if request.param == "saved":
        from transformers import CLIPTokenizer

        CLIPTokenizer.from_pretrained(clip_folder).save_pretrained(tmp_path)
        return ClipTokenizer.from_folder(tmp_path)
    return ClipTokenizer.from_folder(clip_folder)


def test_a_batch_is_padded_to_its_longest(tokenizer: ClipTokenizer | WordPieceTokenizer) -> None:
    text = tokenizer(["the dog", "the dog, the dog, the dog"], 40)
    lengths = text.mask.sum(dim=1).tolist()
    assert lengths[0] < lengths[1] == text.ids.shape[1]
    assert text.mask[0].tolist() == [True] * lengths[0] + [False] * (lengths[1] - lengths[0])
    assert not text.ids[~text.mask].any()
    for row, length in zip(text.ids.tolist(), lengths, strict=True):
        assert row[0] == tokenizer.start
        assert row[length - 1] == tokenizer.end
        assert tokenizer.end not in row[: length - 1]


def test_special_tokens_in_an_expression_are_words(tokenizer: ClipTokenizer | WordPieceTokenizer) -> None:
    row = tokenizer([EXPRESSIONS[-1]], 200).ids[0].tolist()
    assert row.index(tokenizer.end) == len(row) - 1
    assert row.count(tokenizer.start) == 1


def test_a_long_expression_is_cut_before_the_end_token(tokenizer: ClipTokenizer | WordPieceTokenizer) -> None:
    long = "the dog " * 30
    with pytest.warns(VLPRVOSWarning, match=r"the dog the dog .* takes 8") as caught:
        text = tokenizer([long, "the dog"], 10)
    assert len(caught) == 1
    row = text.ids[0].tolist()
    assert (len(row), row[0], row[-1]) == (10, tokenizer.start, tokenizer.end)
    assert row[:9] == tokenizer([long], 200).ids[0, :9].tolist()


def test_an_expression_of_just_the_limit_is_kept(tokenizer: ClipTokenizer | WordPieceTokenizer) -> None:
    whole = tokenizer(["the dog the dog"], 40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tokenizer(["the dog the dog"], whole.ids.shape[1]).ids.tolist() == whole.ids.tolist()


@pytest.mark.parametrize("expression", ["", "  ", "\n\t ", "\u3000"])
def test_an_empty_expression_is_refused(tokenizer: ClipTokenizer | WordPieceTokenizer, expression: str) -> None:
    with pytest.raises(UserError, match="is empty") as error:
        tokenizer(["the dog", expression], 40)
    assert "\n" not in str(error.value)


def test_misuse_is_a_value_error(bert_vocab: Path) -> None:
    tokenizer = WordPieceTokenizer(bert_vocab)
    with pytest.raises(ValueError, match="sequence of strings"):
        tokenizer("the dog", 40)
    with pytest.raises(ValueError, match="sequence of strings"):
        tokenizer([], 40)
    with pytest.raises(ValueError, match="at least 3"):
        tokenizer(["the dog"], 2)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "instant_clip_tokenizer", None)
    with pytest.raises(UserError, match=r"vlp-rvos\[clip\]"):
        ClipTokenizer.from_package()


def test_unusable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no tokenizer\.json"):
        ClipTokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match="cannot read CLIP's tokenizer"):
        ClipTokenizer.from_folder(tmp_path)
    with pytest.raises(UserError, match="cannot read the vocabulary"):
        WordPieceTokenizer(tmp_path / "absent.txt")
    (tmp_path / "vocab.txt").write_text("the\ndog\n")
    with pytest.raises(UserError, match=r"lacks \[CLS\], \[SEP\], \[UNK\]"):
        WordPieceTokenizer(tmp_path / "vocab.txt")


def test_bytes_that_are_not_utf8_are_tolerated(tokenizer: ClipTokenizer | WordPieceTokenizer) -> None:
    text = tokenizer(["the dog caf\udce9 \ud800"], 40)
    assert text.ids[0, :2].tolist() == tokenizer(["the dog"], 40).ids[0, :2].tolist()
    assert text.mask.all()


def test_a_message_shows_the_ends_of_a_long_expression(tokenizer: ClipTokenizer | WordPieceTokenizer) -> None:
    with pytest.warns(VLPRVOSWarning) as caught:
        tokenizer(["the first dog " + "and the dog " * 4000 + "of the end"], 10)
    message = str(caught[0].message)
    assert len(message) < 250
    assert "the first dog" in message
    assert "of the end" in message
