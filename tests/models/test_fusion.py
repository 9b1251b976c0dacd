from __future__ import annotations

import torch
import torch.nn.functional as F
from stubs import TinyBackbone, tiny_config

from vlp_rvos.models.encoder import ReferenceGuidedEncoder, TextFeatures
from vlp_rvos.models.fusion import VLFF, ScoreMap, clip_positions

GRID = (2, 3)


def text_of(backbone: TinyBackbone, *expressions: str) -> TextFeatures:
    encoder = ReferenceGuidedEncoder(tiny_config(), backbone)
    return encoder.encode_text(backbone, backbone.tokenize(expressions))


def test_score_map_is_a_scaled_cosine() -> None:
    patches, sentence = torch.randn(2, 3, 6, 16), torch.randn(2, 16)
    expected = 10 * F.cosine_similarity(patches, sentence[:, None, None], dim=-1) - 1
    torch.testing.assert_close(ScoreMap()(patches, sentence), expected, atol=1e-5, rtol=1e-5)


def test_words_attend_to_every_frame_and_patches_to_the_words() -> None:
    backbone = TinyBackbone()
    fusion, text = VLFF(tiny_config(), backbone), text_of(backbone, "the dog")
    patches = torch.randn(1, 3, 6, 32)
    features, words, score = fusion(backbone, patches, GRID, text)
    assert features.shape == (1, 3, 6, 24)
    assert score is not None
    assert score.shape == (1, 3, 6)
    changed = patches.clone()
    changed[:, 2] += torch.randn(32)
    other_features, other_words, _ = fusion(backbone, changed, GRID, text)
    assert (words - other_words).abs().amax(-1).min() > 1e-5
    torch.testing.assert_close(features[:, :2], other_features[:, :2], atol=1e-6, rtol=0)
    another, _, _ = fusion(backbone, patches, GRID, text_of(backbone, "the cat"))
    assert (features - another).abs().amax(-1).min() > 1e-5


def test_without_vlff_and_score_map() -> None:
    backbone = TinyBackbone()
    fusion, text = VLFF(tiny_config(vlff=False, score_map=False), backbone), text_of(backbone, "the dog", "car")
    patches = torch.randn(2, 3, 6, 32)
    features, words, score = fusion(backbone, patches, GRID, text)
    assert score is None
    torch.testing.assert_close(words, fusion.words(text.words))
    expected = fusion.norm(fusion.vision(patches) + fusion.sentence(text.sentence)[:, None, None])
    torch.testing.assert_close(features, expected + clip_positions(3, GRID, 24), atol=1e-5, rtol=1e-5)


def test_positions_mean_the_same_at_every_size() -> None:
    coarse, fine = clip_positions(2, (3, 5), 26), clip_positions(4, (9, 15), 26)
    assert coarse.shape == (2, 15, 26)
    # Each coarse patch has its centre where the middle one of 3 x 3 fine patches has it.
    middle = fine.view(4, 9, 15, 26)[:2, 1::3, 1::3].flatten(1, 2)
    torch.testing.assert_close(coarse, middle, atol=1e-4, rtol=0)
    flat = fine.flatten(0, 1)
    assert torch.pdist(flat).min() > 1e-3
    assert fine[..., 24:].abs().max() == 0
