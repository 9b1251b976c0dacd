from __future__ import annotations

import pytest
import torch
from stubs import TinyBackbone, tiny_config

from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.weight_ema import WeightEMA, mean_weights


def small_model() -> VLPRVOS:
    return VLPRVOS(TinyBackbone(), tiny_config())


def set_all(model: VLPRVOS, value: float) -> None:
    model.load_trained({name: torch.full_like(x, value) for name, x in model.trained_state_dict().items()})


def mean_of(state: dict[str, torch.Tensor]) -> float:
    values = {x.mean().item() for x in state.values()}
    assert max(values) - min(values) < 1e-6
    return max(values)


def test_the_decay_grows_to_its_full_value() -> None:
    model = small_model()
    set_all(model, 0.0)
    ema = WeightEMA(model, decay=0.25)
    expected = 0.0
    # (1 + n) / (10 + n) for n = 0 and 1, then the decay itself.
    for step, decay in enumerate((1 / 10, 2 / 11, 0.25, 0.25), start=1):
        set_all(model, float(step))
        ema.update()
        expected = decay * expected + (1 - decay) * step
        assert mean_of(ema.state) == pytest.approx(expected, rel=1e-5)


def test_the_model_has_its_own_weights_back_afterwards_even_after_an_error() -> None:
    model = small_model()
    set_all(model, 1.0)
    ema = WeightEMA(model, decay=0.9)
    set_all(model, 3.0)

    def fail_inside() -> None:
        with ema.applied():
            assert mean_of(model.trained_state_dict()) == 1.0
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert mean_of(model.trained_state_dict()) == 3.0
    assert mean_of(ema.state) == 1.0


def test_state_goes_to_another_average() -> None:
    model = small_model()
    set_all(model, 1.0)
    first = WeightEMA(model, decay=0.9)
    set_all(model, 2.0)
    first.update()
    second = WeightEMA(model, decay=0.9)
    second.load_state_dict(first.state_dict())
    for ema in (first, second):
        ema.update()
    assert (first.updates, mean_of(first.state)) == (second.updates, mean_of(second.state))


def test_only_the_named_parts_are_averaged_and_replaced() -> None:
    model = small_model()
    ema = WeightEMA(model, decay=0.25, parts=("mask_head.",))
    assert ema.state
    assert all(name.startswith("mask_head.") for name in ema.state)
    set_all(model, 3.0)
    ema.update()
    assert 2 < mean_of(dict(list(ema.state.items())[:1])) < 3.1
    ema.replace()
    assert mean_of(ema.state) == 3.0
    set_all(model, 5.0)
    with ema.applied():
        values = {name.startswith("mask_head."): x.mean().item() for name, x in model.trained_state_dict().items()}
        assert values == {True: pytest.approx(3.0), False: pytest.approx(5.0)}
    assert mean_of(model.trained_state_dict()) == 5.0


def test_the_mean_keeps_the_number_format() -> None:
    states = [{"a": torch.tensor([1.0, 2.0]).half()}, {"a": torch.tensor([3.0, 2.0]).half()}]
    start = {"a": torch.tensor([4.0, 0.0]).half()}
    assert torch.equal(mean_weights(states, start)["a"], torch.tensor([2.0, 2.0]).half())
    assert torch.equal(mean_weights(states, start, 0.25)["a"], torch.tensor([2.5, 1.5]).half())
