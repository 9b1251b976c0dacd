"""Requests about whole videos: right answers for everybody, one clear line for bad input, nothing left on disk."""

from __future__ import annotations

import asyncio
import contextlib
import io
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from clips import noise, write_video
from service_clients import TOKEN, guarded, lines_of, make_service
from starlette.requests import ClientDisconnect

from vlp_rvos.media.rle import decode_mask
from vlp_rvos.media.video_reader import open_video


def client_of(app: object) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "dog.mp4", noise(5))


def test_lines_hold_what_the_model_says(tmp_path: Path, video: Path) -> None:
    app, _, engine = make_service(tmp_path / "service")

    async def ask() -> httpx.Response:
        async with client_of(guarded(app)) as client:
            data = {"expression": ["a dog", "a red car"]}
            return await client.post("/v1/segment", data=data, files={"video": video.open("rb")})

    response = asyncio.run(ask())
    assert response.status_code == 200
    head, *frames, last = lines_of(response.text)
    assert head["request_id"] == response.headers["X-Request-ID"]
    assert head["video"] == {"name": "dog.mp4", "width": 64, "height": 48, "fps": 10.0}
    assert last == {"done": True, "frames": 5, "truncated": None}
    expected = list(engine.worker.segmenter.segment(video, ["a dog", "a red car"], images=False))
    assert [frame["index"] for frame in frames] == [0, 1, 2, 3, 4]
    assert any(result.masks.any() for result in expected)
    for frame, result in zip(frames, expected, strict=True):
        masks = [decode_mask(each["segmentation"]) for each in frame["objects"]]
        assert np.array_equal(masks, result.masks)
        assert [each["score"] for each in frame["objects"]] == pytest.approx(result.scores.tolist(), abs=1e-5)
    assert files_in(tmp_path / "service") == []


def test_clients_that_ask_at_once_get_their_own_answers(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / f"{i}.mp4", noise(4 + i)) for i in range(2)]
    questions = [(video, words) for video in videos for words in ("a dog", "a red car", "the person on the left")]
    app, service, engine = make_service(tmp_path / "service", queue=20)
    guarded(app)

    async def ask(client: httpx.AsyncClient, video: Path, words: str) -> list[dict[str, object]]:
        files = {"video": (video.name, video.read_bytes())}
        response = await client.post("/v1/segment", data={"expression": words}, files=files)
        head, *rest = lines_of(response.text)
        assert head["expressions"] == [words]
        return rest

    async def all_at_once() -> tuple[list[object], list[object]]:
        async with client_of(app) as client:
            alone = [await ask(client, *question) for question in questions]
            engine.tasks.clear()
            together = await asyncio.gather(*(ask(client, *question) for question in questions * 3))
        return alone, together

    alone, together = asyncio.run(all_at_once())
    assert len({str(answer) for answer in alone}) == len(questions)
    assert together == alone * 3
    # Some were read together, or this would not test that.
    assert len(engine.tasks) < len(together)
    assert any(len(task.requests) > 1 for task in engine.tasks)
    assert files_in(tmp_path / "service") == []
    assert "vlp_rvos_frames_total 108.0" in service.metrics.text().decode()


def test_an_uploaded_video_can_be_asked_about_again(tmp_path: Path, video: Path) -> None:
    app, _, _ = make_service(tmp_path / "service")

    async def ask() -> None:
        async with client_of(guarded(app)) as client:
            uploaded = await client.post("/v1/videos", files={"video": video.open("rb")})
            assert uploaded.status_code == 201
            video_id = uploaded.json()["video_id"]
            for words in ("a dog", "a car"):
                data = {"expression": words, "video_id": video_id, "every": "2"}
                answer = await client.post("/v1/segment", data=data, files={"x": b""})
                assert answer.status_code == 400
                multipart = [(name, (None, text)) for name, text in data.items()]
                answer = await client.post("/v1/segment", files=multipart)
                assert [line["index"] for line in lines_of(answer.text)[1:-1]] == [0, 2, 4]
            assert len(files_in(tmp_path / "service")) == 1
            assert (await client.delete(f"/v1/videos/{video_id}")).status_code == 204
            answer = await client.post("/v1/segment", files=multipart)
            assert answer.status_code == 404

    asyncio.run(ask())
    assert files_in(tmp_path / "service") == []


