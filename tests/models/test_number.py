from __future__ import annotations

import torch
import torch.nn.functional as F

from vlp_rvos.models.encoder import PlainText
from vlp_rvos.models.number import Number


def make_text(words: torch.Tensor, lengths: list[int]) -> PlainText:
    mask = torch.arange(words.shape[1]) < torch.tensor(lengths)[:, None]
    return PlainText(words, mask, torch.zeros(len(words), 4))


def test_before_training_everything_means_one_thing() -> None:
    found = Number(6)(make_text(torch.randn(3, 5, 6), [5, 2, 1]))
    assert found.shape == (3,)
    assert (found.sigmoid() < 0.05).all()


def test_padding_says_nothing() -> None:
    torch.manual_seed(0)
    number, words = Number(6), torch.randn(2, 5, 6)
    torch.nn.init.normal_(number.value.weight)
    changed = words.clone()
    changed[0, 3:] = 100.0
    torch.testing.assert_close(number(make_text(words, [3, 5])), number(make_text(changed, [3, 5])))
    torch.testing.assert_close(number(make_text(words, [3, 5]))[:1], number(make_text(words[:1, :3], [3])))


def test_one_word_is_enough() -> None:
    """It learns that a certain word means several things, wherever it stands."""
    torch.manual_seed(0)
    number, both = Number(8), torch.randn(8)
    optimizer = torch.optim.Adam(number.parameters(), lr=0.03)

    def drawn() -> tuple[PlainText, torch.Tensor]:
        words, several = torch.randn(64, 6, 8), torch.rand(64) < 0.3
        words[several, torch.randint(6, (64,))[several]] = both
        return make_text(words, [6] * 64), several

    for _ in range(200):
        text, several = drawn()
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(number(text), several.float()).backward()
        optimizer.step()
    text, several = drawn()
    assert ((number(text) > 0) == several).float().mean() > 0.95
