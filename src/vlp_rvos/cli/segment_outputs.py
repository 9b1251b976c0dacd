"""The outputs of `vlp-rvos segment`: what may be replaced by them, and what killed runs have left."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from vlp_rvos.arrays import Size
from vlp_rvos.errors import UserError
from vlp_rvos.media.mask_png import check_mask_folder
from vlp_rvos.media.masks_json import check_masks_json
from vlp_rvos.media.masks_reader import read_masks
from vlp_rvos.media.overlay_video import check_overlay
from vlp_rvos.media.palette import is_unmarked_palette_png
from vlp_rvos.utils.output_set import Check, finish_earlier_sets

__all__ = ["MASKS", "MASKS_JSON", "OVERLAY", "check_outputs", "keep_input", "output_checks"]

OVERLAY, MASKS, MASKS_JSON = "overlay.mp4", "masks", "masks.json"

Identity = tuple[int, int]


def output_checks(folder: Path) -> dict[str, Check]:
    """Name of each output -> the check of what it replaces, in the order in which they take their places."""
    earlier, frames = partial(read_masks, folder / MASKS_JSON), partial(_earlier_frames, folder / MASKS_JSON)
    return {
        OVERLAY: lambda path: check_overlay(path, frames),
        MASKS: lambda path: check_mask_folder(path, earlier),
        # The last one: the checks of the others read the earlier one.
        MASKS_JSON: check_masks_json,
    }


def check_outputs(video: Path, folder: Path, *, overlay: bool) -> set[str]:
    """Finish what an earlier run has left unfinished, and check that nothing but results of earlier runs is replaced.

    Args:
        video: the input, a file or a folder of frames.
        folder: the output folder; it need not exist.
        overlay: whether an overlay will be written.

    Returns:
        Names of the outputs that an earlier run left there.

    Raises:
        UserError: an output would replace the input or something that no run wrote.
    """
    checks = output_checks(folder)
    keep_input(video, [folder / name for name in checks])
    if not folder.is_dir():
        return set()
    finish_earlier_sets(folder, checks)
    _remove_leftovers(folder)
    found = {name for name in checks if (folder / name).exists()}
    for name, check in checks.items():
        try:
            check(folder / name)
        except UserError:
            if overlay or name != OVERLAY:
                raise
            found.discard(name)
    return found


def keep_input(video: Path, outputs: list[Path]) -> None:
    """Check that no output is the input, or holds it.

    Names may differ: links, hard links and `..` lead to one file too. So the files themselves are compared.

    Raises:
        UserError: an output would replace the input.
    """
    inputs = _identities(video)
    for output in outputs:
        if inputs & _identities(output) or _inside(video, output):
            raise UserError(f"the result would replace the input {video}: choose another output folder with -o")


def _inside(video: Path, output: Path) -> bool:
    return output.is_dir() and Path(os.path.realpath(output)) in Path(os.path.realpath(video)).parents


def _identities(path: Path) -> set[Identity]:
    """A file, or a folder and everything directly in it."""
    found: set[Identity] = set()
    with suppress(OSError):
        status = path.stat()
        found.add((status.st_dev, status.st_ino))
        if path.is_dir():
            for entry in path.iterdir():
                with suppress(OSError):
                    status = entry.stat()
                    found.add((status.st_dev, status.st_ino))
    return found


def _earlier_frames(masks_json: Path) -> tuple[Size, int]:
    try:
        earlier = read_masks(masks_json)
        return (earlier.video["height"], earlier.video["width"]), sum(1 for _ in earlier.entries())
    except UserError:
        return (0, 0), 0


# --- what killed runs of version 0.1.0 left: .<name>.<process number>.part and .old ----------------------------------
LEFTOVER = re.compile(rf"\.({re.escape(OVERLAY)}|{re.escape(MASKS)}|{re.escape(MASKS_JSON)})\.(\d+)\.(part|old)")


def _remove_leftovers(folder: Path) -> None:
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
    return all(file.suffix == ".png" for file in files) and len(cut) <= 1 and all(_starts(x, PNG_START) for x in cut)


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


PNG_START = b"\x89PNG\r\n\x1a\n"
_LEFTOVERS: dict[str, Callable[[Path], bool]] = {
    OVERLAY: _is_leftover_video,
    MASKS: _is_leftover_folder,
    MASKS_JSON: lambda path: _starts(path, b'{"video": {"name": "'),
}
