"""What one video of a batch asks for, and the names that its results have."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from vlp_rvos.utils.json_text import json_text
from vlp_rvos.utils.records import record_from

__all__ = ["WantedExpression", "WorkItem", "content_hash"]

#: Letters of a hash that are kept: two of a million items share one with a probability of 3e-8.
HASH_LETTERS = 16
#: Letters of a video's name that its results keep.
NAME_LETTERS = 40


@dataclass(frozen=True)
class WantedExpression:
    """One expression to find in a video.

    Attributes:
        id: name of the expression, which no other one of the video has.
        text: what to find.
    """

    id: str
    text: str


@dataclass(frozen=True)
class WorkItem:
    """One video, or a part of it in time, and all expressions to find there. They share its frames.

    Attributes:
        video_uri: the video as the manifest names it; results repeat it.
        location: an absolute path, or a URL of an object store.
        expressions: what to find.
        start: time in seconds of the first frame to take; None for the start of the video.
        end: time in seconds before which the last frame is taken; None for the end of the video.
        fps: frame rate of a folder of frames; None for the usual one.
    """

    video_uri: str
    location: str
    expressions: tuple[WantedExpression, ...]
    start: float | None = None
    end: float | None = None
    fps: float | None = None

    @property
    def key(self) -> str:
        """Name of the video's results, safe as the name of a file: equal for equal videos, starts, ends and rates."""
        name = self.location.rstrip("/").rpartition("/")[2].rpartition(".")[0] or "video"
        readable = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:NAME_LETTERS].strip("_") or "video"
        return f"{readable}-{content_hash([self.location, self.start, self.end, self.fps])}"

    def digest(self, settings: str) -> str:
        """Hash of everything that the results depend on but the pixels.

        Args:
            settings: the digest of `BatchSettings`.
        """
        return content_hash([asdict(self), settings])

    def to_json(self) -> str:
        """One line of JSON, for `from_json`."""
        return json_text(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The item that `to_json` wrote."""
        return record_from(cls, json.loads(text), "work item")

    def describe(self) -> dict[str, Any]:
        """What a report says of the item."""
        selection: Mapping[str, float | None] = {"start": self.start, "end": self.end, "fps": self.fps}
        return {"video_uri": self.video_uri} | {name: value for name, value in selection.items() if value is not None}


def content_hash(content: Any) -> str:
    """A short hash of JSON values."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LETTERS]
