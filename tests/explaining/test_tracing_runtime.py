"""Tracing changes no prediction."""

from __future__ import annotations

import pytest
import torch
from candidate_runs import small_model
from stubs import tiny_model

from vlp_rvos.explaining.tracing_runtime import TracingRuntime
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.runtimes.torch_runtime import TorchRuntime

WORDS = ["the dog that jumps", "it"]


@pytest.mark.parametrize("make", [small_model, tiny_model])
def test_predictions_are_those_of_the_runtime(make: object) -> None:
    model: VLPRVOS = make()  # type: ignore[operator]
    plain = TorchRuntime(model, precision="fp32")
    tracing = TracingRuntime(plain)
    text, states = plain.encode_text(WORDS), [None, None]
    for _ in range(2):
        frames = torch.rand(1, 3, 3, 64, 96)
        predictions = [plain.step(frames, text, states[0]), tracing.step(frames, text, states[1])]
        states = [prediction.state for prediction in predictions]
        torch.testing.assert_close(predictions[0].mask_logits, predictions[1].mask_logits)
        torch.testing.assert_close(predictions[0].presence_logits, predictions[1].presence_logits)
    embedded = [tracing.embed(frames[:, t : t + 1]) for t in range(3)]
    assert tracing.step(embedded, text).mask_logits.shape == (2, 3, 64, 96)
    trace = tracing.trace
    assert trace is not None
    tokens = text.words.shape[1]
    assert set(trace.attention) == {"fusion", "reasoning"} | ({"choice"} if model.candidate_path else set())
    for shares in trace.attention.values():
        assert shares.shape == (2, 3, tokens)
        torch.testing.assert_close(shares.sum(-1), torch.ones(2, 3))
    if text.mask is not None:
        assert all(shares[1, :, ~text.mask[1]].max() == 0 for shares in trace.attention.values())
    assert trace.scores is not None
    assert trace.token_scores is not None
    assert trace.token_scores.shape == (2, tokens, *trace.scores.shape[1:])
    assert (trace.chosen is None) == (model.candidate_path is None)


def test_the_dense_head_is_seen_before_the_candidates() -> None:
    model = small_model()
    tracing = TracingRuntime(TorchRuntime(model))
    prediction = tracing.step(torch.rand(1, 2, 3, 64, 96), tracing.encode_text(WORDS))
    assert tracing.trace is not None
    assert not torch.equal(tracing.trace.dense_masks, prediction.mask_logits)
