"""A folder of files on a local disk or in an object store, in which a file appears whole or not at all.

Local files are written beside their place and renamed. In an object store, one upload makes an object visible.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlp_rvos.errors import UserError
from vlp_rvos.utils.atomic import folder_failure, replace_file
from vlp_rvos.utils.extras import import_optional
from vlp_rvos.utils.staging import PREFIX

__all__ = ["Storage", "fetch", "is_url"]

#: Kinds of URL that are read and written -> the package that fsspec needs for it.
PACKAGES = {"file": "", "s3": "s3fs", "gs": "gcsfs", "memory": ""}


def is_url(name: str) -> bool:
    """Whether a name is a URL and not a path."""
    return "://" in name


class Storage:
    """A folder, and everything in it by names such as "results/a/b.parquet".

    Args:
        folder: a path, or a URL beginning with file://, s3:// or gs://.

    Attributes:
        folder: an absolute path, or the URL.

    Raises:
        UserError: another kind of URL, or a package for it is missing.
    """

    def __init__(self, folder: str) -> None:
        self._local: Path | None = None
        self._remote: Any = None
        self._name = folder
        if not is_url(folder) or folder.startswith("file://"):
            self._local = Path(os.path.abspath(folder.removeprefix("file://")))
            self.folder = str(self._local)
        else:
            self.folder = folder.rstrip("/")
            self._remote, self._root = _file_system(self.folder)

    def __str__(self) -> str:
        return self._name

    def prepare(self) -> None:
        """Make a local folder, and check that it can be written into.

        Raises:
            UserError: it cannot.
        """
        if self._local is not None:
            from vlp_rvos.utils.output_files import prepare_output

            prepare_output(self._local, folder=True)

    def names(self, below: str = "", *, deep: bool = True) -> list[str]:
        """Names of the files, in alphabetical order; folders and unfinished files are left out.

        Args:
            below: a folder in this one; its files are listed by their names in this one.
            deep: whether files in folders of it are listed too.

        Raises:
            UserError: the object store refuses.
        """
        if self._local is not None:
            top = self._local / below
            found: list[str] = []
            for folder, folders, files in os.walk(top):
                folders[:] = [name for name in folders if deep and not name.startswith(PREFIX)]
                found += [os.path.relpath(os.path.join(folder, name), self._local) for name in files]
            return sorted(found)
        root = f"{self._root}/{below}".rstrip("/")
        paths = _asked(self.folder, self._remote.find, root, maxdepth=None if deep else 1)
        return sorted(str(path)[len(self._root) + 1 :] for path in paths)

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        if self._local is not None:
            return (self._local / name).is_file()
        return bool(_asked(self.folder, self._remote.exists, f"{self._root}/{name}"))

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: there is none.
        """
        if self._local is not None:
            return (self._local / name).read_bytes()
        content: bytes = self._remote.cat_file(f"{self._root}/{name}")
        return content

    def put(self, name: str, content: bytes | Path) -> None:
        """Write a file, or replace it, in one step.

        Args:
            name: its name.
            content: what to write, or a local file to copy.

        Raises:
            OSError: it cannot be written, for example because the disk is full.
        """
        if self._local is not None:
            replace_file(self._local / name, lambda part: _fill(part, content))
        elif isinstance(content, bytes):
            self._remote.pipe_file(f"{self._root}/{name}", content)
        else:
            self._remote.put_file(str(content), f"{self._root}/{name}")

    def remove(self, name: str) -> None:
        """Remove a file if it is there, and on a local disk its folder if nothing else is in it."""
        with suppress(FileNotFoundError):
            if self._local is None:
                self._remote.rm_file(f"{self._root}/{name}")
            else:
                (self._local / name).unlink()
        if self._local is not None:
            with suppress(OSError):
                (self._local / name).parent.rmdir()


def fetch(location: str, folder: Path) -> Path:
    """A video as a local file or folder; an object is copied into a folder, under its own name.

    Raises:
        UserError: there is no such file, or it may not be read.
        OSError: the object store cannot be reached, or the disk is full.
    """
    if not is_url(location):
        return Path(location)
    remote, path = _file_system(location)
    name = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in path.rpartition("/")[2])
    target = folder / (name.lstrip(".")[-100:] or "video")
    try:
        remote.get_file(path, str(target))
    except FileNotFoundError:
        raise UserError(f"no such object: {location}") from None
    except PermissionError as error:
        raise UserError(f"{location} may not be read: {error}") from error
    if not target.is_file():
        raise UserError(f"{location} is not a file: folders of frames are read from local disks only")
    return target


def _file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    kind, _, path = url.partition("://")
    if kind not in PACKAGES:
        raise UserError(f"{url}: not a URL of a known kind ({', '.join(f'{name}://' for name in PACKAGES)})")
    fsspec = import_optional("fsspec", extra="batch")
    try:
        # What another worker has written must be seen.
        return fsspec.filesystem(kind, use_listings_cache=False), ("/" if kind == "memory" else "") + path.rstrip("/")
    except ImportError as error:
        raise UserError(f"{PACKAGES[kind]} is not installed; install with: pip install {PACKAGES[kind]}") from error


def _asked(url: str, question: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return question(*arguments, **options)
    except FileNotFoundError:
        return []
    except PermissionError as error:
        raise UserError(f"{url} may not be read: {error}") from error


def _fill(part: Path, content: bytes | Path) -> None:
    if isinstance(content, bytes):
        part.write_bytes(content)
    else:
        try:
            shutil.copyfile(content, part)
        except FileNotFoundError as error:
            raise folder_failure(part.parent, error) from error
