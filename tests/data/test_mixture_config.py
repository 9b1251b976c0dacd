"""The configuration of a mixture."""

from __future__ import annotations

import pytest

from vlp_rvos.data.mixture_config import MixtureConfig, Source


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


def test_only_videos_take_pictures_from_elsewhere() -> None:
    with pytest.raises(ValueError, match="images"):
        Source("stills", "stills", images="videos")
    assert Source("videos", "parts", images="videos").images == "videos"


def test_frames_are_those_of_all_clips() -> None:
    assert MixtureConfig(clips=3, clip_length=5).frames == 15
    assert MixtureConfig().size == (224, 384)


def test_the_size_may_be_left_to_the_model() -> None:
    left_open = MixtureConfig(height=0, width=0)
    with pytest.raises(ValueError, match="those of a model"):
        _ = left_open.size
    assert left_open.with_input_size(32).size == (32, 32)
    assert MixtureConfig(height=48, width=64).with_input_size(32).size == (48, 64)


def test_folds_are_numbered_from_0() -> None:
    assert MixtureConfig(folds=2, left_out=(0, 1)).left_out == (0, 1)
    with pytest.raises(ValueError, match=r"left_out must be folds from 0 to 1, not \[2\]"):
        MixtureConfig(folds=2, left_out=(2,))
    with pytest.raises(ValueError, match="folded of stills: only sources of the kind videos"):
        Source("stills", "stills", folded=True)
