from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlp_rvos.cli import app as cli
from vlp_rvos.web import server


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(server, "serve", lambda segmenter, **options: calls.append(options))
    monkeypatch.setattr("vlp_rvos.utils.extras.is_installed", lambda package: True)
    return calls


def run(*arguments: object) -> int:
    return cli.main(["web", *map(str, arguments)])


@pytest.mark.usefixtures("tiny_default_model")
def test_options_reach_the_server(
    served: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cat.mp4", "._cat.mp4"):
        (tmp_path / name).touch()
    options = ["--port", 7000, "--max-seconds", 5, "--max-megabytes", 7, "--queue", 3, "--examples", tmp_path]
    assert run(*options) == 0
    (call,) = served
    assert (call["host"], call["port"], call["password"]) == ("127.0.0.1", 7000, None)
    assert (call["limits"].max_seconds, call["limits"].max_megabytes, call["limits"].queue) == (5, 7, 3)
    assert call["examples"] == [tmp_path / "cat.mp4"]
    assert "warning" not in capsys.readouterr().err


@pytest.mark.usefixtures("tiny_default_model")
def test_an_open_host_is_told(served: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--host", "0.0.0.0") == 0
    assert "warning: everyone who can reach 0.0.0.0 can use this page" in capsys.readouterr().err
    assert run("--host", "0.0.0.0", "--password", "secret") == 0
    assert "warning" not in capsys.readouterr().err
    assert served[-1]["password"] == "secret"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--port", "0"], "port must be from 1 to 65535"),
        (["--max-seconds", "0"], "max_seconds must be"),
        (["--queue", "-1"], "queue must be"),
        (["--password", ""], "the password is empty"),
        (["--examples", "nowhere"], "no such folder: nowhere"),
    ],
)
def test_mistakes_are_one_line(
    served: list[dict[str, Any]], options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*options) == 2
    assert problem in capsys.readouterr().err
    assert served == []


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("vlp_rvos.utils.extras.is_installed", lambda package: False)
    assert run() == 2
    assert "pip install 'vlp-rvos[web]'" in capsys.readouterr().err
