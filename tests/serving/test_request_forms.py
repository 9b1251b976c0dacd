"""Forms as they come over the line: right values, and one line for each that cannot be used."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from fastapi import Request as HttpRequest
from starlette.datastructures import FormData, UploadFile

from vlp_rvos.errors import UserError
from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.serving.request_forms import Question, question_of, received_form, uploaded_video

PART = b'--x\r\nContent-Disposition: form-data; name="expression"\r\n\r\na dog\r\n'
TYPE = "multipart/form-data; boundary=x"


def receive(kind: str, *messages: dict[str, Any] | float, seconds: float = 60.0) -> list[tuple[str, Any]]:
    """The fields of a form whose messages come one after the other; a number is a wait in seconds."""
    coming = list(messages)

    async def next_message() -> dict[str, Any]:
        message = coming.pop(0)
        if isinstance(message, float):
            await asyncio.sleep(message)
        return message if isinstance(message, dict) else {"type": "http.disconnect"}

    async def read() -> list[tuple[str, Any]]:
        # Where there is an app, errors in the form become such of HTTP.
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())], "app": object()}
        async with received_form(HttpRequest(scope, next_message), seconds) as form:
            return form.multi_items()

    return asyncio.run(read())


def body(content: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


def test_a_form_may_come_in_pieces() -> None:
    whole = PART + PART + b"--x--\r\n"
    pieces = [body(whole[i : i + 7], True) for i in range(0, len(whole), 7)]
    assert receive(TYPE, *pieces, body(b"")) == [("expression", "a dog")] * 2


@pytest.mark.parametrize(
    ("kind", "messages", "status", "says"),
    [
        ("application/json", [body(b"{}")], 415, "multipart/form-data"),
        ("", [body(b"")], 415, "multipart/form-data"),
        ("multipart/form-data", [body(PART)], 400, "boundary"),
        (TYPE, [body(b"no form")], 400, "cannot be read"),
        (TYPE, [body(PART * 41 + b"--x--\r\n")], 400, "Too many fields"),
        (TYPE, [body(PART.replace(b"a dog", b"d" * 70_000) + b"--x--\r\n")], 400, "cannot be read"),
        (TYPE, [body(PART, True), {"type": "http.disconnect"}], 400, "broken off"),
        (TYPE, [body(PART, True), 60.0], 408, "too long"),
    ],
)
def test_what_is_no_form_is_refused(kind: str, messages: list[Any], status: int, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        receive(kind, *messages, seconds=0.2 if status == 408 else 60.0)
    assert refused.value.status == status


def test_a_question_has_its_values() -> None:
    assert question_of(FormData([("expression", "a dog")])) == Question(["a dog"], "ndjson", 1, None, None)
    fields = [("expression", "a dog"), ("every", "3"), ("start", "0.5"), ("end", "2"), ("output", "zip")]
    question = question_of(FormData([*fields, ("expression", "a cat")]))
    assert question == Question(["a dog", "a cat"], "zip", 3, 0.5, 2.0)
    # A form of a page sends fields that were left empty.
    assert question_of(FormData([("expression", "a dog"), ("every", ""), ("end", "")])).every == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ([], "no expression"),
        ([("expression", "a dog"), ("expression", " ")], "empty"),
        ([("expression", "d" * 501)], "500 characters"),
        ([("expression", "a dog"), ("every", "0")], "every must be"),
        ([("expression", "a dog"), ("every", "2.5")], "whole number"),
        ([("expression", "a dog"), ("every", "two")], "every is not a number"),
        ([("expression", "a dog"), ("start", "-1")], "start must be"),
        ([("expression", "a dog"), ("end", "inf")], "end is not a number"),
        ([("expression", "a dog"), ("output", "gif")], "output must be one of"),
        ([("expression", "a dog"), ("expressions", "x")], "no such field: 'expressions'"),
        ([("expression", UploadFile(io.BytesIO(b"x"), filename="x"))], "no expression"),
    ],
)
def test_values_that_cannot_be_used_are_named(fields: list[tuple[str, Any]], says: str) -> None:
    with pytest.raises(UserError, match=says):
        question_of(FormData(fields))


def test_the_video_is_a_file_with_content() -> None:
    video = UploadFile(io.BytesIO(b"x"), size=1, filename="x.mp4")
    assert uploaded_video(FormData([("video", video)])) is video
    assert uploaded_video(FormData([])) is None
    with pytest.raises(UserError, match="-F video=@FILE"):
        uploaded_video(FormData([("video", "x.mp4")]))
    with pytest.raises(UserError, match="empty"):
        uploaded_video(FormData([("video", UploadFile(io.BytesIO(), size=0, filename="x.mp4"))]))
