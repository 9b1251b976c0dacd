from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.inference.mask_spool import MaskSpool


def test_frames_come_back_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rng = np.random.default_rng(0)
    frames = {number: (rng.random((2, 5, 7)) > 0.5, *rng.random((2, 2), np.float32)) for number in (4, 0, 2)}
    with MaskSpool() as spool:
        for number, (masks, scores, presences) in frames.items():
            spool.put(number, masks, scores, presences)
        for number in range(6):
            found = spool.get(number)
            assert (found is None) == (number not in frames)
            for own, expected in zip(found or (), frames.get(number, ()), strict=True):
                assert np.array_equal(own, expected)
        # Nothing stays behind, not even after a kill.
        assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"cannot write a temporary file .* set TMPDIR"):
        MaskSpool()
