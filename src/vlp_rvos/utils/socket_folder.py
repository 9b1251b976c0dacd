"""Folders for sockets: systems take paths of about a hundred bytes, and names of temporary folders may be longer."""

from __future__ import annotations

import os
import socket
import tempfile
from multiprocessing import util

from vlp_rvos.errors import UserError

__all__ = ["prepare_socket_folder", "socket_folder"]

#: Bytes of a path that macOS takes; Linux takes four more.
PATH_BYTES = 103
#: What `multiprocessing` adds to the name of the folder.
NAMES = "/pymp-12345678/listener-12345678"
#: Folders for temporary files that systems have, with short names.
ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm")


def socket_folder(names: str) -> str:
    """The temporary folder, or where its name is too long for sockets, one of the system's own.

    Args:
        names: what follows the name of the folder in the path of a socket, of the length that it may have.

    Raises:
        UserError: the name of every folder is too long, or none can be written into.
    """
    usual, longest = tempfile.gettempdir(), PATH_BYTES - len(names)
    for folder in (usual, *ELSEWHERE):
        if len(os.fsencode(folder)) <= longest and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise UserError(f"the name of the temporary folder {usual} is too long: set TMPDIR to one of {longest} bytes")


def prepare_socket_folder() -> None:
    """Make the private folder for the sockets of `multiprocessing`, of this process and those that it starts.

    Otherwise it would be made where the first socket is, in the temporary folder, however long its name. It goes when
    this process ends.

    Raises:
        UserError: no folder can hold sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        return
    usual = tempfile.gettempdir()
    tempfile.tempdir = socket_folder(NAMES)
    try:
        util.get_temp_dir()
    finally:
        tempfile.tempdir = usual
