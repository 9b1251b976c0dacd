from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from stubs import TinyBackbone, tiny_config
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones import random_backbone
from vlp_rvos.models.backbones.nanodet import CLASS_NAMES
from vlp_rvos.models.candidate_path import DENSE_VOTE, SURE, CandidatePath, Chosen, Identities, dense_votes, upgraded
from vlp_rvos.models.choice import EVIDENCE, OVERLAP
from vlp_rvos.models.descriptors import MOTION, FrameThings
from vlp_rvos.models.encoder import PlainText
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.number import COUNTS, more_than
from vlp_rvos.models.refinement import Surroundings
from vlp_rvos.models.tracks import RELATIVE_WAY
from vlp_rvos.models.vlp_rvos import VLPRVOS

COUNT = 6


@pytest.fixture(scope="module")
def backbone() -> TinyBackbone:
    return TinyBackbone(named=True)


@pytest.fixture
def path(backbone: TinyBackbone) -> CandidatePath:
    """With random weights that make masks and scores vary."""
    torch.manual_seed(0)
    path = CandidatePath(tiny_config(candidates=COUNT, refinement=True), backbone).eval()
    path.name_classes(backbone)
    for layer in (path.head.objectness, path.head.box, path.head.kernel):
        nn.init.normal_(layer.weight, std=0.1)
    for name, parameter in path.named_parameters():
        if not parameter.any() and not name.startswith("detector."):
            nn.init.normal_(parameter, std=0.3)
    return path


def propose(path: CandidatePath, backbone: TinyBackbone, frames: Tensor, wanted: Any = None) -> Any:
    embedded = backbone.embed_frames(backbone.normalize(frames.flatten(0, 1)))
    assert embedded.named is not None
    shape = frames.shape[:2]
    pyramid = {stride: level.unflatten(0, shape) for stride, level in embedded.pyramid.items()}
    return path.propose(frames, pyramid, embedded.named.unflatten(0, shape), wanted)


def surroundings(path: CandidatePath, backbone: TinyBackbone, frames: Tensor) -> Surroundings:
    """Of the first video."""
    pyramid = backbone.embed_frames(backbone.normalize(frames.flatten(0, 1))).pyramid
    of_videos = {stride: level.unflatten(0, frames.shape[:2]) for stride, level in pyramid.items()}
    levels = path.surroundings(frames, of_videos)
    assert levels is not None
    return tuple(level[0] for level in levels)


def make_text(backbone: TinyBackbone, *expressions: str) -> PlainText:
    text = backbone.tokenize(list(expressions))
    words = backbone.encode_words(text)
    return PlainText(words, text.mask, backbone.project_text(backbone.pool_text(words, text)))


def choose(
    path: CandidatePath, things: list[FrameThings], text: PlainText, identities: Identities | None = None
) -> Chosen:
    """With dense logits that depend on nothing but the number of expressions and frames."""
    batch, length = len(text.words), len(things)
    height, width = things[0][0].mask_logits.shape[-2:]
    drawn = torch.Generator().manual_seed(5)
    shapes = ((batch, length, 4 * height, 4 * width), (batch, length, 2, 3), (batch, length), (batch,))
    dense = [torch.randn(shape, generator=drawn) for shape in shapes]
    return path.choose(things, text, *dense, identities)


