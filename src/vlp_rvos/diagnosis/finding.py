"""One result of a diagnosis: a line of text, and the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Finding", "Status"]

#: "ok"; "gap": something is missing that the main job can do without; "failure": the main job cannot run.
Status = Literal["ok", "gap", "failure"]


@dataclass(frozen=True)
class Finding:
    """One result of a diagnosis.

    Attributes:
        topic: what was looked at.
        text: what was found, in a line.
        status: how good that is.
        advice: what to do about it, in a line; None where nothing needs to be done.
        data: the same in numbers and names, as JSON can hold it.
    """

    topic: str
    text: str
    status: Status = "ok"
    advice: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
