"""Folders in which outputs are written until they are complete.

A staging folder lies on the disk of its outputs, has a name that no other one has, and holds a file that says what it
is. Its run keeps that file locked, so another run can tell a folder in use from one that a killed run left behind. The
system lets go of the lock when the run ends, however it ends. Process numbers say nothing: containers share them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    LOCK_EX = LOCK_NB = 0

    def flock(fd: int, operation: int) -> None:
        # Nothing is locked, and so nothing counts as left behind.
        raise OSError("files cannot be locked")
else:
    from fcntl import LOCK_EX, LOCK_NB, flock


__all__ = ["READY", "Staging", "is_staging", "lock_folder", "remove_stale", "stale_stagings"]

PREFIX = ".vlp-rvos-"
LOCK = "staging.json"
FORMAT = "vlp-rvos-staging"
#: The file that lists the outputs of a complete set; see `output_set`.
READY = "ready.json"


class Staging:
    """A staging folder that this process has locked.

    Attributes:
        path: the folder.
        new: folder in it for outputs that are being written.
        old: folder in it for what they replace.
        owner: path of another staging folder that this one belongs to; empty for none.
    """

    def __init__(self, path: Path, lock: int, owner: str) -> None:
        self.path, self._lock, self.owner = path, lock, owner
        self.new, self.old = path / "new", path / "old"

    @classmethod
    def create(cls, parent: Path, owner: str = "") -> Staging:
        """Make a staging folder in an existing folder.

        Raises:
            OSError: the folder cannot be written into.
        """
        while True:
            path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            try:
                lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            except FileNotFoundError:
                # Another run took the empty folder for one that was left behind.
                continue
            except OSError:
                path.rmdir()
                raise
            if _lock_file(lock) is False or not _is_file(path / LOCK, lock):
                os.close(lock)
                continue
            staging = cls(path, lock, owner)
            try:
                os.write(lock, json.dumps({"format": FORMAT, "owner": owner}).encode())
                staging.new.mkdir()
                staging.old.mkdir()
            except BaseException:
                staging.remove()
                raise
            return staging

    @classmethod
    def take(cls, path: Path) -> Staging | None:
        """Lock a staging folder that a run left behind; None where it is in use, or is no staging folder."""
        try:
            lock = os.open(path / LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            # The run was killed before it could write anything.
            with suppress(OSError):
                path.rmdir()
            return None
        except OSError:
            return None
        if _lock_file(lock) and _is_file(path / LOCK, lock):
            content = os.pread(lock, 2**16, 0)
            with suppress(ValueError):
                # A run that was killed early leaves an empty file.
                mark = json.loads(content or json.dumps({"format": FORMAT}))
                if isinstance(mark, dict) and mark.get("format") == FORMAT:
                    return cls(path, lock, str(mark.get("owner", "")))
        os.close(lock)
        return None

    def remove(self) -> None:
        """Delete the folder and let go of the lock. What cannot be deleted is left to the next run."""
        with suppress(OSError):
            for entry in os.scandir(self.path):
                if entry.name != LOCK:
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)
            # The file that says what the folder is goes last: what is left of the folder stays recognisable.
            (self.path / LOCK).unlink()
            self.path.rmdir()
        self.release()

    def release(self) -> None:
        """Let go of the lock, and leave the folder as it is."""
        with suppress(OSError):
            os.close(self._lock)


def is_staging(path: Path) -> bool:
    """Whether a path is a staging folder, in use or left behind, by the file in it."""
    try:
        content = (path / LOCK).read_bytes() if path.name.startswith(PREFIX) else b"{}"
        return not content or json.loads(content).get("format") == FORMAT
    except (OSError, ValueError, AttributeError):
        return False


def stale_stagings(folder: Path) -> Iterator[Staging]:
    """Lock and yield the staging folders that killed runs have left in a folder. The caller ends each of them."""
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX)]
    except OSError:
        return
    for path in found:
        if not path.is_symlink() and path.is_dir() and (staging := Staging.take(path)):
            yield staging


def remove_stale(folder: Path) -> None:
    """Delete the staging folders that killed runs have left in a folder, except for complete sets of outputs."""
    for staging in stale_stagings(folder):
        if (staging.path / READY).exists() or (staging.owner and is_staging(Path(staging.owner))):
            staging.release()
        else:
            staging.remove()


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Let no other process into a block for the same folder; without effect where folders cannot be locked."""
    descriptor = None
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        if descriptor is not None:
            with suppress(OSError):
                flock(descriptor, LOCK_EX)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock_file(descriptor: int) -> bool | None:
    """Whether the file could be locked: False where another process holds it, None where files cannot be locked."""
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_file(path: Path, descriptor: int) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except OSError:
        return False
