from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vlp_rvos.models.candidates import ABSENT, Candidates
from vlp_rvos.models.descriptors import Descriptors, FrameThings
from vlp_rvos.models.tracks import Sightings, Tracks, follow, greedy_pairs, look_of, match, similarity

#: height and width of the masks; frames are four times as large
SIZE = (16, 24)
SIDE = 4
LOOKS = torch.eye(6) * 3


def squares(*things: tuple[int, int, int], objectness: float = 0.5) -> FrameThings:
    """A frame with square things: number of the look, left and top, in positions of the masks."""
    count = len(things)
    logits = torch.full((count, *SIZE), -3.0)
    boxes = torch.zeros(count, 4)
    for k, (_, x, y) in enumerate(things):
        logits[k, y : y + SIDE, x : x + SIDE] = 3
        boxes[k] = torch.tensor([x, y, x + SIDE, y + SIDE]) * 4.0
    looks = LOOKS[[look for look, _, _ in things]]
    others = {name: torch.rand(count, 2) for name in ("classes", "geometry", "colours", "surroundings", "motion")}
    described = Descriptors(looks=looks, names=torch.rand(count, 2, 3), parts=torch.rand(count, 4, 3), **others)
    return Candidates(torch.arange(count), torch.full((count,), objectness), boxes, logits), described


def looks_of(tracks: Tracks) -> list[int]:
    return tracks.descriptors.looks.argmax(1).tolist()


def lefts(tracks: Tracks, track: int) -> list[int | None]:
    """Leftmost column of a track's mask in each frame."""
    inside = tracks.mask_logits[:, track] > 0
    return [int(mask.any(0).int().argmax()) if mask.any() else None for mask in inside]


def test_moving_squares_keep_their_identity() -> None:
    """Two squares move past each other in rows of their own, and are listed in another order in every second frame."""
    frames = []
    for t in range(5):
        things = [(0, 2 + 3 * t, 2), (1, 14 - 3 * t, 8)]
        frames.append(squares(*(things[::-1] if t % 2 else things)))
    tracks = follow(frames, 24)
    assert tracks.seen.shape == (5, 2)
    assert tracks.seen.all()
    assert looks_of(tracks) == [0, 1]
    assert lefts(tracks, 0) == [2, 5, 8, 11, 14]
    assert lefts(tracks, 1) == [14, 11, 8, 5, 2]
    torch.testing.assert_close(tracks.boxes[0], torch.tensor([14 / 24, 2 / 16, 18 / 24, 6 / 16]))


def test_things_appear_and_vanish() -> None:
    frames = [squares((0, 2, 2)), squares((1, 15, 9), (0, 3, 2)), squares((1, 16, 9))]
    tracks = follow(frames, 24)
    assert looks_of(tracks) == [0, 1]
    assert tracks.seen.tolist() == [[True, False], [True, True], [False, True]]
    assert (tracks.mask_logits[2, 0] == ABSENT).all()
    assert (tracks.mask_logits[0, 1] == ABSENT).all()
    # Seen in two of three frames.
    assert tracks.objectness.tolist() == pytest.approx([0.5 * 2 / 3] * 2)
    torch.testing.assert_close(tracks.boxes[0], torch.tensor([3 / 24, 2 / 16, 7 / 24, 6 / 16]))


def test_a_thing_that_was_hidden_is_found_again() -> None:
    tracks = follow([squares((0, 2, 2), (1, 15, 9)), squares((1, 15, 9)), squares((1, 15, 9), (0, 4, 2))], 24)
    assert tracks.seen[:, 1].tolist() == [True, False, True]
    assert looks_of(tracks) == [1, 0]


def test_the_surest_stay() -> None:
    first, second = squares((0, 2, 2), (1, 15, 9), objectness=0.9), squares((0, 2, 2), (1, 15, 9), objectness=0.9)
    for candidates, _ in (first, second):
        candidates.objectness[0] = 0.2
    tracks = follow([first, second], 1)
    assert looks_of(tracks) == [1]
    assert tracks.objectness.tolist() == pytest.approx([0.9])