def test_files_at_the_end(tmp_path: Path, video: Path) -> None:
    app, _, _ = make_service(tmp_path / "service")
    guarded(app)

    async def ask(output: str) -> httpx.Response:
        async with client_of(app) as client:
            data = {"expression": "a dog", "output": output}
            return await client.post("/v1/segment", data=data, files={"video": video.open("rb")})

    with zipfile.ZipFile(io.BytesIO(asyncio.run(ask("zip")).content)) as archive:
        assert archive.namelist() == ["overlay.mp4", "masks.json", *(f"masks/{i:05d}.png" for i in range(5))]
        assert b'"name": "dog.mp4"' in archive.read("masks.json")
    response = asyncio.run(ask("overlay"))
    assert response.headers["Content-Type"] == "video/mp4"
    (tmp_path / "overlay.mp4").write_bytes(response.content)
    assert len(list(open_video(tmp_path / "overlay.mp4"))) == 5
    assert files_in(tmp_path / "service") == []


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("fields", "content", "status", "says"),
    [
        ({}, b"x", 400, "no expression"),
        ({"expression": " "}, b"x", 400, "empty"),
        ({"expression": "a dog"}, b"", 400, "empty"),
        ({"expression": "a dog"}, b"no video", 400, "dog.mp4 cannot be read"),
        ({"expression": "a dog"}, PLAYLIST, 400, "dog.mp4 cannot be read"),
        ({"expression": "a dog", "output": "gif"}, b"x", 400, "output must be one of"),
        ({"expression": "a dog", "every": "0"}, b"x", 400, "every must be"),
        ({"expression": "a dog", "every": "1.5"}, b"x", 400, "whole number"),
        ({"expression": "a dog", "start": "nan"}, b"x", 400, "start is not a number"),
        ({"expression": "a dog", "speed": "2"}, b"x", 400, "no such field: 'speed'"),
        ({"expression": "a dog", "video_id": "x"}, b"x", 400, "either"),
        ({"expression": ["a dog"] * 33}, b"x", 400, "at most 32"),
        ({"expression": "a dog", "start": "99"}, None, 400, "no frame"),
        ({"expression": "a dog"}, bytes(4 * 10**6), 413, "larger than 1 MB"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, video: Path, fields: dict[str, str], content: bytes | None, status: int, says: str
) -> None:
    app, service, _ = make_service(tmp_path / "service")

    async def ask() -> httpx.Response:
        async with client_of(guarded(app)) as client:
            files = {"video": ("dog.mp4", video.read_bytes() if content is None else content)}
            return await client.post("/v1/segment", data=fields, files=files)

    response = asyncio.run(ask())
    assert (response.status_code, response.text.count("\n")) == (status, 1)
    assert says in response.json()["error"]
    assert str(tmp_path) not in response.text
    assert files_in(tmp_path / "service") == []
    assert service.room.running == service.room.waiting == 0


def test_an_upload_without_a_length_is_counted(tmp_path: Path) -> None:
    app, _, _ = make_service(tmp_path / "service")

    async def blocks():  # type: ignore[no-untyped-def]
        yield b'--x\r\nContent-Disposition: form-data; name="video"; filename="dog.mp4"\r\n\r\n'
        for _ in range(40):
            yield bytes(10**5)

    async def ask() -> httpx.Response:
        async with client_of(guarded(app)) as client:
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
            return await client.post("/v1/segment", content=blocks(), headers=headers)

    assert asyncio.run(ask()).status_code == 413


def test_videos_that_are_too_long_are_refused(tmp_path: Path, video: Path) -> None:
    app, _, _ = make_service(tmp_path / "service", max_seconds=0.3)
    guarded(app)

    async def ask(**fields: str) -> httpx.Response:
        async with client_of(app) as client:
            files = {"video": video.open("rb")}
            return await client.post("/v1/segment", data={"expression": "a dog", **fields}, files=files)

    assert asyncio.run(ask()).status_code == 413
    assert asyncio.run(ask(start="0.2", end="0.4")).status_code == 200


def test_a_full_service_says_when_to_come_back(tmp_path: Path, video: Path) -> None:
    app, service, engine = make_service(tmp_path / "service", queue=1)

    async def ask() -> list[httpx.Response]:
        engine.gate = asyncio.Event()
        async with client_of(guarded(app)) as client:

            async def one(words: str) -> httpx.Response:
                files = {"video": (f"{words}.mp4", video.read_bytes())}
                return await client.post("/v1/segment", data={"expression": words, "start": "0"}, files=files)

            asked = [asyncio.create_task(one(f"dog {i}")) for i in range(4)]
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert next(iter(done)).result().status_code == 429
            # A request is turned away at once; those that were let in are still being uploaded then.
            while not service.room.running:
                await asyncio.sleep(0.01)
            metrics = (await client.get("/metrics")).text
            engine.gate.set()
            assert "vlp_rvos_running 1.0" in metrics
            return list(await asyncio.gather(*asked))

    responses = asyncio.run(ask())
    assert sorted(response.status_code for response in responses) == [200, 200, 429, 429]
    refused = [response for response in responses if response.status_code == 429]
    assert all(int(response.headers["Retry-After"]) >= 1 for response in refused)
    assert "vlp_rvos_shed_total 2.0" in service.metrics.text().decode()


def test_waiting_requests_are_handed_back_when_the_service_stops(tmp_path: Path, video: Path) -> None:
    app, service, engine = make_service(tmp_path / "service")

    async def ask() -> list[httpx.Response]:
        engine.gate = asyncio.Event()
        async with client_of(guarded(app)) as client:

            async def one(words: str, start: str) -> httpx.Response:
                data = {"expression": words, "start": start}
                return await client.post("/v1/segment", data=data, files={"video": ("dog.mp4", video.read_bytes())})

            running = asyncio.create_task(one("a dog", "0"))
            while not engine.tasks:
                await asyncio.sleep(0.01)
            waiting = asyncio.create_task(one("a car", "0.1"))
            while not service.room.waiting:
                await asyncio.sleep(0.01)
            service.stop(lambda: None)
            handed_back = await waiting
            late = await one("a cat", "0")
            engine.gate.set()
            return [await running, handed_back, late]

    running, handed_back, late = asyncio.run(ask())
    assert running.status_code == 200
    assert lines_of(running.text)[-1]["done"] is True
    assert handed_back.status_code == late.status_code == 503
    assert handed_back.headers["Retry-After"] == late.headers["Retry-After"] == "5"


@pytest.mark.parametrize("version", ["2.3", "2.4"])
def test_who_leaves_before_the_first_line_makes_room(tmp_path: Path, video: Path, version: str) -> None:
    """Web servers tell it in two ways: by a message, and since version 2.4 of ASGI by an error of `send`."""
    app, service, _ = make_service(tmp_path / "service", queue=0)
    body = httpx.Request(
        "POST", "http://x", data={"expression": "a dog"}, files={"video": ("dog.mp4", video.read_bytes())}
    )
    messages = [{"type": "http.request", "body": body.read()}]
    headers = [(b"content-type", body.headers["Content-Type"].encode()), (b"host", b"127.0.0.1")]
    scope = {"type": "http", "method": "POST", "path": "/v1/segment", "query_string": b"", "headers": headers}
    scope |= {"http_version": "1.1", "asgi": {"version": "3.0", "spec_version": version}}
    sent: list[str] = []

    async def receive() -> dict[str, object]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(str(message["type"]))
        if version == "2.4":
            raise OSError("the client has left")
        await asyncio.sleep(0.1)

    async def ask() -> None:
        with contextlib.suppress(ClientDisconnect):
            await guarded(app)(scope, receive, send)  # type: ignore[arg-type]
        assert sent in ([], ["http.response.start"])
        service.room.leave(service.room.enter("next", "ndjson"))

    asyncio.run(ask())
    assert files_in(tmp_path / "service") == []
    assert list((tmp_path / "service" / "requests").iterdir()) == []


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    app, _, _ = make_service(tmp_path / "service")

    async def ask() -> None:
        async with client_of(guarded(app, token=TOKEN)) as client:
            for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}):
                response = await client.get("/metrics", headers=headers)
                assert response.status_code == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
            assert (await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
            assert (await client.get("/health")).status_code == 200

    asyncio.run(ask())


def test_without_a_token_pages_of_other_sites_are_refused(tmp_path: Path) -> None:
    app, _, _ = make_service(tmp_path / "service")

    async def ask() -> None:
        async with client_of(guarded(app)) as client:
            assert (await client.get("/metrics")).status_code == 200
            assert (await client.get("/metrics", headers={"Origin": "http://127.0.0.1"})).status_code == 200
            assert (await client.get("/metrics", headers={"Origin": "https://example.org"})).status_code == 403
            assert (await client.get("/metrics", headers={"Host": "example.org"})).status_code == 403

    asyncio.run(ask())


def test_the_interface_is_described_with_examples(tmp_path: Path) -> None:
    app, _, _ = make_service(tmp_path / "service")
    operation = app.openapi()["paths"]["/v1/segment"]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert form["expression"]["example"] == ["the polar bear", "the rock"]
    assert "done" in operation["responses"]["200"]["content"]["application/x-ndjson"]["example"]
    assert {"400", "401", "413", "429", "503"} <= set(operation["responses"])
