from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from frame_results import EXPRESSIONS, result
from PIL import Image

from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay import overlay_colours
from vlp_rvos.media.result_plot import PlotWriter, check_plot, draw_plot
from vlp_rvos.media.time_bins import TimeBins


def plot(path: Path, frames: int, expressions: tuple[str, ...] = EXPRESSIONS) -> np.ndarray:
    with PlotWriter(path, expressions, overlay_colours(len(expressions))) as writer:
        for index in range(frames):
            writer.write(result(index, (0.9, 0.4)))
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("frames", [1, 2, 30])
def test_a_plot_shows_each_expression_in_its_colour(frames: int, tmp_path: Path) -> None:
    pixels = plot(tmp_path / "plot.png", frames)
    check_plot(tmp_path / "plot.png")
    red, green = ((np.abs(pixels - colour) < 40).all(-1) for colour in ([255, 64, 64], [38, 190, 82]))
    # Below the legend.
    assert red[80:].sum() > 20
    assert green[80:].sum() > 20


def test_a_line_is_where_its_value_is() -> None:
    bins = TimeBins((3, 1))
    for index in range(10):
        bins.add(float(index), np.array([[1.0 if index < 5 else 0.0], [0.5], [0.02]]))
    pixels = np.asarray(draw_plot(bins.bins(), ["x"], np.array([[255, 0, 0]], np.uint8))).astype(int)
    rows, columns = np.nonzero((pixels[60:240, :, 0] > 200) & (pixels[60:240, :, 1] < 80))
    assert rows[columns < 400].mean() + 60 == pytest.approx(68, abs=6)
    assert rows[columns > 700].mean() + 60 == pytest.approx(218, abs=6)


def test_many_and_odd_expressions(tmp_path: Path) -> None:
    bins = TimeBins((3, 255))
    bins.add(0.0, np.zeros((3, 255)))
    many = draw_plot(bins.bins(), ["x\x1b[31m " * 50] * 255, overlay_colours(255))
    assert many.size[0] == 1000
    assert many.size[1] < 1200


def test_no_frames_and_failures(tmp_path: Path) -> None:
    assert plot(tmp_path / "plot.png", 0).shape[1] == 1000
    with pytest.raises(ValueError, match="stop"), PlotWriter(tmp_path / "b.png", ["x"], overlay_colours(1)):
        raise ValueError("stop")
    assert [x.name for x in tmp_path.iterdir()] == ["plot.png"]


def test_only_plots_of_ours_are_replaced(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "plot.png")
    with pytest.raises(UserError, match="is not a plot that vlp-rvos wrote"):
        check_plot(tmp_path / "plot.png")
    check_plot(tmp_path / "free.png")