def test_descriptions_are_means_over_the_frames_that_show_the_thing() -> None:
    frames = [squares((0, 2, 2)), squares((1, 15, 9), (0, 3, 2))]
    tracks = follow(frames, 24)
    for name in ("names", "parts", "colours"):
        value, (first, second) = getattr(tracks.descriptors, name), [getattr(frame[1], name) for frame in frames]
        torch.testing.assert_close(value[0], (first[0] + second[1]) / 2)
        torch.testing.assert_close(value[1], second[0])


def test_motion() -> None:
    """One goes to the right, one down, and the third appears late."""
    frames = [
        squares((0, 2, 2), (1, 15, 2)),
        squares((0, 5, 2), (1, 15, 6)),
        squares((0, 8, 2), (1, 15, 10), (2, 2, 12)),
    ]
    motion = follow(frames, 24).descriptors.motion
    expected = torch.tensor([[6 / 24 * 4, 0, 0], [0, 8 / 16 * 4, 0], [0, 0, 0]])
    torch.testing.assert_close(motion[:, :3], expected)
    torch.testing.assert_close(motion[:, 3:6], expected - expected.median(0).values)
    assert motion[:, 6].tolist() == pytest.approx([1, 1, 1 / 3])


def test_growth() -> None:
    frames = [squares((0, 4, 4)), squares((0, 4, 4))]
    frames[1][0].boxes[0] = torch.tensor([12.0, 12, 36, 36])
    motion = follow(frames, 24).descriptors.motion[0]
    torch.testing.assert_close(motion[2], torch.tensor((24 * 24) / (16 * 16)).log())


def test_one_frame() -> None:
    candidates, described = squares((0, 2, 2), (1, 15, 9))
    tracks = follow([(candidates, described)], 24)
    assert not tracks.descriptors.motion.any()
    assert torch.equal(tracks.mask_logits[0], candidates.mask_logits)
    for name in ("looks", "names", "parts"):
        assert torch.equal(getattr(tracks.descriptors, name), getattr(described, name))


def test_gradients_go_through_masks_and_descriptions_only() -> None:
    frames = [squares((0, 2, 2)), squares((0, 3, 2))]
    for candidates, described in frames:
        for value in (candidates.mask_logits, candidates.boxes, described.looks, described.parts):
            value.requires_grad_(True)
    tracks = follow(frames, 24)
    (tracks.mask_logits.sum() + tracks.descriptors.looks.sum() + tracks.descriptors.parts.sum()).backward()
    for candidates, described in frames:
        for value in (candidates.mask_logits, described.looks, described.parts):
            assert value.grad is not None
            assert value.grad.any()
        assert candidates.boxes.grad is None


# --- pairs ---------------------------------------------------------------------------------------------------------
def test_similarity() -> None:
    boxes = torch.tensor([[0.1, 0.1, 0.3, 0.3], [0.1, 0.1, 0.5, 0.3]])
    looks = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 1]]), dim=-1)
    things = Sightings(boxes, looks, torch.ones(2))
    found = similarity(things, things)
    torch.testing.assert_close(found.diagonal(), torch.full((2,), 1.2))
    expected = 0.2 * 0.5 + 0.5**0.5 - 0.2 * 0.1
    assert found[0, 1].item() == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(found, found.T)


def test_sure_things_are_paired_before_those_that_look_more_alike() -> None:
    """A thing that has turned looks a little different; a doubtful double of it looks the same."""
    box = torch.tensor([[0.1, 0.1, 0.5, 0.5]])
    before = Sightings(box, torch.tensor([[1.0, 0]]), torch.tensor([0.9]))
    after = Sightings(box.expand(2, 4), torch.tensor([[0.8, 0.6], [1.0, 0]]), torch.tensor([0.9, 0.1]))
    assert match(before, after) == [(0, 0)]
    assert match(after, before) == [(0, 0)]


def test_nothing_is_paired_with_what_looks_otherwise_however_sure_both_are() -> None:
    box, sure = torch.tensor([[0.1, 0.1, 0.5, 0.5]]), torch.ones(1)
    first, second = (Sightings(box, torch.tensor([look]), sure) for look in ([1.0, 0], [0.0, 1]))
    assert match(first, second) == []


