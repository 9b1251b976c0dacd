"""All writers of results together."""

from __future__ import annotations

from pathlib import Path

import pytest
from frame_results import EXPRESSIONS, INFO, result

from vlp_rvos.media.mask_png import PaletteMaskWriter
from vlp_rvos.media.masks_json import MasksJsonWriter
from vlp_rvos.media.overlay_video import OverlayWriter


def test_failures_leave_earlier_results(tmp_path: Path) -> None:
    with PaletteMaskWriter(tmp_path / "masks") as writer:
        writer.write(result(name="old"))
    (tmp_path / "masks.json").write_text("old")
    (tmp_path / "overlay.mp4").write_text("old")
    before = sorted(tmp_path.rglob("*"))

    def run() -> None:
        with (
            MasksJsonWriter(tmp_path / "masks.json", INFO, EXPRESSIONS, "mini", "1") as masks_json,
            PaletteMaskWriter(tmp_path / "masks") as masks,
            OverlayWriter(tmp_path / "overlay.mp4", EXPRESSIONS, 10) as overlay,
        ):
            for writer in (masks_json, masks, overlay):
                writer.write(result())
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run()
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "masks.json").read_text() == (tmp_path / "overlay.mp4").read_text() == "old"
