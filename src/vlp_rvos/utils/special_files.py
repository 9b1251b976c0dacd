"""Pipes, devices and sockets, which must not be opened as if they were files: opening or reading one may never end."""

from __future__ import annotations

import stat
from pathlib import Path

from vlp_rvos.errors import UserError

__all__ = ["refuse_special_file"]

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def refuse_special_file(path: Path, *, process_substitution: bool = False) -> None:
    """Refuse a path that is neither a file nor a folder. One that does not exist is left to the caller.

    Args:
        path: The path.
        process_substitution: Allow the pipes that a shell makes for `<(command)`.

    Raises:
        UserError: It is a named pipe, a socket or a device; the message says which.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    kind = _KINDS.get(stat.S_IFMT(mode))
    if kind is None or (process_substitution and stat.S_ISFIFO(mode) and str(path).startswith(("/dev/fd/", "/proc/"))):
        return
    raise UserError(f"{path} is {kind}, not a file: write its content into a file, and give that")
