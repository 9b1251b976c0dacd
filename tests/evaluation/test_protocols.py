"""Protocols of the published benchmarks."""

from __future__ import annotations

import pytest

from vlp_rvos.data.benchmarks import benchmark_names, splits
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.protocols import PROTOCOLS, frames_to_score


def test_every_benchmark_has_a_protocol() -> None:
    assert set(PROTOCOLS) == set(benchmark_names())
    for name, protocol in PROTOCOLS.items():
        assert protocol.split in splits(name)


def test_frames_to_score() -> None:
    frames = ["0", "1", "2"]
    assert frames_to_score(frames, "v", skip_ends=False) == frames
    assert frames_to_score(frames, "v", skip_ends=True) == ["1"]
    with pytest.raises(UserError, match=r"video v has 2 frame\(s\): nothing is left"):
        frames_to_score(frames[:2], "v", skip_ends=True)
