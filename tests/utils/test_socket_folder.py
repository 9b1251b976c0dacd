"""Sockets of processes can be made however long the name of the temporary folder is."""

from __future__ import annotations

import multiprocessing.connection
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils import socket_folder as module
from vlp_rvos.utils.socket_folder import NAMES, PATH_BYTES, socket_folder

#: What a process with a long name of the temporary folder does: a value goes through the socket of another one.
EXCHANGE = """
import multiprocessing, os, tempfile
from vlp_rvos.utils.socket_folder import prepare_socket_folder
usual = tempfile.gettempdir()
prepare_socket_folder()
assert tempfile.gettempdir() == usual
with multiprocessing.Manager() as manager:
    queue = manager.Queue()
    queue.put("through a socket")
    folder = os.path.dirname(manager.address)
    print(queue.get(), folder, oct(os.stat(folder).st_mode), sep="\\n")
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A temporary folder with a short name."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_a_manager_works_where_the_name_of_the_temporary_folder_is_long(tmp_path: Path) -> None:
    long = tmp_path / ("x" * PATH_BYTES)
    long.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", EXCHANGE],
        env=os.environ | {"TMPDIR": str(long), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    text, folder, mode = done.stdout.splitlines()
    assert (text, mode) == ("through a socket", oct(0o40700))
    assert os.path.dirname(folder) in module.ELSEWHERE
    assert not os.path.exists(folder)


def test_the_longest_name_that_is_used_holds_a_socket(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for more, expected in ((0, True), (1, False)):
        folder = short / ("x" * (PATH_BYTES - len(NAMES) - len(f"{short}/") + more))
        folder.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        assert (socket_folder(NAMES) == str(folder)) is expected
        if expected:
            os.mkdir(f"{folder}/pymp-12345678")
            multiprocessing.connection.Listener(f"{folder}{NAMES}").close()


def test_no_folder_for_sockets_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ELSEWHERE", (str(tmp_path / "missing"),))
    with pytest.raises(UserError, match=r"is too long: set TMPDIR to one of 3 bytes"):
        socket_folder("x" * 100)
