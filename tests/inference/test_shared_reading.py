"""Several groups over one video: each gets what it would get alone, and what nobody wants is not computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import noise, write_video
from segmenters import same_results
from stubs import tiny_model

from vlp_rvos import FrameResult, Segmenter
from vlp_rvos.inference.shared_reading import segment_together
from vlp_rvos.media.video_reader import open_video

GROUPS = [["a dog"], ["a red car", "the person on the left"], ["a cat"]]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "dog.mp4", noise(7))


@pytest.mark.parametrize("images", [True, False])
def test_each_group_gets_what_it_would_get_alone(video: Path, images: bool) -> None:
    # With the usual threshold, the masks of random weights are empty.
    segmenter = Segmenter(tiny_model(), threshold=0.2, presence_threshold=0.0)
    found: list[list[FrameResult]] = [[], [], []]
    for i, results in segment_together(segmenter, open_video(video), GROUPS, images=images):
        found[i] += results
    for group, results in zip(GROUPS, found, strict=True):
        assert same_results(results, list(segmenter.segment(video, group, images=images)))
    assert not np.array_equal(found[0][0].masks, found[2][0].masks)


def test_frames_are_embedded_once(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, count = Segmenter(tiny_model()), 0
    embed = segmenter.runtime.embed

    def counted(frames: object, *proposed: object) -> object:
        nonlocal count
        count += 1
        return embed(frames, *proposed)  # type: ignore[arg-type]

    segmenter.runtime.embedding_cost = 1.0
    monkeypatch.setattr(segmenter.runtime, "embed", counted)
    for _, results in segment_together(segmenter, open_video(video), GROUPS):
        list(results)
    assert count == 7


def test_a_group_that_is_not_wanted_any_more_costs_nothing(video: Path) -> None:
    wanted, seen = {0, 1, 2}, []
    clips = segment_together(Segmenter(tiny_model()), open_video(video), GROUPS, is_wanted=lambda i: i in wanted)
    for i, results in clips:
        seen.append((i, [result.index for result in results]))
        wanted.discard(i)
    assert seen == [(0, [0, 1, 2]), (1, [0, 1, 2]), (2, [0, 1, 2])]
