"""Fixtures of the tests of training data."""

from __future__ import annotations

from pathlib import Path

import pytest
from candidate_runs import write_pictures
from image_miniatures import write_a2d, write_refcoco
from training_data import write_mixture
from video_miniatures import write_mevis

from vlp_rvos.data.mixture_config import MixtureConfig, Source


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> MixtureConfig:
    """A mixture of small pictures and videos."""
    return write_mixture(tmp_path_factory.mktemp("mixture"))


@pytest.fixture(scope="session")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> MixtureConfig:
    """A mixture of three small benchmarks."""
    root = tmp_path_factory.mktemp("benchmarks")
    write_mevis(root / "mevis")
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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the described pictures and videos of `candidate_runs.write_pictures`."""
    return write_pictures(tmp_path)
