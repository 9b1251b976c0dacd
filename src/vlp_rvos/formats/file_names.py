"""Names of files and labels made of text from outside, such as expressions; and files to pass over, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vlp_rvos.media.frame_record import FrameRecord

__all__ = ["frame_stem", "one_line_label", "safe_name", "unique_labels", "visible"]

#: Longest name, in characters.
MAX_NAME = 60
_UNSAFE = re.compile(r"[^\w.-]+")
#: Names that Windows keeps for devices.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
#: Names of frames that are taken over: letters of any alphabet, digits and a few marks, none of them in front.
_FRAME = re.compile(r"[\w][\w .()+-]{0,199}")


def safe_name(text: str, otherwise: str = "video") -> str:
    """A name that every file system takes, and that leads to no other folder: words joined by hyphens.

    Args:
        text: An expression, or the name of a video.
        otherwise: The name where nothing of the text is left.
    """
    name = _UNSAFE.sub("-", text).strip("-._")[:MAX_NAME].rstrip("-._")
    name = name.encode("utf-8", "ignore").decode()
    return f"_{name}" if _DEVICES.fullmatch(name) else name or otherwise


def frame_stem(result: FrameRecord) -> str:
    """File stem of a frame: its own name where that is safe as a name of a file, otherwise its index."""
    name = result.name
    is_safe = _FRAME.fullmatch(name) and not name.endswith((" ", ".")) and not _DEVICES.fullmatch(name)
    return name if is_safe else f"{result.index:05d}"


def visible(paths: Iterable[Path]) -> list[Path]:
    """Sorted paths without hidden files and without what macOS puts beside the files of an archive."""
    return sorted(path for path in paths if not path.name.startswith((".", "__MACOSX")))


def one_line_label(text: str) -> str:
    """An expression as a label: one line, without what only a terminal or a printer would obey."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split()) or "thing"


def unique_labels(expressions: Sequence[str]) -> tuple[list[str], list[int]]:
    """The labels of expressions, each once, and for every expression the number of its label, counted from 0."""
    labels: dict[str, int] = {}
    numbers = [labels.setdefault(one_line_label(text), len(labels)) for text in expressions]
    return list(labels), numbers
