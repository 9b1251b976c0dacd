"""A request that is not answered, and the HTTP status and the line that say why."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """The service does not do what a request asks for.

    Args:
        status: HTTP status.
        message: what is wrong and what to do, in one line.
        retry_after: seconds after which it may work; None where the same request would fail again.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        found = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return found | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})
