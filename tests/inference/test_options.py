"""Options out of their range are refused, and a model's config takes those that are set."""

from __future__ import annotations

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.models.model_config import MAX_INPUT_SIZE, ModelConfig


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"threshold": 0.0}, "threshold must be greater than 0 and less than 1"),
        ({"threshold": 1.0}, "threshold must be greater than 0 and less than 1"),
        ({"threshold": float("nan")}, "threshold"),
        ({"presence_threshold": 1.5}, "presence_threshold must be from 0 to 1, not 1.5"),
        ({"presence_threshold": -0.1}, "presence_threshold"),
        ({"size": 0}, "size must be from 1 to 2048, not 0"),
    ],
)
def test_values_out_of_range(values: dict[str, float], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        InferenceOptions(**values)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_what_is_not_set_is_the_models() -> None:
    config = ModelConfig.preset("mini")
    assert InferenceOptions(threshold=0.3).applied_to(config) == config


def test_what_is_set_replaces_the_models() -> None:
    config = ModelConfig.preset("mini").replace(small_size=704)
    changed = InferenceOptions(size=96, min_part=0.0, memory_frames=0, presence_threshold=0.3).applied_to(config)
    assert changed == config.replace(input_size=96, small_size=0, min_part=0.0, memory_frames=0, presence_threshold=0.3)
    with pytest.raises(UserError, match="min_part"):
        InferenceOptions(min_part=2.0).applied_to(config)


def test_every_size_fits_a_config() -> None:
    largest = InferenceOptions(size=2048).applied_to(ModelConfig.preset("mini"))
    assert largest.input_size == MAX_INPUT_SIZE
