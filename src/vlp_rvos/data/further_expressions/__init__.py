"""Further expressions about the pictures that the shipped recipes learn from and hold out.

A large vision-language model wrote them for this project, looking at the outlined pictures, and those were kept whose
meaning it found again without being told (`docs/log/15-said.md`).

Each file has the form of `expressions.json` (`vlp_rvos.data.sources.described_pictures`). It names pictures and things
of a public data set by their files and ids, and holds nothing of the pictures themselves. `pictures` and `stills` are
about what is learned from, `pictures-held-out` is about what is held out and for tests only.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

__all__ = ["find_expressions", "further_expressions"]


def further_expressions() -> dict[str, Path]:
    """The files of expressions that come with the package, by their names without `.json`."""
    folder = Path(str(resources.files("vlp_rvos") / "data" / "further_expressions"))
    return {file.stem: file for file in sorted(folder.glob("*.json"))}


def find_expressions(name: str, root: str | Path) -> Path:
    """The file of a name in `PictureSource.expressions`.

    Args:
        name: Name of a file that comes with the package, or path of a file, relative to `root` unless absolute.
        root: Root of the data.
    """
    return further_expressions().get(name, Path(root) / name)
