"""What killed runs of version 0.1.0 left beside their outputs: `.<name>.<process number>.part` and `.old`."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vlp_rvos.media.palette import is_unmarked_palette_png
from vlp_rvos.media.png_mark import SIGNATURE

__all__ = ["remove_leftovers"]

LEFTOVER = re.compile(r"\.(overlay\.mp4|masks|masks\.json)\.(\d+)\.(part|old)")


def remove_leftovers(folder: Path) -> None:
    """Remove the leftovers in a folder, and put back an earlier output that a killed run had moved away."""
    for path in sorted(folder.iterdir()):
        match = LEFTOVER.fullmatch(path.name)
        if match is None or _in_use(int(match[2]), path):
            continue
        name, target = match[1], folder / match[1]
        with suppress(OSError):
            if match[3] == "old" and not os.path.lexists(target):
                # The run was killed between moving the earlier output away and putting its own in place.
                path.rename(target)
            elif path.is_symlink():
                path.unlink()
            elif _LEFTOVERS[name](path):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _in_use(process: int, path: Path) -> bool:
    """Whether a process of this number runs that is older than the file. This version never makes such files."""
    if process == os.getpid():
        return False
    try:
        # The 22nd field; the second one may hold spaces.
        ticks = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
        booted = int(Path("/proc/stat").read_text().partition("btime ")[2].split()[0])
    except (OSError, ValueError, IndexError):
        return False
    # The time of the start of the system has whole seconds.
    return booted + ticks / os.sysconf("SC_CLK_TCK") <= path.lstat().st_mtime + 2


def _is_leftover_folder(path: Path) -> bool:
    if not path.is_dir():
        return False
    files = sorted(path.iterdir(), key=lambda file: file.lstat().st_mtime_ns)
    # The file that was written last may be cut off.
    cut = [file for file in files if not is_unmarked_palette_png(file)]
    return all(file.suffix == ".png" for file in files) and len(cut) <= 1 and all(_starts(x, SIGNATURE) for x in cut)


def _starts(path: Path, start: bytes) -> bool:
    """Whether a file starts so, or is cut off within the start."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        content = file.read(len(start))
    return start.startswith(content)


def _is_leftover_video(path: Path) -> bool:
    # The size of its first box, then what kind of file it is.
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(12)[4:] in (b"", b"ftypisom")


_LEFTOVERS: dict[str, Callable[[Path], bool]] = {
    "overlay.mp4": _is_leftover_video,
    "masks": _is_leftover_folder,
    "masks.json": lambda path: _starts(path, b'{"video": {"name": "'),
}
