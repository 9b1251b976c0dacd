"""Changes of light that keep the names of colours."""

from __future__ import annotations

import numpy as np
import torch
from scene_clips import RED, make_clip, make_cutout, make_path

from vlp_rvos.data.language.expressions import describe_object
from vlp_rvos.data.synthesis.pasting import paste_cutout
from vlp_rvos.data.synthesis.photometric import distort_photometrically


def test_light_changes_keep_colour_names() -> None:
    for seed in range(20):
        clip = make_clip(8)
        paste_cutout(clip, make_cutout(RED, side=30), make_path((48, 32), frames=8), None)
        clip.frames = distort_photometrically(clip.frames, np.random.default_rng(seed))
        assert clip.frames.min() >= 0
        assert clip.frames.max() <= 255
        text = [describe_object(clip.measure(), 0, np.random.default_rng(k)) for k in range(12)]
        assert not any(word in t.text for t in text if t for word in ("blue", "green", "pink", "brown"))


def test_distortions_are_reproducible_and_differ() -> None:
    first, again, other = (
        distort_photometrically(torch.full((2, 3, 16, 24), 100.0), np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first.shape == (2, 3, 16, 24)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_some_frames_get_noise_but_large_ones() -> None:
    def rough(size: tuple[int, int]) -> int:
        grey = (torch.full((1, 3, *size), 100.0) for _ in range(20))
        found = [distort_photometrically(frames, np.random.default_rng(seed)) for seed, frames in enumerate(grey)]
        return sum(float(frames[0, 0].std()) > 0.5 for frames in found)

    assert 3 < rough((16, 24)) < 16
    assert rough((8, 1000)) == 0
