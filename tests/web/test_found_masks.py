from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from frame_results import PLACES, result_at

from vlp_rvos.errors import UserError
from vlp_rvos.web.found_masks import FoundMasks


def test_masks_come_back_as_they_were(tmp_path: Path) -> None:
    results = [result_at(place) for place in PLACES]
    found = FoundMasks(tmp_path / "found.jsonl", results[0].expressions, (48, 64))
    for number, result in enumerate(results):
        object.__setattr__(result, "time", number / 10)
        found.add(result)
    assert len(found) == len(results)
    for result, back in zip(results, found.results(), strict=True):
        assert np.array_equal(back.masks, result.masks)
        assert np.array_equal(back.scores, result.scores)
        assert np.array_equal(back.presences, result.presences)
        assert (back.index, back.time, back.name, back.expressions) == (
            result.index,
            result.time,
            result.name,
            result.expressions,
        )
    times, presences, scores = found.curves()
    assert times.shape == (4,)
    assert np.array_equal(presences, [result.presences for result in results])
    assert np.array_equal(scores, [result.scores for result in results])
    assert [found.number_at(time) for time in (0.0, 0.04, 0.1, 0.34, 0.5)] == [0, 0, 1, 3, None]
    found.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_at_any_time_before_the_first_frame(tmp_path: Path) -> None:
    found = FoundMasks(tmp_path / "found.jsonl", ["the dog"], (48, 64))
    assert found.number_at(0) is None
    assert [len(part) for part in found.curves()] == [0, 0, 0]


def test_masks_that_are_gone(tmp_path: Path) -> None:
    found = FoundMasks(tmp_path / "found.jsonl", result_at(PLACES[0]).expressions, (48, 64))
    found.add(result_at(PLACES[0]))
    found.close()
    with pytest.raises(UserError, match="these masks are gone"):
        found.result(0)
