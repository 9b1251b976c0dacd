"""What is opened, and what of it is held out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from candidate_runs import PICTURES, VIDEOS, opened
from coco_folder import Shape, write_coco

from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.picture_sources import missing_folders
from vlp_rvos.data.sources.described_pictures import PictureExpression
from vlp_rvos.errors import UserError, VLPRVOSWarning


def test_names_decide_what_is_held_out(root: Path) -> None:
    pictures, videos = opened(root, PICTURES, VIDEOS, hold_out=("boat",))
    assert pictures.training
    assert pictures.held_out
    assert len(pictures.training) + len(pictures.held_out) == 8
    assert {picture.name.partition("/")[0] for picture in videos.held_out} == {"boat"}
    assert [clip.video for clip in videos.clips] == ["duck"]


def test_what_is_not_there_is_passed_over(root: Path) -> None:
    sources = (PICTURES, PictureSource("nowhere"), PictureSource("nowhere", "videos"))
    (found,) = opened(root, *sources)
    assert found.source == PICTURES
    assert missing_folders(sources, MixtureConfig(root=str(root))) == [root / "nowhere"]


def test_without_any_source_those_of_the_mixture_are_taken(root: Path) -> None:
    sources = (Source("stills", "described", 2.0), Source("videos", "videos", 1.0))
    pictures, videos = opened(root, PictureSource("nowhere"), sources=sources, hold_out_share=0.0, hold_out=("duck",))
    assert (pictures.source.folder, pictures.source.weight, len(pictures.training)) == ("described", 2.0, 8)
    assert {picture.name.partition("/")[0] for picture in videos.held_out} == {"duck"}


def test_collections_choose_among_the_pictures(root: Path) -> None:
    (found,) = opened(root, replace(PICTURES, collections=("shapes",)), replace(PICTURES, collections=("others",)))
    assert len(found.training) + len(found.held_out) == 8
    with pytest.raises(UserError, match="no picture with an outlined thing is left"):
        opened(root, replace(PICTURES, collections=("others",)))


def test_further_expressions_belong_to_the_source_that_names_them(root: Path) -> None:
    (name, *_) = (picture.name for picture in opened(root, PICTURES)[0].training)
    (root / "more.json").write_text(json.dumps({"images": {name: {"absent": ["the swan"]}}}))
    plain, further = opened(root, PICTURES, replace(PICTURES, expressions=("more.json",)))
    (before,), (after,) = ([p.expressions for p in x.training if p.name == name] for x in (plain, further))
    assert after == (*before, PictureExpression("the swan", (), "more"))
    with pytest.raises(UserError, match=r"nowhere\.json"):
        opened(root, replace(PICTURES, expressions=("nowhere.json",)))


def test_expressions_about_a_folder_without_any_are_not_passed_over_in_silence(root: Path) -> None:
    (root / PICTURES.folder / "expressions.json").unlink()
    (root / "more.json").write_text(json.dumps({"images": {}}))
    with pytest.warns(VLPRVOSWarning, match=r"has no expressions\.json.*more\.json"):
        opened(root, replace(PICTURES, expressions=("more.json",)))


@pytest.mark.parametrize("said", ["the swan", [" "], ["\u200d"]])
def test_false_expressions_of_another_form_are_one_line(said: object, root: Path) -> None:
    (root / "videos" / "absent_expressions.json").write_text(json.dumps({"videos": {"duck": said}}))
    with pytest.raises(UserError, match=r"absent_expressions.json is not of the form"):
        opened(root, VIDEOS)


def test_line_ups_are_made_of_what_is_not_held_out(root: Path) -> None:
    (root / "described" / "expressions.json").unlink()
    (found,) = opened(root, replace(PICTURES, hold_out_share=0.5, line_ups=20))
    held_out = {picture.name for picture in found.held_out}
    assert held_out
    assert found.line_ups
    assert not any(name in line_up.name for name in held_out for line_up in found.line_ups)


def test_one_picture_is_no_line_up(tmp_path: Path) -> None:
    write_coco(tmp_path / "single", [[Shape("bird", (40, 20, 120, 80), (200, 30, 30))]])
    (found,) = opened(tmp_path, PictureSource("single", hold_out_share=0.0, line_ups=3))
    assert found.line_ups == ()
