"""Samples that depend on their index alone."""

from __future__ import annotations

import pickle
import re
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from vlp_rvos.data.mixture import Mixture, build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig, Source


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


def test_portrait_samples_come_in_groups(config: MixtureConfig) -> None:
    mixture = build_mixture(replace(config, portrait=0.5))
    shapes = [tuple(mixture.sample(index).frames.shape[-2:]) for index in range(0, 160, 8)]
    assert set(shapes) == {(64, 96), (96, 64)}
    assert tuple(mixture.sample(7).frames.shape[-2:]) == shapes[0]


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


def test_a_model_must_give_the_size_that_is_left_open(benchmarks: MixtureConfig) -> None:
    with pytest.raises(ValueError, match="those of a model"):
        build_mixture(replace(benchmarks, height=0, width=0)).sample(0)
