from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.pretraining.class_names import class_names
from vlp_rvos.pretraining.phrase_features import class_features, phrase_features


class Text:
    """In place of mini's text tower: a random feature for each phrase, and the sizes of the batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def tokenize(self, phrases: Sequence[str]) -> list[str]:
        self.batches.append(len(phrases))
        return list(phrases)

    def encode_text(self, phrases: list[str]) -> Tensor:
        return torch.stack(
            [3 * torch.randn(8, generator=torch.Generator().manual_seed(crc32(p.encode()))) for p in phrases]
        )


def test_features_have_length_1_and_are_made_in_batches() -> None:
    text = Text()
    phrases = [f"phrase {number}" for number in range(300)]
    features = phrase_features(text, phrases)
    assert text.batches == [256, 44]
    torch.testing.assert_close(features.norm(dim=-1), torch.ones(300))
    torch.testing.assert_close(features[299:], F.normalize(text.encode_text(phrases[299:]), dim=-1))
    assert not features.is_inference(), "they are trained with"


def test_a_class_is_half_its_name_and_half_its_everyday_word() -> None:
    text = Text()
    found = class_features(text)
    index = class_names().index("golden retriever")
    expected = phrase_features(text, ["a golden retriever", "a dog"]).sum(0)
    torch.testing.assert_close(found[index], F.normalize(expected, dim=0))
    assert found.shape == (1000, 8)
