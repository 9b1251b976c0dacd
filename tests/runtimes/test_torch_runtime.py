"""PyTorch's runtime gives what the model itself computes."""

from __future__ import annotations

import pytest
import torch
from candidate_runs import small_model
from stubs import TinyBackbone, tiny_model

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.models.pointed_things import Mark
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.runtimes import number_formats
from vlp_rvos.runtimes.names import Precision
from vlp_rvos.runtimes.torch_runtime import TorchRuntime

WORDS = ["a red car", "the dog"]


@pytest.fixture
def model() -> VLPRVOS:
    return tiny_model().eval()


def test_predictions_are_the_models(model: VLPRVOS) -> None:
    frames = torch.rand(1, 5, 3, 32, 48)
    runtime = TorchRuntime(tiny_model().train(), precision="fp32")
    assert not runtime.model.training
    text = runtime.encode_text(WORDS)
    first = runtime.step(frames[:, :3], text)
    second = runtime.step(frames[:, 3:], text, first.state)
    batch = model.backbone.tokenize(WORDS)
    with torch.no_grad():
        expected = model(frames[:, :3], batch)
        later = model(frames[:, 3:], batch, expected.history)
    torch.testing.assert_close(first.mask_logits, expected.mask_logits)
    torch.testing.assert_close(first.presence_logits, expected.presence_logits)
    torch.testing.assert_close(second.mask_logits, later.mask_logits)
    assert first.correspondence_features is not None
    assert first.correspondence_features.shape[:3] == (3, 2, 3)


def test_frames_may_be_embedded_before(model: VLPRVOS) -> None:
    frames, runtime = torch.rand(1, 3, 3, 32, 48), TorchRuntime(model)
    text = runtime.encode_text(WORDS)
    expected = runtime.step(frames, text)
    for parts in ([frames], list(frames.split(1, 1)), [frames[:, :1], frames[:, 1:]]):
        found = runtime.step([runtime.embed(part) for part in parts], text)
        torch.testing.assert_close(found.mask_logits, expected.mask_logits)


def test_a_cheap_embedding_is_not_worth_threads(model: VLPRVOS, monkeypatch: pytest.MonkeyPatch) -> None:
    assert TorchRuntime(model).embedding_cost == 0
    monkeypatch.setattr(type(model.backbone), "embedding_cost", 3.0)
    assert TorchRuntime(model).embedding_cost == 3
    assert TorchRuntime(tiny_model(TinyBackbone(named=True), candidates=2)).embedding_cost > 3
    monkeypatch.setattr(torch.backends.openmp, "is_available", lambda: False)
    assert TorchRuntime(model).embedding_cost == 0, "all threads share one setting"


@pytest.mark.filterwarnings("ignore::vlp_rvos.errors.VLPRVOSWarning")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_near(model: VLPRVOS, precision: Precision) -> None:
    frames = torch.rand(1, 3, 3, 32, 48)
    exact, half = (
        runtime.step(frames, runtime.encode_text(WORDS))
        for runtime in (TorchRuntime(model, precision="fp32"), TorchRuntime(model, precision=precision))
    )
    assert not torch.equal(half.mask_logits, exact.mask_logits)
    assert exact.presence_logits is not None
    assert half.presence_logits is not None
    torch.testing.assert_close(
        half.presence_logits.float().sigmoid(), exact.presence_logits.sigmoid(), atol=0.05, rtol=0
    )


def test_a_format_without_instructions_is_used_with_a_warning(
    model: VLPRVOS, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(number_formats, "cpu_features", lambda: frozenset({"avx512_bf16"}))
    assert TorchRuntime(model, precision="bf16").dtype == torch.bfloat16
    assert TorchRuntime(model).dtype == torch.bfloat16
    assert not recwarn.list
    monkeypatch.setattr(number_formats, "cpu_features", lambda: frozenset({"avx2"}))
    assert TorchRuntime(model).dtype == torch.float32
    assert not recwarn.list
    with pytest.warns(VLPRVOSWarning, match="precision 'bf16': cpu has no instructions for it"):
        assert TorchRuntime(model, precision="bf16").dtype == torch.bfloat16


def test_devices_and_precisions_are_checked(model: VLPRVOS) -> None:
    assert TorchRuntime(model, "cpu").device == torch.device("cpu")
    with pytest.raises(UserError, match="unknown device 'tpu'"):
        TorchRuntime(model, "tpu")
    with pytest.raises(UserError, match="unknown precision 'fp8'"):
        TorchRuntime(model, precision="fp8")  # type: ignore[arg-type]


def test_identities_are_part_of_the_state() -> None:
    model = tiny_model(TinyBackbone(named=True), candidates=5).eval()
    assert model.candidate_path is not None
    torch.nn.init.normal_(model.candidate_path.head.kernel.weight, std=0.1)
    torch.nn.init.normal_(model.candidate_path.choice.score[-1].weight)  # type: ignore[arg-type]
    frames, runtime = torch.rand(1, 5, 3, 32, 64), TorchRuntime(model, precision="fp32")
    text = runtime.encode_text(WORDS)
    first = runtime.step(frames[:, :3], text)
    second = runtime.step(frames[:, 3:], text, first.state)
    with torch.no_grad():
        expected = model(frames[:, :3], model.backbone.tokenize(WORDS))
        later = model(frames[:, 3:], model.backbone.tokenize(WORDS), expected.history, None, expected.identities)
    torch.testing.assert_close(first.mask_logits, expected.mask_logits, atol=1e-3, rtol=1e-3)
    assert expected.things is not None
    assert first.smallest_share is not None
    assert torch.equal(first.smallest_share, expected.things[0].smallest_share())
    torch.testing.assert_close(second.mask_logits, later.mask_logits, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(second.presence_logits, later.presence_logits, atol=1e-3, rtol=1e-3)
    embedded = [runtime.embed(frames[:, t : t + 1]) for t in range(3)]
    ahead = runtime.step(embedded, text)
    torch.testing.assert_close(ahead.mask_logits, first.mask_logits, atol=1e-2, rtol=1e-2)


@torch.no_grad()
def test_pointed_things_are_redrawn_and_drawn_ones_stay() -> None:
    model = small_model()
    assert model.candidate_path is not None
    refinement = model.candidate_path.refinement
    assert refinement is not None
    assert refinement.correction.bias is not None
    refinement.correction.bias.fill_(30.0)
    runtime, frames = TorchRuntime(model), torch.rand(1, 2, 3, 64, 96)
    drawn = torch.zeros(16, 24, dtype=torch.bool)
    drawn[4:8, 4:8] = True
    look = model.describe_drawn(frames[:, :1], drawn[None])[0]
    marks = [Mark(0, 0, drawn=(drawn,), drawn_looks=(look,)), Mark(1, 0, include=((0.5, 0.5),))]
    redrawn = runtime.step(frames, None, pointed=2, marks=marks).mask_logits
    refinement.correction.bias.zero_()
    rough = runtime.step(frames, None, pointed=2, marks=marks).mask_logits
    assert torch.equal(redrawn[0, 0], rough[0, 0])
    changed = (redrawn != rough).flatten(2).any(2)
    shown = (rough > 0).flatten(2).any(2)
    assert changed.tolist() == [[False, bool(shown[0, 1])], shown[1].tolist()]
    assert changed.any()
