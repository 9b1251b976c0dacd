"""Live sources over a WebSocket: an answer for every frame in its order, and one clear line for errors."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from clips import noise
from fastapi.testclient import TestClient
from PIL import Image as PillowImage
from service_clients import guarded, make_service
from starlette.websockets import WebSocketDisconnect

from vlp_rvos.serving.live_routes import BAD_DATA, TRY_LATER

# The name that the client gives a server of its own is not one of this machine.
HOST = {"Host": "127.0.0.1"}


def png(image: object) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(image).save(file, "PNG")  # type: ignore[arg-type]
    return file.getvalue()


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
