from __future__ import annotations

import torch
import torch.nn.functional as F

from vlp_rvos.models.encoder import PlainText
from vlp_rvos.models.number import COUNTS, Number, more_than


def make_text(words: torch.Tensor, lengths: list[int]) -> PlainText:
    mask = torch.arange(words.shape[1]) < torch.tensor(lengths)[:, None]
    return PlainText(words, mask, torch.zeros(len(words), 4))


def test_before_training_everything_means_one_thing() -> None:
    found = Number(6)(make_text(torch.randn(3, 5, 6), [5, 2, 1]))
    assert found.shape == (3, COUNTS)
    assert (found.softmax(-1)[:, 0] > 0.9).all()


def test_more_than() -> None:
    found = more_than(torch.tensor([[0.1, 0.4, 0.3, 0.2], [1.0, 0.0, 0.0, 0.0]]).log())
    torch.testing.assert_close(found, torch.tensor([[0.9, 0.5, 0.2], [0.0, 0.0, 0.0]]))


def test_padding_says_nothing() -> None:
    torch.manual_seed(0)
    number, words = Number(6), torch.randn(2, 5, 6)
    torch.nn.init.normal_(number.value.weight)
    changed = words.clone()
    changed[0, 3:] = 100.0
    torch.testing.assert_close(number(make_text(words, [3, 5])), number(make_text(changed, [3, 5])))
    torch.testing.assert_close(number(make_text(words, [3, 5]))[:1], number(make_text(words[:1, :3], [3])))


def test_one_word_is_enough() -> None:
    """It learns that certain words mean two things, or three, wherever they stand."""
    torch.manual_seed(0)
    number, spoken = Number(8), 2 * torch.randn(3, 8)
    optimizer = torch.optim.Adam(number.parameters(), lr=0.03)

    def drawn() -> tuple[PlainText, torch.Tensor]:
        words, count = torch.randn(96, 6, 8), torch.randint(3, (96,))
        said = (count > 0).nonzero()[:, 0]
        words[said, torch.randint(6, said.shape)] = spoken[count[said]]
        return make_text(words, [6] * 96), count

    for _ in range(300):
        text, count = drawn()
        optimizer.zero_grad()
        F.cross_entropy(number(text), count).backward()
        optimizer.step()
    text, count = drawn()
    assert (number(text).argmax(-1) == count).float().mean() > 0.9
