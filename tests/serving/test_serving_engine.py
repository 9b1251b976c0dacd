"""The real command: a worker process, overload, SIGTERM during a request, and SIGKILL."""

from __future__ import annotations

import io
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
import numpy as np
import pytest
from PIL import Image as PillowImage
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from vlp_rvos import FrameResult, read_masks
from vlp_rvos.cli.app import main
from vlp_rvos.errors import TERMINATED, UserError
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.media.rle import decode_mask
from vlp_rvos.serving import serving_engine
from vlp_rvos.serving.live_routes import TRY_LATER
from vlp_rvos.serving.service_options import ServiceOptions


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


EXAMPLES = Path(__file__).parents[2] / "examples"
#: Seconds after which something that does not come fails the test.
PATIENCE = 90.0
#: fp32, because the masks of two processes are compared, and bf16 rounds differently where frames come one by one
SETTINGS = ("--size", "64", "--precision", "fp32")


@pytest.fixture
def long_name(tmp_path: Path) -> Path:
    """A name for the temporary folder that is longer than a path of a socket may be."""
    return tmp_path / ("x" * 120)


def until(condition: Callable[[], bool], server: subprocess.Popen[bytes]) -> None:
    """Wait until a condition holds; the service must live as long."""
    last = time.monotonic() + PATIENCE
    while not condition():
        assert server.poll() is None, "the service has ended"
        assert time.monotonic() < last, "it takes too long"
        time.sleep(0.3)


@contextmanager
def running_service(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The real command and its address, when it takes requests; all its files lie in `folder`."""
    folder.mkdir()
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "vlp_rvos", "serve", "--port", url.rpartition(":")[2], *SETTINGS, *options]
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


def segmented_alone(video: Path, words: list[str], out: Path) -> list[FrameResult]:
    """The right answer, from the command `segment`."""
    expressions = [option for text in words for option in ("--expression", text)]
    assert main(["segment", str(video), *expressions, "-o", str(out), *SETTINGS]) == 0
    return list(read_masks(out / "masks.json"))


@pytest.mark.slow
def test_overload_and_sigterm_while_a_request_runs(tmp_path: Path, long_name: Path) -> None:
    video, words = EXAMPLES / "cat.mp4", ["the cat", "the eye", "the person on the left"]
    content, right = video.read_bytes(), segmented_alone(video, words, tmp_path / "alone")
    assert all(frame.masks.any() for frame in right)  # masks that are empty would say little
    waiting: list[httpx.Response] = []

    with running_service(long_name, "--queue", "2", "--grace", "60") as (server, url):

        def ask(*expressions: str, every: int = 1) -> httpx.Response:
            data = {"expression": list(expressions), "every": str(every)}
            files = {"video": (video.name, content)}
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
    assert last == {"done": True, "frames": len(right), "truncated": None}
    assert [frame["index"] for frame in frames] == [frame.index for frame in right]
    for frame, expected in zip(frames, right, strict=True):
        masks = [decode_mask(each["segmentation"]) for each in frame["objects"]]
        # The service embeds frames one by one, and `segment` several at once on one thread, which rounds differently.
        assert np.mean(masks != expected.masks) < 0.001
    assert list(long_name.glob(".vlp-rvos-*")) == []


@pytest.mark.slow
def test_a_live_source_gets_its_masks_and_a_clear_end_on_sigterm(long_name: Path) -> None:
    picture = io.BytesIO()
    PillowImage.new("RGB", (96, 64), "red").save(picture, "PNG")
    with (
        running_service(long_name, "--grace", "60") as (server, url),
        connect(f"ws{url.removeprefix('http')}/v1/stream?expression=a+dog") as live,
    ):
        for _ in range(3):
            live.send(picture.getvalue())
        messages = [live.recv(PATIENCE)]
        server.send_signal(signal.SIGTERM)
        messages += [live.recv(PATIENCE) for _ in range(3)]
        with pytest.raises(ConnectionClosed) as closed:
            live.recv(PATIENCE)
        assert server.wait(PATIENCE) == TERMINATED
    *answers, last = map(json.loads, messages)
    assert [answer["index"] for answer in answers] == [0, 1, 2]
    assert (last["error"], last["status"]) == ("the service is stopping; ask again", 503)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (TRY_LATER, last["error"])


@pytest.mark.slow
def test_no_process_outlives_a_service_that_is_killed(long_name: Path) -> None:
    with running_service(long_name) as (server, url):
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


def test_a_port_that_is_taken_in_between_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What that registers would stay in this process.
    monkeypatch.setattr(serving_engine, "end_forks_with_parent", lambda: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address: dict[str, Any] = {"host": "127.0.0.1", "port": taken.getsockname()[1]}
        with pytest.raises(UserError, match=r"cannot listen at 127\.0\.0\.1, port \d+ "):
            serving_engine.run_service(
                "mini", InferenceOptions(), ServiceOptions(), **address, token=None, folder=tmp_path
            )
