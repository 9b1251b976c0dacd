"""The files of weights in the package: there, readable, described, and not larger than agreed."""

from __future__ import annotations

import pytest
from safetensors import safe_open

from vlp_rvos.models.backbones import shipped_weights
from vlp_rvos.models.backbones.shipped_weights import BERT_VOCABULARY, WEIGHTS

FILES = [getattr(shipped_weights, name) for name in shipped_weights.__all__ if name != "WEIGHTS"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_file_is_there_and_small(file: object) -> None:
    assert file.parent == WEIGHTS  # type: ignore[attr-defined]
    assert 0 < file.stat().st_size < 60_000_000  # type: ignore[attr-defined]


def test_every_weight_file_has_a_model_card_and_can_be_read() -> None:
    weights = list(WEIGHTS.glob("*.safetensors"))
    assert len(weights) >= 6
    for file in weights:
        assert file.with_suffix(".md").read_text().startswith("# Model card")
        with safe_open(file, "pt") as tensors:
            assert len(tensors.keys()) > 10


def test_the_vocabulary_is_bert_s() -> None:
    pieces = BERT_VOCABULARY.read_text(encoding="utf-8").splitlines()
    assert len(pieces) == 30522
    assert [pieces.index(token) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")] == [0, 100, 101, 102]
