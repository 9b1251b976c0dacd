from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from vlp_rvos.models.choice import EVIDENCE, RELATIONS, Choice, dense_evidence, relations
from vlp_rvos.models.descriptors import PARTS, Descriptors, descriptor_widths
from vlp_rvos.models.encoder import PlainText

SHARED = 12
WIDTHS = descriptor_widths({8: 3, 16: 4, 32: 5}, 6, 7, SHARED)
#: parameters that checkpoints hold and nothing reads
UNUSED = {f"inputs.{name}.1.{kind}" for name in ("geometry", "colours") for kind in ("weight", "bias")}


def make_choice() -> Choice:
    """A small one with random weights, also where training starts from 0."""
    torch.manual_seed(0)
    choice = Choice(WIDTHS, text_width=SHARED, width=24, layers=2, heads=2).eval()
    for parameter in choice.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    return choice


def make_things(pictures: int = 1, count: int = 4) -> Descriptors:
    shapes = {name: (width,) for name, width in WIDTHS.items()}
    shapes |= {"names": (2, SHARED), "parts": (PARTS**2, WIDTHS["parts"])}
    values = {name: torch.rand(pictures, count, *shape) for name, shape in shapes.items()}
    values["geometry"][..., :4] = values["geometry"][..., :4].sort(-1).values[..., [0, 1, 2, 3]] * 2 - 1
    return Descriptors(**values)


def make_text(*lengths: int, padding: int = 0) -> PlainText:
    mask = torch.arange(max(lengths) + padding)[None] < torch.tensor(lengths)[:, None]
    return PlainText(torch.randn(*mask.shape, SHARED), mask, torch.randn(len(lengths), SHARED))


def everywhere(things: Descriptors) -> Tensor:
    return torch.ones(things.looks.shape[:2], dtype=torch.bool)


