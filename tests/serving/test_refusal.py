"""A refusal says what is wrong, and whether it is worth to try again."""

from __future__ import annotations

import pytest

from vlp_rvos.serving.refusal import Refusal


@pytest.mark.parametrize(
    ("status", "retry_after", "headers"),
    [
        (400, None, {}),
        (401, None, {"WWW-Authenticate": "Bearer"}),
        (429, 5, {"Retry-After": "5"}),
        (503, 0, {"Retry-After": "0"}),
    ],
)
def test_headers(status: int, retry_after: int | None, headers: dict[str, str]) -> None:
    refusal = Refusal(status, "what to do", retry_after)
    assert refusal.headers == headers
    assert (str(refusal), refusal.message, refusal.status) == ("what to do", "what to do", status)
