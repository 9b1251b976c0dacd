from __future__ import annotations

import torch
from stubs import tiny_model

from vlp_rvos.runtimes.forwarding_runtime import ForwardingRuntime
from vlp_rvos.runtimes.torch_runtime import TorchRuntime

WORDS = ["a dog", "a cat"]


def test_it_does_what_the_other_runtime_does() -> None:
    other = TorchRuntime(tiny_model())
    forwarding = ForwardingRuntime(other)
    for name in ("config", "size_multiple", "device", "embedding_cost", "can_point"):
        assert getattr(forwarding, name) == getattr(other, name)
    frames, text = torch.rand(1, 3, 3, 32, 48), forwarding.encode_text(WORDS)
    expected = other.step(frames, other.encode_text(WORDS))
    found = forwarding.step([forwarding.embed(frames)], text)
    torch.testing.assert_close(found.mask_logits, expected.mask_logits)
    state = forwarding.unpack_state(forwarding.pack_state(found.state))
    assert torch.equal(forwarding.step(frames, text, state).mask_logits, other.step(frames, text, state).mask_logits)
