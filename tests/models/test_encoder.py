from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from stubs import TinyBackbone, tiny_config
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.models.encoder import EncodedFrames, PlainText, ReferenceGuidedEncoder, matched_layer

NOTHING = {
    "language_prompts": 0,
    "vision_prompts": 0,
    "temporal_prompts": 0,
    "history": False,
    "reference_guided": False,
}
BACKBONES = {
    "clip-like": {"causal": True},
    "vlmo-like": {"relative_bias": True, "layer_scale": True},
    "mini-like": {"post_norm_text": True, "pyramid": True},
}


@pytest.mark.parametrize("kind", BACKBONES)
def test_with_everything_off_the_backbone_is_unchanged(kind: str) -> None:
    backbone = TinyBackbone(**BACKBONES[kind])
    encoder = ReferenceGuidedEncoder(tiny_config(**NOTHING), backbone)
    assert not list(encoder.parameters())
    text = backbone.tokenize(["the dog that jumps", "car"])
    frames = torch.randn(2, 3, 3, 32, 96)
    features = encoder.encode_text(backbone, text)
    torch.testing.assert_close(features.sentence_shared, backbone.encode_text(text), atol=1e-5, rtol=0)

    encoded = encode(encoder, backbone, frames, features)
    x = backbone.embed_frames(frames.flatten(0, 1)).tokens
    states = []
    for layer, block in enumerate(backbone.vision_blocks):
        x = block(x, backbone.vision_bias(layer, (2, 6)))
        states.append(x[:, 1:].unflatten(0, (2, 3)))
    finished = backbone.finish_vision(x)[:, 1:].unflatten(0, (2, 3))
    torch.testing.assert_close(encoded.patches, finished, atol=1e-5, rtol=0)
    for ours, theirs in zip(encoded.shallow, reversed(states), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert encoder.embed(backbone, frames).grid == (2, 6)


def encode(encoder: ReferenceGuidedEncoder, backbone: TinyBackbone, frames: Tensor, *others: Any) -> EncodedFrames:
    """Embed and encode clips (V, T, 3, H, W)."""
    return encoder(backbone, encoder.embed(backbone, frames), *others)  # type: ignore[no-any-return]


def plain_run(encoder: ReferenceGuidedEncoder, backbone: TinyBackbone, clip: Tensor, words: list[Tensor]) -> Tensor:
    """A plain implementation for one clip (T, 3, H, W) and one expression: frame by frame, with separate token kinds.

    Args:
        words: (S, d_t) tokens of the matched text layer, for each vision layer.
    """
    prompts = encoder.prompts()
    embedded = backbone.embed_frames(clip)
    length, own = embedded.tokens.shape[:2]
    positions = encoder.positions(length)
    frames = list(embedded.tokens)
    histories = [encoder.history(None, 1)[0]] * length
    temporal = [positions[t].expand(prompts.temporal.shape[1], -1) for t in range(length)]
    for layer, block in enumerate(backbone.vision_blocks):
        mapped = encoder.word_projections[layer](F.layer_norm(words[layer], words[layer].shape[-1:]))
        word_k, word_v = block.project_kv(mapped[None])
        for t in range(length):
            sequence = torch.cat(
                [frames[t], histories[t], prompts.vision[layer], temporal[t] + prompts.temporal[layer]]
            )
            q, k, v = block.project_qkv(block.norm1(sequence[None]))
            logits = q @ k.mT / q.shape[-1] ** 0.5 + backbone.vision_bias(layer, embedded.grid, len(sequence) - own)
            heads = logits.softmax(-1) @ v
            heads = heads + encoder.gates[layer] * ((q @ word_k.mT / q.shape[-1] ** 0.5).softmax(-1) @ word_v)
            sequence = sequence + block.project_out(heads)[0]
            sequence = sequence + block.mlp(block.norm2(sequence))
            parts = (own, len(histories[t]), prompts.vision.shape[1], len(temporal[t]))
            frames[t], histories[t], _, temporal[t] = sequence.split(parts)
        if layer < len(backbone.vision_blocks) - 1:
            stacked = torch.stack(temporal)[None]
            temporal = list(encoder.capture(block, stacked, torch.stack(frames)[None], positions)[0])
    return backbone.finish_vision(torch.stack(frames)[:, 1:])


def test_layers_equal_a_plain_implementation() -> None:
    backbone = TinyBackbone(relative_bias=True, layer_scale=True)
    encoder = ReferenceGuidedEncoder(tiny_config(capture="plain"), backbone)
    for gate in encoder.gates:
        torch.nn.init.constant_(gate, 0.7)
    clip = torch.randn(1, 4, 3, 32, 48)
    features = encoder.encode_text(backbone, backbone.tokenize(["the dog that jumps"]))
    words = [features.hidden[layer][0] for layer in (0, 1, 1)]
    expected = plain_run(encoder, backbone, clip[0], words)
    torch.testing.assert_close(encode(encoder, backbone, clip, features).patches[0], expected, atol=1e-5, rtol=1e-4)


def test_a_redundant_mask_is_left_out() -> None:
    backbone = TinyBackbone(relative_bias=True)
    encoder = ReferenceGuidedEncoder(tiny_config(), backbone)
    padded = encoder.encode_text(backbone, backbone.tokenize(["the dog that jumps", "it"]))
    assert padded.without_redundant_mask() is padded
    one = encoder.encode_text(backbone, backbone.tokenize(["the dog that jumps"]))
    bare = one.without_redundant_mask()
    assert (bare.mask, len(bare), bare.select(slice(0, 1)).mask) == (None, 1, None)
    assert one.mask is not None
    clip = torch.randn(1, 3, 3, 32, 48)
    torch.testing.assert_close(
        encode(encoder, backbone, clip, bare).patches, encode(encoder, backbone, clip, one).patches
    )


@pytest.mark.parametrize("shared", [0, 1, 2])
@pytest.mark.parametrize("capture", ["plain", "shared"])
def test_expressions_do_not_influence_each_other(shared: int, capture: str) -> None:
    backbone = TinyBackbone(relative_bias=True)
    encoder = ReferenceGuidedEncoder(tiny_config(shared_layers=shared, capture=capture), backbone)
    for gate in encoder.gates:
        torch.nn.init.constant_(gate, 0.7)
    assert len(encoder.gates) == len(encoder.word_projections) == 3 - shared
    clips, history = torch.randn(2, 3, 3, 32, 48), torch.randn(3, 3, 24)
    features = encoder.encode_text(backbone, backbone.tokenize(["the dog", "the car", "it"]))
    video_of = torch.tensor([0, 1, 1])
    together = encode(encoder, backbone, clips, features, history, video_of)
    for e, video in enumerate(video_of):
        rows = slice(e, e + 1)
        alone = encode(encoder, backbone, clips[video][None], features.select(rows), history[rows])
        torch.testing.assert_close(together.patches[rows], alone.patches, atol=1e-5, rtol=1e-5)
        for ours, theirs in zip(together.shallow, alone.shallow, strict=True):
            torch.testing.assert_close(ours[rows], theirs, atol=1e-5, rtol=1e-5)
    # Words and history enter after the shared layers only.
    others = encode(encoder, backbone, clips, features, torch.randn(3, 3, 24), video_of)
    changed = [not torch.allclose(a, b) for a, b in zip(together.shallow, others.shallow, strict=True)]
    assert changed == [layer > shared for layer in (3, 2, 1)]


def test_too_many_shared_layers() -> None:
    with pytest.raises(UserError, match="shared_layers 3 must be less than the 3 vision layers of tiny"):
        ReferenceGuidedEncoder(tiny_config(shared_layers=3), TinyBackbone())


def test_language_prompts_stand_after_the_start_token_and_are_replaced() -> None:
    backbone = TinyBackbone(causal=True)
    encoder = ReferenceGuidedEncoder(tiny_config(), backbone)
    text = backbone.tokenize(["the dog"])
    prompts = encoder.prompts().language
    x = backbone.embed_text(text)
    for layer, block in enumerate(backbone.text_blocks):
        sequence = torch.cat([x[:, :1], prompts[layer][None], x[:, 1:]], 1)
        hidden = torch.full((sequence.shape[1],) * 2, float("-inf")).triu(1)
        sequence = block(sequence, hidden)
        x = torch.cat([sequence[:, :1], sequence[:, 4:]], 1)
    features = encoder.encode_text(backbone, text)
    torch.testing.assert_close(features.words, backbone.finish_text(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(features.sentence, features.words[:, -1])


def test_padding_of_text_changes_nothing() -> None:
    backbone = TinyBackbone()
    encoder = ReferenceGuidedEncoder(tiny_config(), backbone)
    alone = encoder.encode_text(backbone, backbone.tokenize(["car"]))
    padded = encoder.encode_text(backbone, backbone.tokenize(["car", "the small dog that jumps over the fence"]))
    torch.testing.assert_close(padded.words[:1, :3], alone.words, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(padded.select(slice(0, 1)).sentence, alone.sentence, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("vision", "text", "expected"),
    [(3, 2, [0, 1, 1]), (4, 6, [1, 2, 4, 5]), (12, 12, list(range(12))), (24, 12, [i // 2 for i in range(24)])],
)
def test_matched_layer(vision: int, text: int, expected: list[int]) -> None:
    assert [matched_layer(layer, vision, text) for layer in range(vision)] == expected


def test_shallow_layers_beyond_the_last_layer() -> None:
    with pytest.raises(UserError, match="tiny: it has 3 vision layers"):
        ReferenceGuidedEncoder(tiny_config(shallow_layers=[4, 2, 1]), TinyBackbone())


def test_features_of_some_of_the_expressions() -> None:
    backbone = TinyBackbone()
    features = ReferenceGuidedEncoder(tiny_config(), backbone).encode_text(
        backbone, backbone.tokenize(["the dog", "it"])
    )
    assert features.plain is None
    words = torch.randn(2, 3, 24)
    features.plain = PlainText(words, torch.ones(2, 3, dtype=torch.bool), torch.randn(2, 16))
    chosen = features.select(torch.tensor([1]))
    assert chosen.plain is not None
    assert torch.equal(chosen.plain.words, words[1:])
    assert torch.equal(chosen.plain.sentence, features.plain.sentence[1:])
    assert features.without_redundant_mask().plain is features.plain


def test_class_names_of_the_backbone_are_passed_on() -> None:
    backbone, frames = TinyBackbone(named=True), torch.rand(2, 3, 3, 64, 96)
    embedded = ReferenceGuidedEncoder(tiny_config(), backbone).embed(backbone, frames)
    assert embedded.named is not None
    assert embedded.named.shape == (2, 3, 24, 2, 3)
    torch.testing.assert_close(embedded.named[1], backbone.embed_frames(frames[1]).named)
    assert ReferenceGuidedEncoder(tiny_config(), TinyBackbone()).embed(TinyBackbone(), frames).named is None
