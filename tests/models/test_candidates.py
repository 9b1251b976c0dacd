from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vlp_rvos.models.candidates import (
    ABSENT,
    COMPARED_EVERY,
    MASK_STRIDE,
    CandidateHead,
    Proposals,
    box_overlaps,
    distinct,
    mask_overlaps,
)

INPUTS = {4: 5, 8: 6, 16: 7, 32: 8}


def make_head(**changes: object) -> CandidateHead:
    """A small head with random weights whose masks and boxes vary."""
    torch.manual_seed(0)
    head = CandidateHead(INPUTS, width=16, mask_width=5, hidden=4, **changes)  # type: ignore[arg-type]
    for layer in (head.objectness, head.box, head.kernel):
        nn.init.normal_(layer.weight, std=0.1)
    return head


def make_maps(height: int, width: int, frames: int = 2) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Maps, and distances to the sides of a detector's boxes."""
    maps = {s: torch.randn(frames, c, height // s, width // s) for s, c in INPUTS.items()}
    return maps, {s: torch.rand(frames, 4, height // s, width // s) * 6 * s for s in (8, 16, 32)}


# --- proposals -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 160), (160, 64)])
def test_shapes(height: int, width: int) -> None:
    head = make_head()
    proposals = head(*make_maps(height, width))
    count = sum(height // s * (width // s) for s in (8, 16, 32))
    numbers = 4 * 7 + 4 + 4 * 4 + 4 + 4 + 1
    sizes = [(height // s, width // s) for s in (8, 16, 32)]
    assert [tuple(level.shape) for level in proposals.kernel_levels] == [(2, 16, *size) for size in sizes]
    assert {name: tuple(value.shape) for name, value in vars(proposals).items() if isinstance(value, Tensor)} == {
        "objectness": (2, count),
        "boxes": (2, count, 4),
        "weights": (2, count, numbers),
        "centres": (count, 2),
        "strides": (count,),
        "mask_features": (2, 5, height // 4, width // 4),
    }
    found = head.select(proposals, 1, count=6)
    kept = len(found.positions)
    assert 1 <= kept <= 6
    assert found.mask_logits.shape == (kept, height // 4, width // 4)
    assert found.boxes.shape == (kept, 4)
    assert found.objectness.shape == (kept,)


def test_positions_are_listed_level_by_level_and_row_by_row() -> None:
    proposals = make_head()(*make_maps(32, 64))
    assert proposals.centres[:9].tolist() == [[4.0 + 8 * x, 4.0] for x in range(8)] + [[4.0, 12.0]]
    assert proposals.centres[-2:].tolist() == [[16.0, 16.0], [48.0, 16.0]]
    assert proposals.strides.tolist() == [8.0] * 32 + [16.0] * 8 + [32.0] * 2


def test_boxes_start_from_those_of_the_detector() -> None:
    head = make_head()
    nn.init.zeros_(head.box.weight)
    maps, distances = make_maps(32, 64, 1)
    proposals = head(maps, distances)
    left, top, right, bottom = distances[8][0, :, 1, 2]
    expected = torch.stack([20 - left, 12 - top, 20 + right, 12 + bottom])
    torch.testing.assert_close(proposals.boxes[0, 8 + 2], expected)
    # Without a detector, or where its boxes are not to be used, a box reaches a fixed number of strides.
    for boxes in (head(maps).boxes, make_head(boxes_given=False)(maps, distances).boxes):
        assert (boxes[0, 10, 2:] > boxes[0, 10, :2]).all()
        assert not torch.allclose(boxes[0, 10], expected)


def test_frames_do_not_influence_each_other() -> None:
    head = make_head()
    maps, distances = make_maps(64, 96)
    together = head(maps, distances)
    alone = head({s: x[1:] for s, x in maps.items()}, {s: x[1:] for s, x in distances.items()})
    for name in ("objectness", "boxes", "weights", "mask_features"):
        torch.testing.assert_close(getattr(together, name)[1:], getattr(alone, name), atol=1e-5, rtol=1e-4)


def test_every_parameter_gets_a_gradient() -> None:
    head = make_head()
    proposals = head(*make_maps(64, 64))
    found = head.select(proposals, 0)
    (found.mask_logits.square().mean() + found.objectness.mean() + proposals.boxes.square().mean()).backward()
    silent = {name for name, value in head.named_parameters() if value.grad is None or not value.grad.any()}
    assert not silent


@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 160)])
def test_weights_may_be_left_to_the_selection(height: int, width: int) -> None:
    head, given = make_head(), make_maps(height, width)
    all_of_them, none = head(*given), head(*given, all_weights=False)
    assert none.weights is None
    expected, found = (head.select(proposals, 1, overlap=0.65) for proposals in (all_of_them, none))
    assert torch.equal(found.positions, expected.positions)
    assert len(set(all_of_them.strides[found.positions].tolist())) > 1
    torch.testing.assert_close(found.mask_logits, expected.mask_logits, atol=1e-4, rtol=1e-4)
    found.mask_logits.square().mean().backward()
    assert head.kernel.weight.grad is not None
    assert head.kernel.weight.grad.any()


# --- masks ---------------------------------------------------------------------------------------------------------
def draw_plainly(head: CandidateHead, features: Tensor, weights: Tensor, box: Tensor) -> Tensor:
    """The same network for one proposal, as three 1x1 convolutions over features and coordinates."""
    height, width = features.shape[-2:]
    left, top, right, bottom = box
    x = ((torch.arange(width) * 4 + 2 - (left + right) / 2) / (right - left)).clamp(-4, 4)
    y = ((torch.arange(height) * 4 + 2 - (top + bottom) / 2) / (bottom - top)).clamp(-4, 4)
    out = torch.cat([features, x.expand(1, height, -1), y[:, None].expand(1, -1, width)])[None]
    at = 0
    for outputs, inputs in head.shapes:
        matrix = weights[at : at + outputs * inputs].view(outputs, inputs, 1, 1)
        bias = weights[at + outputs * inputs : at + outputs * inputs + outputs]
        at += outputs * inputs + outputs
        out = nn.functional.conv2d(out if at == outputs * inputs + outputs else out.relu(), matrix, bias)
    assert at == len(weights)
    return out[0, 0]


def test_masks_equal_those_of_a_plain_convolution() -> None:
    head = make_head()
    proposals = head(*make_maps(64, 96))
    chosen = torch.tensor([0, 17, 80, 100])
    assert proposals.weights is not None
    boxes, weights = proposals.boxes[1, chosen], proposals.weights[1, chosen]
    drawn = head.draw(proposals.mask_features[1], weights, boxes)
    assert drawn.dtype == torch.float32
    assert head.draw(proposals.mask_features[1], weights[:0], boxes[:0]).shape == (0, 16, 24)
    for k in range(len(chosen)):
        expected = draw_plainly(head, proposals.mask_features[1], weights[k], boxes[k])
        torch.testing.assert_close(drawn[k], expected, atol=1e-5, rtol=1e-4)


def test_without_gradients_masks_are_drawn_in_the_rows_of_their_boxes() -> None:
    head = make_head()
    proposals = head(*make_maps(64, 96))
    assert proposals.weights is not None
    tops = torch.arange(12) * 4.0
    boxes = torch.stack([torch.full((12,), 10.0), tops, torch.full((12,), 50.0), tops + 6], 1).flip(0)
    weights = proposals.weights[1, :12]
    whole = head.draw(proposals.mask_features[1], weights, boxes)
    with torch.no_grad():
        drawn = head.draw(proposals.mask_features[1], weights, boxes)
        assert head.draw(proposals.mask_features[1], weights[:0], boxes[:0]).shape == (0, 16, 24)
    is_drawn = drawn != ABSENT
    torch.testing.assert_close(drawn[is_drawn], whole[is_drawn], atol=1e-5, rtol=1e-4)
    for k, (_, top, _, bottom) in enumerate((boxes / MASK_STRIDE).int().tolist()):
        assert is_drawn[k, max(top - 2, 0) : bottom + 3].all()
    assert not is_drawn.all()


def test_masks_move_with_their_boxes() -> None:
    """Coordinates are relative to the box, so the same weights draw the same thing at another place."""
    head = make_head()
    weights = torch.randn(1, head.kernel.out_channels)
    boxes = torch.tensor([[8.0, 8, 40, 24], [24, 16, 56, 32]])
    first, second = head.draw(torch.ones(5, 16, 24), weights.expand(2, -1), boxes)
    torch.testing.assert_close(first[2:6, 2:10], second[4:8, 6:14])


# --- selection -----------------------------------------------------------------------------------------------------
def test_distinct() -> None:
    overlaps = torch.eye(4)
    overlaps[0, 1] = overlaps[1, 0] = 0.9
    overlaps[1, 2] = overlaps[2, 1] = 0.8
    overlaps[2, 3] = overlaps[3, 2] = 0.5
    # 1 repeats 0, so it removes nobody.
    assert distinct(overlaps, 0.5) == [0, 2, 3]
    assert distinct(overlaps, 0.4) == [0, 2]
    assert distinct(overlaps, 0.95) == [0, 1, 2, 3]
    assert distinct(torch.zeros(0, 0), 0.5) == []
    assert distinct(torch.zeros(3, 3, device="meta"), 0.5) == [0, 1, 2]


def test_overlaps_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 2], [2, 0, 6, 2], [10, 10, 12, 12], [5, 5, 5, 5]])
    assert box_overlaps(boxes)[0].tolist() == pytest.approx([1, 4 / 12, 0, 0])
    assert box_overlaps(boxes, boxes[1:2])[:, 0].tolist() == pytest.approx([4 / 12, 1, 0, 0])
    masks = torch.zeros(3, 2, 4, dtype=torch.bool)
    masks[0, 0, :3], masks[1, :, 2:] = True, True
    assert mask_overlaps(masks).tolist() == [
        pytest.approx([1, 1 / 6, 0]),
        pytest.approx([1 / 6, 1, 0]),
        pytest.approx([0, 0, 0]),
    ]
    assert mask_overlaps(masks, masks[:1]).shape == (3, 1)


def proposals_of(head: CandidateHead, boxes: Tensor, objectness: Tensor, weights: Tensor | None = None) -> Proposals:
    """One frame of 64 x 64 pixels."""
    weights = torch.randn(1, len(boxes), head.kernel.out_channels) if weights is None else weights
    return Proposals(
        objectness[None],
        boxes[None],
        weights,
        [],
        torch.zeros(len(boxes), 2),
        torch.ones(len(boxes)),
        torch.ones(1, 5, 16, 16),
    )


def test_the_surest_of_those_that_repeat_each_other_stays() -> None:
    head = make_head()
    boxes = torch.tensor([[0.0, 0, 30, 30], [0, 0, 31, 30], [32, 32, 60, 60]])
    found = head.select(proposals_of(head, boxes, torch.tensor([0.1, 0.9, 0.5])), 0)
    assert found.positions[0] == 1
    assert 0 not in found.positions
    assert found.objectness.tolist() == sorted(found.objectness.tolist(), reverse=True)
    assert torch.equal(found.boxes, boxes[found.positions])


def test_masks_that_repeat_each_other_are_dropped_even_if_boxes_differ() -> None:
    head = make_head()
    weights = torch.zeros(1, 2, head.kernel.out_channels)
    weights[..., -1] = 1.0
    boxes = torch.tensor([[0.0, 0, 10, 10], [40, 40, 60, 60]])
    found = head.select(proposals_of(head, boxes, torch.tensor([0.2, 0.4]), weights), 0)
    assert found.positions.tolist() == [1]
    assert (found.mask_logits == 1).all()


def test_there_is_always_a_candidate() -> None:
    """Nothing is sure, and all masks are empty: the candidates are those that are least unsure."""
    head = make_head()
    weights = torch.zeros(1, 3, head.kernel.out_channels)
    weights[..., -1] = -5.0
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 20, 30, 30], [40, 0, 60, 60]])
    found = head.select(proposals_of(head, boxes, torch.full((3,), -40.0), weights), 0, count=2)
    assert len(found.positions) == 2
    assert (found.mask_logits == -5).all()


