from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

from vlp_rvos.data.outlined_pictures import GENERATED
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.models.descriptors import Descriptors
from vlp_rvos.training.choice_features import PictureFeatures
from vlp_rvos.training.choice_samples import ChoiceSamples, join_phrases, join_pictures
from vlp_rvos.training.stage_config import ChoiceStage

WIDTHS = {
    "looks": (4,),
    "names": (2, 3),
    "classes": (80,),
    "geometry": (12,),
    "colours": (15,),
    "surroundings": (4,),
    "parts": (16, 5),
    "motion": (7,),
}
STAGE = ChoiceStage(pictures=2, expressions=3, generated_in_step=1, evidence_dropout=0.0)


def picture(
    name: str, spoken: list[tuple[str, list[str]]], made: list[tuple[str, list[str]]] | None = None, source: int = 0
) -> PictureFeatures:
    """Two candidates, which are the things "1" and "2"."""
    said = [(text, ids, "expressions") for text, ids in spoken]
    said += [(text, ids, GENERATED) for text, ids in made or []]
    nothing = torch.zeros(0, 2, 2)
    return PictureFeatures(
        name,
        source,
        False,
        {key: torch.ones(2, *shape, dtype=torch.float16) for key, shape in WIDTHS.items()},
        2,
        {"1": [(0, 0.9)], "2": [(1, 0.8)]},
        said,
        torch.arange(len(spoken), dtype=torch.float16)[:, None, None].expand(-1, 2, 8),
        torch.zeros(len(spoken), 2),
        nothing,
        nothing,
        nothing,
    )


def phrases(*pictures: PictureFeatures) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    texts = {text for one in pictures for text, _, _ in one.expressions}
    return {text: (torch.ones(len(text.split()), 4), torch.ones(3)) for text in texts}


def test_pictures_are_filled_up_and_evidence_is_found_by_the_text() -> None:
    one = picture("a", [("the red car", ["1"]), ("no bus", [])], [("both", ["1", "2"])])
    batch = join_pictures(
        [one, one],
        [[("no bus", []), ("both", ["1", "2"])], [("the red car", ["1"])]],
        phrases(one),
        4,
        [[False, False], [True]],
    )
    assert batch.present.tolist() == [[True, True, False, False]] * 2
    assert batch.candidates.parts.shape == (2, 4, 16, 5)
    assert batch.picture_of.tolist() == [0, 0, 1]
    assert batch.targets.tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]]
    assert batch.evidence[0, :, 0].tolist() == [1, 1, 0, 0]
    assert batch.evidence[1:].isnan().all(), "not known for what is generated, and hidden for the last one"
    assert batch.text.mask.tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    assert isinstance(batch.to(torch.device("cpu")).candidates, Descriptors)


def test_phrases_of_different_lengths_are_joined() -> None:
    joined = join_phrases([(torch.ones(1, 4), torch.zeros(3)), (torch.ones(3, 4), torch.ones(3))])
    assert joined.words.sum(-1).tolist() == [[4, 0, 0], [4, 4, 4]]
    assert joined.sentence.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_a_step_takes_some_of_what_is_said_and_is_made_of_its_number_alone() -> None:
    spoken = [(f"spoken {k}", ["1"]) for k in range(6)]
    made = [(f"made {k}", ["2"]) for k in range(6)]
    pictures = [picture(name, spoken, made) for name in "abc"]
    samples = ChoiceSamples(pictures, [PictureSource("p")], STAGE, phrases(*pictures), 3, seed=1)
    batch = samples.draw(5)
    # Two of people and one that is made, of each of two pictures.
    assert batch.picture_of.tolist() == [0, 0, 0, 1, 1, 1]
    assert batch.targets.argmax(1).tolist() == [0, 0, 1, 0, 0, 1]
    again = ChoiceSamples(pictures, [PictureSource("p")], STAGE, phrases(*pictures), 3, seed=1)
    assert torch.equal(again.draw(5).text.words, batch.text.words)
    assert torch.equal(again.draw(5).evidence.nan_to_num(9), batch.evidence.nan_to_num(9))


def test_expressions_about_things_that_no_candidate_is_are_left_out() -> None:
    one = picture("a", [("a car", ["9"]), ("no bus", [])])
    samples = ChoiceSamples([one], [PictureSource("p")], STAGE, phrases(one), 2, seed=0)
    for step in range(4):
        assert samples.draw(step).targets.tolist() == [[0, 0]]


def test_sources_are_drawn_by_their_weights_and_undescribed_pictures_less_often() -> None:
    pictures = [
        picture("described", [("a", ["1"])]),
        picture("undescribed", [], [("b", ["1"])]),
        picture("other", [], [("c", ["1"])], source=1),
        picture("silent", [], source=1),
    ]
    sources = [PictureSource("p", weight=3), PictureSource("q", weight=1)]
    samples = ChoiceSamples(pictures, sources, replace(STAGE, undescribed=0.5), phrases(*pictures), 2, seed=0)
    shares = dict(zip([one.name for one in samples.pictures], samples.shares, strict=True))
    assert shares == pytest.approx({"described": 0.5, "undescribed": 0.25, "other": 0.25})
    with pytest.raises(ValueError, match="nothing is said"):
        ChoiceSamples(pictures[3:], sources, STAGE, {}, 2, seed=0)


def test_foreign_expressions_are_true_of_nothing() -> None:
    pictures = [picture("a", [("a cat", ["1"])]), picture("b", [("a dog", ["1"])])]
    samples = ChoiceSamples(pictures, [PictureSource("p", foreign=1.0)], STAGE, phrases(*pictures), 2, seed=0)
    counts: Counter[bool] = Counter()
    for step in range(20):
        batch = samples.draw(step)
        counts.update(batch.targets.any(1).tolist())
    assert counts[True] == 40
    # Half of what is drawn is the picture's own, and left out.
    assert 5 < counts[False] < 35


def test_what_may_be_true_of_a_picture_is_not_said_of_it_as_foreign() -> None:
    pictures = [picture("a", [("a brown bird", ["1"])]), picture("b", [("two white birds on a wire", ["1"])])]
    samples = ChoiceSamples(pictures, [PictureSource("p", foreign=1.0)], STAGE, phrases(*pictures), 2, seed=0)
    assert all(samples.draw(step).targets.any(1).all() for step in range(10))


def test_something_must_be_said_of_candidates() -> None:
    missed = picture("a", [("the bird", ["3"])], [("the birds", ["3", "4"])])
    with pytest.raises(ValueError, match="no candidate is what is said of any picture"):
        ChoiceSamples([missed], [PictureSource("x")], STAGE, phrases(missed), 4, 0)
