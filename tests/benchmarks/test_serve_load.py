"""The load script with a server that answers like the service, but has no model: the real clients check its answers."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from scripts import load_benchmark, run_script


class Answers(BaseHTTPRequestHandler):
    """Answers a question with its expressions, a number that stands for its masks, and a last line."""

    def do_GET(self) -> None:
        self._send(200, b"")

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        assert isinstance(server, StubServer)
        server.asked += 1
        if server.asked > 0 and server.asked % 2:
            self._send(429, b"{}", {"Retry-After": "0"})
            return
        words = [each.decode() for each in re.findall(rb'name="expression"\r\n\r\n([^\r]*)', content)]
        seed = re.findall(rb"clip-(\d)", content)[0].decode()
        masks = server.asked if server.swaps else seed
        lines: list[object] = [{"expressions": words}, {"masks": f"{masks} {words}"}, {"done": True}]
        self._send(200, "\n".join(map(json.dumps, lines)).encode())

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class StubServer(ThreadingHTTPServer):
    """Such a server on a free port; it refuses every second request, and may give wrong answers."""

    asked, swaps = 0, False


@pytest.fixture
def server() -> Iterator[StubServer]:
    stub = StubServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=stub.serve_forever, daemon=True)
    thread.start()
    yield stub
    stub.shutdown()
    thread.join()
    stub.server_close()


# Not imported here: locust replaces the threads of the process by its own.
@pytest.mark.skipif(find_spec("locust") is None, reason="locust is not installed")
@pytest.mark.slow
@pytest.mark.parametrize("swaps", [False, True])
def test_answers_are_counted_and_checked(
    server: StubServer, swaps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_benchmark("serve_load", monkeypatch)
    real, server.swaps = subprocess.Popen, swaps
    started: list[list[str]] = []

    def popen(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        if "serve" not in command:
            return real(command, **options)  # type: ignore[call-overload, no-any-return]
        # In the place of the service: a process that ends when it is asked to.
        started.append(command)
        return real([sys.executable, "-c", "import signal; signal.pause()"])

    monkeypatch.setattr(module.subprocess, "Popen", popen)
    # The six questions that are asked for their right answers are not refused.
    server.asked = -6
    arguments = ("--seconds", 3, "--queue", 1, "--port", server.server_port)
    code, report = run_script(module, monkeypatch, tmp_path / "load.json", *arguments)
    (command,) = started
    assert command[1:4] == ["-m", "vlp_rvos", "serve"]
    assert (report["clients"], report["exit_code"]) == (4, -signal.SIGTERM)
    assert report["shed"] > 0
    assert 0 < report["shed_share"] < 1
    assert report["mebibytes"]["largest"] > 0
    assert code == (1 if swaps else 0)
    if swaps:
        assert any("swapped" in failure for failure in report["failures"])
        assert report["answered"] == 0
    else:
        assert report["failures"] == {}
        assert report["answered"] > 0
        assert report["seconds"]["p99"] >= report["seconds"]["p50"] > 0
