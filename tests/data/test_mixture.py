"""The mixture: samples that depend on their index alone, splits that share nothing, and the sheet to look at."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmark_miniatures import mevis
from benchmark_miniatures_static import write_a2d, write_refcoco
from coco_folder import Shape, write_coco
from PIL import Image

from vlp_rvos.data.contact_sheet import render_sheet
from vlp_rvos.data.language.invariance import mentions_motion
from vlp_rvos.data.mixture import Mixture, build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.data.synthesis.video_clips import draw_video_clip
from vlp_rvos.errors import UserError

COLOURS = [(220, 20, 20), (20, 20, 220), (20, 200, 20), (240, 220, 30)]


def write_videos(folder: Path, frames: int = 12) -> Path:
    """A white square that moves left in each of two videos."""
    meta = {}
    for number, name in enumerate(("duck", "boat")):
        for kind in ("JPEGImages", "Annotations"):
            (folder / kind / name).mkdir(parents=True)
        for f in range(frames):
            ids = np.zeros((72, 128), np.uint8)
            ids[20:50, 70 - 4 * f : 100 - 4 * f] = 1
            pixels = np.full((72, 128, 3), 60 + 40 * number, np.uint8)
            pixels[ids == 1] = 250
            Image.fromarray(pixels).save(folder / "JPEGImages" / name / f"{f:05}.jpg", quality=95)
            image = Image.fromarray(ids, "P")
            image.putpalette([0, 0, 0, 255, 255, 255])
            image.save(folder / "Annotations" / name / f"{f:05}.png")
        said = [f"a {name}", f"the {name} moving to the left"]
        meta[name] = {
            "expressions": {str(k): {"exp": text, "obj_id": "1"} for k, text in enumerate(said)},
            "frames": [f"{f:05}" for f in range(frames)],
        }
    (folder / "meta_expressions.json").write_text(json.dumps({"videos": meta}))
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> MixtureConfig:
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(16):
        x, y = (int(v) for v in rng.integers(8, 30, 2))
        order = rng.permutation(4)
        pictures.append(
            [
                Shape("dog", (x, y, x + 40, y + 30), COLOURS[order[0]]),
                Shape("dog", (x + 50, y, x + 90, y + 40), COLOURS[order[1]]),
                Shape("car", (x + 95, y + 5, x + 125, y + 45), COLOURS[order[2]]),
            ]
        )
    write_coco(root / "stills", pictures)
    write_videos(root / "videos")
    return MixtureConfig(
        root=str(root),
        sources=(Source("videos", "videos"), Source("stills", "stills")),
        clip_length=3,
        height=64,
        width=96,
        hold_out=("boat",),
        hold_out_share=0.3,
    )


def test_the_shape_of_samples(config: MixtureConfig) -> None:
    mixture = build_mixture(config)
    kinds: set[str] = set()
    for index in range(40):
        sample = mixture.sample(index)
        count = len(sample.expressions)
        assert 1 <= count <= config.expressions
        assert sample.frames.shape == (6, 3, 64, 96)
        assert sample.frames.dtype == torch.uint8
        assert sample.masks.shape == (count, 6, 64, 96)
        assert sample.masks.dtype == torch.bool
        assert len(set(sample.expressions)) == len(sample.kinds) == count
        assert sample.masks.any(), "never absent things alone"
        for kind, mask in zip(sample.kinds, sample.masks, strict=True):
            assert mask.any() == (kind != "absent")
        kinds |= set(sample.kinds)
    assert {"video", "still", "pasted", "absent"} <= kinds


def test_a_single_picture_is_asked_about_without_motion_words(config: MixtureConfig) -> None:
    mixture = build_mixture(replace(config, clips=1, clip_length=1, sources=(Source("stills", "stills"),), hold_out=()))
    samples = [mixture.sample(index) for index in range(60)]
    assert all(sample.frames.shape == (1, 3, 64, 96) for sample in samples)
    text = " | ".join(expression for sample in samples for expression in sample.expressions)
    moving = r"\b(moving|going|running|driving|entering|leaving|spinning|rotating|swinging|jumping|coming)\b"
    assert not re.search(moving, text)
    assert re.search(r"\b(left|right)\b", text)
    assert {"still", "pasted", "absent"} <= {kind for sample in samples for kind in sample.kinds}


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


def test_riders_and_what_they_ride_are_two_things(tmp_path: Path) -> None:
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


def test_annotations_of_another_data_set_s_pictures(config: MixtureConfig, tmp_path: Path) -> None:
    videos = Path(config.root) / "videos"
    shutil.copytree(videos / "Annotations", tmp_path / "Annotations")
    meta = json.loads((videos / "meta_expressions.json").read_text())
    said = {1: "hull", 2: "sail"}
    for name in meta["videos"]:
        meta["videos"][name]["expressions"] = {
            str(k): {"exp": f"the {part}", "obj_id": str(k)} for k, part in said.items()
        }
        for file in (tmp_path / "Annotations" / name).iterdir():
            ids = np.array(Image.open(file))
            ids[:35] *= 2
            Image.fromarray(ids).save(file)
    (tmp_path / "meta_expressions.json").write_text(json.dumps(meta))
    parts = Source("videos", str(tmp_path), images="videos")
    mixture = build_mixture(replace(config, sources=(parts,), hold_out=(), paste_on_videos=0.0, absent=0.0))
    masks: dict[str, torch.Tensor] = {}
    for sample in map(mixture.sample, range(12)):
        masks = {
            part: m
            for m, text in zip(sample.masks, sample.expressions, strict=True)
            for part in said.values()
            if part in text
        }
        if len(masks) == 2:
            break
    hull, sail = (masks[part] for part in said.values())
    assert hull.any()
    assert sail.any()
    assert not (hull & sail).any()
    assert sample.frames.permute(1, 0, 2, 3)[:, hull].float().mean() > 200, "the white square is not under the mask"

    # Both are pasted together, as one thing of two parts.
    stills = Source("stills", "stills")
    mixture = build_mixture(replace(config, sources=(replace(parts, weight=0.01), stills), hold_out=(), mounted=1.0))
    moving = mixture.moving_cutouts.draw(3, np.random.default_rng(0), several=True)
    assert moving is not None
    assert sorted(obj.expressions[0] for obj in moving.objects) == ["the hull", "the sail"]
    sample = next(s for s in map(mixture.sample, range(24)) if any("sail" in text for text in s.expressions))
    assert any(kind == "pasted" and "sail" in text for text, kind in zip(sample.expressions, sample.kinds, strict=True))
    assert build_mixture(config).moving_cutouts.draw(3, np.random.default_rng(0), several=True) is None
    with pytest.raises(ValueError, match="images"):
        Source("stills", "stills", images="videos")


def test_samples_depend_on_the_index_alone(config: MixtureConfig) -> None:
    first, second = build_mixture(config), pickle.loads(pickle.dumps(build_mixture(config)))
    samples = [first.sample(index) for index in range(8)]
    for index in reversed(range(8)):
        again = second.sample(index)
        assert again.expressions == samples[index].expressions
        assert torch.equal(again.frames, samples[index].frames)
        assert torch.equal(again.masks, samples[index].masks)
    assert not torch.equal(samples[0].frames, samples[1].frames)
    other = build_mixture(replace(config, seed=1)).sample(0)
    assert not torch.equal(other.frames, samples[0].frames)


def test_workers_share_the_samples_out(config: MixtureConfig) -> None:
    mixture = build_mixture(config)
    loader = torch.utils.data.DataLoader(mixture, batch_size=None, num_workers=2)
    loaded = [sample.expressions for sample in islice(loader, 4)]
    assert loaded == [mixture.sample(index).expressions for index in range(4)]


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


def test_expressions_fit_the_pixels(config: MixtureConfig) -> None:
    """On the synthetic pictures colours and sides can be checked in the finished sample."""
    mixture = build_mixture(replace(config, sources=(Source("stills", "stills"),), hold_out=(), paste_on_stills=0.0))
    checked = 0
    for index in range(80):
        sample = mixture.sample(index)
        for text, kind, mask in zip(sample.expressions, sample.kinds, sample.masks, strict=True):
            words = text.split()
            if kind != "still":
                continue
            pixels = sample.frames.permute(0, 2, 3, 1)[mask].float().mean(0)
            red, green, blue = (float(v) for v in pixels)
            for name, holds in {
                "red": red > 1.5 * max(green, blue),
                "green": green > 1.5 * max(red, blue),
                "blue": blue > 1.5 * max(red, green),
                "yellow": min(red, green) > 1.5 * blue,
            }.items():
                if name in words and "and" not in words:
                    assert holds, text
                    checked += 1
            centre = float(mask.nonzero()[:, 2].float().mean()) / 96
            if text.endswith(("on the left", "on the left side")):
                assert centre < 0.5, text
                checked += 1
    assert checked > 15


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


def test_backward_videos_tell_no_motion(config: MixtureConfig) -> None:
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


def test_portrait_samples_come_in_groups(config: MixtureConfig) -> None:
    mixture = build_mixture(replace(config, portrait=0.5))
    shapes = [tuple(mixture.sample(index).frames.shape[-2:]) for index in range(0, 160, 8)]
    assert set(shapes) == {(64, 96), (96, 64)}
    assert tuple(mixture.sample(7).frames.shape[-2:]) == shapes[0]


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> MixtureConfig:
    root = tmp_path_factory.mktemp("benchmarks")
    mevis(root / "mevis")
    write_a2d(root / "a2d")
    write_refcoco(root / "refcoco")
    names = {"mevis": "mevis", "a2d": "a2d-sentences", "refcoco": "refcoco"}
    return MixtureConfig(
        root=str(root),
        sources=tuple(Source("benchmark", folder, name=name) for folder, name in names.items()),
        clip_length=2,
        height=48,
        width=64,
        hold_out_share=0.3,
    )


def test_benchmarks_depend_on_the_index_alone(benchmarks: MixtureConfig) -> None:
    first, second = build_mixture(benchmarks), pickle.loads(pickle.dumps(build_mixture(benchmarks)))
    samples = [first.sample(index) for index in range(16)]
    assert {"video", "several", "still", "absent"} <= {kind for sample in samples for kind in sample.kinds}
    assert {sample.supervised is None for sample in samples} == {True, False}
    for index in reversed(range(16)):
        sample, again = samples[index], second.sample(index)
        assert again.expressions == sample.expressions
        assert torch.equal(again.frames, sample.frames)
        assert torch.equal(again.masks, sample.masks)
        assert sample.frames.shape == (4, 3, 48, 64)
        if sample.supervised is not None:
            assert again.supervised is not None
            assert torch.equal(again.supervised, sample.supervised)
            assert not sample.masks[~sample.supervised].any()


def test_benchmarks_are_mixed_with_the_other_kinds_by_weight(benchmarks: MixtureConfig, config: MixtureConfig) -> None:
    mevis_source = replace(benchmarks.sources[0], folder=str(Path(benchmarks.root) / "mevis"), weight=3.0)
    mixture = build_mixture(replace(config, sources=(config.sources[1], mevis_source), hold_out=()))
    texts = {x.text for x in mixture.sources.benchmarks[0].clips.videos[0].expressions}
    of_mevis = sum(set(mixture.sample(index).expressions) <= texts for index in range(40))
    assert 22 <= of_mevis <= 38


def test_benchmarks_hold_out_their_own_validation_split(benchmarks: MixtureConfig) -> None:
    holdout = build_mixture(benchmarks, "holdout")
    # The only training video of the miniature of A2D-Sentences is not in the share.
    assert [source.clips.dataset.split for source in holdout.sources.benchmarks] == ["valid_u", "val"]
    sample = holdout.sample(0)
    assert torch.equal(sample.frames, holdout.sample(0).frames)


def test_the_size_may_be_left_to_the_model(benchmarks: MixtureConfig) -> None:
    left_open = replace(benchmarks, height=0, width=0)
    with pytest.raises(ValueError, match="those of a model"):
        build_mixture(left_open).sample(0)
    assert left_open.with_input_size(32).size == (32, 32)
    assert benchmarks.with_input_size(32).size == (48, 64)


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


@pytest.mark.parametrize("change", [{"sources": ()}, {"absent": 1.5}, {"clip_length": 0}, {"height": 8}])
def test_values_out_of_range(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|share"):
        MixtureConfig(**change)  # type: ignore[arg-type]


def test_weights_are_positive() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Source("stills", "stills", 0.0)


@pytest.mark.parametrize("name", [None, "imagenet"])
def test_benchmarks_have_a_name(name: str | None) -> None:
    with pytest.raises(ValueError, match="name of a benchmark must be one of ref-youtube-vos"):
        Source("benchmark", "folder", name=name)


def test_the_sheet(config: MixtureConfig, tmp_path: Path) -> None:
    mixture = build_mixture(config)
    render_sheet([mixture.sample(0), mixture.sample(1)], tmp_path / "sheet.png", frames=2, width=96)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] == 2 * 96 + 370
        assert np.asarray(sheet).any()


def test_real_data(shared: Path) -> None:
    mixture: Mixture = build_mixture(MixtureConfig(root=str(shared / "data"), height=64, width=96, clip_length=2))
    for index in range(6):
        sample = mixture.sample(index)
        assert sample.masks.any()
        assert all(text == text.strip() and text for text in sample.expressions)


@pytest.mark.slow
def test_no_colour_and_hardly_a_noun_is_mostly_wrong(shared: Path) -> None:
    """A word that is mostly said of what is not there is learned as absent, whatever is seen."""
    stills = (Source("stills", "stills"),)
    mixture = build_mixture(
        MixtureConfig(str(shared / "data"), stills, clip_length=1, clips=1, height=64, width=96, absent=0.25)
    )
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for sample in islice(mixture, 800):
        for expression, kind in zip(sample.expressions, sample.kinds, strict=True):
            (wrong if kind == "absent" else right).update(set(re.findall(r"[a-z]+", expression)))
    shares = {word: wrong[word] / (wrong[word] + right[word]) for word in wrong if wrong[word] + right[word] >= 20}
    assert {"red", "yellow", "green", "pink"} <= set(shares)
    assert {word for word, share in shares.items() if share > 0.66} == set()
