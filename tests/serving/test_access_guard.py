"""Nothing of a request that is refused is read, and every answer bears the request's name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from service_clients import TOKEN

from vlp_rvos.serving.access_guard import FORM_BYTES, AccessGuard
from vlp_rvos.serving.refusal import Refusal

Header = tuple[bytes, bytes]
HOST = (b"host", b"127.0.0.1:8000")


async def read_everything(scope: Any, receive: Any, send: Any) -> None:
    """An app that reads a request to its end."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["request_id"].encode()})


def ask(
    *headers: Header, token: str | None = None, path: str = "/metrics", kind: str = "http", body: int = 0
) -> tuple[list[Any], int]:
    """What the guard sends, and how many messages it has taken."""
    sent, taken = [], 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": f"{kind}.request", "body": bytes(body), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def nothing() -> None:
        pass

    guard = AccessGuard(read_everything, token, max_bytes=1000, on_start=nothing)
    asyncio.run(guard({"type": kind, "path": path, "headers": list(headers)}, receive, send))
    return sent, taken


def bearer(text: str) -> Header:
    return b"authorization", text.encode("latin-1")


@pytest.mark.parametrize(
    "given",
    ["", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer", "Bearer \xe9\xff"],
)
def test_other_tokens_are_refused_before_anything_is_read(given: str) -> None:
    sent, taken = ask(bearer(given), token=TOKEN)
    assert (sent[0]["status"], taken) == (401, 0)
    assert TOKEN.encode() not in sent[1]["body"]


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer   {TOKEN} "])
def test_the_token_lets_in_from_anywhere(given: str) -> None:
    sent, _ = ask(bearer(given), (b"host", b"example.org"), token=TOKEN)
    assert sent[0]["status"] == 200


def test_only_the_open_paths_need_no_token() -> None:
    for path, status in (("/health", 200), ("/ready", 200), ("/health/", 401), ("/", 401), ("/info", 401)):
        assert ask(token=TOKEN, path=path)[0][0]["status"] == status, path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([HOST], 200),
        ([(b"host", b"[::1]:8000")], 200),
        ([(b"host", b"localhost")], 200),
        ([HOST, (b"origin", b"http://127.0.0.1:8000")], 200),
        ([HOST, (b"origin", b"http://127.0.0.1:9000")], 403),
        ([HOST, (b"origin", b"null")], 403),
        ([(b"host", b"127.0.0.1.example.org")], 403),
        ([(b"host", b"user@example.org")], 403),
        ([(b"host", b"[")], 403),
        ([], 403),
    ],
)
def test_without_a_token_only_this_machine_is_served(headers: list[Header], status: int) -> None:
    assert ask(*headers)[0][0]["status"] == status


@pytest.mark.parametrize("length", ["x", "-1", "1e3", "\xb2", str(1000 + FORM_BYTES + 1), "9" * 5000])
def test_lengths_that_are_too_large_or_none_are_refused_unread(length: str) -> None:
    sent, taken = ask(HOST, (b"content-length", length.encode("latin-1")))
    assert (sent[0]["status"], taken) == (413, 0)


def test_what_is_sent_is_counted_whatever_length_is_announced() -> None:
    largest = 1000 + FORM_BYTES
    assert ask(HOST, (b"content-length", str(largest).encode()), body=largest)[0][0]["status"] == 200
    with pytest.raises(Refusal) as refused:
        ask(HOST, (b"content-length", b"5"), body=largest + 1)
    assert refused.value.status == 413


def test_answers_bear_the_name_of_their_request() -> None:
    names = set()
    for sent, _ in (ask(HOST), ask(HOST)):
        named = dict(sent[0]["headers"])[b"x-request-id"]
        assert named == sent[1]["body"]
        names.add(named)
    assert len(names) == 2


def test_a_websocket_without_the_token_is_closed() -> None:
    (closing,), _ = ask(kind="websocket", token=TOKEN, path="/v1/stream")
    assert (closing["type"], closing["code"]) == ("websocket.close", 1008)
