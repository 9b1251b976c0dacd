"""Files and folders of one folder that are replaced together, by the outputs of one run.

A kill at any moment leaves the earlier outputs or the new ones. The new ones are written into a staging folder. When
they are complete, a file there says so; then they are moved into place, one after the other. A run that finds a staging
folder with that file finishes the moving.

A symbolic link stays: what it leads to is replaced. So are folders that are mounted.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.atomic import AtomicWriter, write_failure
from vlp_rvos.utils.staging import READY, Staging, is_staging, lock_folder, remove_stale, stale_stagings

__all__ = ["ADVICE", "Check", "OutputSet", "finish_earlier_sets", "is_taken"]

#: Raises `UserError` where a path holds something that must not be replaced.
Check = Callable[[Path], None]

#: What to do about something that must not be replaced.
ADVICE = "move it away, or choose another output folder"


class OutputSet(AtomicWriter):
    """Outputs of one run, which take their places together when the set is closed.

    Args:
        folder: the folder of all outputs. It must exist.
        checks: name of each output in the folder -> check of what it replaces. They are moved in this order.

    Raises:
        OSError: the folder cannot be written into.
    """

    def __init__(self, folder: Path, checks: Mapping[str, Check]) -> None:
        self.folder, self.checks = folder, checks
        finish_earlier_sets(folder, checks)
        self._staging = Staging.create(folder)
        self._linked: dict[str, Staging] = {}
        self._is_ready = False
        try:
            for name in checks:
                target = folder / name
                if target.is_symlink() or os.path.ismount(target):
                    self._linked[name] = Staging.create(_disk_folder(target), str(self._staging.path.absolute()))
        except BaseException:
            self.discard()
            raise

    def part(self, name: str) -> Path:
        """Where an output is written until the set is complete. There is nothing there yet."""
        return self._linked.get(name, self._staging).new / name

    def close(self) -> None:
        """Move the outputs that were written into place.

        Raises:
            UserError: something else has taken a place meanwhile. The outputs are kept for the next run.
            OSError: an output cannot be moved. Nothing is lost: the next run moves it.
        """
        names: dict[str, Any] = {}
        for name in self.checks:
            part = self.part(name)
            if part.exists():
                linked = self._linked.get(name)
                files = sorted(os.listdir(part)) if part.is_dir() else None
                names[name] = {"linked": linked and str(linked.path.absolute()), "files": files}
        ready = self._staging.path / READY
        unfinished = ready.with_suffix(".part")
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(names, file)
            file.flush()
            os.fsync(file.fileno())
        with lock_folder(self.folder):
            os.replace(unfinished, ready)
            self._is_ready = True
            _move(self.folder, self._staging, self._linked, names, self.checks)
        self._is_ready = False
        self.discard()

    def discard(self) -> None:
        """Remove what was written. A complete set stays, for the next run to move it."""
        for staging in (*self._linked.values(), self._staging):
            if self._is_ready:
                staging.release()
            else:
                staging.remove()


def finish_earlier_sets(folder: Path, checks: Mapping[str, Check]) -> None:
    """Move complete sets that killed runs have left into place, with a warning, and remove incomplete ones.

    Args:
        folder: the folder of the outputs; it need not exist.
        checks: as for `OutputSet`.

    Raises:
        UserError: something else has taken the place of an output. The message says where the complete output lies.
    """
    with lock_folder(folder):
        for staging in stale_stagings(folder):
            names = _read_ready(staging)
            if names is None:
                if staging.owner and is_staging(Path(staging.owner)):
                    staging.release()
                else:
                    staging.remove()
            elif not names.keys() <= checks.keys():
                staging.release()
            else:
                _finish(folder, staging, names, checks)
    for name in checks:
        if (folder / name).is_symlink() or os.path.ismount(folder / name):
            remove_stale(_disk_folder(folder / name))


def is_taken(path: Path, kind: Literal["file", "folder"]) -> bool:
    """Whether an output of a kind would replace one of its kind; an empty file is none.

    Raises:
        UserError: a link that leads nowhere, or something of another kind, is there.
    """
    if path.is_symlink() and not path.exists():
        raise UserError(f"{path} is a link that leads nowhere: remove it, or choose another output folder")
    if not path.exists() or (kind == "file" and path.is_file() and not path.stat().st_size):
        return False
    if not (path.is_file() if kind == "file" else path.is_dir()):
        raise UserError(f"{path} is not a {kind}, and would be replaced by one: {ADVICE}")
    return True


def _finish(folder: Path, staging: Staging, names: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    linked: dict[str, Staging] = {}
    try:
        for name, entry in names.items():
            if entry["linked"] and (other := Staging.take(Path(entry["linked"]))):
                linked[name] = other
        _move(folder, staging, linked, names, checks)
    except BaseException:
        for one in (*linked.values(), staging):
            one.release()
        raise
    for one in (*linked.values(), staging):
        one.remove()
    message = f"{folder}: an earlier run was stopped while it put its results in place; they are complete now"
    warnings.warn(VLPRVOSWarning(message), stacklevel=4)


def _read_ready(staging: Staging) -> dict[str, Any] | None:
    """The names of a complete set; None where the set is not complete."""
    try:
        names = json.loads((staging.path / READY).read_text(encoding="utf-8"))
        good = all(
            os.path.basename(name) == name and {"linked", "files"} <= entry.keys() for name, entry in names.items()
        )
    except (OSError, ValueError, AttributeError):
        return None
    return dict(names) if good else None


def _disk_folder(target: Path) -> Path:
    """The folder, on the disk of what a link leads to, in which its replacement can be written."""
    real = Path(os.path.realpath(target))
    return real if real.is_dir() else real.parent


def _move(
    folder: Path, staging: Staging, linked: Mapping[str, Staging], names: Mapping[str, Any], checks: Mapping[str, Check]
) -> None:
    """Move what is not in its place yet. It can be broken off and begun again at any point."""
    for name, entry in names.items():
        place, target = linked.get(name, staging), folder / name
        new = place.new / name
        if not os.path.lexists(new):
            continue
        if name in linked:
            target = Path(os.path.realpath(target))
        try:
            if name in linked and entry["files"] is not None:
                if target.is_dir() and not os.listdir(place.old):
                    _check(checks[name], target, new)
                _move_files(new, target, place.old, entry["files"])
            else:
                if os.path.lexists(target):
                    _check(checks[name], target, new)
                    os.rename(target, _free(place.old, name))
                os.rename(new, target)
        except OSError as error:
            raise write_failure(target, error) from error


def _check(check: Check, target: Path, new: Path) -> None:
    try:
        check(target)
    except UserError as error:
        raise UserError(
            f"{error} (the new results are complete: they lie in {new}, and the next run moves them)"
        ) from error


def _move_files(new: Path, target: Path, old: Path, files: list[str]) -> None:
    """Replace the files of a folder that itself must stay."""
    for name in files:
        if os.path.lexists(new / name):
            if os.path.lexists(target / name):
                os.rename(target / name, _free(old, name))
            os.rename(new / name, target / name)
    for path in target.iterdir():
        if path.name not in files and not is_staging(path):
            os.rename(path, _free(old, path.name))
    new.rmdir()


def _free(folder: Path, name: str) -> Path:
    """A name in a folder that nothing has."""
    number = 0
    while os.path.lexists(path := folder / f"{number}-{name}"[:200]):
        number += 1
    return path
