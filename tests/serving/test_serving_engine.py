"""The real command: a worker process, overload, SIGTERM during a request, and SIGKILL."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from clips import noise, write_video
from websockets.sync.client import connect

from vlp_rvos import FrameResult, read_masks
from vlp_rvos.cli.app import main
from vlp_rvos.errors import TERMINATED
from vlp_rvos.media.rle import decode_mask


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


#: Seconds after which something that does not come fails the test.
PATIENCE = 90.0


def until(condition: Callable[[], bool], server: subprocess.Popen[bytes]) -> None:
    """Wait until a condition holds; the service must live as long."""
    last = time.monotonic() + PATIENCE
    while not condition():
        assert server.poll() is None, "the service has ended"
        assert time.monotonic() < last, "it takes too long"
        time.sleep(0.05)


@contextmanager
def running_service(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The real command and its address, when it takes requests; all its files lie in `folder`."""
    folder.mkdir()
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "vlp_rvos", "serve", "--port", url.rpartition(":")[2], "--size", "64", *options]
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    server = subprocess.Popen(command, env=environment)

    def is_ready() -> bool:
        try:
            return httpx.get(f"{url}/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(is_ready, server)
        yield server, url
    finally:
        server.kill()
        server.wait()


def segmented_alone(video: Path, words: list[str]) -> list[dict[str, Any]]:
    """The right lines, from the command `segment`, without the names of frames."""
    out = video.parent / "alone"
    command = ["segment", str(video), *words, "-o", str(out), "--size", "64"]
    assert main(command) == 0
    return [vars_of(frame) for frame in read_masks(next(out.rglob("masks.json")))]


def vars_of(frame: FrameResult) -> dict[str, Any]:
    return {"index": frame.index, "masks": frame.masks.tolist()}


@pytest.mark.slow
def test_overload_and_sigterm_while_a_request_runs(tmp_path: Path) -> None:
    video = write_video(tmp_path / "dog.mp4", noise(60))
    content, words = video.read_bytes(), ["a dog", "a car", "the person on the left"]
    waiting: list[httpx.Response] = []

    with running_service(tmp_path / "tmp", "--queue", "2", "--grace", "60") as (server, url):

        def ask(*expressions: str, every: int = 1) -> httpx.Response:
            data = {"expression": list(expressions), "every": str(every)}
            files = {"video": ("dog.mp4", content)}
            return httpx.post(f"{url}/v1/segment", data=data, files=files, timeout=PATIENCE)

        def queue_has(length: int) -> Callable[[], bool]:
            return lambda: f"vlp_rvos_queue_length {length}.0" in httpx.get(f"{url}/metrics", timeout=30).text

        # A live source that sends nothing holds the only worker, for as long as the test wants.
        with connect(f"ws{url.removeprefix('http')}/v1/stream?expression=a+dog") as live:
            until(lambda: "vlp_rvos_running 1.0" in httpx.get(f"{url}/metrics", timeout=30).text, server)
            running = threading.Thread(target=lambda: waiting.append(ask(*words)))
            running.start()
            until(queue_has(1), server)
            other = threading.Thread(target=lambda: waiting.append(ask("a cat", every=2)))
            other.start()
            until(queue_has(2), server)
            refused = ask("a bird")
            assert (refused.status_code, int(refused.headers["Retry-After"]) >= 1) == (429, True)
            live.send("end")
        # The first one in the queue runs now, and the other one waits.
        until(queue_has(1), server)
        server.send_signal(signal.SIGTERM)
        other.join()
        running.join()
        assert server.wait(PATIENCE) == TERMINATED
    handed_back, answered = waiting
    assert (handed_back.status_code, handed_back.headers["Retry-After"]) == (503, "5")
    assert answered.status_code == 200
    _, *frames, last = [json.loads(line) for line in answered.text.splitlines()]
    assert last == {"done": True, "frames": 60, "truncated": None}
    found = [
        {"index": frame["index"], "masks": [decode_mask(each["segmentation"]).tolist() for each in frame["objects"]]}
        for frame in frames
    ]
    assert found == segmented_alone(video, words)
    assert list((tmp_path / "tmp").glob(".vlp-rvos-*")) == []


@pytest.mark.slow
def test_no_process_outlives_a_service_that_is_killed(tmp_path: Path) -> None:
    with running_service(tmp_path / "tmp") as (server, url):
        port = int(url.rpartition(":")[2])
        server.kill()
        server.wait()
        last = time.monotonic() + PATIENCE
        while is_taken(port):
            assert time.monotonic() < last, "something still listens"
            time.sleep(0.1)


def is_taken(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
