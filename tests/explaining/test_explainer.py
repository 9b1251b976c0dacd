"""What is explained are the masks of `Segmenter.segment`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from candidate_runs import small_model
from clips import frames, write_video
from stubs import tiny_model

from vlp_rvos import Segmenter
from vlp_rvos.errors import UserError
from vlp_rvos.explaining.explainer import explain
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.runtimes.runtime import Runtime

WORDS = ["the dog that jumps", "a red car"]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "dog.mp4", frames(7))


@pytest.mark.parametrize("candidates", [True, False])
def test_masks_are_those_of_the_segmenter(video: Path, candidates: bool) -> None:
    segmenter = Segmenter(small_model() if candidates else tiny_model(), presence_threshold=0.0)
    expected = list(segmenter.segment(video, WORDS))
    found = list(explain(segmenter, open_video(video), WORDS))
    assert len(found) == len(expected) == 7
    for (result, explanations), other in zip(found, expected, strict=True):
        assert np.array_equal(result.masks, other.masks)
        assert [each.expression for each in explanations] == WORDS
        for e, each in enumerate(explanations):
            assert each.presence == pytest.approx(float(other.presences[e]), abs=1e-6)
            assert np.array_equal(each.mask, other.masks[e])
            assert [word.text for word in each.words] == WORDS[e].split()
            assert all(
                0 < sum(word.attention[part] for word in each.words) <= 1.001 for part in ("fusion", "reasoning")
            )
            assert each.score_map is not None
            assert 0 <= each.score_map.min() <= each.score_map.max() <= 1
            assert each.has_candidates == candidates
            assert (each.none is None) != candidates
            scores = [candidate.score for candidate in each.candidates]
            assert scores == sorted(scores, reverse=True)
            assert bool(scores) == candidates


def test_a_thing_that_is_followed_keeps_its_number() -> None:
    """The same picture again and again: the things of the second clip are those of the first."""
    segmenter = Segmenter(small_model())
    from vlp_rvos.media.frame_arrays import ArraySource

    picture = frames(1, (96, 64))[0]
    length = segmenter.config.clip_length
    found = [each[0] for _, each in explain(segmenter, ArraySource([picture] * (length + 1)), "it")]
    first, second = ({c.number: c.objectness for c in found[t].candidates} for t in (0, length))
    assert first
    assert first.keys() == second.keys()
    assert all(first[number] == pytest.approx(second[number], abs=1e-3) for number in first)


def test_exported_models_are_refused(video: Path) -> None:
    class Exported(Runtime):
        config, size_multiple = tiny_model().config, 16
        encode_text = step = None  # type: ignore[assignment]

    with pytest.raises(UserError, match=r"^custom: an exported model gives its masks alone"):
        explain(Segmenter(Exported()), open_video(video), WORDS)  # type: ignore[abstract]


@pytest.mark.parametrize("threshold", [0.066, 0.1, 0.4])
def test_a_threshold_counts_as_halved_only_where_it_is(video: Path, threshold: float) -> None:
    """Thresholds are compared in one number format: nothing was found before the first clip."""
    segmenter = Segmenter(tiny_model(), presence_threshold=threshold)
    _, (first, *_) = next(explain(segmenter, open_video(video), WORDS))
    assert first.threshold == first.usual_threshold == pytest.approx(threshold)
