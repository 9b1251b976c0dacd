from __future__ import annotations

import torch
from stubs import tiny_config

from vlp_rvos.models.reasoning import ShallowDecoder, SpatialTemporalReasoning

GRID = (3, 4)


def inputs() -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor, torch.Tensor]:
    shallow = [torch.randn(2, 2, 12, 32) for _ in range(3)]
    visible = torch.tensor([[True, True, True, True], [True, True, False, False]])
    return torch.randn(2, 2, 12, 24), shallow, torch.randn(2, 4, 24), visible


def test_encoder_plus_decoder_in_each_block() -> None:
    reasoning = SpatialTemporalReasoning(tiny_config(), 32)
    x, shallow, words, visible = inputs()
    result = reasoning(x, GRID, shallow, words, visible)
    for encoder, decoder, skip in zip(reasoning.encoders, reasoning.decoders, shallow, strict=True):
        x = encoder(x, GRID) + decoder(skip, words, visible)
    torch.testing.assert_close(result, reasoning.norm(x))


def test_every_other_block_is_shifted() -> None:
    reasoning = SpatialTemporalReasoning(tiny_config(), 32)
    assert [encoder.attention.shift for encoder in reasoning.encoders] == [0, 1, 0]


def test_without_shallow_features_words_are_not_read() -> None:
    reasoning = SpatialTemporalReasoning(tiny_config(shallow=False), 32)
    x, _, words, visible = inputs()
    assert not reasoning.decoders
    torch.testing.assert_close(reasoning(x, GRID, [], words, visible), reasoning(x, GRID, [], words + 1, visible))


def test_decoder_does_not_read_padded_words() -> None:
    decoder = ShallowDecoder(tiny_config(), 32)
    _, shallow, words, visible = inputs()
    before = decoder(shallow[0], words, visible)
    words[1, 2:] = 1e3
    torch.testing.assert_close(decoder(shallow[0], words, visible), before)
