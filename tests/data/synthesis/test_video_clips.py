"""Windows of real videos: mirrored and reversed ones say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_data import write_parts

from vlp_rvos.data.language.invariance import mentions_motion
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.data.synthesis.video_clips import draw_video_clip
from vlp_rvos.errors import UserError


@pytest.mark.parametrize("seed", range(12))
def test_mirroring_a_video_swaps_the_words(config: MixtureConfig, seed: int) -> None:
    dataset = YTVOSDataset(Path(config.root) / "videos")
    clip = draw_video_clip(dataset, dataset.videos[0], 8, (64, 96), np.random.default_rng(seed))
    assert clip is not None
    obj, track = clip.objects[0], clip.measure().objects[0].track
    for phrase in obj.expressions:
        if "left" in phrase or "right" in phrase:
            assert (track.displacement[0] < 0) == ("left" in phrase)
    bright = (clip.frames.mean(1) > 170).numpy()
    mask = clip.labels == 1
    assert (bright & mask).sum() > 0.9 * (bright | mask).sum()


def test_backward_videos_mention_no_motion(config: MixtureConfig) -> None:
    dataset = YTVOSDataset(Path(config.root) / "videos")
    said = set()
    for seed in range(40):
        clip = draw_video_clip(dataset, dataset.videos[0], 8, (64, 96), np.random.default_rng(seed))
        assert clip is not None
        said.add(clip.objects[0].expressions)
    assert ("a duck",) in said
    assert said <= {
        ("a duck",),
        ("a duck", "the duck moving to the left"),
        ("a duck", "the duck moving to the right"),
    }


class Brightening(YTVOSDataset):
    """Every frame is brighter than the one before."""

    def load_frame(self, video: str, frame: str) -> np.ndarray:
        return np.full((72, 128, 3), 20 * int(frame), np.uint8)


def test_motion_is_mentioned_where_time_runs_forward(config: MixtureConfig) -> None:
    dataset = Brightening(Path(config.root) / "videos")
    forward = set()
    for seed in range(40):
        clip = draw_video_clip(dataset, dataset.videos[0], 8, (64, 96), np.random.default_rng(seed))
        assert clip is not None
        brightens = bool(clip.frames[-1].mean() > clip.frames[0].mean())
        assert any(mentions_motion(text) for text in clip.objects[0].expressions) == brightens
        forward.add(brightens)
    assert forward == {True, False}


class Growing(YTVOSDataset):
    """The later frames are larger."""

    def load_frame(self, video: str, frame: str) -> np.ndarray:
        return np.zeros((72, 128 + int(frame), 3), np.uint8)


def test_frames_of_different_size_are_refused(config: MixtureConfig) -> None:
    dataset = Growing(Path(config.root) / "videos")
    with pytest.raises(UserError, match="make them one size"):
        draw_video_clip(dataset, dataset.videos[0], 8, (64, 96), np.random.default_rng(0))


def test_short_videos_are_held_at_their_last_frame(config: MixtureConfig) -> None:
    dataset = YTVOSDataset(Path(config.root) / "videos")
    clip = draw_video_clip(dataset, dataset.videos[0], 20, (64, 96), np.random.default_rng(0))
    assert clip is not None
    assert clip.frames.shape == (20, 3, 64, 96)
    assert clip.labels.shape == (20, 64, 96)


def test_annotated_objects_without_expressions_are_rivals_only(config: MixtureConfig, tmp_path: Path) -> None:
    videos = Path(config.root) / "videos"
    dataset = YTVOSDataset(write_parts(videos, tmp_path), videos)
    video = dataset.videos[0]
    video.expressions.pop()
    clip = draw_video_clip(dataset, video, 4, (64, 96), np.random.default_rng(0))
    assert clip is not None
    assert [(obj.labels, obj.referable) for obj in clip.objects] == [({1}, True), ({2}, False)]
    assert all(obj.motion is None and obj.kind == "video" for obj in clip.objects)


def test_windows_without_a_described_object_give_nothing(config: MixtureConfig) -> None:
    dataset = YTVOSDataset(Path(config.root) / "videos")
    video = dataset.videos[0]
    video.expressions.clear()
    assert draw_video_clip(dataset, video, 4, (64, 96), np.random.default_rng(0)) is None