# --- without words -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("videos", "length", "height", "width"), [(1, 1, 32, 32), (2, 3, 64, 96), (1, 2, 96, 32)])
def test_shapes(path: CandidatePath, backbone: TinyBackbone, videos: int, length: int, height: int, width: int) -> None:
    things = propose(path, backbone, torch.rand(videos, length, 3, height, width))
    assert [len(frames) for frames in things] == [length] * videos
    for candidates, descriptors in (frame for frames in things for frame in frames):
        kept = len(candidates.boxes)
        assert 1 <= kept <= COUNT
        assert candidates.mask_logits.shape == (kept, height // 4, width // 4)
        assert all(len(value) == kept and value.isfinite().all() for value in vars(descriptors).values())
    chosen = choose(path, things[0], make_text(backbone, "a red car", "it"))
    assert chosen.mask_logits.shape == (2, length, height, width)
    assert chosen.presence_logits.shape == (2, length)
    assert chosen.clip_presence_logits.shape == (2,)
    count = chosen.tracks.boxes.shape[0]
    assert chosen.scores.shape == (2, count)
    assert count <= COUNT
    assert all(value.isfinite().all() for value in vars(chosen).values() if isinstance(value, Tensor))


def test_nothing_is_proposed_in_frames_that_are_not_wanted(path: CandidatePath, backbone: TinyBackbone) -> None:
    frames = torch.rand(2, 3, 3, 64, 96)
    every, some = propose(path, backbone, frames), propose(path, backbone, frames, [COUNT, 0, COUNT])
    for video, things in enumerate(some):
        assert things[1] is None
        for t in (0, 2):
            found, expected = things[t], every[video][t]
            assert found is not None
            assert expected is not None
            torch.testing.assert_close(found[0].mask_logits, expected[0].mask_logits, rtol=1e-4, atol=1e-4)
    assert propose(path, backbone, frames, [0] * 3) == [[None] * 3] * 2


def test_a_picture_may_have_more_things_than_a_frame_of_a_video(
    path: CandidatePath, backbone: TinyBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing counts as a repetition.
    monkeypatch.setattr(path.head, "select", partial(path.head.select, overlap=1.0))
    frames = torch.rand(1, 2, 3, 64, 96)
    few, many = propose(path, backbone, frames, [2, 2 * COUNT])[0]
    assert len(few[0].positions) == 2
    assert len(many[0].positions) == 2 * COUNT
    assert torch.equal(many[0].positions[:COUNT], propose(path, backbone, frames)[0][1][0].positions)
    text = make_text(backbone, "a red car")
    assert choose(path, [many], text).scores.shape == (1, 2 * COUNT)
    assert choose(path, [few, few], text).scores.shape[1] <= COUNT


def test_frames_are_proposed_one_by_one(path: CandidatePath, backbone: TinyBackbone) -> None:
    frames = torch.rand(2, 2, 3, 64, 96)
    together, alone = propose(path, backbone, frames), propose(path, backbone, frames[1:, 1:])
    (first, described), (second, again) = together[1][1], alone[0][0]
    torch.testing.assert_close(first.mask_logits, second.mask_logits, atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(described.looks, again.looks, atol=1e-2, rtol=1e-2)


def test_candidates_keep_all_digits_under_autocast(path: CandidatePath, backbone: TinyBackbone) -> None:
    frames = torch.rand(1, 2, 3, 64, 96)
    with torch.autocast("cpu", torch.bfloat16):
        things = propose(path, backbone, frames)
        chosen = choose(path, things[0], make_text(backbone, "it"))
    for candidates, descriptors in things[0]:
        assert candidates.mask_logits.dtype == torch.float32
        assert {value.dtype for value in vars(descriptors).values()} == {torch.float32}
    assert chosen.mask_logits.dtype == torch.float32
    assert chosen.mask_logits.isfinite().all()


def test_classes_are_named_before_training(backbone: TinyBackbone) -> None:
    path = CandidatePath(tiny_config(candidates=COUNT), backbone)
    assert not path.class_names.any()
    path.name_classes(backbone)
    assert path.class_names.shape == (len(CLASS_NAMES), backbone.shared_width)
    torch.testing.assert_close(path.class_names.norm(dim=-1), torch.ones(len(CLASS_NAMES)))
    sentence = backbone.encode_text(backbone.tokenize([f"the {CLASS_NAMES[2]}"]))[0]
    torch.testing.assert_close(path.class_names[2], nn.functional.normalize(sentence, dim=-1), atol=1e-5, rtol=1e-4)


# --- with words ----------------------------------------------------------------------------------------------------
def test_expressions_do_not_influence_each_other(path: CandidatePath, backbone: TinyBackbone) -> None:
    frames = torch.rand(1, 2, 3, 64, 96)
    things, around = propose(path, backbone, frames)[0], surroundings(path, backbone, frames)
    text = make_text(backbone, "a red car", "the small dog that jumps")
    dense = (torch.randn(2, 2, 64, 96), torch.randn(2, 2, 4, 6), torch.randn(2, 2), torch.randn(2))
    together = path.choose(things, text, *dense, surroundings=around)
    for row in (slice(0, 1), slice(1, 2)):
        alone = path.choose(things, text.select(row), *(value[row] for value in dense), surroundings=around)
        for name in ("mask_logits", "presence_logits", "clip_presence_logits", "scores", "none"):
            torch.testing.assert_close(getattr(together, name)[row], getattr(alone, name), atol=1e-4, rtol=1e-4)


def test_identities_go_from_clip_to_clip(
    path: CandidatePath, backbone: TinyBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same frames again: the things are known, and what was said of them counts twice as much at most."""
    # Votes are not remembered.
    monkeypatch.setattr("vlp_rvos.models.candidate_path.DENSE_VOTE", 0.0)
    things = propose(path, backbone, torch.rand(1, 2, 3, 64, 96))[0]
    text = make_text(backbone, "a red car")
    first = choose(path, things, text)
    count = len(first.identities.boxes)
    assert first.identities.weights.tolist() == [1.0] * count
    torch.testing.assert_close(first.identities.scores, first.scores - first.none[:, None])
    # The same scores again: their averages are the same.
    again = choose(path, things, text, first.identities)
    torch.testing.assert_close(again.scores, first.scores, atol=1e-5, rtol=1e-4)
    assert again.identities.weights.tolist() == [2.0] * count
    # Other scores in the clips before: the weights are 3 before, of which 2 count, and 1 now.
    earlier = replace(
        first.identities, scores=first.identities.scores + 3.0, weights=torch.full_like(first.identities.weights, 3.0)
    )
    changed = choose(path, things, text, earlier)
    torch.testing.assert_close(changed.scores, first.scores + 2.0, atol=1e-4, rtol=1e-4)
    assert changed.identities.weights.tolist() == [4.0] * count


def test_things_that_are_new_have_no_memory(path: CandidatePath, backbone: TinyBackbone) -> None:
    things = propose(path, backbone, torch.rand(1, 2, 3, 64, 96))[0]
    text = make_text(backbone, "a red car")
    first = choose(path, things, text)
    elsewhere = replace(
        first.identities,
        boxes=first.identities.boxes + 5,
        looks=torch.zeros_like(first.identities.looks),
        scores=first.identities.scores + 9,
    )
    found = choose(path, things, text, elsewhere)
    assert torch.equal(found.scores, first.scores)
    assert set(found.identities.weights.tolist()) == {1.0}


def test_presence_at_first_is_how_much_things_fit_better_than_none(path: CandidatePath, backbone: TinyBackbone) -> None:
    with torch.no_grad():
        path.calibration.copy_(torch.tensor([1.0, 0, 0, 0]))
    things = propose(path, backbone, torch.rand(1, 2, 3, 64, 96))[0]
    chosen = choose(path, things, make_text(backbone, "a red car"))
    expected = chosen.identities.scores.logsumexp(-1)
    torch.testing.assert_close(chosen.clip_presence_logits, expected)
    torch.testing.assert_close(chosen.presence_logits, expected[:, None].expand(-1, 2))


@pytest.mark.parametrize(("way", "share"), [(0.0, 0.0), (0.1, 0.4), (-0.1, 0.4), (0.25, 1.0), (3.0, 1.0)])
def test_the_dense_head_votes_where_things_move(way: float, share: float) -> None:
    motion, evidence = torch.zeros(3, MOTION), torch.rand(2, 3, EVIDENCE)
    motion[1, RELATIVE_WAY.start + 1] = way
    # Something that is hardly a thing jumps about.
    motion[2, RELATIVE_WAY] = 4.0
    objectness = torch.tensor([0.5, 0.4, 0.2])
    # All move in the same way, as when the camera turns.
    motion[:, 0] = 0.8
    torch.testing.assert_close(dense_votes(motion, objectness, evidence), share * DENSE_VOTE * evidence[..., OVERLAP])


def test_votes_change_which_thing_is_meant_but_not_whether_one_is(
    path: CandidatePath, backbone: TinyBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Unsure things have no vote.
    nn.init.ones_(path.head.objectness.bias)
    things = propose(path, backbone, torch.rand(1, 2, 3, 64, 96))[0]
    text = make_text(backbone, "a red car")
    found = []
    for vote in (0.0, 6.0):
        monkeypatch.setattr("vlp_rvos.models.candidate_path.DENSE_VOTE", vote)
        found.append(choose(path, things, text))
    without, with_votes = found
    assert without.tracks.objectness.amax() > SURE
    votes = with_votes.scores - without.scores
    assert votes.amin() > -1e-4
    assert 0.1 < votes.amax() < 6
    assert torch.equal(with_votes.presence_logits, without.presence_logits)
    assert torch.equal(with_votes.identities.scores, without.identities.scores)
    # In a single frame nothing moves.
    alone = choose(path, things[:1], text)
    torch.testing.assert_close(alone.scores, alone.identities.scores + alone.none[:, None])


def test_what_is_meant_is_redrawn(path: CandidatePath, backbone: TinyBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.rand(1, 2, 3, 64, 96)
    things, around = propose(path, backbone, frames)[0], surroundings(path, backbone, frames)
    masks = torch.stack([things[0][0].mask_logits] * 2)
    count = masks.shape[1]
    members = torch.zeros(2, count)
    members[0, 1] = members[1, 2] = 1.0
    members[1, 1] = 0.9
    redrawn = path.redraw(masks, around)
    for found, meant in zip(path._redraw_chosen(masks, members, around), [{1}, {1, 2}], strict=True):
        for k in range(count):
            assert torch.equal(found[:, k], (redrawn if k in meant else masks)[:, k])
    assert not torch.equal(redrawn[:, 1], masks[:, 1])
    monkeypatch.setattr("vlp_rvos.models.candidate_path.MOST_REDRAWN", 1)
    _, found = path._redraw_chosen(masks, members, around)
    assert torch.equal(found[:, 2], redrawn[:, 2])
    assert torch.equal(found[:, 1], masks[:, 1])
    assert [own is masks for own in path._redraw_chosen(masks, members, None)] == [True, True]
    monkeypatch.setattr(path, "refinement", None)
    assert [own is masks for own in path._redraw_chosen(masks, members, around)] == [True, True]
    assert path.surroundings(frames, {}) is None


def test_the_number_decides_how_many_belong(path: CandidatePath, backbone: TinyBackbone) -> None:
    things = propose(path, backbone, torch.rand(1, 2, 3, 64, 96))[0]
    nn.init.zeros_(path.number.value.weight)
    found = []
    for count in (0, COUNTS - 1):
        with torch.no_grad():
            path.number.value.bias.copy_(40.0 * F.one_hot(torch.tensor(count), COUNTS))
        found.append(choose(path, things, make_text(backbone, "a red car", "both dogs")))
    assert torch.equal(found[0].scores, found[1].scores)
    one, several = (chosen.members.part for chosen in found)
    torch.testing.assert_close(one.amax(1), several.amax(1))
    assert (one <= several).all()
    assert (one < several).any()


def test_files_of_before_number_mean_what_they_meant(path: CandidatePath, backbone: TinyBackbone) -> None:
    """One slope and one offset served all expressions."""
    state = {f"candidate_path.{name}": value for name, value in path.state_dict().items()}
    assert upgraded(state) is state
    earlier = {name: value for name, value in state.items() if not name.startswith("candidate_path.number.")}
    slope, offset = torch.tensor(1.2), torch.tensor(2.5)
    earlier |= {"candidate_path.agreement.slope": slope, "candidate_path.agreement.offset": offset}
    path.load_state_dict({name.removeprefix("candidate_path."): value for name, value in upgraded(earlier).items()})
    chosen = choose(path, propose(path, backbone, torch.rand(1, 2, 3, 64, 96))[0], make_text(backbone, "both dogs"))
    gap = chosen.scores - chosen.scores.amax(-1, keepdim=True)
    torch.testing.assert_close(chosen.members.part, (slope * gap + offset).sigmoid())
    assert upgraded({"something": slope}) == {"something": slope}


def test_files_of_before_numbers_above_one_mean_what_they_meant(path: CandidatePath, backbone: TinyBackbone) -> None:
    """The one logit was that of several things."""
    state = {f"candidate_path.{name}": value for name, value in path.state_dict().items()}
    weight, bias = torch.randn(1, path.number.value.in_features), torch.tensor([0.7])
    earlier = {**state, "candidate_path.number.value.weight": weight, "candidate_path.number.value.bias": bias}
    path.load_state_dict({name.removeprefix("candidate_path."): value for name, value in upgraded(earlier).items()})
    text = make_text(backbone, "both dogs", "it")
    words = path.number.norm(text.words)
    attention = path.number.query(words)[..., 0].masked_fill(~text.mask, float("-inf")).softmax(-1)
    several = ((attention[..., None] * words).sum(1) @ weight.T + bias).sigmoid()
    torch.testing.assert_close(more_than(path.number(text)), F.pad(several, (0, COUNTS - 2)))


@pytest.mark.parametrize(
    ("weight", "bias"), [((), (1,)), ((1,), (1,)), ((1, 24), ()), ((1, 24), (0,)), ((2, 24), (2,))]
)
def test_numbers_of_strange_shapes_are_left_to_the_check_of_shapes(
    path: CandidatePath, weight: tuple[int, ...], bias: tuple[int, ...]
) -> None:
    state = {f"candidate_path.{name}": value for name, value in path.state_dict().items()}
    names = ("candidate_path.number.value.weight", "candidate_path.number.value.bias")
    state |= dict(zip(names, (torch.zeros(weight), torch.zeros(bias)), strict=True))
    assert upgraded(state) is state


def test_files_that_fit_nothing_stay_as_they_are(path: CandidatePath) -> None:
    state = {f"candidate_path.{name}": value for name, value in path.state_dict().items()}
    earlier = {name: value for name, value in state.items() if not name.startswith("candidate_path.number.")}
    slope = torch.tensor(1.2)
    earlier |= {"candidate_path.agreement.slope": slope, "candidate_path.agreement.offset": slope}
    # What does not fit is left to the check of all shapes.
    assert upgraded({**earlier, "candidate_path.choice.word.0.weight": slope}).keys() == state.keys()


def test_no_expressions_about_a_video(path: CandidatePath, backbone: TinyBackbone) -> None:
    things = propose(path, backbone, torch.rand(1, 2, 3, 64, 96))[0]
    chosen = choose(path, things, make_text(backbone, "it").select(slice(0, 0)))
    assert chosen.mask_logits.shape == (0, 2, 64, 96)
    assert chosen.presence_logits.shape == (0, 2)
    assert chosen.identities.scores.shape[0] == 0


# --- configs that do not fit ---------------------------------------------------------------------------------------
def test_backbones_without_named_maps_are_refused() -> None:
    for other in (TinyBackbone(), TinyBackbone(pyramid=True)):
        with pytest.raises(
            UserError, match=r"candidates 6 do not fit tiny: it has no frozen maps of strides 4, 8, 16, 32"
        ):
            VLPRVOS(other, tiny_config(candidates=COUNT))
    for name in ("clip-b16", "vlmo-b"):
        with torch.device("meta"):
            other = random_backbone(name)
        with pytest.raises(UserError, match=f"do not fit {name}: .*set candidates to 0"), torch.device("meta"):
            VLPRVOS(other, ModelConfig.preset(name).replace(candidates=COUNT))


@pytest.mark.parametrize("part", ["score_map", "presence"])
def test_parts_that_candidates_need(part: str) -> None:
    with pytest.raises(UserError, match="candidates 6 need score_map and presence"):
        tiny_config(candidates=COUNT, **{part: False})
    assert tiny_config(candidates=0, **{part: False}).candidates == 0
