from __future__ import annotations

from pathlib import Path

from PIL import Image

from vlp_rvos.profiling.plots import BAD, GOOD, LINE_COLOURS, plot_bars, plot_lines


def colours(path: Path) -> dict[object, int]:
    """Colour -> number of pixels."""
    with Image.open(path) as image:
        return {colour: count for count, colour in image.getcolors(1 << 20) or ()}


def test_bars_are_shares_of_their_target(tmp_path: Path) -> None:
    plot_bars(tmp_path / "half.png", [("half", 1.0, 2.0)])
    plot_bars(tmp_path / "full.png", [("full", 2.0, 2.0)])
    plot_bars(tmp_path / "over.png", [("over", 3.0, 2.0)])
    half, full, over = (colours(tmp_path / f"{name}.png") for name in ("half", "full", "over"))
    assert 0.45 < half[GOOD] / full[GOOD] < 0.55
    assert GOOD not in over
    assert 1.4 < over[BAD] / full[GOOD] < 1.6


def test_bars_without_a_target_are_shares_of_the_largest(tmp_path: Path) -> None:
    plot_bars(tmp_path / "one.png", [("largest", 4.0, None)])
    plot_bars(tmp_path / "two.png", [("largest", 4.0, None), ("quarter", 1.0, None)])
    one, two = colours(tmp_path / "one.png"), colours(tmp_path / "two.png")
    assert 1.2 < two[GOOD] / one[GOOD] < 1.3


def test_each_line_has_a_colour(tmp_path: Path) -> None:
    plot_lines(tmp_path / "lines.png", "cost", "frames", "GFLOPs", {"mini": {1.0: 2.0, 2.0: 4.0}, "clip": {1.0: 4.0}})
    found = colours(tmp_path / "lines.png")
    assert found[LINE_COLOURS[0]] > 100
    assert LINE_COLOURS[1] in found
    assert LINE_COLOURS[2] not in found
