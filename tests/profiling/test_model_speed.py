from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.profiling import model_speed
from vlp_rvos.profiling.model_speed import moving_squares


def test_frames_move() -> None:
    first, second = moving_squares(2, (48, 64))
    assert first.shape == (48, 64, 3)
    assert first.dtype == np.uint8
    assert not np.array_equal(first, second)


@pytest.mark.usefixtures("tiny_default_model")
def test_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_speed, "SIZE", (48, 64))
    monkeypatch.setattr(model_speed, "ordered_map", lambda function, jobs, workers: ((x, function(x)) for x in jobs))
    ((name, found),) = model_speed.measure_models(["mini"])
    assert name == "mini"
    assert min(found["frames_per_second"], found["first_result_seconds"], found["threads"]) > 0
    assert found["peak_memory_bytes"] is None or found["peak_memory_bytes"] > 10**6
    assert (found["frames"], found["height"], found["width"]) == (24, 48, 64)


@pytest.mark.slow
def test_each_model_is_measured_in_a_process_of_its_own() -> None:
    ((name, found),) = model_speed.measure_models(["mini"])
    assert name == "mini"
    assert found["frames_per_second"] > 0
