"""Batches of token ids from every kind of tokenizer, and what becomes of unusable expressions."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from vocabularies import SPECIAL_TOKENS, write_bert_vocabulary, write_clip_files

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.models.backbones.clip_tokenizer import ClipTokenizer
from vlp_rvos.models.backbones.expression_tokenizer import ExpressionTokenizer, TextBatch
from vlp_rvos.models.backbones.wordpiece_tokenizer import WordPieceTokenizer


@pytest.fixture(params=["folder", "saved", "package", "wordpiece"])
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path) -> ExpressionTokenizer:
    if request.param == "wordpiece":
        return WordPieceTokenizer(write_bert_vocabulary(tmp_path))
    if request.param == "package":
        pytest.importorskip("instant_clip_tokenizer")
        return ClipTokenizer.from_package()
    if request.param == "saved":
        from transformers import CLIPTokenizer

        CLIPTokenizer.from_pretrained(write_clip_files(tmp_path)).save_pretrained(tmp_path / "saved")
        return ClipTokenizer.from_folder(tmp_path / "saved")
    return ClipTokenizer.from_folder(write_clip_files(tmp_path))


def test_a_batch_is_padded_to_its_longest(tokenizer: ExpressionTokenizer) -> None:
    text = tokenizer(["the dog", "the dog, the dog, the dog"], 40)
    lengths = text.mask.sum(dim=1).tolist()
    assert lengths[0] < lengths[1] == text.ids.shape[1]
    assert text.mask[0].tolist() == [True] * lengths[0] + [False] * (lengths[1] - lengths[0])
    assert not text.ids[~text.mask].any()
    for row, length in zip(text.ids.tolist(), lengths, strict=True):
        assert row[0] == tokenizer.start
        assert row[length - 1] == tokenizer.end
        assert tokenizer.end not in row[: length - 1]


def test_special_tokens_in_an_expression_are_words(tokenizer: ExpressionTokenizer) -> None:
    row = tokenizer([SPECIAL_TOKENS], 200).ids[0].tolist()
    assert row.index(tokenizer.end) == len(row) - 1
    assert row.count(tokenizer.start) == 1


def test_a_long_expression_is_cut_before_the_end_token(tokenizer: ExpressionTokenizer) -> None:
    long = "the dog " * 30
    with pytest.warns(VLPRVOSWarning, match=r"the dog the dog .* takes 8") as caught:
        text = tokenizer([long, "the dog"], 10)
    assert len(caught) == 1
    row = text.ids[0].tolist()
    assert (len(row), row[0], row[-1]) == (10, tokenizer.start, tokenizer.end)
    assert row[:9] == tokenizer([long], 200).ids[0, :9].tolist()


def test_an_expression_of_just_the_limit_is_kept(tokenizer: ExpressionTokenizer) -> None:
    whole = tokenizer(["the dog the dog"], 40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tokenizer(["the dog the dog"], whole.ids.shape[1]).ids.tolist() == whole.ids.tolist()


@pytest.mark.parametrize("expression", ["", "  ", "\n\t ", "\u3000"])
def test_an_empty_expression_is_refused(tokenizer: ExpressionTokenizer, expression: str) -> None:
    with pytest.raises(UserError, match="is empty") as error:
        tokenizer(["the dog", expression], 40)
    assert "\n" not in str(error.value)


def test_misuse_is_a_value_error() -> None:
    tokenizer = ExpressionTokenizer(lambda text: list(range(len(text))), 1, 2)
    with pytest.raises(ValueError, match="sequence of strings"):
        tokenizer("the dog", 40)
    with pytest.raises(ValueError, match="sequence of strings"):
        tokenizer([], 40)
    with pytest.raises(ValueError, match="at least 3"):
        tokenizer(["the dog"], 2)


def test_bytes_that_are_not_utf8_are_tolerated(tokenizer: ExpressionTokenizer) -> None:
    text = tokenizer(["the dog caf\udce9 \ud800"], 40)
    assert text.ids[0, :2].tolist() == tokenizer(["the dog"], 40).ids[0, :2].tolist()
    assert text.mask.all()


def test_a_message_shows_the_ends_of_a_long_expression(tokenizer: ExpressionTokenizer) -> None:
    with pytest.warns(VLPRVOSWarning) as caught:
        tokenizer(["the first dog " + "and the dog " * 4000 + "of the end"], 10)
    message = str(caught[0].message)
    assert len(message) < 250
    assert "the first dog" in message
    assert "of the end" in message


def test_a_batch_moves_to_another_device_whole() -> None:
    text = TextBatch(torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3, dtype=torch.bool)).to("meta")
    assert len(text) == 2
    assert text.ids.is_meta
    assert text.mask.is_meta


def test_words_and_the_positions_of_their_tokens(tokenizer: ExpressionTokenizer) -> None:
    found = tokenizer.words("  the dog, the\ndog ", 40)
    length = int(tokenizer(["the dog, the dog"], 40).mask.sum())
    assert [word for word, _ in found] == ["the", "dog,", "the", "dog"]
    assert [position for _, positions in found for position in positions] == list(range(1, length - 1))
    assert len(found[1][1]) > len(found[3][1]) >= 1


def test_words_that_are_cut_off_are_left_out(tokenizer: ExpressionTokenizer) -> None:
    found = tokenizer.words("the dog " * 30, 10)
    assert [position for _, positions in found for position in positions] == list(range(1, 9))


def test_words_that_are_not_encoded_one_by_one_count_as_one() -> None:
    tokenizer = ExpressionTokenizer(lambda text: [len(text)] * len(text), 0, 1)
    assert tokenizer.words(" a b", 10) == [("a b", [1, 2, 3, 4])]
