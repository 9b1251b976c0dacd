"""Miniatures of all six data sets in one folder, each under its name, as the training presets expect them."""

from __future__ import annotations

from pathlib import Path

from benchmark_miniatures import mevis, ref_davis17, ref_youtube_vos
from benchmark_miniatures_static import write_a2d, write_jhmdb, write_refcoco


def all_benchmarks(root: Path) -> Path:
    """Write them, and give back the folder."""
    ref_youtube_vos(root / "ref-youtube-vos")
    ref_davis17(root / "ref-davis17", frames=3)
    mevis(root / "mevis")
    write_a2d(root / "a2d-sentences")
    write_jhmdb(root / "jhmdb-sentences")
    for name in ("refcoco", "refcoco+", "refcocog"):
        write_refcoco(root / "refcoco", name)
    return root
