"""Check, before long work starts, that its result can be written."""

from __future__ import annotations

import itertools
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.utils.atomic import folder_failure, os_reason

__all__ = [
    "distinct_outputs",
    "keep_frames",
    "keep_input",
    "new_output_folder",
    "output_folder",
    "prepare_output",
    "refuse_foreign",
]

#: Suffix of the pictures that are written; in a folder of frames each is taken for a frame.
PICTURE = ".png"


def prepare_output(path: Path, *, folder: bool = False, is_ours: Callable[[Path], bool] | None = None) -> None:
    """Make the folder that a result will be written into, and check that it can be written into.

    Args:
        path: The file or folder that will be written.
        folder: Whether `path` is a folder.
        is_ours: Whether a file that is there already may be replaced; see `refuse_foreign`. None replaces any file.

    Raises:
        UserError: The folder cannot be made or written into, or something stands where the file will be written that
            must not be replaced.
    """
    if not folder:
        refuse_foreign(path, is_ours or (lambda _: True))
    target = path if folder else path.parent
    try:
        target.mkdir(parents=True, exist_ok=True)
        # Permissions alone do not tell: the disk may be full, or mounted to be read only.
        with tempfile.TemporaryFile(dir=target):
            pass
    except OSError as error:
        raise folder_failure(target, error) from error


def refuse_foreign(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Check that a path is free, or holds an empty file or one that this program wrote.

    Args:
        path: The path of a file that will be written.
        is_ours: Tells by the content of a file whether this program wrote it.

    Raises:
        UserError: Something else is there.
    """
    if path.is_symlink() and not path.exists():
        raise UserError(f"{path} is a link that leads nowhere: remove it, or name another file")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file to write")
    if not path.exists():
        return
    if not path.is_file():
        raise UserError(f"{path} is not a regular file; name a file to write")
    if path.stat().st_size and not is_ours(path):
        raise UserError(f"{path} exists, and vlp-rvos did not write it: choose another output, or move it away")


def distinct_outputs(paths: Iterable[Path]) -> None:
    """Check that files are different ones, of which none would replace another.

    Raises:
        UserError: Two of them are the same.
    """
    seen: set[str] = set()
    for path in paths:
        if (real := os.path.realpath(path)) in seen:
            raise UserError(f"{path} is named for two outputs: give each a file of its own")
        seen.add(real)


def keep_input(source: Path, outputs: Iterable[Path]) -> None:
    """Check that no output is the input, or holds it.

    Names may differ: links, hard links and `..` lead to one file too. So the files themselves are compared.

    Args:
        source: The input, a file or a folder of files.
        outputs: The files and folders that will be written.

    Raises:
        UserError: An output would replace the input.
    """
    inputs = _identities(source)
    for output in outputs:
        if inputs & _identities(output) or _is_inside(source, output):
            raise UserError(f"the result would replace the input {source}: choose another output folder with -o")


def keep_frames(source: Path, outputs: Iterable[Path]) -> None:
    """Check that no output becomes a frame of the input, a folder of frames; arguments as for `keep_input`.

    Raises:
        UserError: An output would be taken for a frame.
    """
    for output in outputs:
        if output.suffix == PICTURE and os.path.realpath(output.parent) == os.path.realpath(source):
            raise UserError(f"{output} would be one of the frames of the input: choose another output folder with -o")


def _is_inside(path: Path, folder: Path) -> bool:
    return folder.is_dir() and Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def _identities(path: Path) -> set[tuple[int, int]]:
    """Device and number of a file, or of a folder and every file directly in it."""
    found: set[tuple[int, int]] = set()
    with suppress(OSError):
        status = path.stat()
        found.add((status.st_dev, status.st_ino))
        for entry in path.iterdir() if path.is_dir() else ():
            with suppress(OSError):
                status = entry.stat()
                if not stat.S_ISDIR(status.st_mode):
                    found.add((status.st_dev, status.st_ino))
    return found


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """Prepare a folder for results, and remove it again where the work in the `with` block fails without any.

    Args:
        folder: The folder. Folders above it that had to be made are removed too.

    Yields:
        The folder.

    Raises:
        UserError: The folder cannot be made or written into.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        prepare_output(folder, folder=True)
        yield folder
    except BaseException:
        for path in missing:
            # A folder with results in it stays.
            with suppress(OSError):
                path.rmdir()
        raise


@contextmanager
def new_output_folder(beside: Path, ending: str) -> Iterator[Path]:
    """Make a new folder beside a file or folder, and remove it again where the work in the `with` block fails.

    Args:
        beside: The file or folder, for example `videos/dog.mp4`.
        ending: What follows the stem of its name, for example "-masks", which makes `videos/dog-masks`. Where that is
            taken, `videos/dog-masks-2` is made, and so on; nothing that exists is used.

    Yields:
        The new folder.

    Raises:
        UserError: No folder can be made there, or nothing can be written into it.
    """
    named = beside if beside.name and beside.name != ".." else Path(os.path.abspath(beside))
    stem = named.name if beside.is_dir() else named.stem
    for number in itertools.count(1):
        folder = named.parent / f"{stem}{ending}{f'-{number}' if number > 1 else ''}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise _no_new_folder(folder, os_reason(error)) from error
        break
    try:
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise _no_new_folder(folder, os_reason(error)) from error
        yield folder
    except BaseException:
        # A folder with results in it stays.
        with suppress(OSError):
            folder.rmdir()
        raise


def _no_new_folder(folder: Path, reason: str) -> UserError:
    return UserError(f"cannot make the folder {folder} for the results ({reason}): name an output folder with -o")
