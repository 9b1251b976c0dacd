"""Pictures, frames and clips with outlines and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from candidate_runs import PICTURES, VIDEOS, opened

from vlp_rvos.data.outlined_pictures import GENERATED, mirrored_text
from vlp_rvos.data.sources.described_pictures import PictureExpression


def test_pictures_have_outlines_and_what_people_say(root: Path) -> None:
    (found,) = opened(root, replace(PICTURES, hold_out_share=0.0))
    assert [picture.name for picture in found.training] == [f"picture{k}.png" for k in range(1, 9)]
    picture = found.training[0]
    loaded = picture.load()
    assert loaded.pixels.shape == (90, 160, 3)
    assert loaded.masks.shape == (2, 90, 160)
    assert (loaded.ids, loaded.crowd) == (("1", "2"), (False, False))
    assert ("both cars", ("1", "2")) in [(x.text, x.thing_ids) for x in picture.expressions]
    assert [x.thing_ids for x in picture.expressions if x.text == "the bus"] == [()]
    assert not found.training[-1].expressions


def test_generated_expressions_are_about_the_mirror_image_where_it_is_asked_for(root: Path) -> None:
    picture = opened(root, replace(PICTURES, hold_out_share=0.0))[0].training[0]
    assert picture.generate(np.random.default_rng(0), 0) == []
    for mirrored, on_the_left in ((False, "1"), (True, "2")):
        made = picture.generate(np.random.default_rng(0), 40, mirrored=mirrored)
        assert {x.origin for x in made} == {GENERATED}
        left = {x.thing_ids for x in made if x.text in ("the car on the left", "the left car")}
        assert left == {(on_the_left,)}


def test_the_mirror_image_exchanges_left_and_right(root: Path) -> None:
    picture = opened(root, replace(PICTURES, hold_out_share=0.0))[0].training[0]
    loaded = picture.load()
    mirrored = loaded.mirrored()
    assert np.array_equal(mirrored.masks[0][:, ::-1], loaded.masks[0])
    assert np.array_equal(mirrored.pixels[:, ::-1], loaded.pixels)
    said = mirrored_text([PictureExpression("the car left of the leftmost tree", ("1",), "expressions")])
    assert said == [PictureExpression("the car right of the rightmost tree", ("1",), "expressions")]


def test_frames_of_videos_are_pictures(root: Path) -> None:
    (found,) = opened(root, VIDEOS)
    assert [picture.name for picture in found.training] == ["duck/00000", "duck/00006", "boat/00000", "boat/00006"]
    duck = found.training[0]
    loaded = duck.load()
    assert (loaded.ids, loaded.masks.shape, int(loaded.masks.sum())) == (("1",), (1, 72, 128), 900)
    said = [(x.text, x.thing_ids) for x in duck.expressions]
    assert said == [("a duck", ("1",)), ("the duck moving to the left", ("1",)), ("the swan", ())]
    assert duck.generate(np.random.default_rng(0), 5) == []


def test_clips_of_videos_have_a_mask_for_each_expression(root: Path) -> None:
    (root / "videos" / "Annotations" / "duck" / "00002.png").unlink()
    clip = opened(root, VIDEOS)[0].clips[0]
    assert clip.frames == ("00000", "00002", "00004", "00006", "00008", "00010")
    sample = clip.load(lambda height, width: (height // 2, width // 2))
    assert sample.frames.shape == (6, 3, 36, 64)
    assert sample.expressions == ["a duck", "the duck moving to the left", "the swan"]
    assert sample.masks.flatten(2).sum(2)[:, 0].tolist() == [225, 225, 0]
    assert sample.supervised is not None
    assert sample.supervised[0].tolist() == [True, False, True, True, True, True]
