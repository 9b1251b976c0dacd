"""The data sets of a mixture, and what each split gets of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from data_checks import edit_json
from described_folder import write_described
from training_data import write_parts

from vlp_rvos.data.mixture import build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.data.mixture_sources import BenchmarkSource, StillSource, VideoSource, open_sources
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.sources.holdout import fold_of, hash_share
from vlp_rvos.errors import UserError, VLPRVOSWarning


def test_splits_share_nothing(config: MixtureConfig) -> None:
    train, holdout = build_mixture(config, "train"), build_mixture(config, "holdout")
    assert [[video.name for video in source.videos] for source in train.sources.videos] == [["duck"]]
    assert [[video.name for video in source.videos] for source in holdout.sources.videos] == [["boat"]]
    names = [{image.file_name for image in m.sources.stills[0].bank.images} for m in (train, holdout)]
    assert names[0]
    assert names[1]
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == 16
    samples = [train.sample(index) for index in range(12)]
    text = " ".join(
        t for sample in samples for t, kind in zip(sample.expressions, sample.kinds, strict=True) if kind == "video"
    )
    assert "duck" in text or "bird" in text
    assert "boat" not in text


def test_sources_are_sorted_by_kind(config: MixtureConfig, benchmarks: MixtureConfig) -> None:
    mevis = replace(benchmarks.sources[0], folder=str(Path(benchmarks.root) / "mevis"), weight=3.0)
    sources = open_sources(replace(config, sources=(mevis, *reversed(config.sources))), "train")
    assert [type(source) for source in sources.all] == [VideoSource, StillSource, BenchmarkSource]
    assert [source.weight for source in sources.all] == [1.0, 1.0, 3.0]


def test_sources_without_data_of_a_split_are_left_out(config: MixtureConfig) -> None:
    sources = open_sources(replace(config, hold_out=(), hold_out_share=1.0), "train")
    assert [type(source) for source in sources.all] == [VideoSource]


def test_annotations_may_use_another_data_set_s_pictures(config: MixtureConfig, tmp_path: Path) -> None:
    parts = Source("videos", str(write_parts(Path(config.root) / "videos", tmp_path)), images="videos")
    mixture = build_mixture(replace(config, sources=(parts,), hold_out=(), paste_on_videos=0.0, absent=0.0))
    masks: dict[str, torch.Tensor] = {}
    for sample in map(mixture.sample, range(12)):
        masks = {
            part: mask
            for mask, text in zip(sample.masks, sample.expressions, strict=True)
            for part in ("hull", "sail")
            if part in text
        }
        if len(masks) == 2:
            break
    hull, sail = masks["hull"], masks["sail"]
    assert hull.any()
    assert sail.any()
    assert not (hull & sail).any()
    assert sample.frames.permute(1, 0, 2, 3)[:, hull].float().mean() > 200, "the white square is not under the mask"


def test_videos_that_name_no_object_are_told(config: MixtureConfig, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(Path(config.root) / "videos", tmp_path / "videos"))

    def forget(content: dict[str, Any]) -> None:
        for expression in content["videos"]["duck"]["expressions"].values():
            del expression["obj_id"]

    edit_json(folder / "meta_expressions.json", forget)
    source = replace(config, sources=(Source("videos", str(folder)),), hold_out=())
    with pytest.warns(VLPRVOSWarning, match=r"of 1 of \d videos name no object \(obj_id\).*\(first: 'duck'\)"):
        sources = open_sources(source, "train")
    assert "duck" not in {video.name for video in sources.videos[0].videos}


def test_benchmarks_hold_out_their_own_validation_split(benchmarks: MixtureConfig) -> None:
    holdout = build_mixture(benchmarks, "holdout")
    # The only training video of the miniature of A2D-Sentences is not in the share.
    assert [source.clips.dataset.split for source in holdout.sources.benchmarks] == ["valid_u", "val"]
    sample = holdout.sample(0)
    assert torch.equal(sample.frames, holdout.sample(0).frames)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": (Source("benchmark", "nothing", name="mevis"),)}, "no such data set folder"),
        ({"sources": (Source("benchmark", "videos", name="mevis", split="tests"),)}, "no split 'tests'"),
        ({"hold_out": ("swan",)}, "hold_out names swan"),
        ({"hold_out": ("duck", "boat"), "sources": (Source("videos", "videos"),)}, "no data is left"),
        ({"sources": (Source("stills", "nothing"),), "hold_out": ()}, "give a folder that holds instances.json"),
        ({"sources": (Source("videos", "nothing"),)}, "no such data set folder"),
    ],
)
def test_what_a_wrong_configuration_gets(config: MixtureConfig, change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_mixture(replace(config, **change))  # type: ignore[arg-type]


def test_described_pictures_are_drawn_beside_the_sources(config: MixtureConfig, tmp_path: Path) -> None:
    write_described(tmp_path)
    described = (PictureSource(str(tmp_path), weight=1e6, hold_out_share=0.0), PictureSource("nowhere"))
    mixture = build_mixture(replace(config, described=described))
    (source,) = mixture.sources.described
    assert [picture.name for picture in source.pictures] == ["picture1.png", "picture2.png"]
    said = {text for index in range(12) for text in mixture.sample(index).expressions}
    assert "the dog" in said


def test_described_pictures_are_held_out_by_their_names(config: MixtureConfig, tmp_path: Path) -> None:
    write_described(tmp_path)
    shares = sorted((hash_share(f"picture{k}.png"), f"picture{k}.png") for k in (1, 2))
    described = (PictureSource(str(tmp_path), hold_out_share=(shares[0][0] + shares[1][0]) / 2),)
    names = [
        [picture.name for source in build_mixture(replace(config, described=described), split).sources.described
         for picture in source.pictures]
        for split in ("train", "holdout")
    ]  # fmt: skip
    assert names == [[shares[1][1]], [shares[0][1]]]


def test_videos_are_held_out_by_their_names_too(config: MixtureConfig) -> None:
    videos = config.sources[0]
    shares = {name: hash_share(name) for name in ("duck", "boat")}
    first = min(shares, key=shares.__getitem__)
    source = replace(videos, hold_out_share=sum(shares.values()) / 2)
    chosen = open_sources(replace(config, sources=(source,), hold_out=()), "holdout")
    assert [video.name for video in chosen.videos[0].videos] == [first]


def test_folds_that_are_left_out_are_not_trained_on(config: MixtureConfig, tmp_path: Path) -> None:
    write_described(tmp_path)
    videos = replace(config.sources[0], folded=True)
    described = (PictureSource(str(tmp_path), hold_out_share=0.0),)
    config = replace(config, sources=(videos,), hold_out=(), described=described, folds=16)
    names = {"duck", "boat", "picture1.png", "picture2.png"}
    folds = {name: fold_of(name, 16) for name in names}
    assert len(set(folds.values())) > 1

    def trained_on(**changes: Any) -> set[str]:
        sources = open_sources(replace(config, **changes), "train")
        pictures = {picture.name for source in sources.described for picture in source.pictures}
        return pictures | {video.name for source in sources.videos for video in source.videos}

    assert trained_on() == names
    for fold in set(folds.values()):
        assert trained_on(left_out=(fold,)) == {name for name in names if folds[name] != fold}
    left_out = (folds["duck"], folds["boat"])
    plain = replace(videos, folded=False)
    assert {"duck", "boat"} <= trained_on(sources=(plain,), left_out=left_out)


def test_described_frames_are_left_out_with_their_video(config: MixtureConfig) -> None:
    videos = config.sources[0]
    described = (PictureSource(videos.folder, "videos", hold_out_share=0.0),)
    config = replace(config, described=described, hold_out=(), folds=16)
    assert fold_of("duck", 16) != fold_of("boat", 16)

    def described_videos(**changes: Any) -> set[str]:
        sources = open_sources(replace(config, **changes), "train")
        return {picture.unit for source in sources.described for picture in source.pictures}

    assert described_videos() == {"duck", "boat"}
    assert described_videos(left_out=(fold_of("duck", 16),)) == {"boat"}
