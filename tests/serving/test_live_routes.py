"""Live sources over a WebSocket: an answer for every frame in its order, and one clear line for errors."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clips import noise
from fastapi.testclient import TestClient
from PIL import Image as PillowImage
from service_clients import guarded, make_service
from starlette.websockets import WebSocketDisconnect

from vlp_rvos.serving import segmentation_service
from vlp_rvos.serving.live_routes import BAD_DATA, TRY_LATER

# The name that the client gives a server of its own is not one of this machine.
HOST = {"Host": "127.0.0.1"}


def png(image: object) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(image).save(file, "PNG")  # type: ignore[arg-type]
    return file.getvalue()


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, which other threads bring about."""
    last = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < last, "it takes too long"
        time.sleep(0.01)


def test_every_frame_gets_its_masks(tmp_path: Path) -> None:
    app, _, engine = make_service(tmp_path / "service", frames_in_flight=2)
    pictures = noise(5)
    stream = engine.worker.segmenter.start(["a dog"], fps=10)
    expected = [result for first in (0, 2, 4) for result in stream.step(pictures[first : first + 2])]
    with (
        TestClient(guarded(app)) as client,
        client.websocket_connect("/v1/stream?expression=a dog&fps=10&clip=2", headers=HOST) as socket,
    ):
        for picture in pictures:
            socket.send_bytes(png(picture))
        socket.send_text("end")
        answers = [json.loads(socket.receive_text()) for _ in pictures]
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 1000
    assert [answer["time"] for answer in answers] == [0.0, 0.1, 0.2, 0.3, 0.4]
    for answer, result in zip(answers, expected, strict=True):
        assert answer["objects"][0]["score"] == pytest.approx(float(result.scores[0]), abs=1e-5)
    assert list((tmp_path / "service" / "requests").iterdir()) == []


@pytest.mark.parametrize(
    ("query", "message", "status"),
    [
        ("", b"", 400),
        ("expression=a dog&clip=0.5", b"", 400),
        ("expression=a dog&fps=x", b"", 400),
        ("expression=a dog", b"no picture", 400),
        ("expression=a dog", "no end", 400),
        ("expression=a dog", bytes(9 * 1024 * 1024), 413),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, query: str, message: bytes | str, status: int) -> None:
    app, service, _ = make_service(tmp_path / "service")
    with (
        TestClient(guarded(app)) as client,
        client.websocket_connect(f"/v1/stream?{query}", headers=HOST) as socket,
    ):
        if message:
            socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message)
        answer = json.loads(socket.receive_text())
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert answer["status"] == status
    assert closed.value.code == BAD_DATA
    assert service.room.running == service.room.waiting == 0


def test_a_source_gets_its_last_masks_when_the_service_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation_service, "LAST_LINES", 0.1)
    app, service, engine = make_service(tmp_path / "service")
    engine.gate = asyncio.Event()
    ended: list[str] = []
    with (
        TestClient(guarded(app)) as client,
        client.websocket_connect("/v1/stream?expression=a dog", headers=HOST) as socket,
    ):
        for picture in noise(3):
            socket.send_bytes(png(picture))
        until(lambda: len(list((tmp_path / "service" / "requests").glob("*/frame-*"))) == 3)
        assert client.portal is not None
        client.portal.call(service.stop, lambda: ended.append("ended"))
        assert ended == []
        client.portal.call(engine.gate.set)
        *answers, last = (json.loads(socket.receive_text()) for _ in range(4))
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        until(lambda: ended == ["ended"])
    assert [answer["index"] for answer in answers] == [0, 1, 2]
    assert (last["error"], last["status"], last["retry_after"]) == ("the service is stopping; ask again", 503, 5)
    assert (closed.value.code, closed.value.reason) == (TRY_LATER, last["error"])
    assert service.room.is_empty


def test_a_source_whose_masks_do_not_come_in_time_is_told_so(tmp_path: Path) -> None:
    app, service, engine = make_service(tmp_path / "service", grace=0.1)
    engine.gate = asyncio.Event()
    with (
        TestClient(guarded(app)) as client,
        client.websocket_connect("/v1/stream?expression=a dog", headers=HOST) as socket,
    ):
        until(lambda: engine.tasks != [])
        assert client.portal is not None
        client.portal.call(service.stop, lambda: None)
        assert json.loads(socket.receive_text())["error"] == "the service has stopped; ask again"
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        client.portal.call(engine.gate.set)
    assert closed.value.code == TRY_LATER


def test_a_full_service_sends_live_sources_away(tmp_path: Path) -> None:
    app, service, _ = make_service(tmp_path / "service", queue=0)
    service.room.enter("other", "ndjson")
    with (
        TestClient(guarded(app)) as client,
        client.websocket_connect("/v1/stream?expression=a dog", headers=HOST) as socket,
    ):
        answer = json.loads(socket.receive_text())
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert answer["status"] == 429
    assert answer["retry_after"] >= 1
    assert closed.value.code == TRY_LATER
