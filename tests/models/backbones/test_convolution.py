from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.backbones.convolution import SIZES, Convolution, _formats_here


def plain(convolution: Convolution, x: Tensor, padding: tuple[int, int] = (1, 1)) -> Tensor:
    y = F.conv2d(x, convolution.weight, convolution.bias, convolution.stride, padding, groups=convolution.groups)
    return F.relu6(y) if convolution.clamped else y


@pytest.fixture
def convolution() -> Convolution:
    torch.manual_seed(0)
    return Convolution(8, 16, 3, padding=1)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("options", [{}, {"clamped": True}, {"bias": False, "stride": 2}, {"groups": 8}])
def test_results_are_those_of_pytorch(options: dict[str, object], autocast: bool, channels_last: bool) -> None:
    torch.manual_seed(0)
    convolution = Convolution(8, 16, 3, padding=1, **options)  # type: ignore[arg-type]
    with torch.no_grad():
        convolution.weight.mul_(4)
    x = torch.randn(2, 8, 20, 28)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found, wanted = convolution(x), plain(convolution, x)
    assert found.dtype == wanted.dtype
    torch.testing.assert_close(found, wanted, rtol=0.02 if autocast else 1e-5, atol=0.02 if autocast else 1e-5)
    assert not convolution.clamped or (found.min() == 0 and found.max() == 6)


def test_weights_are_arranged_once_for_a_size(convolution: Convolution) -> None:
    with torch.inference_mode():
        for _ in range(2):
            convolution(torch.rand(1, 8, 6, 6))
        assert len(convolution._arranged) == 1
        for side in range(7, 7 + 2 * SIZES):
            convolution(torch.rand(1, 8, side, 6))
    assert len(convolution._arranged) == SIZES


@pytest.mark.parametrize("way", ["in place", "another tensor", "loaded"])
def test_changed_weights_are_used(convolution: Convolution, way: str) -> None:
    x = torch.rand(1, 8, 6, 6)
    with torch.inference_mode():
        before = convolution(x)
    with torch.no_grad():
        if way == "in place":
            convolution.weight.mul_(2)
            convolution.bias.mul_(2)  # type: ignore[union-attr]
        elif way == "another tensor":
            convolution.weight.data = convolution.weight * 2
            convolution.bias.data = convolution.bias * 2  # type: ignore[union-attr, operator]
        else:
            convolution.load_state_dict({name: 2 * value for name, value in convolution.state_dict().items()})
    with torch.inference_mode():
        torch.testing.assert_close(convolution(x), 2 * before)


def test_outside_of_inference_mode_nothing_is_kept(convolution: Convolution) -> None:
    x = torch.rand(1, 8, 6, 6, requires_grad=True)
    with torch.no_grad():
        convolution(x)
    convolution(x).sum().backward()
    assert x.grad is not None
    assert convolution.weight.grad is not None
    assert not convolution._arranged


def test_arranged_weights_are_neither_copied_nor_saved(convolution: Convolution) -> None:
    x = torch.rand(1, 8, 6, 6)
    with torch.inference_mode():
        result = convolution(x)
        for twin in (copy.deepcopy(convolution), pickle.loads(pickle.dumps(convolution))):
            assert not twin._arranged
            torch.testing.assert_close(twin(x), result, rtol=0, atol=0)
    assert convolution._arranged
    assert convolution.state_dict().keys() == {"weight", "bias"}


@pytest.mark.parametrize("missing", [(), (torch.bfloat16,), (torch.bfloat16, torch.float32)], ids=str)
@pytest.mark.parametrize("error", [RuntimeError, AttributeError])
def test_where_the_operators_refuse_pytorch_convolves(
    convolution: Convolution,
    monkeypatch: pytest.MonkeyPatch,
    missing: tuple[torch.dtype, ...],
    error: type[Exception],
) -> None:
    arrange = torch.ops.mkldnn._reorder_convolution_weight

    def refuse(weight: Tensor, *others: object) -> Tensor:
        if weight.dtype in missing:
            raise error("not here")
        return arrange(weight, *others)  # type: ignore[no-any-return]

    could = _formats_here()
    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_convolution_weight", refuse)
    _formats_here.cache_clear()
    x = torch.rand(1, 8, 6, 6)
    try:
        with torch.inference_mode():
            torch.testing.assert_close(convolution(x), plain(convolution, x))
            with torch.autocast("cpu", torch.bfloat16):
                assert convolution(x).dtype == torch.bfloat16
    finally:
        _formats_here.cache_clear()
    assert len(convolution._arranged) == len(could.difference(missing))


def test_in_other_number_formats_pytorch_convolves() -> None:
    convolution = Convolution(2, 2, 1).double()
    with torch.inference_mode():
        assert convolution(torch.rand(1, 2, 3, 3, dtype=torch.float64)).dtype == torch.float64
    assert not convolution._arranged
