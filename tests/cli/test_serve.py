"""`vlp-rvos serve` starts only where it is safe to."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from vlp_rvos.cli.app import main


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "set a token in the variable VLP_RVOS_TOKEN"),
        (["--host", "::"], "set a token"),
        (["--host", "example.org"], "--host must be one of"),
        (["--token", "short"], "at least 16"),
        (["--workers", "0"], "workers must be from 1 to 256"),
        (["--max-megabytes", "0"], "max_megabytes must be greater than 0"),
        (["--timeout", "nan"], "timeout must be"),
    ],
)
def test_mistakes_are_one_line(options: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *options]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("vlp_rvos.utils.extras.find_spec", lambda _: None)
    assert main(["serve"]) == 2
    assert "pip install 'vlp-rvos[serve]'" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: cannot listen at 127.0.0.1, port {port} ({os.strerror(errno.EADDRINUSE)})")
    assert error.count("\n") == 1
