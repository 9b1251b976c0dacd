"""Samples of a mixture as one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vlp_rvos.data.contact_sheet import render_sheet
from vlp_rvos.data.mixture import build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig


def test_the_sheet(config: MixtureConfig, tmp_path: Path) -> None:
    mixture = build_mixture(config)
    render_sheet([mixture.sample(0), mixture.sample(1)], tmp_path / "sheet.png", frames=2, width=96)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] == 2 * 96 + 370
        assert np.asarray(sheet).any()
