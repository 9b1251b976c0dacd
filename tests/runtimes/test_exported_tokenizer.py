"""An exported model names its tokenizer, and notices another vocabulary."""

from __future__ import annotations

import pytest
from exported_models import WordPieceBackbone
from stubs import TinyBackbone

from vlp_rvos.errors import UserError
from vlp_rvos.runtimes.exported_tokenizer import find_tokenizer, open_tokenizer


def test_a_known_tokenizer_is_found_and_opened() -> None:
    name, sample_ids = find_tokenizer(WordPieceBackbone())
    assert name == "wordpiece"
    words = ["a dog", "the small dog that jumps"]
    found, expected = open_tokenizer(name, sample_ids)(words, 16), WordPieceBackbone().tokenize(words)
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.mask.tolist() == expected.mask.tolist()
    assert open_tokenizer(name, sample_ids)(["a dog"], 8).ids.shape == (1, 4)


def test_a_tokenizer_of_its_own_cannot_be_exported() -> None:
    with pytest.raises(UserError, match="tiny has a tokenizer of its own"):
        find_tokenizer(TinyBackbone())


def test_unknown_names_and_other_vocabularies() -> None:
    name, sample_ids = find_tokenizer(WordPieceBackbone())
    with pytest.raises(UserError, match="unknown tokenizer 'other'"):
        open_tokenizer("other", sample_ids)
    with pytest.raises(UserError, match="another vocabulary"):
        open_tokenizer(name, [*sample_ids[:-1], sample_ids[-1] + 1])
