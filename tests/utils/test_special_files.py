from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.special_files import refuse_special_file


def test_files_folders_and_nothing_pass(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    for path in (tmp_path, tmp_path / "file", tmp_path / "link", tmp_path / "none", Path("a\0b"), Path("x" * 5000)):
        refuse_special_file(path)


def test_what_it_is_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # The name of a socket must be short.
    os.mkfifo("pipe")
    Path("link.mp4").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for name, kind in (
            ("pipe", "a named pipe"),
            ("link.mp4", "a named pipe"),
            ("socket", "a socket"),
            ("/dev/null", "a device"),
        ):
            with pytest.raises(UserError, match=f"^{name} is {kind}, not a file"):
                refuse_special_file(Path(name))


def test_the_pipes_of_a_shell_may_pass() -> None:
    reading, writing = os.pipe()
    path = Path(f"/dev/fd/{reading}")
    try:
        if not path.exists():
            pytest.skip("no /dev/fd here")
        refuse_special_file(path, process_substitution=True)
        with pytest.raises(UserError, match="is a named pipe"):
            refuse_special_file(path)
    finally:
        os.close(reading)
        os.close(writing)