def close(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


# --- scores --------------------------------------------------------------------------------------------------------
def test_shapes() -> None:
    choice, things, text = make_choice(), make_things(2, 5), make_text(3, 6, 4)
    scores, none = choice(things, everywhere(things), text, torch.randn(3, 5, EVIDENCE), torch.tensor([1, 0, 1]))
    assert scores.shape == (3, 5)
    assert none.shape == (3,)
    assert scores.std() > 0.01
    assert none.std() > 0.01


def test_before_training_nothing_is_preferred() -> None:
    things, text = make_things(), make_text(3)
    scores, none = Choice(WIDTHS, SHARED, 24, 2, 2).eval()(things, everywhere(things), text)
    assert (scores == scores[0, 0]).all()
    assert none.shape == (1,)


def test_the_order_of_candidates_does_not_matter() -> None:
    choice, things, text, evidence = make_choice(), make_things(), make_text(5), torch.randn(1, 4, EVIDENCE)
    scores, none = choice(things, everywhere(things), text, evidence)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = Descriptors(**{name: value[:, order] for name, value in vars(things).items()})
    close(choice(shuffled, everywhere(things), text, evidence[:, order]), (scores[:, order], none))


def test_candidates_that_are_not_there_change_nothing() -> None:
    choice, things, text, evidence = make_choice(), make_things(count=6), make_text(5), torch.randn(1, 6, EVIDENCE)
    present = torch.tensor([[True, True, True, True, False, False]])
    scores, none = choice(things, present, text, evidence)
    assert (scores[:, 4:] == float("-inf")).all()
    fewer = Descriptors(**{name: value[:, :4] for name, value in vars(things).items()})
    close((scores[:, :4], none), choice(fewer, everywhere(fewer), text, evidence[:, :4]))


def test_padding_of_words_changes_nothing() -> None:
    choice, things, text = make_choice(), make_things(2), make_text(4, 2, padding=3)
    found = choice(things, everywhere(things), text)
    text.words[~text.mask] = 100.0
    close(choice(things, everywhere(things), text), found)
    for b, length in enumerate((4, 2)):
        alone = PlainText(text.words[b : b + 1, :length], text.mask[b : b + 1, :length], text.sentence[b : b + 1])
        one = Descriptors(**{name: value[b : b + 1] for name, value in vars(things).items()})
        close(choice(one, everywhere(one), alone), (found[0][b : b + 1], found[1][b : b + 1]))


def test_pictures_may_be_shared() -> None:
    choice, things, text = make_choice(), make_things(2), make_text(4, 2, 6)
    evidence, picture_of = torch.randn(3, 4, EVIDENCE), torch.tensor([1, 1, 0])
    repeated = Descriptors(**{name: value[picture_of] for name, value in vars(things).items()})
    expected = choice(repeated, everywhere(repeated), text, evidence)
    close(choice(things, everywhere(things), text, evidence, picture_of), expected)


def test_nothing_known_of_the_dense_head() -> None:
    choice, things, text = make_choice(), make_things(), make_text(4)
    expected = choice(things, everywhere(things), text)
    unknown = torch.full((1, 4, EVIDENCE), float("nan"))
    close(choice(things, everywhere(things), text, unknown), expected)
    unknown[0, 1] = 0.0
    found = choice(things, everywhere(things), text, unknown)
    assert found[0].isfinite().all()
    assert not torch.allclose(found[0], expected[0])


def test_no_motion_adds_nothing() -> None:
    choice, things, text = make_choice(), make_things(), make_text(4)
    things.motion = torch.zeros_like(things.motion)
    expected = choice(things, everywhere(things), text)
    still = copy.deepcopy(choice)
    for parameter in still.motion.parameters():
        nn.init.normal_(parameter)
    close(still(things, everywhere(things), text), expected)


def test_no_expressions() -> None:
    choice, things = make_choice(), make_things()
    text = PlainText(torch.zeros(0, 3, SHARED), torch.zeros(0, 3, dtype=torch.bool), torch.zeros(0, SHARED))
    scores, none = choice(things, everywhere(things), text, picture_of=torch.zeros(0, dtype=torch.int64))
    assert scores.shape == (0, 4)
    assert none.shape == (0,)


def test_every_used_parameter_gets_a_gradient() -> None:
    choice, things, text = make_choice().train(), make_things(2), make_text(4, 3)
    scores, none = choice(things, everywhere(things), text, torch.randn(2, 4, EVIDENCE))
    (scores.square().mean() + none.square().mean()).backward()
    silent = {name for name, value in choice.named_parameters() if value.grad is None or not value.grad.any()}
    # Biases of keys cancel out in every softmax.
    assert {name for name in silent if not name.endswith("key.bias")} <= UNUSED
    assert {name for name, value in choice.named_parameters() if value.grad is None} == UNUSED


# --- relations -----------------------------------------------------------------------------------------------------
def geometry_of(boxes: list[list[float]]) -> Tensor:
    """Geometry of masks that fill their boxes, given as left, top, right and bottom in [0, 1]."""
    shares = torch.tensor(boxes)
    size, centre = shares[:, 2:] - shares[:, :2], (shares[:, :2] + shares[:, 2:]) / 2
    area = size.prod(-1, keepdim=True)
    rest = torch.cat([area, area.log() / 4 + 1, torch.ones_like(area), (size[:, :1] / size[:, 1:]).log() / 2], 1)
    return torch.cat([shares * 2 - 1, size, centre * 2 - 1, rest], 1)


BOXES = [[0.1, 0.2, 0.3, 0.6], [0.25, 0.3, 0.65, 0.5], [0.7, 0.05, 0.95, 0.95]]


def test_relations_by_hand() -> None:
    found = relations(geometry_of(BOXES))
    assert found.shape == (3, 3, RELATIONS)
    # From the first to the second: centres (0.2, 0.4) and (0.45, 0.4), sizes (0.2, 0.4) and (0.4, 0.2).
    one = found[0, 1]
    torch.testing.assert_close(one[:4], torch.tensor([0.5, 0, 0.5**0.5, 0]), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(one[4:6], torch.tensor([0.5 / 0.2 / 3, 0]), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(one[6:9], torch.tensor([2.0, 0.5, 1]).log() / torch.tensor([2.0, 2, 4]))
    # They have (0.05, 0.2) in common: an eighth of either.
    torch.testing.assert_close(one[9:11], torch.tensor([0.125, 0.125]))
    assert one[11] == 0
    torch.testing.assert_close(one[12:], torch.tensor([2 * (0.5 - 0.6), 0.5]), atol=1e-5, rtol=1e-4)
    # The third is 0.4 to the right of the first.
    assert found[0, 2, 11].item() == pytest.approx(0.8)


def test_relations_are_antisymmetric() -> None:
    """Offsets, ratios and the difference of the lower ends change their sign, gap and distance do not."""
    found = relations(geometry_of(BOXES))
    turned = found.transpose(0, 1)
    odd, even = [0, 1, 2, 3, 6, 7, 8, 12], [11, 13]
    torch.testing.assert_close(found[..., odd], -turned[..., odd])
    torch.testing.assert_close(found[..., even], turned[..., even])
    torch.testing.assert_close(found[..., 9], turned[..., 10])


def test_relations_in_a_mirror() -> None:
    """Only what points to the right changes its sign."""
    mirrored = [[1 - right, top, 1 - left, bottom] for left, top, right, bottom in BOXES]
    found, mirror = relations(geometry_of(BOXES)), relations(geometry_of(mirrored))
    signs = torch.ones(RELATIONS)
    signs[[0, 2, 4]] = -1
    torch.testing.assert_close(mirror, found * signs, atol=1e-4, rtol=1e-3)


# --- evidence ------------------------------------------------------------------------------------------------------
def test_evidence_by_hand() -> None:
    logits, score = torch.full((1, 2, 4), -6.0), torch.zeros(1, 2, 4)
    logits[0, :, :2], score[0, :, 0] = 2.0, 1.0
    masks = torch.zeros(2, 2, 4)
    masks[0, :, :2], masks[1, :, 1:] = 1, 1
    found = dense_evidence(logits, score, torch.tensor([3.0]), torch.tensor([-20.0]), masks)
    assert found.shape == (1, 2, EVIDENCE)
    high, low = torch.tensor(2.0).sigmoid(), torch.tensor(-6.0).sigmoid()
    total = 4 * high + 4 * low
    first = [0.5, high, 4 * high / (total + 4 - 4 * high), 4 * high / total, (torch.tensor(1.0).sigmoid() + 0.5) / 2]
    torch.testing.assert_close(found[0, 0], torch.tensor([*first, total / 8, 0.75, -2]))
    inside = 2 * high + 4 * low
    second = [(2 * 2 - 6 * 4) / 6 / 4, inside / 6, inside / (total + 6 - inside), inside / total, 0.5]
    torch.testing.assert_close(found[0, 1], torch.tensor([*second, total / 8, 0.75, -2]))


def test_evidence_of_an_empty_mask_is_finite() -> None:
    found = dense_evidence(
        torch.randn(2, 3, 4), torch.randn(2, 3, 4), torch.zeros(2), torch.zeros(2), torch.zeros(1, 3, 4)
    )
    assert found.isfinite().all()
    assert not found[..., :5].any()


def test_word_weights_change_nothing_and_sum_to_one() -> None:
    choice, things, text = make_choice(), make_things(count=3), make_text(4)
    weights: list[Tensor] = []
    close(choice(things, everywhere(things), text, word_weights=weights), choice(things, everywhere(things), text))
    assert len(weights) == len(choice.layers)
    for layer in weights:
        assert layer.shape == (1, 4, 4)
        torch.testing.assert_close(layer.sum(-1), torch.ones(1, 4))
