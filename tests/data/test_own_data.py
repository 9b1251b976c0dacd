"""A shipped recipe on data of one's own: its sources, and what is held out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from coco_folder import Shape, write_coco
from training_data import forget_video, write_mixture, write_videos

from vlp_rvos.data.mixture import build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.data.own_data import use_own_data
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.sources.holdout import hash_share
from vlp_rvos.errors import UserError

RECIPE = MixtureConfig(
    sources=(Source("videos", "davis16/train", 0.4), Source("stills", "stills", 0.6)),
    hold_out=("rhino", "scooter-gray"),
    clip_length=2,
    height=64,
    width=96,
    find_sources=True,
)


def at(root: Path) -> MixtureConfig:
    return replace(RECIPE, root=str(root))


def write_many(folder: Path, count: int) -> Path:
    """A list of videos that share their files."""
    write_videos(folder)
    meta = json.loads((folder / "meta_expressions.json").read_text())
    for name in ("duck", "boat"):
        for number in range(count):
            meta["videos"][f"{name}{number}"] = meta["videos"][name]
            for kind in ("JPEGImages", "Annotations"):
                (folder / kind / f"{name}{number}").symlink_to(name)
    (folder / "meta_expressions.json").write_text(json.dumps(meta))
    return folder


def test_the_layout_of_the_recipe_is_used_as_it_is(tmp_path: Path) -> None:
    write_videos(tmp_path / "davis16" / "train")
    write_mixture(tmp_path / "other")
    (tmp_path / "other" / "stills").rename(tmp_path / "stills")
    own = use_own_data(at(tmp_path))
    assert (own.config, own.summary, own.held_out) == (at(tmp_path), "", True)


def test_other_configurations_are_left_alone(tmp_path: Path) -> None:
    write_videos(tmp_path)
    config = replace(at(tmp_path), find_sources=False)
    assert use_own_data(config).config is config


@pytest.mark.parametrize("kinds", ["videos", "stills", "videos stills"])
def test_every_layout_gives_samples_of_both_splits(kinds: str, tmp_path: Path) -> None:
    write_mixture(tmp_path / "data")
    for kind in {"videos", "stills"} - set(kinds.split()):
        (tmp_path / "data" / kind).rename(tmp_path / kind)
    root = tmp_path / "data" if " " in kinds else tmp_path / "data" / kinds
    own = use_own_data(at(root))
    assert own.held_out
    assert own.summary.startswith(f"{root}: ")
    assert "held out for validation: " in own.summary
    train, holdout = (build_mixture(own.config, split) for split in ("train", "holdout"))
    for mixture in (train, holdout):
        assert mixture.sample(3).masks.any()
    seen: list[set[str]] = []
    for mixture in (train, holdout):
        names = {video.name for source in mixture.sources.videos for video in source.videos}
        seen.append(names | {image.file_name for source in mixture.sources.stills for image in source.bank.images})
    assert seen[0]
    assert seen[1]
    assert not seen[0] & seen[1]


def test_weights_follow_the_recipe_and_the_sizes(tmp_path: Path) -> None:
    write_mixture(tmp_path)
    write_many(tmp_path / "more", 1)
    sources = {source.folder: source.weight for source in use_own_data(at(tmp_path)).config.sources}
    assert sources == pytest.approx({"stills": 0.6, "videos": 0.4 / 3, "more": 0.8 / 3})


def test_videos_are_held_out_by_the_hash_of_their_names(tmp_path: Path) -> None:
    own = use_own_data(at(write_many(tmp_path / "mine", 60)))
    assert 0 < len(own.config.hold_out) < 30
    assert all(hash_share(name) < 0.08 for name in own.config.hold_out)
    assert use_own_data(at(tmp_path / "mine")) == own
    # More data changes nothing about what was held out before.
    more = use_own_data(at(write_many(tmp_path / "more", 90)))
    assert set(own.config.hold_out) < set(more.config.hold_out)


@pytest.mark.parametrize("share", [0.0001, 0.08, 0.9999, 1.0])
def test_at_least_one_is_held_out_and_never_all(share: float, tmp_path: Path) -> None:
    write_mixture(tmp_path)
    own = use_own_data(replace(at(tmp_path), hold_out_share=share)).config
    assert len(own.hold_out) == 1
    names = [f"picture{number}.png" for number in range(1, 17)]
    held = sum(hash_share(name) < own.hold_out_share for name in names)
    assert 1 <= held <= 15
    assert held == (1 if share == 0.0001 else 15 if share > 0.99 else held)


def test_a_hold_out_of_the_user_is_kept(tmp_path: Path) -> None:
    config = replace(at(write_videos(tmp_path)), hold_out=("duck",))
    assert use_own_data(config).config.hold_out == ("duck",)
    with pytest.raises(UserError, match=r"has no video dukc to hold out; its videos are .*duck"):
        use_own_data(replace(config, hold_out=("duck", "dukc")))
    # A recipe's own list, of which nothing is here.
    assert use_own_data(replace(config, hold_out=("rhino",))).config.hold_out


def test_nothing_is_held_out_on_demand(tmp_path: Path) -> None:
    own = use_own_data(replace(at(write_videos(tmp_path)), hold_out_share=0.0))
    assert (own.config.hold_out, own.config.hold_out_share, own.held_out) == ((), 0.0, False)


def test_of_a_single_video_nothing_is_held_out(tmp_path: Path) -> None:
    forget_video(write_videos(tmp_path), "boat")
    own = use_own_data(at(tmp_path))
    assert not own.held_out
    assert own.summary == f"{tmp_path}: 1 video; nothing is held out, so the training is not validated"
    assert build_mixture(own.config).sample(0).masks.any()


def test_a_picture_with_an_object_is_held_out(tmp_path: Path) -> None:
    """The pictures without objects are no use to a validation."""
    dog = [Shape("dog", (10, 10, 60, 50), (200, 20, 20))]
    write_coco(tmp_path, [dog, *[[]] * 20, dog])
    own = use_own_data(at(tmp_path))
    assert build_mixture(own.config, "holdout").sample(0).masks.any()
    assert build_mixture(own.config, "train").sample(0).masks.any()


def test_what_cannot_work_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such data folder: .*; name yours with --set data.root=FOLDER"):
        use_own_data(at(tmp_path / "none"))
    folder = write_videos(tmp_path / "mine")
    (folder / "JPEGImages" / "duck" / "00003.jpg").unlink()
    with pytest.raises(UserError, match=r"duck/00003.jpg is listed but not there; see .*: vlp-rvos data check"):
        use_own_data(at(folder))
    write_coco(tmp_path / "empty", [[], []])
    with pytest.raises(UserError, match="nothing to learn from"):
        use_own_data(at(tmp_path / "empty"))


def test_the_summary_names_what_is_left_out(tmp_path: Path) -> None:
    for folder in ("train", "val"):
        write_videos(tmp_path / folder)
    summary = use_own_data(at(tmp_path)).summary
    assert summary.endswith(f"; left out: {tmp_path}/val, which is not for training by its name")
    assert "2 videos in train" in summary


def test_the_recipe_s_described_pictures_are_not_mixed_with_other_data(tmp_path: Path) -> None:
    write_videos(tmp_path)
    recipe = replace(at(tmp_path), described=(PictureSource("pictures"),))
    assert use_own_data(recipe).config.described == ()
