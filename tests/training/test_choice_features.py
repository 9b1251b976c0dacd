from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from candidate_runs import PICTURES, small_model, write_pictures
from training_runs import CONFIG, Squares

from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.outlined_pictures import GENERATED, OutlinedPicture
from vlp_rvos.data.picture_sources import open_pictures
from vlp_rvos.models.descriptors import describe
from vlp_rvos.training.candidate_stage import path_of, picture_frames, read_frozen
from vlp_rvos.training.choice_features import (
    PictureFeatures,
    clip_features,
    encode_phrases,
    matching,
    picture_features,
)


@pytest.fixture
def picture(tmp_path: Path) -> OutlinedPicture:
    write_pictures(tmp_path)
    (source,) = open_pictures([replace(PICTURES, hold_out_share=0.0)], MixtureConfig(root=str(tmp_path)))
    return source.training[0]


def features(picture: OutlinedPicture, **changes: object) -> PictureFeatures:
    settings: dict[str, object] = {
        "held_out": False,
        "mirrored": False,
        "varied": False,
        "generated": 4,
        "as_spoken": False,
        "inserted": 8,
        "with_masks": True,
        "rng": np.random.default_rng(0),
        "autocast": nullcontext,
    }
    return picture_features(small_model(), picture, 3, **{**settings, **changes})  # type: ignore[arg-type]


def test_missed_things_are_inserted_in_training_and_only_there(picture: OutlinedPicture) -> None:
    """The random head finds neither car."""
    found = features(picture)
    assert found.source == 3
    assert len(found.descriptors["looks"]) == found.found + 2
    assert found.rows == {"1": [(found.found, 1.0)], "2": [(found.found + 1, 1.0)]}
    assert len(features(picture, inserted=1).rows) == 1
    held_out = features(picture, held_out=True)
    assert held_out.rows == {}
    assert len(held_out.descriptors["looks"]) == held_out.found


def test_what_people_say_comes_first_and_has_evidence(picture: OutlinedPicture) -> None:
    found = features(picture)
    origins = [origin for _, _, origin in found.expressions]
    assert origins[:6] == ["expressions"] * 6
    assert set(origins[6:]) == {GENERATED}
    assert found.evidence.shape == (6, found.found + 2, 8)
    assert found.presence.shape == (6, 2)
    assert found.truth.shape == found.dense_logits.shape
    # "both cars" means all of both; an absent expression nothing.
    both, one = (next(e for e, x in enumerate(found.expressions) if x[0] == text) for text in ("both cars", "the bus"))
    red, blue = (next(e for e, x in enumerate(found.expressions) if x[1] == [i]) for i in ("1", "2"))
    assert torch.equal(found.truth[both], torch.maximum(found.truth[red], found.truth[blue]))
    assert not found.truth[one].any()


def test_the_mirror_image_has_mirrored_words_and_no_evidence(picture: OutlinedPicture) -> None:
    found = features(picture, mirrored=True)
    assert ("the car on the right", ["1"], "expressions") in found.expressions
    assert len(found.evidence) == 0
    # Left of the middle before, right of it now: the sixth number of the geometry.
    (row, _), *_ = found.rows["1"]
    (there, _), *_ = features(picture).rows["1"]
    before = features(picture).descriptors["geometry"][there, 6]
    assert found.descriptors["geometry"][row, 6].item() == pytest.approx(-before.item(), abs=0.02)


def test_generated_expressions_may_take_the_place_of_those_of_people(picture: OutlinedPicture) -> None:
    picture.expressions = ()
    found = features(picture, as_spoken=True)
    assert 0 < len(found.expressions) <= 4
    assert len(found.evidence) == len(found.expressions)
    assert GENERATED not in {origin for _, _, origin in found.expressions}


def test_without_masks_nothing_else_is_lost(picture: OutlinedPicture) -> None:
    whole = features(picture)
    light = whole.without_masks()
    assert [len(value) for value in (light.mask_logits, light.dense_logits, light.truth)] == [0, 0, 0]
    assert light.expressions == whole.expressions
    again = features(picture, with_masks=False)
    assert len(again.truth) == 0
    assert torch.equal(again.evidence, whole.evidence)