def test_masks_move_between_the_frames_with_candidates() -> None:
    """One square moves by 6 columns, one by 3 rows, and two frames between have no candidates."""
    tracks = follow([squares((0, 2, 2), (1, 14, 3)), None, None, squares((0, 8, 2), (1, 14, 6))], 24)
    assert tracks.mask_logits.shape == (4, 2, *SIZE)
    assert tracks.seen.all()
    assert lefts(tracks, 0) == [2, 4, 6, 8]
    tops = [int((masks[1] > 0).any(1).int().argmax()) for masks in tracks.mask_logits]
    assert tops == [3, 4, 5, 6]
    areas = (tracks.mask_logits > 0).flatten(2).sum(-1)
    assert (areas == SIDE * SIDE).all()


def test_masks_go_on_moving_after_the_last_frame_with_candidates() -> None:
    tracks = follow([squares((0, 2, 2)), None, squares((0, 6, 2)), None, None], 24)
    assert lefts(tracks, 0) == [2, 4, 6, 8, 10]
    # Known from one frame alone, they stay where they are.
    assert lefts(follow([squares((0, 2, 2)), None], 24), 0) == [2, 2]


def test_a_thing_that_only_one_neighbour_shows_is_taken_from_it() -> None:
    tracks = follow([squares((0, 2, 2)), None, squares((1, 15, 9)), None], 24)
    first, second = looks_of(tracks).index(0), looks_of(tracks).index(1)
    assert lefts(tracks, first) == [2, 2, None, None]
    assert lefts(tracks, second) == [None, 15, 15, 15]
    assert tracks.seen[:, first].tolist() == [True, True, False, False]
    assert (tracks.mask_logits[~tracks.seen] == ABSENT).all()


def test_carried_masks_grow_with_the_box() -> None:
    frames = []
    for side in (8, 10):
        things = squares((0, 4, 4))
        things[0].mask_logits[0, 4 : 4 + side, 4 : 4 + side] = 3
        things[0].boxes[0] = torch.tensor([4, 4, 4 + side, 4 + side]) * 4.0
        frames.append(things)
    tracks = follow([frames[0], None, frames[1]], 24)
    assert [int((masks[0] > 0).sum()) for masks in tracks.mask_logits] == [64, 81, 100]
    assert bool((tracks.mask_logits[1, 0, 4:13, 4:13] > 0).all())


def test_frames_without_candidates_do_not_change_what_is_known_of_things() -> None:
    first, second = squares((0, 2, 2), (1, 14, 3)), squares((0, 8, 2), (1, 14, 6))
    plain, carried = follow([first, second], 24), follow([first, None, second, None], 24)
    torch.testing.assert_close(plain.descriptors.looks, carried.descriptors.looks)
    torch.testing.assert_close(plain.descriptors.motion, carried.descriptors.motion)
    torch.testing.assert_close(plain.boxes, carried.boxes)
    torch.testing.assert_close(plain.objectness, carried.objectness)
    assert torch.equal(plain.mask_logits, carried.mask_logits[::2])


def test_look_of_has_length_1_and_forgets_scale() -> None:
    _, described = squares((0, 2, 2), (3, 9, 9))
    found = look_of(described)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(2))
    described.looks = described.looks * 5 + 2
    torch.testing.assert_close(look_of(described), found, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("values", "pairs"),
    [
        (torch.tensor([[0.9, 0.8], [0.85, -torch.inf]]), [(0, 0)]),
        (torch.tensor([[0.9, 0.8], [0.85, -0.4]]), [(0, 0), (1, 1)]),
        (torch.tensor([[-torch.inf, -torch.inf]]), []),
        (torch.tensor([[0.4, 0.5, 0.6]]), [(0, 2)]),
        (torch.zeros(0, 3), []),
        (torch.zeros(3, 0), []),
    ],
)
def test_pairs_are_greedy(values: Tensor, pairs: list[tuple[int, int]]) -> None:
    assert greedy_pairs(values) == pairs


def test_on_the_meta_device_each_row_is_paired_with_the_same_one() -> None:
    things = [Sightings(torch.zeros(n, 4), torch.zeros(n, 6), torch.zeros(n)) for n in (2, 3)]
    first, second = (Sightings(*(value.to("meta") for value in vars(one).values())) for one in things)
    assert match(first, second) == [(0, 0), (1, 1)]
