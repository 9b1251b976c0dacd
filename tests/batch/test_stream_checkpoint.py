from __future__ import annotations

import pickle

import pytest
import torch

from vlp_rvos.batch.stream_checkpoint import Progress, pack_checkpoint, unpack_checkpoint


def test_round_trip() -> None:
    state = {"a": torch.rand(2, 3), "b": torch.tensor(5), "c": torch.zeros(0, dtype=torch.bool)}
    progress, found = unpack_checkpoint(pack_checkpoint(Progress(12, 6, 99), state))
    assert progress == Progress(12, 6, 99)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) and found[name].dtype == state[name].dtype for name in state)


def test_something_else() -> None:
    good = pack_checkpoint(Progress(12, 6, 99), {"a": torch.rand(3)})
    for content in (b"", b"x" * 100, good[:-1], pickle.dumps({"a": 1}), good.replace(b"progress", b"pr0gress")):
        with pytest.raises(ValueError, match="checkpoint"):
            unpack_checkpoint(content)