def test_what_is_learned_from_is_what_the_model_sees(picture: OutlinedPicture) -> None:
    """The features equal what the model computes when it is used."""
    model = small_model()
    with torch.no_grad():
        embedded = model.embed(picture_frames(model, picture.load().pixels))
        assert embedded.things is not None
        candidates, descriptors = embedded.things[0][0]
    found = features(picture, held_out=True)
    assert found.found == len(candidates.objectness)
    for name, value in vars(descriptors).items():
        assert torch.allclose(found.descriptors[name].float(), value, atol=2e-2, rtol=1e-2), name
    assert torch.allclose(found.mask_logits.float(), candidates.mask_logits, atol=2e-2, rtol=1e-2)


def test_frozen_maps_are_those_of_the_model(picture: OutlinedPicture) -> None:
    model = small_model()
    path = path_of(model)
    frames = picture_frames(model, picture.load().pixels)
    seen = read_frozen(model, frames)
    with torch.no_grad():
        candidates = path.head.select(path.head(seen.maps, seen.distances), 0, path.count)
        described = describe(seen.frame(0), path.class_names, (candidates.mask_logits > 0).float())
        embedded = model.embed(frames)
    assert embedded.things is not None
    torch.testing.assert_close(described.looks, embedded.things[0][0][1].looks)


def test_clips_are_followed_and_expressions_take_the_place_of_things() -> None:
    sample = Squares(replace(CONFIG.data, clips=1, clip_length=3, height=64, width=64)).sample(1)
    sample.masks[0] = True  # whatever covers the frame is meant
    found = clip_features(small_model(), sample, "clip", 2, autocast=nullcontext)
    assert (found.name, found.source, found.held_out) == ("clip", 2, False)
    assert found.expressions == [
        ("the white square", ["the white square"], "there"),
        ("the red circle", [], "absent"),
    ]
    assert found.evidence.shape[:2] == (2, found.found)
    assert set(found.rows) <= {"the white square"}
    assert len(found.descriptors["motion"]) == found.found


@pytest.mark.parametrize(
    ("overlaps", "expected"),
    [
        # Two good candidates count for one thing; a rough one does not where there are good ones.
        ([[0.6, 0.9, 0.4]], [[True, True, False]]),
        # Without a good one, the best counts if it is not too bad.
        ([[0.35, 0.45, 0.0]], [[False, True, False]]),
        ([[0.29, 0.1, 0.0]], [[False, False, False]]),
        # A rough candidate belongs to the thing that it fits best.
        ([[0.45, 0.31], [0.6, 0.0]], [[False, False], [True, False]]),
        ([[0.45, 0.0], [0.4, 0.0]], [[True, False], [False, False]]),
    ],
)
def test_which_candidates_are_taken_for_which_thing(overlaps: list[list[float]], expected: list[list[bool]]) -> None:
    assert matching(torch.tensor(overlaps)).tolist() == expected


def test_nothing_matches_where_there_is_nothing() -> None:
    assert matching(torch.zeros(0, 4)).shape == (0, 4)
    assert matching(torch.zeros(2, 0)).shape == (2, 0)


def test_fits_are_relative_to_the_best() -> None:
    one = features_of_rows({"1": [(0, 0.5), (3, 1.0)], "2": [(3, 0.6)]})
    assert one.means(["1"]) == {0: 0.25, 3: 1.0}
    assert one.means(["2"]) == {3: 1.0}
    assert one.means(["1", "2", "3"]) == {0: 0.25, 3: 1.0}
    assert one.means([]) == {}


def features_of_rows(rows: dict[str, list[tuple[int, float]]]) -> PictureFeatures:
    nothing = torch.zeros(0)
    return PictureFeatures("", 0, False, {}, 4, rows, [], nothing, nothing, nothing, nothing, nothing)


def test_phrases_do_not_depend_on_their_company() -> None:
    model = small_model()
    alone = encode_phrases(model, ["the car"])["the car"]
    together = encode_phrases(model, ["the car", "a much longer expression about a car", "the car"])
    assert set(together) == {"the car", "a much longer expression about a car"}
    assert torch.allclose(together["the car"][0], alone[0], atol=1e-3)
    assert torch.allclose(together["the car"][1], alone[1], atol=1e-3)
    assert len(alone[0]) == 4, "start, two words, end"
