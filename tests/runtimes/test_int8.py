from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from processors import needs_int8
from stubs import TinyBackbone, tiny_model
from torch import nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Block
from vlp_rvos.models.prompts import TemporalCapture
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.runtimes import number_formats
from vlp_rvos.runtimes.int8 import QuantizedLinear, companion_dtype, quantize
from vlp_rvos.runtimes.torch_runtime import TorchRuntime


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.float() - expected).norm() / expected.norm())


@pytest.fixture
def model() -> VLPRVOS:
    model = tiny_model().eval()
    with torch.no_grad():
        for gate in model.encoder.gates:
            gate.fill_(0.5)
        # Logits of a fresh model hardly leave their bias.
        model.mask_head.logits.weight.mul_(20)
    return model


# --- one layer -----------------------------------------------------------------------------------------------------
@needs_int8
def test_a_layer_equals_its_own_integers() -> None:
    linear = nn.Linear(40, 24).requires_grad_(False)
    x = torch.randn(2, 5, 40)
    steps_w = linear.weight.abs().amax(1, keepdim=True) / 127
    steps_x = x.abs().amax(-1, keepdim=True) / 127
    rounded = nn.functional.linear((x / steps_x).round() * steps_x, (linear.weight / steps_w).round() * steps_w)
    torch.testing.assert_close(QuantizedLinear(linear)(x), rounded + linear.bias, rtol=1e-4, atol=1e-4)


@needs_int8
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_is_near_the_exact_one(bias: bool) -> None:
    linear = nn.Linear(64, 48, bias=bias)
    layer = QuantizedLinear(linear)
    x = torch.randn(3, 7, 64)
    # Tokens and channels of very different size do not disturb each other; a token of zeros stays one.
    x[0, 0] *= 1000
    x[1, 1] = 0
    with torch.no_grad():
        linear.weight[3] *= 100
        layer = QuantizedLinear(linear)
        expected, found = linear(x), layer(x)
    assert found.shape == expected.shape
    for row in ((0, 0), (1, 1), (2, 2)):
        error = (found[row] - expected[row]).norm() / expected[row].norm().clamp_min(1e-6)
        assert error < 0.02
    assert relative(found[..., 5], expected[..., 5]) < 0.02
    assert layer.weight is linear.weight
    assert layer.bias is linear.bias


@needs_int8
def test_the_number_format_is_that_of_a_linear_layer() -> None:
    linear = nn.Linear(16, 8)
    layer, x = QuantizedLinear(linear), torch.randn(4, 16)
    with torch.inference_mode():
        assert layer(x).dtype == torch.float32
        with torch.autocast("cpu", torch.bfloat16):
            for given in (x, x.bfloat16()):
                assert layer(given).dtype == linear(given).dtype == torch.bfloat16
                assert relative(layer(given), linear(given).float()) < 0.03


# --- a model -------------------------------------------------------------------------------------------------------
@needs_int8
def test_the_vision_tower_and_the_reasoning_are_in_integers_and_nothing_else(model: VLPRVOS) -> None:
    kinds = {name: type(module) for name, module in model.named_modules()}
    twin = quantize(model)
    assert {name: type(module) for name, module in model.named_modules()} == kinds
    changed = {name for name, module in twin.named_modules() if isinstance(module, QuantizedLinear)}
    parts = ("backbone.vision_blocks.", "reasoning.")
    assert changed == {name for name, kind in kinds.items() if kind is nn.Linear and name.startswith(parts)}
    for layer in ("qkv", "out", "fc1", "fc2"):
        assert f"backbone.vision_blocks.0.{layer}" in changed


@needs_int8
def test_the_candidate_path_stays_as_it_is() -> None:
    model = tiny_model(TinyBackbone(named=True), candidates=4).eval()
    twin = quantize(model)
    assert twin.candidate_path is not None
    assert not any(isinstance(module, QuantizedLinear) for module in twin.candidate_path.modules())
    runtime = TorchRuntime(model, precision="int8")
    prediction = runtime.step(torch.rand(1, 2, 3, 32, 64), runtime.encode_text(["a red car"]))
    assert prediction.mask_logits.shape == (1, 2, 32, 64)
    assert prediction.mask_logits.isfinite().all()


@needs_int8
def test_slices_of_a_quantized_layer_are_exact(model: VLPRVOS) -> None:
    block, twin = model.backbone.vision_blocks[0], quantize(model).backbone.vision_blocks[0]
    assert isinstance(block, Block)
    assert isinstance(twin, Block)
    x = torch.randn(2, 3, block.width)
    assert torch.equal(twin.project_q(x), block.project_q(x))
    assert all(torch.equal(a, b) for a, b in zip(twin.project_kv(x), block.project_kv(x), strict=True))
    capture, temporal, tokens = TemporalCapture(), torch.randn(1, 2, 1, block.width), torch.randn(1, 2, 5, block.width)
    positions = torch.randn(2, block.width)
    with torch.inference_mode():
        found, expected = (capture(layer, temporal, tokens, positions) for layer in (twin, block))
    assert relative(found, expected) < 0.03


@needs_int8
def test_a_model_finds_the_same_masks(model: VLPRVOS) -> None:
    frames, words = torch.rand(1, 3, 3, 64, 48), ["a red car", "it"]
    outputs = []
    for precision in ("fp32", "int8"):
        runtime = TorchRuntime(model, precision=precision)  # type: ignore[arg-type]
        text, state = runtime.encode_text(words), None
        for _ in range(2):
            prediction = runtime.step(frames, text, state)
            state = prediction.state
        outputs.append(prediction.mask_logits)
    expected, found = outputs
    assert found.dtype == torch.float32
    assert expected.std() > 0.1
    assert (found - expected).abs().mean() < 0.1 * expected.std()


# --- where it is not available -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "kernels",
    [
        SimpleNamespace(),
        SimpleNamespace(
            qlinear_prepack=lambda weight, _: weight,
            # Sums of products that stop at the end of 16 bits.
            qlinear_pointwise=lambda x, *_: x.new_full((len(x), 16), 32767, dtype=torch.float32) / 127,
        ),
    ],
)
def test_a_missing_or_inexact_kernel_is_one_line(
    kernels: SimpleNamespace, model: VLPRVOS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "ops", SimpleNamespace(onednn=kernels))
    with pytest.raises(UserError, match="no exact 8-bit products on this processor; use fp32") as caught:
        TorchRuntime(model, precision="int8")
    assert "\n" not in str(caught.value)


def test_the_rest_is_in_a_format_that_the_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_formats, "cpu_features", lambda: frozenset({"avx2", "avx512f", "avx512_vnni"}))
    assert companion_dtype() == torch.float32
    monkeypatch.setattr(number_formats, "cpu_features", lambda: frozenset({"avx2", "avx512_bf16"}))
    assert companion_dtype() == torch.bfloat16
