"""Clips composed of videos, stills and cut-outs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from coco_folder import Shape, write_coco
from training_data import COLOURS, write_parts

from vlp_rvos.data.language.invariance import mentions_motion
from vlp_rvos.data.mixture import Mixture, build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.data.synthesis.scene_clip import SceneClip


def test_twins_differ_in_motion_only(config: MixtureConfig) -> None:
    changed = replace(config, sources=(Source("stills", "stills"),), hold_out=(), twins=1.0, absent=0.0, clip_length=6)
    mixture = build_mixture(changed)
    told = 0
    for index in range(20):
        sample = mixture.sample(index)
        pasted = [text for text, kind in zip(sample.expressions, sample.kinds, strict=True) if kind == "pasted"]
        # "a dog" is enough where nothing else could be meant.
        told += sum(mentions_motion(text) for text in pasted)
        assert all(mentions_motion(text) or not re.search("left|right|middle|red|blue|green", text) for text in pasted)
    assert told > 10


def test_riders_and_what_they_ride_are_two_objects(tmp_path: Path) -> None:
    shapes = [Shape("person", (20, 10, 60, 80), COLOURS[0]), Shape("bicycle", (90, 20, 150, 70), COLOURS[1])]
    write_coco(tmp_path, [shapes] * 4)
    config = MixtureConfig(
        str(tmp_path), (Source("stills", "."),), height=64, width=96, mounted=1.0, hold_out_share=0.0, absent=0.0
    )
    mixture = build_mixture(replace(config, clips=1, clip_length=1))
    assert list(mixture.cutouts.mounts) == ["bicycle"]
    pasted = []
    for index in range(12):
        sample = mixture.sample(index)
        masks = [mask for mask, kind in zip(sample.masks, sample.kinds, strict=True) if kind == "pasted"]
        assert all(torch.equal(a, b) or not (a & b).any() for k, a in enumerate(masks) for b in masks[:k])
        pasted += [text for text, kind in zip(sample.expressions, sample.kinds, strict=True) if kind == "pasted"]
    text = " | ".join(pasted)
    assert re.search("person|human|individual", text)
    assert re.search("bicycle|bike|vehicle", text)


def test_several_objects_of_a_video_are_pasted_together(config: MixtureConfig, tmp_path: Path) -> None:
    parts = Source("videos", str(write_parts(Path(config.root) / "videos", tmp_path)), 0.01, images="videos")
    mixture = build_mixture(replace(config, sources=(parts, Source("stills", "stills")), hold_out=(), mounted=1.0))
    moving = mixture.moving_cutouts.draw(3, np.random.default_rng(0), several=True)
    assert moving is not None
    assert sorted(obj.expressions[0] for obj in moving.objects) == ["the hull", "the sail"]
    sample = next(s for s in map(mixture.sample, range(24)) if any("sail" in text for text in s.expressions))
    assert any(kind == "pasted" and "sail" in text for text, kind in zip(sample.expressions, sample.kinds, strict=True))
    assert build_mixture(config).moving_cutouts.draw(3, np.random.default_rng(0), several=True) is None


def compose(mixture: Mixture, seed: int) -> SceneClip:
    return mixture._composer.compose_from_still(mixture.sources.stills[0].bank, (64, 96), np.random.default_rng(seed))


def test_stills_get_cutouts_as_often_as_they_should(config: MixtureConfig) -> None:
    stills = replace(config, sources=(Source("stills", "stills"),), hold_out=())
    for share, expected in ((0.0, {3}), (1.0, {4, 5, 6})):
        mixture = build_mixture(replace(stills, paste_on_stills=share))
        clips = [compose(mixture, seed) for seed in range(30)]
        assert {len(clip.objects) for clip in clips} == expected
        assert all(clip.frames.shape == (6, 3, 64, 96) for clip in clips)
        assert all(set(np.unique(clip.labels)) <= {0, *(k for o in clip.objects for k in o.labels)} for clip in clips)


def test_videos_get_cutouts_that_their_background_does_not_show(config: MixtureConfig) -> None:
    mixture = build_mixture(replace(config, paste_on_videos=1.0))
    source = mixture.sources.videos[0]
    for seed in range(12):
        clip = mixture._composer.compose_from_video(
            source.dataset, source.videos, (64, 96), np.random.default_rng(seed)
        )
        assert clip is not None
        own, *pasted = clip.objects
        assert own.kind == "video"
        assert clip.priority == [0]
        # A car may stand in the background without being annotated.
        assert {obj.category for obj in pasted} == {"dog"}
        assert set(clip.absent_nouns) == {"dog"}


def test_twins_cross_in_opposite_directions(config: MixtureConfig) -> None:
    stills = replace(config, sources=(Source("stills", "stills"),), hold_out=(), twins=1.0)
    clips = [compose(build_mixture(stills), seed) for seed in range(20)]
    twins = [[clip.objects[k] for k in clip.priority] for clip in clips]
    assert all(len(pair) == 2 and pair[0].category == pair[1].category for pair in twins)
    assert all(obj.told_by == "motion" for pair in twins for obj in pair)
    opposite = [a.motion.dx * b.motion.dx < 0 for a, b in twins if a.motion is not None and b.motion is not None]
    assert sum(opposite) > 10
