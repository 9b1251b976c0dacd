"""The real command: a worker process, overload, and SIGTERM during a request."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from clips import noise, write_video

from vlp_rvos.errors import TERMINATED


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.slow
def test_overload_and_sigterm_while_a_request_runs(tmp_path: Path) -> None:
    port, temporary = free_port(), tmp_path / "tmp"
    temporary.mkdir()
    url = f"http://127.0.0.1:{port}"
    video = write_video(tmp_path / "dog.mp4", noise(36)).read_bytes()
    command = [sys.executable, "-m", "vlp_rvos", "serve", "--port", str(port), "--queue", "1", "--size", "64"]
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    server = subprocess.Popen([*command, "--grace", "60"], env=environment)
    waiting: list[httpx.Response] = []

    def ask(words: str) -> httpx.Response:
        files = {"video": ("dog.mp4", video)}
        return httpx.post(f"{url}/v1/segment", data={"expression": words, "every": "2"}, files=files, timeout=120)

    try:
        while server.poll() is None:
            try:
                if httpx.get(f"{url}/ready", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        data, files = {"expression": ["a dog", "a car"]}, {"video": ("dog.mp4", video)}
        with httpx.stream("POST", f"{url}/v1/segment", data=data, files=files, timeout=120) as response:
            lines = response.iter_lines()
            head = json.loads(next(lines))
            assert head["expressions"] == ["a dog", "a car"]
            # It runs; one more may wait, and the next one is refused.
            other = threading.Thread(target=lambda: waiting.append(ask("a cat")))
            other.start()
            while "vlp_rvos_queue_length 1.0" not in httpx.get(f"{url}/metrics").text:
                time.sleep(0.02)
            refused = ask("a bird")
            assert (refused.status_code, int(refused.headers["Retry-After"]) >= 1) == (429, True)
            server.send_signal(signal.SIGTERM)
            rest = [json.loads(line) for line in lines]
        other.join()
        assert rest[-1] == {"done": True, "frames": 36, "truncated": None}
        assert [line["index"] for line in rest[:-1]] == list(range(36))
        assert (waiting[0].status_code, waiting[0].headers["Retry-After"]) == (503, "5")
        assert server.wait(60) == TERMINATED
        assert list(temporary.glob(".vlp-rvos-*")) == []
    finally:
        server.kill()
        server.wait()
