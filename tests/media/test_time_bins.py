from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.media.time_bins import MAX_BINS, TimeBins


@pytest.mark.parametrize("frames", [0, 1, 5, MAX_BINS, MAX_BINS + 1, 5 * MAX_BINS + 3])
def test_bins_hold_every_frame_once(frames: int) -> None:
    collected = TimeBins((2,))
    values = np.random.default_rng(0).random((frames, 2))
    for i, value in enumerate(values):
        collected.add(i / 10, value)
    bins = collected.bins()
    assert len(bins.times) <= MAX_BINS
    assert bins.frames == max(1, 2 ** int(np.ceil(np.log2(max(frames, 1) / MAX_BINS))))
    parts = [values[i : i + bins.frames] for i in range(0, frames, bins.frames)]
    assert len(parts) == len(bins.means)
    for i, part in enumerate(parts):
        assert bins.means[i] == pytest.approx(part.mean(0))
        assert bins.lowest[i] == pytest.approx(part.min(0))
        assert bins.highest[i] == pytest.approx(part.max(0))
        assert bins.times[i] == pytest.approx((i * bins.frames + (len(part) - 1) / 2) / 10)