def test_drawing_step_by_step_finds_what_drawing_everything_at_once_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the masks repeat others, so the selection has to go on drawing after the first few."""
    # In all rows: which are left out depends on what is drawn together.
    monkeypatch.setattr("vlp_rvos.models.candidates.SMALLEST_MARGIN", 1000.0)
    head, count, overlap = make_head(), 16, 0.9
    drawn: list[int] = []
    corners = torch.rand(48, 2) * 40
    boxes = torch.cat([corners, corners + 8 + torch.rand(48, 2) * 16], 1)
    weights = torch.randn(1, 48, head.kernel.out_channels)
    proposals = proposals_of(head, boxes, -torch.arange(48) / 10, weights)
    with torch.no_grad():
        logits = head.draw(proposals.mask_features[0], weights[0], boxes)
        kept = distinct(box_overlaps(boxes), overlap)[: 2 * count]
        compared = logits[kept][:, ::COMPARED_EVERY, ::COMPARED_EVERY] > 0
        expected = torch.tensor(kept)[distinct(mask_overlaps(compared), overlap)[:count]]
        draw = head.draw

        def counted(*given: Tensor) -> Tensor:
            drawn.append(len(given[1]))
            return draw(*given)

        monkeypatch.setattr(head, "draw", counted)
        found = head.select(proposals, 0, count, overlap)
    assert torch.equal(found.positions, expected)
    torch.testing.assert_close(found.mask_logits, logits[expected], atol=1e-5, rtol=1e-4)
    assert len(drawn) > 1
    assert sum(drawn) < len(kept)
